//! A process of the file, as the writers of all engines need it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use childminder::{Policy, Signal};

use crate::file::Process;
use crate::file::ports::Ports;
use crate::file::setting::{After, Entry, Liveness, PortChoice, Probe, Secret, Setting, Until};

/// A process with its settings.
pub(super) struct Program<'a> {
    pub(super) name: &'a str,
    pub(super) entry: &'a Entry,
    pub(super) words: Vec<String>,
    pub(super) cwd: PathBuf,
    /// Variables with their values, and those that are removed.
    pub(super) variables: Vec<(String, Option<String>)>,
    pub(super) variable_files: Vec<PathBuf>,
    pub(super) port: Option<u16>,
    pub(super) has_assigned_port: bool,
    pub(super) ready: Option<Probe>,
    pub(super) alive: Option<Liveness>,
    pub(super) policy: Policy,
    pub(super) stop_signal: Signal,
    pub(super) hold: bool,
    pub(super) log: Option<PathBuf>,
}

impl<'a> Program<'a> {
    pub(super) fn new(entry: &'a Entry, process: &Process, ports: &Ports, dir: &Path) -> Self {
        let expand = |text: &str| ports.expand(text, &entry.name).unwrap_or_else(|_| text.to_owned());
        let words =
            |key: &str| entry.texts(key).unwrap_or_default().iter().map(|word| expand(word)).collect();
        let mut variables: Vec<(String, Option<String>)> =
            ports.variables().map(|(name, port)| (name, Some(port))).collect();
        if let Some(Setting::Variables(own)) = entry.get("env").map(|env| &env.value) {
            let own = own.iter().map(|(name, Secret(value))| (name.clone(), value.as_deref().map(expand)));
            variables.extend(own);
        }
        let variable_files = match entry.get("env-file").map(|files| &files.value) {
            Some(Setting::VariableFiles(files)) => files.iter().map(|(path, _)| path.clone()).collect(),
            _ => Vec::new(),
        };
        let ready = match entry.get("ready").map(|ready| &ready.value) {
            Some(Setting::Condition(probe)) => Some(expanded(probe, &expand)),
            _ => None,
        };
        let alive = match entry.get("alive").map(|alive| &alive.value) {
            Some(Setting::Liveness(liveness)) => {
                Some(Liveness { probe: expanded(&liveness.probe, &expand), ..liveness.clone() })
            }
            _ => None,
        };
        Self {
            name: entry.name.as_str(),
            entry,
            words: words("command"),
            cwd: entry.text("cwd").map_or_else(|| dir.to_owned(), |cwd| dir.join(cwd)),
            variables,
            variable_files,
            port: ports.get(&entry.name),
            has_assigned_port: entry.port() == Some(PortChoice::Auto),
            ready,
            alive,
            policy: process.spec.get_policy().unwrap_or_default(),
            stop_signal: process.spec.get_stop_signal(),
            hold: process.hold,
            log: process.log.as_ref().map(|log| log.file.clone()),
        }
    }

    pub(super) fn after(&self) -> &[After] {
        self.entry.after()
    }

    /// Whether another program waits for the completion of this one.
    pub(super) fn is_awaited_to_complete(&self, all: &[Self]) -> bool {
        let awaited = |after: &After| after.until == Until::Completed && *after.on.value == *self.name;
        all.iter().flat_map(|program| program.after()).any(awaited)
    }

    /// Returns a time in whole seconds, rounded up.
    pub(super) fn kill_seconds(&self) -> u64 {
        seconds_up(self.policy.kill_time)
    }
}

/// Rounds up to whole seconds, at least one.
pub(super) fn seconds_up(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

/// Fills the placeholders of a condition in.
fn expanded(probe: &Probe, expand: &impl Fn(&str) -> String) -> Probe {
    let mut probe = probe.clone();
    expand_in(&mut probe, expand);
    probe
}

fn expand_in(probe: &mut Probe, expand: &impl Fn(&str) -> String) {
    match probe {
        Probe::Port(text) | Probe::Unix(text) => text.value = expand(&text.value),
        Probe::Http { url, .. } => url.value = expand(&url.value),
        Probe::Exec(words) => words.iter_mut().for_each(|word| *word = expand(word)),
        Probe::All(probes) | Probe::Any(probes) => {
            probes.iter_mut().for_each(|probe| expand_in(probe, expand));
        }
        Probe::ByAnyProcess(probe) => expand_in(probe, expand),
        Probe::Output { .. } | Probe::Notify(_) | Probe::SdNotify | Probe::Uptime(_) => {}
    }
}
