//! The keys of a process in `childminder.toml`. This list is read by the parser, the JSON schema, and the
//! suggestions, so they cannot disagree.

/// A key of a process.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// A value as it is written in a file.
    pub(crate) example: &'static str,
    /// Its meaning, as editors show it.
    pub(crate) meaning: &'static str,
}

/// The kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Flag,
    /// Seconds, or a text with units.
    Duration,
    /// An integer in this range.
    Integer(i64, i64),
    /// A fraction from 0 to 1.
    Fraction,
    /// A text that is not empty.
    Text,
    /// One text, or a list of them.
    Texts,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A command line as one text, which is split, or as a list.
    Command,
    /// A user or group, by name or by number.
    Account,
    /// A list of group ids.
    Ids,
    /// The name or the number of a signal.
    Signal,
    /// Exit codes and signals.
    Exits,
    /// A file mode creation mask.
    Umask,
    /// A port number, or `"auto"`.
    Port,
    /// The standard input.
    Stdin,
    /// Environment variables.
    Variables,
    /// Files with environment variables.
    VariableFiles,
    /// Dependencies.
    Dependencies,
    /// A condition.
    Condition,
    /// A condition that is checked repeatedly.
    Liveness,
    /// The growth of delays.
    Growth,
    /// When to give up.
    GiveUp,
    /// A group of processes that restart together.
    Group,
    /// Resource limits.
    Limits,
    /// The class and level of disk scheduling.
    IoPriority,
    /// A log file with rotation.
    Log,
    /// Listening sockets.
    Listeners,
    /// Open files under other descriptor numbers.
    Descriptors,
    /// A pseudo-terminal: its size, or whether there is one.
    Terminal,
}

const fn key(name: &'static str, kind: Kind, example: &'static str, meaning: &'static str) -> Key {
    Key { name, kind, example, meaning }
}

/// The values of `policy`.
pub(crate) const PRESETS: &[&str] =
    &["twisted", "supervisord", "systemd", "kubernetes", "otp", "pebble", "docker"];

/// The values of `long-run`.
const LONG_RUNS: &[&str] = &["at-once", "first-delay"];

/// All keys, in the order of the manual.
pub(crate) const KEYS: &[Key] = &[
    key(
        "command",
        Kind::Command,
        r#""serve --port {port}""#,
        "The program and its arguments; no shell is involved",
    ),
    key("cwd", Kind::Text, r#""data""#, "The working directory [default: that of the file]"),
    key(
        "env",
        Kind::Variables,
        r#"{ LANG = "C", DEBUG = false }"#,
        "Environment variables; false removes one",
    ),
    key("env-file", Kind::VariableFiles, r#"[]"#, "Files with NAME=VALUE lines; `env` wins over them"),
    key("env-clear", Kind::Flag, "true", "Starts with an empty environment [default: false]"),
    key("user", Kind::Account, r#""www-data""#, "Runs the program as this user; needs root"),
    key("group", Kind::Account, r#""www-data""#, "Runs the program as this group; needs root"),
    key("uid", Kind::Integer(0, 4_294_967_294), "33", "Runs the program with this user id; needs root"),
    key("gid", Kind::Integer(0, 4_294_967_294), "33", "Runs the program with this group id; needs root"),
    key("groups", Kind::Ids, "[33, 4]", "The supplementary groups, as ids"),
    key("umask", Kind::Umask, r#""027""#, "The file mode creation mask, in octal"),
    key("stdin", Kind::Stdin, r#""null""#, "The standard input: null, inherit or a file [default: null]"),
    key(
        "merge-output",
        Kind::Flag,
        "false",
        "One pipe for stdout and stderr, in exact order [default: true]",
    ),
    key("terminal", Kind::Terminal, "{ rows = 24, columns = 80 }", "Runs the program on a pseudo-terminal"),
    key(
        "port",
        Kind::Port,
        r#""auto""#,
        "A reserved TCP port; {port} in this process, CHILDMINDER_PORT_NAME in all",
    ),
    key(
        "listeners",
        Kind::Listeners,
        r#"["127.0.0.1:8000"]"#,
        "Listening sockets for the program, from descriptor 3",
    ),
    key(
        "descriptors",
        Kind::Descriptors,
        r#"{ 5 = "/dev/null" }"#,
        "Files to open for reading, by descriptor number",
    ),
    key(
        "after",
        Kind::Dependencies,
        r#"{ db = "ready" }"#,
        "What must be started, ready or completed before",
    ),
    key("ready", Kind::Condition, r#"{ port = "{port}" }"#, "The condition under which the process is ready"),
    key("ready-timeout", Kind::Duration, r#""90s""#, "The time to become ready [default: 60s]"),
    key(
        "alive",
        Kind::Liveness,
        r#"{ unix = "s", every = "10s" }"#,
        "A condition that is checked while it runs",
    ),
    key("watchdog", Kind::Duration, r#""30s""#, "The longest time between two WATCHDOG=1 of sd_notify(3)"),
    key("hold", Kind::Flag, "true", "Does not start the process until `childminder start` [default: false]"),
    key(
        "policy",
        Kind::Word(PRESETS),
        r#""systemd""#,
        "The restart policy of another supervisor, to start from",
    ),
    key(
        "restart",
        Kind::Word(&["always", "on-failure", "never"]),
        r#""on-failure""#,
        "When it is restarted [default: always]",
    ),
    key(
        "success",
        Kind::Exits,
        r#"[0, 3, "TERM"]"#,
        "Exit codes and signals that count as success [default: 0]",
    ),
    key(
        "threshold",
        Kind::Duration,
        r#""2s""#,
        "A shorter run is a failure, and the next start is delayed [default: 1s]",
    ),
    key("min-restart-delay", Kind::Duration, "0.5", "The delay after the first failure [default: 1s]"),
    key("max-restart-delay", Kind::Duration, r#""5m""#, "The longest delay [default: 1h]"),
    key("growth", Kind::Growth, "{ factor = 1.5 }", "How the delay grows [default: doubling]"),
    key("jitter", Kind::Fraction, "0.1", "The random part of each delay, from 0 to 1 [default: 0]"),
    key(
        "long-run",
        Kind::Word(LONG_RUNS),
        r#""first-delay""#,
        "The restart after a long run [default: at-once]",
    ),
    key(
        "reset-after-ready",
        Kind::Duration,
        r#""30s""#,
        "The time of being ready after which the delay is reset",
    ),
    key(
        "give-up",
        Kind::GiveUp,
        r#"{ failures = 5, within = "1m" }"#,
        "Gives up after this number of failures [default: never]",
    ),
    key(
        "on-give-up",
        Kind::Word(&["stay-down", "stop-all"]),
        r#""stop-all""#,
        "What happens then [default: stay-down]",
    ),
    key(
        "restart-group",
        Kind::Group,
        r#"{ name = "app", strategy = "one-for-all" }"#,
        "Processes that restart together",
    ),
    key("stop-signal", Kind::Signal, r#""INT""#, "The signal that asks the program to exit [default: TERM]"),
    key(
        "stop-to",
        Kind::Word(&["leader", "group"]),
        r#""group""#,
        "The receiver of the stop signal [default: leader]",
    ),
    key(
        "stop-command",
        Kind::Command,
        r#""pg_ctl stop -D data""#,
        "A command that stops the program; MAINPID is its id",
    ),
    key("kill-time", Kind::Duration, r#""10s""#, "The time from the stop signal to KILL [default: 5s]"),
    key(
        "leak-timeout",
        Kind::Duration,
        r#""100ms""#,
        "The wait for output that strangers hold open [default: 200ms]",
    ),
    key("own-group", Kind::Flag, "true", "Whether it leads a process group of its own [default: true]"),
    key("die-with-parent", Kind::Flag, "false", "Ends the program if childminder is killed [default: true]"),
    key("spare", Kind::Texts, r#"["tmux"]"#, "Programs that may outlive the process that started them"),
    key(
        "limits",
        Kind::Limits,
        r#"{ nofile = 65536, core = { soft = 0, hard = "unlimited" } }"#,
        "Resource limits",
    ),
    key("nice", Kind::Integer(-20, 19), "5", "The scheduling priority, from -20 (high) to 19 (low)"),
    key(
        "oom-score-adj",
        Kind::Integer(-1000, 1000),
        "500",
        "Which process the kernel kills first without memory",
    ),
    key(
        "io-priority",
        Kind::IoPriority,
        r#"{ class = "best-effort", level = 7 }"#,
        "The priority of disk accesses",
    ),
    key(
        "log",
        Kind::Log,
        r#"{ file = "log/web.log", max-size = "10MB", keep = 5 }"#,
        "A log file with rotation",
    ),
];

/// Returns the key with this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Names of the same settings in other supervisors.
const SYNONYMS: &[(&str, &str)] = &[
    ("autorestart", "restart"),
    ("autostart", "hold"),
    ("args", "command"),
    ("cmd", "command"),
    ("depends-on", "after"),
    ("directory", "cwd"),
    ("environment", "env"),
    ("exec", "command"),
    ("execstart", "command"),
    ("env-remove", "env"),
    ("kill-timeout", "kill-time"),
    ("liveness", "alive"),
    ("liveness-probe", "alive"),
    ("log-file", "log"),
    ("needs", "after"),
    ("numprocs", "command"),
    ("open-files", "limits"),
    ("program", "command"),
    ("readiness-probe", "ready"),
    ("requires", "after"),
    ("run", "command"),
    ("shutdown-timeout", "kill-time"),
    ("startretries", "give-up"),
    ("startsecs", "threshold"),
    ("stdout-logfile", "log"),
    ("stopsignal", "stop-signal"),
    ("stop-timeout", "kill-time"),
    ("stopwaitsecs", "kill-time"),
    ("timeout-stop-sec", "kill-time"),
    ("workdir", "cwd"),
    ("working-dir", "cwd"),
    ("working-directory", "cwd"),
];

/// Returns the name that was probably meant by `wrong`.
pub(crate) fn suggest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = normalize(wrong);
    let bare = |name: &str| name.replace('-', "");
    let names: Vec<&str> = names.into_iter().collect();
    if let Some((_, meant)) = SYNONYMS.iter().find(|(synonym, _)| bare(synonym) == bare(&wrong))
        && let Some(name) = names.iter().find(|name| *name == meant)
    {
        return Some(name);
    }
    let distance = |name: &str| strsim::damerau_levenshtein(&wrong, name);
    let similarity = |name: &str| strsim::jaro_winkler(&wrong, name);
    let nearest = names.iter().copied().min_by_key(|name| distance(name))?;
    if distance(nearest) <= 2 && distance(nearest) < nearest.len() {
        return Some(nearest);
    }
    let similar = names.into_iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(similar) > 0.85).then_some(similar)
}

/// Returns a key as this file would write it: `killTime` and `kill_time` are `kill-time`.
fn normalize(key: &str) -> String {
    let mut normal = String::new();
    for (index, c) in key.chars().enumerate() {
        if c.is_ascii_uppercase()
            && index > 0
            && !normal.ends_with('-')
            && key.chars().any(|c| c.is_lowercase())
        {
            normal.push('-');
        }
        normal.push(if c == '_' || c == ' ' { '-' } else { c.to_ascii_lowercase() });
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_251_a_mistyped_key_suggests_the_intended_one() {
        for (wrong, meant) in [
            ("kil-time", "kill-time"),
            ("kill_time", "kill-time"),
            ("killTime", "kill-time"),
            ("KillTime", "kill-time"),
            ("comand", "command"),
            ("depends_on", "after"),
            ("ExecStart", "command"),
            ("stopwaitsecs", "kill-time"),
            ("working_dir", "cwd"),
            ("min-restart-dely", "min-restart-delay"),
            ("limit", "limits"),
            ("Restart", "restart"),
            ("evn", "env"),
        ] {
            assert_eq!(suggest(wrong, KEYS.iter().map(|key| key.name)), Some(meant), "{wrong}");
        }
        for wrong in ["x", "colour", "", "zzzzzzzz"] {
            assert_eq!(suggest(wrong, KEYS.iter().map(|key| key.name)), None, "{wrong}");
        }
    }

    #[test]
    fn every_synonym_means_a_key_and_is_none() {
        for (synonym, meant) in SYNONYMS {
            assert!(find(meant).is_some() && find(synonym).is_none(), "{synonym} {meant}");
            let normal = synonym.replace('-', "_");
            assert_eq!(suggest(&normal, KEYS.iter().map(|key| key.name)), Some(*meant), "{synonym}");
        }
    }
}
