//! The section `[Service]` of a unit file.

use std::path::Path;

use childminder::Signal;

use super::draft::{self, Draft, list, shell, table, text};
use super::ini::{Setting, Unit};
use crate::values::duration;

/// The beginnings of keys that limit what a service may do or use.
const SANDBOX: &[&str] = &[
    "Protect",
    "Private",
    "Restrict",
    "SystemCall",
    "Capability",
    "Ambient",
    "ReadOnly",
    "ReadWrite",
    "Inaccessible",
    "NoNewPrivileges",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "DynamicUser",
    "RemoveIPC",
    "Bind",
    "RootDirectory",
    "IPAddress",
    "Device",
    "Proc",
    "Temporary",
    "Keyring",
];

/// The characters after `%` that [`specifiers`] replaces.
const KNOWN_SPECIFIERS: &str = "%iInNpPtSCL";

/// The beginnings of keys of control groups.
const RESOURCES: &[&str] = &["Memory", "CPU", "Tasks", "IOWeight", "IORead", "IOWrite", "Slice", "Delegate"];

/// Reads the section into a process.
pub(super) fn read(unit: &Unit, draft: &mut Draft) {
    draft.set("command", text("false"));
    // As without KillMode=.
    draft.set("stop-to", text("group"));
    policy(unit, draft);
    command(unit, draft);
    let mut variables = Vec::new();
    let mut limits = Vec::new();
    let mut log = None;
    for setting in unit.settings("Service") {
        let (key, value) = (&*setting.key, &*setting.value);
        match key {
            "Environment" => {
                // A message has no values, which may be secrets.
                let Ok(words) = shell_words::split(value) else {
                    draft.note(&setting.place, "Environment= cannot be read: a quote is not closed");
                    continue;
                };
                for word in &words {
                    match word.split_once('=') {
                        Some((name, value)) => variables.push((name.to_owned(), specifiers(unit, value))),
                        None => draft.note(&setting.place, "Environment=: a word is no NAME=VALUE"),
                    }
                }
                note_specifiers(draft, setting);
            }
            "StandardOutput" | "StandardError" => {
                let file = value.strip_prefix("append:").or_else(|| value.strip_prefix("file:"));
                match (file, value) {
                    (Some(file), _) if log.as_deref().is_none_or(|log| log == file) => {
                        log = Some(file.to_owned())
                    }
                    (None, "journal" | "inherit" | "journal+console") => {}
                    _ => draft.note(&setting.place, format!("{key}={value}")),
                }
            }
            _ if key.starts_with("Limit") => match limit(key, value) {
                Some(limit) => limits.push(limit),
                None => draft.note(&setting.place, format!("{key}={value} cannot be set")),
            },
            _ => one(unit, draft, setting),
        }
    }
    if !variables.is_empty() {
        draft.set("env", draft::variables(&variables));
    }
    if !limits.is_empty() {
        draft.set("limits", table(&limits));
    }
    if let Some(log) = log {
        draft.set("log", text(&log));
    }
}

/// Carries one setting over.
fn one(unit: &Unit, draft: &mut Draft, setting: &Setting) {
    let (key, value, place) = (&*setting.key, &*setting.value, &setting.place);
    let is_true = ["yes", "true", "on", "1"].contains(&value);
    match key {
        // `policy` and `command` read them.
        "ExecStart" | "Type" | "Restart" | "RestartSec" | "RestartSteps" | "RestartMaxDelaySec"
        | "SuccessExitStatus" => {}
        "NotifyAccess" if ["main", "all", "exec"].contains(&value) => {}
        "SyslogIdentifier" => {
            draft.note(place, "SyslogIdentifier=: lines begin with the name of the process")
        }
        "User" => draft.set("user", text(value)),
        "Group" => draft.set("group", text(value)),
        "WorkingDirectory" => match value.trim_start_matches('-') {
            "~" => draft.note(place, "WorkingDirectory=~: set `cwd` to the home directory"),
            path => {
                draft.set("cwd", text(&specifiers(unit, path)));
                note_specifiers(draft, setting);
            }
        },
        "UMask" => draft.set("umask", text(value)),
        "EnvironmentFile" => {
            let path = specifiers(unit, value.trim_start_matches('-'));
            if Path::new(&path).is_file() {
                draft.set("env-file", text(&path));
            } else {
                draft.note(place, format!("EnvironmentFile={value}: there is no such file here"));
            }
        }
        "Nice" => number(draft, "nice", setting),
        "OOMScoreAdjust" => number(draft, "oom-score-adj", setting),
        "IOSchedulingClass" => {
            let class = match value {
                "realtime" | "1" => "realtime",
                "idle" | "3" => "idle",
                "best-effort" | "2" => "best-effort",
                _ => return draft.note(place, format!("{key}={value} has no counterpart")),
            };
            let level = unit.get("Service", "IOSchedulingPriority").map(|level| level.value.parse::<u8>());
            let level = match level {
                Some(Ok(level @ 0..=7)) if class != "idle" => format!(", level = {level}"),
                _ => String::new(),
            };
            draft.set("io-priority", format!("{{ class = {}{level} }}", text(class)));
        }
        // Read with the class.
        "IOSchedulingPriority"
            if unit.get("Service", "IOSchedulingClass").is_some()
                && value.parse::<u8>().is_ok_and(|n| n < 8) => {}

        "KillSignal" => match value.parse::<Signal>() {
            Ok(signal) => draft.set("stop-signal", draft::signal(signal)),
            Err(_) => draft.note(place, format!("KillSignal={value} is not a signal here")),
        },
        "KillMode" => match value {
            "control-group" => draft.set("stop-to", text("group")),
            "mixed" => draft.set("stop-to", text("leader")),
            _ => draft
                .note(place, format!("KillMode={value}: every descendant is stopped; `spare` excepts some")),
        },
        "TimeoutStopSec" => time(draft, "kill-time", setting),
        "TimeoutStartSec" if is_notify(unit) => time(draft, "ready-timeout", setting),
        "TimeoutSec" => {
            time(draft, "kill-time", setting);
            if is_notify(unit) {
                time(draft, "ready-timeout", setting);
            }
        }
        "WatchdogSec" => time(draft, "watchdog", setting),
        "ExecStop" if !draft.has("stop-command") => match words(unit, value) {
            Some((_, command)) => {
                draft.set("stop-command", command);
                note_specifiers(draft, setting);
            }
            None => draft.note(place, "ExecStop= cannot be read"),
        },
        "ExecStartPre" | "ExecStartPost" | "ExecStopPost" | "ExecCondition" | "ExecStop" => {
            let message = "make it a process with restart = \"never\", and add after = { … = \"completed\" }";
            draft.note(place, format!("{key}={value}: {message}"));
        }
        "ExecReload" => draft.note(place, format!("ExecReload={value}: use `childminder signal`")),
        "StandardInput" => match value.strip_prefix("file:") {
            Some(file) => draft.set("stdin", text(file)),
            None if value == "null" => {}
            None => draft.note(place, format!("StandardInput={value}")),
        },
        "RemainAfterExit" if !is_true => {}
        "PIDFile" | "BusName" | "GuessMainPID" => {
            draft.note(place, format!("{key}={value}: the program must stay in the foreground"));
        }
        "Sockets" => draft.note(place, "Sockets=: `listeners` passes listening sockets"),
        "RuntimeDirectory" | "StateDirectory" | "CacheDirectory" | "LogsDirectory" => {
            draft.note(place, format!("{key}={value}: create the directory before"));
        }
        _ if SANDBOX.iter().any(|start| key.starts_with(start)) => {
            draft.note(place, format!("{key}={value}: there is no sandbox"));
        }
        _ if RESOURCES.iter().any(|start| key.starts_with(start)) => {
            draft.note(place, format!("{key}={value}: there are no limits of control groups"));
        }
        _ => draft.note(place, format!("{key}={value} is not carried over")),
    }
}

/// Sets a number.
fn number(draft: &mut Draft, key: &'static str, setting: &Setting) {
    match setting.value.parse::<i32>() {
        Ok(number) => draft.set(key, number.to_string()),
        Err(_) => draft.note(&setting.place, format!("{}={} is not a number", setting.key, setting.value)),
    }
}

/// Notes the specifiers that depend on the machine, and stay as they are.
fn note_specifiers(draft: &mut Draft, setting: &Setting) {
    let mut chars = setting.value.chars();
    while let Some(c) = chars.next() {
        if c == '%'
            && let Some(kind) = chars.next()
            && !KNOWN_SPECIFIERS.contains(kind)
        {
            draft.note(&setting.place, format!("{}=: %{kind} is not expanded", setting.key));
        }
    }
}

fn is_notify(unit: &Unit) -> bool {
    unit.get("Service", "Type").is_some_and(|kind| kind.value.starts_with("notify"))
}

/// Sets a duration.
fn time(draft: &mut Draft, key: &'static str, setting: &Setting) {
    match seconds(&setting.value) {
        Some(time) => draft.set(key, time),
        None => {
            draft.note(&setting.place, format!("{}={} cannot be carried over", setting.key, setting.value))
        }
    }
}

/// Returns a duration of systemd, such as `1min 30s`, in TOML.
fn seconds(value: &str) -> Option<String> {
    let value = value.trim().replace("min", "m");
    duration::parse(&value).ok().map(|time| text(&duration::text(time)))
}

/// Sets when the process is restarted and given up.
fn policy(unit: &Unit, draft: &mut Draft) {
    let value = |key| unit.get("Service", key).map(|setting| &*setting.value);
    let interval = unit.get("Unit", "StartLimitIntervalSec").map_or("10s", |setting| &*setting.value);
    let burst = unit.get("Unit", "StartLimitBurst").map(|setting| setting.value.parse::<u32>());
    let burst = burst.and_then(Result::ok).unwrap_or(5);
    let delay = seconds(value("RestartSec").unwrap_or("100ms")).unwrap_or_else(|| text("100ms"));
    note_invalid(unit, draft);
    if seconds(interval).is_some_and(|interval| interval == text("0s"))
        || interval == "infinity"
        || burst == 0
    {
        // The preset gives up, and no key can undo that. These are its other values.
        draft.set("long-run", text("first-delay"));
        draft.set("growth", text("fixed"));
        draft.set("max-restart-delay", delay.clone());
        draft.set("kill-time", text("90s"));
        draft.set("success", r#"[0, "HUP", "INT", "TERM", "PIPE"]"#);
    } else {
        draft.set("policy", text("systemd"));
        if unit.get("Unit", "StartLimitBurst").is_some()
            || unit.get("Unit", "StartLimitIntervalSec").is_some()
        {
            let within = seconds(interval).unwrap_or_else(|| text("10s"));
            draft.set("give-up", format!("{{ failures = {}, within = {within} }}", burst.min(10_000)));
        }
    }
    if delay != text("100ms") || !draft.has("policy") {
        draft.set("min-restart-delay", delay.clone());
        draft.set("max-restart-delay", delay);
    }
    let steps = value("RestartSteps").and_then(|steps| steps.parse::<u32>().ok()).filter(|steps| *steps > 0);
    if let (Some(steps), Some(max)) = (steps, value("RestartMaxDelaySec").and_then(seconds)) {
        draft.set("growth", format!("{{ steps = {steps} }}"));
        draft.set("max-restart-delay", max);
    }
    let restart = unit.get("Service", "Restart");
    let word = match restart.map_or("no", |setting| &*setting.value) {
        "always" => "always",
        "on-failure" => "on-failure",
        "no" => "never",
        other => {
            let place = restart.map_or(&unit.place, |setting| &setting.place);
            draft.note(place, format!("Restart={other} became \"on-failure\""));
            "on-failure"
        }
    };
    draft.set("restart", text(word));
    if let Some(status) = unit.get("Service", "SuccessExitStatus") {
        let mut exits: Vec<String> =
            ["0", "\"HUP\"", "\"INT\"", "\"TERM\"", "\"PIPE\""].map(str::to_owned).into();
        for exit in status.value.split_whitespace() {
            match (exit.parse::<u8>(), exit.parse::<Signal>()) {
                (Ok(code), _) => exits.push(code.to_string()),
                (_, Ok(signal)) => exits.push(draft::signal(signal)),
                _ => draft.note(&status.place, format!("SuccessExitStatus={exit} has no number here")),
            }
        }
        let mut seen = Vec::new();
        exits.retain(|exit| {
            !seen.contains(exit) && {
                seen.push(exit.clone());
                true
            }
        });
        draft.set("success", format!("[{}]", exits.join(", ")));
    }
}

/// Notes the values of the policy that cannot be read, in whose place there is the default.
fn note_invalid(unit: &Unit, draft: &mut Draft) {
    type Check = fn(&str) -> bool;
    let is_count: Check = |value| value.parse::<u32>().is_ok();
    let is_time: Check = |value| value == "infinity" || seconds(value).is_some();
    let checks: [(&str, &str, Check); 5] = [
        ("Unit", "StartLimitIntervalSec", is_time),
        ("Unit", "StartLimitBurst", is_count),
        ("Service", "RestartSec", is_time),
        ("Service", "RestartSteps", is_count),
        ("Service", "RestartMaxDelaySec", is_time),
    ];
    for (section, key, is_valid) in checks {
        if let Some(setting) = unit.get(section, key).filter(|setting| !is_valid(&setting.value)) {
            draft.note(
                &setting.place,
                format!("{key}={} is not valid here; the default is used", setting.value),
            );
        }
    }
    let has = |key: &str| unit.get("Service", key).is_some();
    if has("RestartSteps") != has("RestartMaxDelaySec") {
        let setting =
            unit.get("Service", "RestartSteps").or_else(|| unit.get("Service", "RestartMaxDelaySec"));
        let place = setting.map_or(&unit.place, |setting| &setting.place);
        draft.note(place, "RestartSteps= and RestartMaxDelaySec= have an effect together only");
    }
}

/// Sets the command, and the readiness of its type.
fn command(unit: &Unit, draft: &mut Draft) {
    let starts: Vec<&Setting> =
        unit.settings("Service").into_iter().filter(|setting| setting.key == "ExecStart").collect();
    match &*starts {
        [] => draft.note(&unit.place, "there is no ExecStart="),
        [only] => match words(unit, &only.value) {
            Some((prefixes, command)) => {
                draft.set("command", command);
                note_specifiers(draft, only);
                if prefixes.contains('-') {
                    draft.note(&only.place, "ExecStart=-: a failure is a failure here");
                }
                if prefixes.contains(['+', '!', '@']) {
                    draft.note(&only.place, format!("ExecStart={prefixes}: this prefix has no effect"));
                }
            }
            None => draft.note(&only.place, "ExecStart= cannot be read"),
        },
        [first, ..] => {
            let all: Vec<String> = starts.iter().map(|start| specifiers(unit, &start.value)).collect();
            draft.set("command", shell(&all.join(" && ")));
            draft.note(&first.place, "several ExecStart= became one shell command");
        }
    }
    let Some(kind) = unit.get("Service", "Type") else { return };
    match &*kind.value {
        "notify" | "notify-reload" => draft.set("ready", r#"{ notify = "systemd" }"#),
        "simple" | "exec" | "idle" | "oneshot" => {}
        other => draft.note(
            &kind.place,
            format!("Type={other}: the program must stay in the foreground; most have an option for that"),
        ),
    }
}

/// Returns the prefixes of a command line, and the command in TOML. A shell expands variables, if there are
/// any: `$X` is split into words, `${X}` is not.
fn words(unit: &Unit, line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let command = line.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    let prefixes = line[..line.len() - command.len()].to_owned();
    let words = shell_words::split(&specifiers(unit, command)).ok().filter(|words| !words.is_empty())?;
    let has_variable = words.iter().any(|word| word.replace("$$", "").contains('$'));
    if !has_variable || prefixes.contains(':') {
        let words: Vec<String> = words.iter().map(|word| word.replace("$$", "$")).collect();
        return Some((prefixes, list(&words)));
    }
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let quoted = |word: &String| match word.strip_prefix('$') {
        Some(name) if !name.is_empty() && is_name(name) => word.clone(),
        _ if word.contains('$') => {
            let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('`', "\\`");
            format!("\"{}\"", escaped.replace("$$", "\\$"))
        }
        _ => shell_words::quote(word).into_owned(),
    };
    let script: Vec<String> = words.iter().map(quoted).collect();
    Some((prefixes, shell(&format!("exec {}", script.join(" ")))))
}

/// Replaces the specifiers that do not depend on the machine.
pub(super) fn specifiers(unit: &Unit, value: &str) -> String {
    let (prefix, instance) = unit.name.split_once('@').unwrap_or((&unit.name, ""));
    let (mut expanded, mut chars) = (String::new(), value.chars());
    while let Some(c) = chars.next() {
        if c != '%' {
            expanded.push(c);
            continue;
        }
        match chars.next() {
            Some('%') | None => expanded.push('%'),
            Some('i' | 'I') => expanded.push_str(instance),
            Some('n') => expanded.push_str(&format!("{}.service", unit.name)),
            Some('N') => expanded.push_str(&unit.name),
            Some('p' | 'P') => expanded.push_str(prefix),
            Some('t') => expanded.push_str("/run"),
            Some('S') => expanded.push_str("/var/lib"),
            Some('C') => expanded.push_str("/var/cache"),
            Some('L') => expanded.push_str("/var/log"),
            Some(other) => {
                expanded.push('%');
                expanded.push(other);
            }
        }
    }
    expanded
}

/// Returns a limit, such as `LimitNOFILE=1024:4096`, as an entry of a table.
fn limit(key: &str, value: &str) -> Option<(String, String)> {
    let name = key.strip_prefix("Limit")?.to_ascii_lowercase();
    let one = |value: &str| match value {
        "infinity" => Some(text("unlimited")),
        number => crate::values::size::parse(number).ok().map(|size| size.to_string()),
    };
    let value = match value.split_once(':') {
        Some((soft, hard)) => format!("{{ soft = {}, hard = {} }}", one(soft)?, one(hard)?),
        None => one(value)?,
    };
    crate::file::RESOURCES.contains(&&*name).then_some((name, value))
}
