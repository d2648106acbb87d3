//! A value for each key of a process, with which it differs from the process without it.

use serde_json::Value;

use super::up::Project;

/// The command and what each process below has.
pub(super) const BASE: &str = "command = \"sleep 1000\"\ngive-up = { failures = 9 }\n\
                               ready = { uptime = \"1ms\" }\n";

/// The lines of a process by the key that they change or add.
pub(super) const LINES: &[(&str, &str)] = &[
    ("command", "command = \"sleep 2000\""),
    ("cwd", "cwd = \"/tmp\""),
    ("env", "env = { A = \"1\" }"),
    ("env-file", "env-file = \"vars.env\""),
    ("env-clear", "env-clear = true"),
    ("user", "user = \"USER\""),
    ("group", "group = \"GROUP\""),
    ("uid", "uid = UID"),
    ("gid", "gid = GID"),
    ("groups", "groups = [GID]"),
    ("umask", "umask = \"027\""),
    ("stdin", "stdin = \"/dev/zero\""),
    ("merge-output", "merge-output = false"),
    ("terminal", "terminal = true"),
    ("port", "port = 20321"),
    ("listeners", "listeners = [\"unix:socket\"]"),
    ("descriptors", "descriptors = { 5 = \"/dev/null\" }"),
    ("after", "after = { base = \"started\" }"),
    ("ready", "ready = { uptime = \"2ms\" }"),
    ("ready-timeout", "ready-timeout = \"90s\""),
    ("alive", "alive = { exec = \"true\", every = \"1h\" }"),
    ("watchdog", "watchdog = \"1h\""),
    ("hold", "hold = true"),
    ("policy", "policy = \"supervisord\""),
    ("restart", "restart = \"on-failure\""),
    ("success", "success = [0, 3]"),
    ("threshold", "threshold = \"2s\""),
    ("min-restart-delay", "min-restart-delay = \"3s\""),
    ("max-restart-delay", "max-restart-delay = \"9s\""),
    ("growth", "growth = \"fixed\""),
    ("jitter", "jitter = 0.1"),
    ("long-run", "long-run = \"first-delay\""),
    ("reset-after-ready", "reset-after-ready = \"30s\""),
    ("give-up", "give-up = { failures = 5, within = \"1m\" }"),
    ("on-give-up", "on-give-up = \"stop-all\""),
    ("restart-group", "restart-group = { name = \"g\", strategy = \"one-for-all\" }"),
    ("stop-signal", "stop-signal = \"INT\""),
    ("stop-to", "stop-to = \"group\""),
    ("stop-command", "stop-command = \"sh -c 'kill $MAINPID'\""),
    ("kill-time", "kill-time = \"7s\""),
    ("leak-timeout", "leak-timeout = \"100ms\""),
    ("own-group", "own-group = false"),
    ("die-with-parent", "die-with-parent = false"),
    ("spare", "spare = [\"tmux\"]"),
    ("limits", "limits = { nofile = 77 }"),
    ("nice", "nice = 5"),
    ("oom-score-adj", "oom-score-adj = 500"),
    ("io-priority", "io-priority = { class = \"idle\" }"),
    ("log", "log = \"a.log\""),
];

/// The keys that only root can use.
pub(super) const OF_ROOT: [&str; 5] = ["user", "group", "uid", "gid", "groups"];

/// Returns the lines of the base without those for this key.
pub(super) fn without(key: &str) -> String {
    let others = BASE.lines().filter(|line| !line.starts_with(&format!("{key} =")));
    others.map(|line| line.to_owned() + "\n").collect()
}

/// Returns the lines of the process with this key.
pub(super) fn process(key: &str) -> String {
    let (_, line) = LINES.iter().find(|(known, _)| *known == key).expect("a key");
    let line = line.replace("USER", "root").replace("GROUP", "root").replace("UID", "0").replace("GID", "0");
    without(key) + &line + "\n"
}

#[test]
fn every_key_has_a_line() {
    let schema: Value = serde_json::from_str(&Project::new("").ctl(&["schema"], 0)).unwrap();
    let mut keys: Vec<&String> =
        schema["$defs"]["process"]["properties"].as_object().unwrap().keys().collect();
    let mut known: Vec<&str> = LINES.iter().map(|(key, _)| *key).collect();
    keys.sort();
    known.sort_unstable();
    assert_eq!(keys, known);
}
