//! Dependencies that can never become ready, and ports that two processes want.

use std::collections::BTreeMap;

use super::finding::{FindingKind, Findings, Level};
use crate::file::Process;
use crate::file::setting::{Entry, PortChoice, Probe, Setting, Until};

/// Checks the relations between the processes.
pub(super) fn check(entries: &[Entry], processes: &[Process], findings: &mut Findings<'_>) {
    let mut impossible = BTreeMap::new();
    for entry in entries {
        if let Some(reason) = never_ready(entry) {
            let message = format!("can never become ready: {reason}");
            findings.add(FindingKind::NeverReady, Level::Error, entry, "ready", message);
            impossible.insert(entry.name.as_str(), reason);
        }
    }
    for entry in entries {
        for after in entry.after() {
            let on = &*after.on.value;
            let Some(dependency) = entries.iter().find(|entry| entry.name == *on) else { continue };
            if impossible.contains_key(on) && after.until == Until::Ready {
                let message = format!("waits forever: `{on}` can never become ready");
                findings.add_at(
                    FindingKind::WaitsForNeverReady,
                    Level::Error,
                    entry,
                    &after.on.span,
                    message,
                );
            }
            let is_held = |name: &str| processes.iter().any(|process| process.name == *name && process.hold);
            if is_held(on) && !is_held(&entry.name) {
                let message = format!("waits until `childminder start {on}`, because `{on}` is held");
                findings.add_at(FindingKind::WaitsForHeld, Level::Warning, entry, &after.on.span, message);
            }
            if after.until == Until::Ready && dependency.get("ready").is_none() {
                let message = format!("`{on}` has no `ready`, so it counts as ready when it has started");
                findings.add_at(FindingKind::WaitsWithoutReady, Level::Info, entry, &after.on.span, message);
            }
        }
    }
    ports(entries, findings);
}

/// Returns why a process can never become ready, if that is certain.
fn never_ready(entry: &Entry) -> Option<String> {
    let Some(Setting::Condition(probe)) = entry.get("ready").map(|ready| &ready.value) else { return None };
    let is_merged = entry.flag("merge-output").unwrap_or(true);
    (is_merged && needs_stderr(probe))
        .then(|| "it waits for a line of stderr, which `merge-output` makes a line of stdout".to_owned())
}

/// Whether a condition cannot be met without a line of stderr.
fn needs_stderr(probe: &Probe) -> bool {
    match probe {
        Probe::Output { stream, .. } => *stream == Some("stderr"),
        Probe::All(probes) => probes.iter().any(needs_stderr),
        Probe::Any(probes) => probes.iter().all(needs_stderr),
        Probe::ByAnyProcess(probe) => needs_stderr(probe),
        _ => false,
    }
}

/// Notes ports that two processes have, and conditions that look at the port of another process.
fn ports(entries: &[Entry], findings: &mut Findings<'_>) {
    let mut owners: BTreeMap<u16, &Entry> = BTreeMap::new();
    for entry in entries {
        let Some(PortChoice::Number(port)) = entry.port() else { continue };
        match owners.get(&port) {
            Some(other) => {
                let message = format!("`{}` has the port {port} too", other.name);
                findings.add(FindingKind::SamePort, Level::Warning, entry, "port", message);
            }
            None => {
                owners.insert(port, entry);
            }
        }
    }
    for entry in entries {
        let Some(Setting::Condition(probe)) = entry.get("ready").map(|ready| &ready.value) else { continue };
        for port in probed(probe) {
            if let Some(owner) = owners.get(&port)
                && owner.name != entry.name
                && entry.port() != Some(PortChoice::Number(port))
            {
                let message = format!("`ready` looks at port {port}, which is that of `{}`", owner.name);
                findings.add(FindingKind::PortOfOther, Level::Warning, entry, "ready", message);
            }
        }
    }
}

/// Returns the fixed ports that a condition connects to.
fn probed(probe: &Probe) -> Vec<u16> {
    match probe {
        Probe::Port(port) => port.value.parse().into_iter().collect(),
        Probe::All(probes) | Probe::Any(probes) => probes.iter().flat_map(probed).collect(),
        _ => Vec::new(),
    }
}
