//! Unit files of systemd.

use std::fmt::Write;

use childminder::backoff::Growth;
use childminder::machine::{GiveUp, OnGiveUp};
use childminder::{Policy, Restart};

use super::program::Program;
use super::report::Exported;
use crate::file::setting::{Limit, Probe, Setting, Until};
use crate::values::duration;

/// The keys that a unit has a counterpart for.
const CARRIED: &[&str] = &[
    "command",
    "cwd",
    "env",
    "env-file",
    "user",
    "group",
    "uid",
    "gid",
    "groups",
    "umask",
    "stdin",
    "port",
    "after",
    "ready",
    "ready-timeout",
    "watchdog",
    "hold",
    "stop-signal",
    "stop-to",
    "stop-command",
    "limits",
    "nice",
    "oom-score-adj",
    "io-priority",
    "log",
    "success",
    // Reported in words of their own.
    "alive",
];

/// The most steps from the first delay to the longest.
const MOST_STEPS: u32 = 30;

/// Writes a unit for each program.
pub(super) fn export(programs: &[Program<'_>]) -> Exported {
    let mut exported = Exported::new("systemd");
    for program in programs {
        let text = unit(program, programs, &mut exported);
        exported.files.push((format!("{}.service", program.name), text));
        exported.policies.push(policy(&program.policy));
        exported.lose_others(program, CARRIED);
    }
    exported.general.push("check the units with `systemd-analyze verify`".to_owned());
    exported.general.push("growing delays, RestartSteps=, need systemd 254 or later".to_owned());
    exported
}

/// Returns the policy of a unit for a program.
fn policy(own: &Policy) -> Policy {
    // The last delay before it is given up, or else the longest.
    let most = own.give_up.map_or(MOST_STEPS, |give_up| (give_up.failures - 1).clamp(1, MOST_STEPS));
    let longest = own.max_restart_delay.min(own.delay(most).min);
    let steps = (1..most).find(|n| own.delay(*n).min >= longest).unwrap_or(most);
    let is_constant = longest <= own.min_restart_delay || steps <= 1;
    // Without `within` the failures count without limit of time.
    let give_up = own.give_up.map(|give_up| GiveUp {
        within: Some(give_up.within.unwrap_or(Policy::LONGEST)),
        then: OnGiveUp::StayDown,
        ..give_up
    });
    Policy {
        kill_time: own.kill_time,
        min_restart_delay: own.delay(1).min.max(std::time::Duration::from_millis(1)),
        max_restart_delay: longest.max(own.delay(1).min).max(std::time::Duration::from_millis(1)),
        restart: own.restart,
        success: own.success,
        growth: if is_constant { Growth::Fixed } else { Growth::Steps(steps - 1) },
        give_up,
        ..Policy::systemd()
    }
}

fn unit(program: &Program<'_>, all: &[Program<'_>], exported: &mut Exported) -> String {
    let theirs = policy(&program.policy);
    let mut text = String::from("[Unit]\n");
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key}={value}");
    };
    line("Description", &format!("{} (exported from childminder)", program.name));
    for after in program.after() {
        let unit = format!("{}.service", after.on.value);
        line("After", &unit);
        line(if after.restarts { "BindsTo" } else { "Wants" }, &unit);
        let other = all.iter().find(|other| *other.name == *after.on.value);
        let is_notify = other.is_some_and(|other| matches!(other.ready, Some(Probe::SdNotify)));
        let has_ready = other.is_some_and(|other| other.ready.is_some());
        if after.until == Until::Ready && has_ready && !is_notify {
            exported.lose(
                program,
                format!("it does not wait until `{}` is ready, only until it has started", after.on.value),
            );
        }
    }
    match theirs.give_up {
        Some(give_up) => {
            let within = give_up.within.filter(|within| *within < Policy::LONGEST);
            line("StartLimitIntervalSec", &within.map_or_else(|| "infinity".to_owned(), span));
            line("StartLimitBurst", &give_up.failures.to_string());
            if within.is_none() {
                exported.lose(program, "starts count over its whole life, not failures in a row");
            }
        }
        None => line("StartLimitIntervalSec", "0"),
    }
    line(
        "\n[Service]\nType",
        match program.ready {
            Some(Probe::SdNotify) => "notify",
            _ if program.is_awaited_to_complete(all) => "oneshot",
            _ => "exec",
        },
    );
    line("ExecStart", &command(&program.words));
    line("WorkingDirectory", &escaped(&program.cwd.to_string_lossy()));
    for (name, value) in &program.variables {
        match value {
            Some(value) => line("Environment", &quoted(&format!("{name}={value}"))),
            None => line("UnsetEnvironment", name),
        }
    }
    for file in &program.variable_files {
        line("EnvironmentFile", &escaped(&file.to_string_lossy()));
    }
    account(program, &mut line);
    let is_oneshot = program.is_awaited_to_complete(all) && !matches!(program.ready, Some(Probe::SdNotify));
    line(
        "Restart",
        match program.policy.restart {
            Restart::Always if is_oneshot => "on-failure",
            Restart::Always => "always",
            Restart::OnFailure => "on-failure",
            Restart::Never => "no",
        },
    );
    line("RestartSec", &span(theirs.min_restart_delay));
    if let Growth::Steps(steps) = theirs.growth {
        line("RestartSteps", &steps.to_string());
        line("RestartMaxDelaySec", &span(theirs.max_restart_delay));
    }
    if let Some(Setting::Exits(exits)) = program.entry.get("success").map(|success| &success.value) {
        let exits: Vec<String> = exits
            .iter()
            .map(|exit| match exit {
                crate::file::setting::ExitKind::Code(code) => code.to_string(),
                crate::file::setting::ExitKind::Signal(signal) => signal_name(*signal),
            })
            .collect();
        line("SuccessExitStatus", &exits.join(" "));
    }
    line("KillSignal", &signal_name(program.stop_signal));
    line("KillMode", if program.entry.text("stop-to") == Some("group") { "control-group" } else { "mixed" });
    line("TimeoutStopSec", &span(theirs.kill_time));
    if let Some(words) = program.entry.texts("stop-command") {
        line("ExecStop", &command(words));
    }
    if matches!(program.ready, Some(Probe::SdNotify)) {
        let timeout = program.entry.duration("ready-timeout");
        line("TimeoutStartSec", &span(timeout.unwrap_or(crate::check::schedule::READY_TIMEOUT)));
    } else if program.ready.is_some() {
        exported.lose(program, "`ready` is not checked; only `notify = \"systemd\"` is known to systemd");
        if program.entry.get("ready-timeout").is_some() {
            exported.lose(program, "`ready-timeout` has no effect without `notify = \"systemd\"`");
        }
    }
    if program.alive.is_some() {
        exported.lose(program, "`alive` is not checked; a program can use the watchdog of systemd");
    }
    if let Some(watchdog) = program.entry.duration("watchdog") {
        line("WatchdogSec", &span(watchdog));
    }
    resources(program, &mut line);
    if let Some(log) = &program.log {
        line("StandardOutput", &format!("append:{}", escaped(&log.to_string_lossy())));
        line("StandardError", "inherit");
        exported.lose(program, "the log is not rotated; logrotate can do it");
    }
    if !program.hold {
        line("\n[Install]\nWantedBy", "multi-user.target");
    }
    text
}

fn account(program: &Program<'_>, line: &mut impl FnMut(&str, &str)) {
    let entry = program.entry;
    let number = |key: &str| entry.integer::<u32>(key).map(|id| id.to_string());
    if let Some(user) = entry.text("user").map(str::to_owned).or_else(|| number("uid")) {
        line("User", &user);
    }
    if let Some(group) = entry.text("group").map(str::to_owned).or_else(|| number("gid")) {
        line("Group", &group);
    }
    if let Some(Setting::Ids(ids)) = entry.get("groups").map(|groups| &groups.value) {
        line("SupplementaryGroups", &ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
    }
    if let Some(umask) = entry.integer::<u32>("umask") {
        line("UMask", &format!("{umask:04o}"));
    }
    match entry.text("stdin") {
        None | Some("null") => line("StandardInput", "null"),
        Some("inherit") => {}
        Some(file) => {
            line("StandardInput", &format!("file:{}", escaped(&program.cwd.join(file).to_string_lossy())))
        }
    }
}

fn resources(program: &Program<'_>, line: &mut impl FnMut(&str, &str)) {
    let entry = program.entry;
    if let Some(Setting::Limits(limits)) = entry.get("limits").map(|limits| &limits.value) {
        let one = |limit: Option<u64>| limit.map_or_else(|| "infinity".to_owned(), |limit| limit.to_string());
        for (name, Limit { soft, hard }) in limits {
            let value = match hard {
                Some(hard) if hard != soft => format!("{}:{}", one(*soft), one(*hard)),
                _ => one(*soft),
            };
            line(&format!("Limit{}", name.to_ascii_uppercase()), &value);
        }
    }
    if let Some(nice) = entry.integer::<i64>("nice") {
        line("Nice", &nice.to_string());
    }
    if let Some(score) = entry.integer::<i64>("oom-score-adj") {
        line("OOMScoreAdjust", &score.to_string());
    }
    if let Some(Setting::IoPriority { class, level }) = entry.get("io-priority").map(|value| &value.value) {
        line("IOSchedulingClass", class);
        line("IOSchedulingPriority", &level.to_string());
    }
}

/// Returns a duration in the units of systemd.
fn span(time: std::time::Duration) -> String {
    let text = duration::text(time);
    text.replace("m ", "min ")
        .strip_suffix('m')
        .map_or_else(|| text.replace("m ", "min "), |text| format!("{text}min"))
}

fn signal_name(signal: childminder::Signal) -> String {
    let name = signal.to_string();
    if name.parse::<i32>().is_ok() { name } else { format!("SIG{name}") }
}

/// Returns a command line, in which systemd expands nothing.
fn command(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word).replace('$', "$$")).collect();
    words.join(" ")
}

/// Escapes specifiers.
fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

/// Returns a word in quotes, if it needs them.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@+$%".contains(c);
    let escaped = escaped(word);
    if !word.is_empty() && word.chars().all(is_plain) {
        return escaped;
    }
    let mut quoted = String::from("\"");
    for c in escaped.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
