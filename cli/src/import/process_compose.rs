//! Imports `process-compose.yaml`.

use std::path::{Path, PathBuf};

use childminder::Signal;

use super::draft::{self, Draft, Drafts, Place, list, shell, table, text};
use super::yaml::{self, Node, Value};
use super::{ImportError, text_of};

/// Reads files, of which the later ones override the earlier ones.
pub(super) fn read(files: &[PathBuf]) -> Result<Drafts, ImportError> {
    let first = files.first().map(PathBuf::as_path).unwrap_or_else(|| Path::new(""));
    let mut root = Node { place: Place::new(first, 1), value: Value::Null };
    for path in files {
        root = merged(root, yaml::parse(&text_of(path)?, path)?);
    }
    let mut drafts = Drafts::default();
    let mut common = Vec::new();
    for (key, node) in root.entries() {
        match &**key {
            "version" | "processes" => {}
            "environment" => {
                common = variables(node);
                if is_partial(node) {
                    drafts.note(&node.place, "environment: a part of it is no NAME=VALUE");
                }
            }
            "is_strict" | "log_level" | "log_length" => {
                drafts.note(&node.place, format!("{key}: it is about process-compose itself"));
            }
            "shell" => drafts.note(&node.place, "shell: commands are run by sh -c"),
            "log_location" => drafts.note(&node.place, "log_location: each process may have a `log`"),
            "extends" => drafts.note(&node.place, "extends: name both files, the base first"),
            "vars" => drafts.note(&node.place, "vars: templates are not expanded"),
            _ => drafts.note(&node.place, format!("{key} is not carried over")),
        }
    }
    let Some(processes) = root.get("processes") else { return Ok(drafts) };
    if !matches!(processes.value, Value::Table(_)) {
        return Err(ImportError::new(
            &processes.place.path,
            processes.place.line,
            "expected processes by their names",
        ));
    }
    for (name, node) in processes.entries() {
        let mut draft = Draft::new(name);
        process(node, &common, &mut draft);
        drafts.add(draft, &node.place);
    }
    dependencies(processes, &mut drafts);
    Ok(drafts)
}

/// Merges a later value over an earlier one; tables are merged key by key.
fn merged(base: Node, over: Node) -> Node {
    match (base.value, over.value) {
        (Value::Table(mut base), Value::Table(over_entries)) => {
            for (key, value) in over_entries {
                match base.iter().position(|(known, _)| *known == key) {
                    Some(index) => {
                        let (_, earlier) = base.remove(index);
                        base.insert(index, (key, merged(earlier, value)));
                    }
                    None => base.push((key, value)),
                }
            }
            Node { place: over.place, value: Value::Table(base) }
        }
        (value, Value::Null) => Node { place: base.place, value },
        (_, value) => Node { place: over.place, value },
    }
}

/// Returns variables, from a list of `A=B` or from a table.
fn variables(node: &Node) -> Vec<(String, String)> {
    let unescaped = |value: &str| value.replace("$$", "$");
    let texts = node.items().iter().filter_map(Node::text);
    let of_list = texts.filter_map(|text| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), unescaped(value)))
    });
    let of_table =
        node.entries().iter().filter_map(|(name, value)| Some((name.clone(), unescaped(&value.text()?))));
    of_list.chain(of_table).collect()
}

/// Whether some of the variables have no name or no value.
fn is_partial(node: &Node) -> bool {
    let is_pair = |item: &Node| item.text().is_some_and(|text| text.contains('='));
    node.items().iter().any(|item| !is_pair(item))
        || node.entries().iter().any(|(_, value)| value.text().is_none())
}

fn process(node: &Node, common: &[(String, String)], draft: &mut Draft) {
    draft.set("command", text("false"));
    draft.set("restart", text("never"));
    let mut pairs = common.to_vec();
    for (key, value) in node.entries() {
        let place = &value.place;
        let content = value.text().unwrap_or_default();
        if content.contains("{{") {
            draft.note(place, format!("{key}: the template is not expanded"));
        }
        match &**key {
            "command" => draft.set("command", shell(&content.replace("$$", "$"))),
            "entrypoint" => {
                let words: Vec<String> = value.items().iter().filter_map(Node::text).collect();
                if !words.is_empty() {
                    draft.set("command", list(&words));
                }
            }
            "description" => draft.comment(&content),
            "working_dir" => draft.set("cwd", text(&content)),
            "environment" => {
                pairs.extend(variables(value));
                if is_partial(value) {
                    draft.note(place, "environment: a part of it is no NAME=VALUE");
                }
            }
            "log_location" => draft.set("log", text(&content)),
            "disabled" if value.flag() == Some(true) => draft.set("hold", "true"),
            "is_tty" if value.flag() == Some(true) => draft.set("terminal", "true"),
            "disabled" | "is_tty" | "is_foreground" | "is_template_disabled"
                if value.flag() == Some(false) => {}
            "depends_on" => {}
            "namespace" => draft.note(place, "namespace: there are no groups to address at once"),
            "disable_ansi_colors" => {
                draft.note(place, "disable_ansi_colors: colours are shown on a terminal")
            }
            "availability" => availability(value, draft),
            "shutdown" => shutdown(value, draft),
            "readiness_probe" => readiness(value, draft),
            "liveness_probe" => liveness(value, draft),
            "ready_log_line" => draft.set("ready", table(&[("output".to_owned(), text(&content))])),
            "launch_timeout_seconds" => draft.note(place, "launch_timeout_seconds: it is for is_daemon"),
            "replicas" if value.number() == Some(1) => {}
            "replicas" => draft.note(place, format!("replicas: {content}: write a table for each")),
            "is_daemon" => draft.note(place, "is_daemon: the program must stay in the foreground"),
            _ => draft.note(place, format!("{key} is not carried over")),
        }
    }
    // The program may be a child of the shell.
    draft.set("stop-to", text(if is_parent_only(node) { "leader" } else { "group" }));
    if !pairs.is_empty() {
        draft.set("env", draft::variables(&pairs));
    }
    if node.get("command").is_none() && node.get("entrypoint").is_none() {
        draft.note(&node.place, "there is no command");
    }
}

fn is_parent_only(node: &Node) -> bool {
    node.get("shutdown").and_then(|shutdown| shutdown.get("parent_only")?.flag()) == Some(true)
}

fn availability(node: &Node, draft: &mut Draft) {
    let mut delay = 1;
    for (key, value) in node.entries() {
        let (place, content) = (&value.place, value.text().unwrap_or_default());
        match &**key {
            "restart" => {
                let word = match &*content {
                    "always" => "always",
                    "on_failure" | "on-failure" => "on-failure",
                    "exit_on_failure" => {
                        let message = "exit_on_failure: one failure stops everything";
                        draft.note(place, message);
                        draft.set("give-up", "{ failures = 1 }");
                        draft.set("on-give-up", text("stop-all"));
                        "on-failure"
                    }
                    "no" | "false" | "" => "never",
                    _ => {
                        draft.note(place, format!("restart: {content} is not known, and became \"never\""));
                        "never"
                    }
                };
                draft.set("restart", text(word));
            }
            "backoff_seconds" => match value.number() {
                Some(seconds) => delay = seconds.max(1),
                None => draft.note(place, format!("backoff_seconds: {content} is not valid")),
            },
            "max_restarts" => match value.number() {
                Some(count @ 1..=9_999) => draft.set("give-up", format!("{{ failures = {} }}", count + 1)),
                Some(0) => {}
                _ => draft.note(place, format!("max_restarts: {content} is not valid")),
            },
            "exit_on_end" if value.flag() == Some(true) => {
                draft.note(place, "exit_on_end: use `childminder up --exit-with NAME`");
            }
            "exit_on_end" => {}
            _ => draft.note(place, format!("availability.{key} is not carried over")),
        }
    }
    draft.set("growth", text("fixed"));
    draft.set("min-restart-delay", text(&format!("{delay}s")));
    draft.set("long-run", text("first-delay"));
}

fn shutdown(node: &Node, draft: &mut Draft) {
    for (key, value) in node.entries() {
        match (&**key, value.number()) {
            ("signal", Some(number)) => match i32::try_from(number).ok().and_then(Signal::from_number) {
                Some(signal) => draft.set("stop-signal", draft::signal(signal)),
                None => draft.note(&value.place, format!("shutdown.signal: {number} is not a signal")),
            },
            ("timeout_seconds", Some(seconds)) => {
                draft.set("kill-time", text(&format!("{}s", seconds.max(0))))
            }
            ("command", _) => {
                draft.set("stop-command", shell(&value.text().unwrap_or_default()));
                draft.note(&value.place, "shutdown.command: the id of the process is in MAINPID");
            }
            ("parent_only", _) => {}
            _ => draft.note(&value.place, format!("shutdown.{key} is not carried over")),
        }
    }
}

/// Returns a probe as the entries of a condition.
fn probe(node: &Node, draft: &mut Draft) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    if let Some(exec) = node.get("exec") {
        let command = exec.get("command").and_then(Node::text).unwrap_or_default();
        entries.push(("exec".to_owned(), shell(&command)));
        if let Some(dir) = exec.get("working_dir") {
            draft.note(&dir.place, "exec.working_dir: the probe runs in the directory of the process");
        }
    }
    if let Some(http) = node.get("http_get") {
        let content = |key: &str, default: &str| {
            http.get(key).and_then(Node::text).unwrap_or_else(|| default.to_owned())
        };
        let port = content("port", "80");
        let url = format!("http://127.0.0.1:{port}{}", content("path", "/"));
        let status = content("status_code", "200");
        let url = text(&url);
        entries.push(("http".to_owned(), format!("{{ url = {url}, status = {status} }}")));
        let is_local = ["127.0.0.1", "localhost", "0.0.0.0"].contains(&&*content("host", "127.0.0.1"));
        if !is_local
            || content("scheme", "http").eq_ignore_ascii_case("https")
            || http.get("headers").is_some()
        {
            draft.note(&http.place, "http_get: only http on this machine without headers is asked");
        }
    }
    for (key, value) in node.entries() {
        if ["timeout_seconds", "success_threshold", "initial_delay_seconds"].contains(&&**key) {
            draft.note(&value.place, format!("{key} is not carried over"));
        }
    }
    if entries.is_empty() {
        draft.note(&node.place, "the probe has neither exec nor http_get");
    }
    entries
}

fn readiness(node: &Node, draft: &mut Draft) {
    let entries = probe(node, draft);
    if entries.is_empty() {
        return;
    }
    draft.set("ready", table(&entries));
    let number = |key: &str| node.get(key).and_then(Node::number);
    let period = number("period_seconds").unwrap_or(10).max(1);
    let attempts = number("failure_threshold").unwrap_or(3).max(1);
    let seconds =
        period.saturating_mul(attempts).saturating_add(number("initial_delay_seconds").unwrap_or(0));
    draft.set("ready-timeout", text(&format!("{}s", seconds.clamp(1, 86_400))));
}

fn liveness(node: &Node, draft: &mut Draft) {
    let mut entries = probe(node, draft);
    if entries.is_empty() {
        return;
    }
    let number = |key: &str, default: i64| node.get(key).and_then(Node::number).unwrap_or(default).max(1);
    entries.push(("every".to_owned(), text(&format!("{}s", number("period_seconds", 10)))));
    entries.push(("failures".to_owned(), number("failure_threshold", 3).to_string()));
    draft.set("alive", table(&entries));
}

fn dependencies(processes: &Node, drafts: &mut Drafts) {
    let names: Vec<(String, String)> = processes
        .entries()
        .iter()
        .filter_map(|(name, _)| drafts.find(name).map(|(_, own)| (name.clone(), own.to_owned())))
        .collect();
    let restarted: Vec<String> = processes
        .entries()
        .iter()
        .filter(|(_, node)| {
            let restart = node.get("availability").and_then(|node| node.get("restart")?.text());
            restart.as_deref() == Some("always")
        })
        .map(|(name, _)| name.clone())
        .collect();
    for ((_, node), draft) in processes.entries().iter().zip(drafts.iter_mut()) {
        let Some(depends_on) = node.get("depends_on") else { continue };
        let listed = depends_on.items().iter().filter_map(|item| Some((item.text()?, item)));
        let all = depends_on.entries().iter().map(|(name, value)| (name.clone(), value)).chain(listed);
        let mut after = Vec::new();
        for (name, value) in all {
            let Some((_, own)) = names.iter().find(|(known, _)| *known == name) else {
                draft.note(&value.place, format!("depends_on: there is no process `{name}`"));
                continue;
            };
            let condition = value.get("condition").and_then(Node::text).unwrap_or_default();
            let state = match &*condition {
                "process_healthy" | "process_log_ready" => "ready",
                "process_completed" | "process_completed_successfully" if restarted.contains(&name) => {
                    draft.note(&value.place, format!("`{name}` is always restarted, so it never completes"));
                    "started"
                }
                "process_completed" => {
                    draft.note(&value.place, "process_completed: here it has to succeed");
                    "completed"
                }
                "process_completed_successfully" => "completed",
                _ => "started",
            };
            after.push((own.clone(), text(state)));
        }
        if !after.is_empty() {
            draft.set("after", table(&after));
        }
    }
}
