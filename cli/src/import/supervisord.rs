//! Imports `supervisord.conf`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use childminder::Signal;

use super::draft::{self, Draft, Drafts, list, text};
use super::ini::{self, Dialect, Section, Setting};
use super::{ImportError, text_of};
use crate::values::size;

/// The deepest nesting of `[include]`.
const DEEPEST: usize = 16;

/// Reads files, with those that they include.
pub(super) fn read(files: &[PathBuf]) -> Result<Drafts, ImportError> {
    let mut sections = Vec::new();
    for path in files {
        include(path, &mut Vec::new(), &mut sections)?;
    }
    let mut drafts = Drafts::default();
    let common = environment(&sections);
    for setting in global_environments(&sections).filter(|setting| is_partial(&setting.value)) {
        drafts.note(&setting.place, "[supervisord] environment: a part of it is no NAME=VALUE");
    }
    for section in &sections {
        let (kind, name) = section.name.split_once(':').unwrap_or((&section.name, ""));
        match kind {
            "program" => programs(section, name, &common, &mut drafts),
            "eventlistener" => {
                drafts.note(&section.place, format!("[{}]: there are no event listeners", section.name));
            }
            "fcgi-program" => {
                let message = "a FastCGI socket is not passed as descriptor 0; `listeners` passes it as 3";
                drafts.note(&section.place, format!("[{}]: {message}", section.name));
            }
            "group" => group(section, &mut drafts),
            "include" => {}
            "supervisord" => global(section, &mut drafts),
            "unix_http_server" | "inet_http_server" | "supervisorctl" | "rpcinterface" | "ctlplugin" => {
                let message = "`childminder status`, `stop` and so on need no configuration";
                drafts.note(&section.place, format!("[{}]: {message}", section.name));
            }
            _ => drafts.note(&section.place, format!("[{}]: unknown section", section.name)),
        }
    }
    Ok(drafts)
}

/// Reads a file and those that it includes, which the sections in `open` are already reading.
fn include(path: &Path, open: &mut Vec<PathBuf>, sections: &mut Vec<Section>) -> Result<(), ImportError> {
    let content = text_of(path)?;
    open.push(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()));
    let own = ini::parse(&content, path, Dialect::Supervisord)?;
    let dir = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let mut included = Vec::new();
    for setting in
        own.iter().filter(|section| section.name == "include").flat_map(|section| &section.settings)
    {
        let line = setting.place.line;
        if setting.key != "files" {
            return Err(ImportError::new(path, line, format!("unknown key `{}` in [include]", setting.key)));
        }
        for pattern in setting.value.split_whitespace() {
            let pattern = pattern.replace("%(here)s", &dir.to_string_lossy());
            for found in matches(&dir.join(pattern)) {
                let real = fs::canonicalize(&found).unwrap_or_else(|_| found.clone());
                if open.contains(&real) || open.len() > DEEPEST {
                    let message = format!("includes {}, which includes this file", found.display());
                    return Err(ImportError::new(path, line, message));
                }
                included.push(found);
            }
        }
    }
    sections.extend(own);
    included.iter().try_for_each(|path| include(path, open, sections))?;
    open.pop();
    Ok(())
}

/// Returns the files that a path with `*` and `?` in its last part names, in order.
fn matches(pattern: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(name)) = (pattern.parent(), pattern.file_name()) else { return Vec::new() };
    let name: Vec<char> = name.to_string_lossy().chars().collect();
    if !name.contains(&'*') && !name.contains(&'?') {
        return vec![pattern.to_owned()];
    }
    let listed = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let entries = fs::read_dir(listed).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut found: Vec<PathBuf> = entries
        .filter(|file| is_match(&name, &file.to_string_lossy().chars().collect::<Vec<_>>()))
        .map(|file| dir.join(file))
        .collect();
    found.sort();
    found
}

fn is_match(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => (0..=name.len()).any(|skip| is_match(rest, &name[skip..])),
        (Some(('?', pattern)), Some((_, name))) => is_match(pattern, name),
        (Some((wanted, pattern)), Some((found, name))) => wanted == found && is_match(pattern, name),
        _ => false,
    }
}

fn group(section: &Section, drafts: &mut Drafts) {
    let names = section.get("programs").unwrap_or_default();
    drafts
        .note(&section.place, format!("[{}]: there are no groups to address {names} at once", section.name));
}

/// The settings of supervisord itself.
fn global(section: &Section, drafts: &mut Drafts) {
    for setting in section.settings.iter().filter(|setting| setting.key != "environment") {
        let message = match &*setting.key {
            "nodaemon" => "`up` stays in the foreground; `up -d` does not",
            "user" => "`up` keeps its account; each process may have a `user`",
            "minfds" | "minprocs" => "set `limits` for each process",
            "directory" => "paths are relative to childminder.toml",
            "umask" => "set `umask` for each process",
            _ => "it is about supervisord itself",
        };
        drafts.note(&setting.place, format!("[supervisord] {}: {message}", setting.key));
    }
}

/// Returns the environment that all programs have.
fn environment(sections: &[Section]) -> Vec<(String, String)> {
    global_environments(sections).flat_map(|setting| pairs(&setting.value)).collect()
}

fn global_environments(sections: &[Section]) -> impl Iterator<Item = &Setting> {
    let all = sections.iter().filter(|section| section.name == "supervisord");
    all.flat_map(|section| &section.settings).filter(|setting| setting.key == "environment")
}

/// The expansions of one process.
struct Expansions<'a> {
    variables: BTreeMap<&'static str, String>,
    section: &'a Section,
    /// The environment that all programs have.
    common: &'a [(String, String)],
}

impl Expansions<'_> {
    /// Replaces `%(name)s`, and notes those that are not known.
    fn expand(&self, setting: &Setting, draft: &mut Draft) -> String {
        let (mut expanded, mut rest) = (String::new(), &*setting.value);
        while let Some(start) = rest.find('%') {
            expanded.push_str(&rest[..start]);
            rest = &rest[start + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                expanded.push('%');
                rest = after;
                continue;
            }
            let Some((name, format, after)) = placeholder(rest) else {
                expanded.push('%');
                continue;
            };
            rest = after;
            if let Some(variable) = name.strip_prefix("ENV_") {
                let Ok(value) = env::var(variable) else {
                    let message =
                        format!("{}: {variable} is not set here, so %({name})s was removed", setting.key);
                    draft.note(&setting.place, message);
                    continue;
                };
                let message = format!("{}: %({name})s was replaced by its value here and now", setting.key);
                draft.note(&setting.place, message);
                expanded.push_str(&value);
            } else if let Some(value) = self.variables.get(name) {
                expanded.push_str(&formatted(value, format));
            } else {
                let message = format!("{}: %({name})s is unknown, and was removed", setting.key);
                draft.note(&setting.place, message);
            }
        }
        expanded + rest
    }
}

/// Splits `(name)02d rest` into its parts.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.strip_prefix('(')?.split_once(')')?;
    let end = rest.find(['s', 'd'])?;
    rest[..end].chars().all(|c| c.is_ascii_digit()).then(|| (name, &rest[..=end], &rest[end + 1..]))
}

/// Formats a number such as `02d`, or a text.
fn formatted(value: &str, format: &str) -> String {
    let width: usize = format.trim_end_matches(['s', 'd']).parse().unwrap_or(0).min(20);
    let fill = if format.starts_with('0') { "0" } else { " " };
    fill.repeat(width.saturating_sub(value.len())) + value
}

fn programs(section: &Section, name: &str, common: &[(String, String)], drafts: &mut Drafts) {
    let mut number = |key: &str, default: u32, most: u32| {
        let Some(setting) = section.settings.iter().rev().find(|setting| setting.key == key) else {
            return default;
        };
        let number = setting.value.parse::<u32>().ok().filter(|number| *number <= most);
        if number.is_none() {
            let message = format!("[{}] {key}={}: not a number up to {most}", section.name, setting.value);
            drafts.note(&setting.place, format!("{message}; {default} is used"));
        }
        number.unwrap_or(default)
    };
    let count = number("numprocs", 1, 1_000);
    let first = number("numprocs_start", 0, 1_000_000);
    for index in first..first + count.max(1) {
        let path = std::path::absolute(&section.place.path).unwrap_or_else(|_| section.place.path.clone());
        let here = path.parent().map(|dir| dir.to_string_lossy().into_owned());
        let host = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
        let variables = BTreeMap::from([
            ("program_name", name.to_owned()),
            ("group_name", name.to_owned()),
            ("process_num", index.to_string()),
            ("numprocs", count.to_string()),
            ("here", here.unwrap_or_default()),
            ("host_node_name", host.unwrap_or_default()),
        ]);
        let expansions = Expansions { variables, section, common };
        drafts.add(program(&expansions, name, count > 1, index), &section.place);
    }
}

fn program(expansions: &Expansions<'_>, name: &str, is_one_of_many: bool, index: u32) -> Draft {
    let mut draft = Draft::default();
    let name_of = expansions.section.settings.iter().rev().find(|setting| setting.key == "process_name");
    draft.original = match name_of {
        Some(setting) => expansions.expand(setting, &mut draft),
        None if is_one_of_many => format!("{name}_{index:02}"),
        None => name.to_owned(),
    };
    // First, because the other keys change it.
    draft.set("command", text("false"));
    draft.set("policy", text("supervisord"));
    let redirected = expansions.section.get("redirect_stderr").is_some_and(is_true);
    draft.set("merge-output", redirected.to_string());
    let mut own = Vec::new();
    for setting in &expansions.section.settings {
        let value = expansions.expand(setting, &mut draft);
        if setting.key == "environment" {
            own = pairs(&value);
            if is_partial(&value) {
                draft.note(&setting.place, "environment: a part of it is no NAME=VALUE");
            }
        } else {
            one(&mut draft, setting, &value);
        }
    }
    if !expansions.section.settings.iter().any(|setting| setting.key == "command") {
        draft.note(&expansions.section.place, "there is no command");
    }
    let all = [expansions.common, &own].concat();
    if !all.is_empty() {
        draft.set("env", draft::variables(&all));
    }
    log(expansions, &mut draft);
    draft
}

fn is_true(value: &str) -> bool {
    matches!(&*value.to_ascii_lowercase(), "true" | "yes" | "on" | "1" | "t" | "y")
}

/// Carries one setting over.
fn one(draft: &mut Draft, setting: &Setting, value: &str) {
    let (key, place) = (&*setting.key, &setting.place);
    let seconds = |text: &str| text.parse::<u32>().ok();
    let mut invalid = || draft.note(place, format!("{key}: `{value}` is not valid"));
    match key {
        "command" => match shell_words::split(value) {
            Ok(words) if !words.is_empty() => draft.set("command", list(&words)),
            _ => invalid(),
        },
        "process_name" | "numprocs" | "numprocs_start" | "redirect_stderr" => {}
        "directory" => draft.set("cwd", text(value)),
        "user" => draft.set("user", text(value)),
        "umask" => draft.set("umask", text(value)),
        "autostart" if is_true(value) => {}
        "autostart" => draft.set("hold", "true"),
        "startsecs" => match seconds(value) {
            Some(0) => {
                draft.set("threshold", text("0s"));
                draft.note(place, "startsecs=0: every run counts as long, so it is never given up");
            }
            Some(seconds) => draft.set("threshold", text(&format!("{seconds}s"))),
            None => invalid(),
        },
        "startretries" => match seconds(value) {
            Some(retries) => {
                draft.set("give-up", format!("{{ failures = {} }}", retries.saturating_add(1).min(10_000)));
            }
            None => invalid(),
        },
        "autorestart" if value.eq_ignore_ascii_case("unexpected") => draft.set("restart", text("on-failure")),
        "autorestart" => draft.set("restart", text(if is_true(value) { "always" } else { "never" })),
        "exitcodes" => {
            let codes: Result<Vec<u8>, _> =
                value.split([',', ' ']).filter(|code| !code.is_empty()).map(str::parse).collect();
            match codes {
                Ok(codes) => draft.set("success", format!("{codes:?}")),
                Err(_) => invalid(),
            }
        }
        "stopsignal" => match value.parse::<Signal>() {
            Ok(signal) => draft.set("stop-signal", draft::signal(signal)),
            Err(_) => invalid(),
        },
        "stopwaitsecs" => match seconds(value) {
            Some(seconds) => draft.set("kill-time", text(&format!("{seconds}s"))),
            None => invalid(),
        },
        "stopasgroup" if is_true(value) => draft.set("stop-to", text("group")),
        "stopasgroup" => {}
        "killasgroup" if is_true(value) => {}
        "killasgroup" => draft.note(place, "killasgroup: everything that the program started is killed"),
        "priority" => draft.note(place, "priority: the order comes from `after`, not from numbers"),
        "serverurl" => draft.note(place, "serverurl: there is no XML-RPC server"),
        // They are read together.
        "stdout_logfile" | "stdout_logfile_maxbytes" | "stdout_logfile_backups" => {}
        "stderr_logfile" if ["NONE", "AUTO", ""].contains(&value) => {}
        "stderr_logfile" => draft.note(place, "stderr_logfile: both streams go to one `log`"),
        "stderr_logfile_maxbytes" | "stderr_logfile_backups" => {
            draft.note(place, format!("{key}: both streams go to one `log`"));
        }
        _ if key.contains("capture") || key.ends_with("_events_enabled") => {
            draft.note(place, format!("{key}: there are no process communication events"));
        }
        _ if key.ends_with("_syslog") => draft.note(place, format!("{key}: pipe the output to logger(1)")),
        _ => draft.note(place, format!("{key}: unknown key")),
    }
}

/// Combines the settings of the log file.
fn log(expansions: &Expansions<'_>, draft: &mut Draft) {
    let find = |key: &str| expansions.section.settings.iter().rev().find(|setting| setting.key == key);
    let Some(file) = find("stdout_logfile") else { return };
    let path = expansions.expand(file, draft);
    if ["NONE", "AUTO", "", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/dev/null"]
        .contains(&&*path)
    {
        if path == "/dev/null" {
            draft.note(&file.place, "stdout_logfile: the output goes to that of `up`, not to /dev/null");
        }
        return;
    }
    let mut entries = vec![("file".to_owned(), text(&path))];
    // supervisord counts in units of 1024.
    let max = find("stdout_logfile_maxbytes").map_or("50MB", |setting| &*setting.value);
    match size::parse(&max.to_ascii_uppercase().replace('B', "")) {
        Ok(0) => entries.push(("max-size".to_owned(), text("unlimited"))),
        Ok(bytes) => entries.push(("max-size".to_owned(), bytes.to_string())),
        Err(_) => draft.note(&file.place, format!("stdout_logfile_maxbytes: `{max}` is not a size")),
    }
    match find("stdout_logfile_backups").map(|setting| (setting, setting.value.parse::<u32>())) {
        Some((_, Ok(keep))) => entries.push(("keep".to_owned(), keep.min(10_000).to_string())),
        Some((setting, Err(_))) => {
            let message = format!("stdout_logfile_backups: `{}` is not a number", setting.value);
            draft.note(&setting.place, message);
        }
        None => {}
    }
    draft.set("log", draft::table(&entries));
}

/// Splits `A="x",B=y` into pairs.
fn pairs(value: &str) -> Vec<(String, String)> {
    let parts = parts(value);
    let pairs = parts.iter().filter_map(|part| part.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// Whether some of the parts of such a text are no pairs.
fn is_partial(value: &str) -> bool {
    parts(value).iter().any(|part| !part.contains('='))
}

fn parts(value: &str) -> Vec<String> {
    let (mut parts, mut quote) = (vec![String::new()], None);
    for c in value.chars() {
        match (quote, c) {
            (None, ',' | '\n') => parts.push(String::new()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}
