//! From the settings of an entry to a process that can be supervised.

use std::fs::File;
use std::path::{Path, PathBuf};

use childminder::host::{self, IoPriority, Resource, TerminalSize};
use childminder::machine::SignalTarget;
use childminder::{Host, Name, Spec, Stdin, System};

use super::policy;
use super::ports::Ports;
use super::probes;
use super::problems::Problem;
use super::setting::{Entry, Log, Secret, Setting, Until};
use super::sockets::Sockets;
use crate::system::notify;

/// The keys of sockets and files, which are opened for each version of a file.
const OPENED: [&str; 2] = ["listeners", "descriptors"];

/// A process of a file, ready to be added to a monitor.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: Name,
    /// The program, with its policy.
    pub(crate) spec: Spec,
    /// Whether it waits for `childminder start`.
    pub(crate) hold: bool,
    /// Whether it has sockets or files that are opened for it.
    pub(crate) opens: bool,
    pub(crate) log: Option<Log>,
}

/// Builds a process, whose paths are relative to `dir`. Without `sockets` the file is only checked, and
/// nothing is opened. Returns `None` if there is a problem.
pub(crate) fn build(
    entry: &Entry,
    dir: &Path,
    ports: &Ports,
    sockets: Option<&mut Sockets>,
    problems: &mut Vec<Problem>,
) -> Option<Process> {
    let before = problems.len();
    let mut builder = Builder { entry, dir, ports, sockets, problems };
    let spec = builder.spec()?;
    let log = match entry.get("log").map(|log| &log.value) {
        Some(Setting::Log(log)) => Some(Log { file: dir.join(&log.file), ..log.clone() }),
        _ => None,
    };
    let opens = OPENED.iter().any(|key| entry.get(key).is_some());
    let hold = entry.flag("hold") == Some(true);
    let process = Process { name: entry.name.clone(), spec, hold, opens, log };
    (problems.len() == before).then_some(process)
}

/// Notes if the program or the working directory does not exist. A process that waits for the completion of
/// another one is left out, because that may create them.
pub(crate) fn locate(entry: &Entry, process: &Process, system: &System, problems: &mut Vec<Problem>) {
    if entry.after().iter().any(|after| after.until == Until::Completed) {
        return;
    }
    if let Err(error) = system.locate(&process.spec) {
        let key = if error.step() == childminder::machine::SpawnStep::Chdir { "cwd" } else { "command" };
        problems.push(Problem::new(entry.span_of(key), error.to_string()));
    }
}

struct Builder<'a> {
    entry: &'a Entry,
    dir: &'a Path,
    ports: &'a Ports,
    sockets: Option<&'a mut Sockets>,
    problems: &'a mut Vec<Problem>,
}

impl Builder<'_> {
    fn spec(&mut self) -> Option<Spec> {
        let entry = self.entry;
        let mut spec = Spec::from(self.words("command")?);
        spec = self.surround(spec);
        spec = self.start(spec);
        spec = self.stop(spec);
        spec = self.inputs(spec);
        spec = self.open(spec);
        let cwd = entry.text("cwd").map_or_else(|| self.dir.to_owned(), |cwd| self.dir.join(cwd));
        let policy = policy::build(entry, self.problems)?;
        let spec = probes::add(spec.policy(policy), entry, &cwd, self.ports, self.problems);
        if let Err(error) = spec.check() {
            let key = match key_of(error.field) {
                "ready-timeout" if entry.get("ready-timeout").is_none() => "ready",
                key => key,
            };
            self.problems.push(Problem::new(entry.span_of(key), error.to_string()));
            return None;
        }
        Some(spec)
    }

    /// Sets environment, directory, account and umask.
    fn surround(&mut self, mut spec: Spec) -> Spec {
        let entry = self.entry;
        if entry.flag("env-clear") == Some(true) {
            spec = spec.env_clear();
        }
        for name in notify::VARIABLES {
            spec = spec.env_remove(name);
        }
        if let Some(Setting::VariableFiles(files)) = entry.get("env-file").map(|files| &files.value) {
            for (name, value) in files.iter().flat_map(|(_, Secret(pairs))| pairs) {
                spec = spec.env(name, value);
            }
        }
        for (name, value) in self.ports.variables() {
            spec = spec.env(name, value);
        }
        if let Some(Setting::Variables(variables)) = entry.get("env").map(|env| &env.value) {
            for (name, Secret(value)) in &**variables {
                spec = match value.as_ref().map(|value| self.ports.expand(value, &entry.name)) {
                    Some(Ok(value)) => spec.env(name, value),
                    Some(Err(message)) => {
                        self.problems.push(Problem::new(entry.span_of("env"), message).secret());
                        spec
                    }
                    None => spec.env_remove(name),
                };
            }
        }
        spec = match entry.text("cwd") {
            Some(cwd) => spec.cwd(self.dir.join(cwd)),
            None => spec.cwd(self.dir),
        };
        if let Some(user) = entry.text("user") {
            spec = spec.user(user);
        }
        if let Some(group) = entry.text("group") {
            spec = spec.group(group);
        }
        if let Some(uid) = entry.integer("uid") {
            spec = spec.uid(uid);
        }
        if let Some(gid) = entry.integer("gid") {
            spec = spec.gid(gid);
        }
        if let Some(Setting::Ids(ids)) = entry.get("groups").map(|groups| &groups.value) {
            spec = spec.groups(ids.iter().copied());
        }
        if let Some(umask) = entry.integer("umask") {
            spec = spec.umask(umask);
        }
        spec
    }

    fn start(&self, mut spec: Spec) -> Spec {
        let entry = self.entry;
        spec = spec.merge_output(entry.flag("merge-output").unwrap_or(true));
        spec = spec.own_group(entry.flag("own-group").unwrap_or(true));
        spec = spec.die_with_parent(entry.flag("die-with-parent").unwrap_or(true));
        for program in entry.texts("spare").into_iter().flatten() {
            spec = spec.spare(program);
        }
        if let Some(Setting::Limits(limits)) = entry.get("limits").map(|limits| &limits.value) {
            for (name, limit) in limits {
                let resource = name.parse::<Resource>().expect("the reader has checked the name");
                let or_unlimited = |limit: Option<u64>| limit.unwrap_or(host::Limit::UNLIMITED);
                spec = spec.limit(resource, or_unlimited(limit.soft), limit.hard.map(or_unlimited));
            }
        }
        if let Some(nice) = entry.integer("nice") {
            spec = spec.nice(nice);
        }
        if let Some(score) = entry.integer("oom-score-adj") {
            spec = spec.oom_score_adj(score);
        }
        if let Some(Setting::IoPriority { class, level }) = entry.get("io-priority").map(|value| &value.value)
        {
            spec = spec.io_priority(match *class {
                "realtime" => IoPriority::RealTime(*level),
                "idle" => IoPriority::Idle,
                _ => IoPriority::BestEffort(*level),
            });
        }
        if let Some(Setting::Terminal(Some((rows, columns)))) =
            entry.get("terminal").map(|value| &value.value)
        {
            spec = spec.terminal(TerminalSize::new(*rows, *columns));
        }
        spec
    }

    fn stop(&mut self, mut spec: Spec) -> Spec {
        let entry = self.entry;
        if let Some(Setting::Signal(signal)) = entry.get("stop-signal").map(|signal| &signal.value) {
            spec = spec.stop_signal(*signal);
        }
        let to_group = entry.text("stop-to") == Some("group");
        spec = spec.stop_to(if to_group { SignalTarget::Group } else { SignalTarget::Leader });
        if entry.get("stop-command").is_some()
            && let Some(words) = self.words("stop-command")
        {
            spec = spec.stop_command(words);
        }
        spec
    }

    fn inputs(&mut self, spec: Spec) -> Spec {
        match self.entry.text("stdin") {
            None | Some("null") => spec,
            Some("inherit") => spec.stdin(Stdin::Inherit),
            Some(file) => {
                let path = self.dir.join(file);
                if self.sockets.is_some() && !path.exists() {
                    let message = format!("there is no file {}", path.display());
                    self.note("stdin", message);
                }
                spec.stdin(Stdin::File(path))
            }
        }
    }

    /// Opens the listening sockets and files of the process.
    fn open(&mut self, mut spec: Spec) -> Spec {
        for address in self.entry.texts("listeners").into_iter().flatten() {
            let address = match self.ports.expand(address, &self.entry.name) {
                Ok(address) => address,
                Err(message) => {
                    self.note("listeners", message);
                    continue;
                }
            };
            let Some(sockets) = &mut self.sockets else { continue };
            spec = match sockets.listener(&address, self.dir) {
                Ok(socket) => spec.listener(socket),
                Err(error) => self.failed("listeners", spec, format!("cannot listen on {address}: {error}")),
            };
        }
        let Some(Setting::Descriptors(files)) = self.entry.get("descriptors").map(|files| &files.value)
        else {
            return spec;
        };
        if self.sockets.is_none() {
            return spec;
        }
        for (number, path) in files {
            let path: PathBuf = self.dir.join(path);
            spec = match File::open(&path) {
                Ok(file) => spec.descriptor(*number, file),
                Err(error) => {
                    self.failed("descriptors", spec, format!("cannot open {}: {error}", path.display()))
                }
            };
        }
        spec
    }

    /// Returns the words of a command, with the ports filled in.
    fn words(&mut self, key: &str) -> Option<Vec<String>> {
        let words = self.entry.texts(key)?;
        let words: Result<Vec<String>, String> =
            words.iter().map(|word| self.ports.expand(word, &self.entry.name)).collect();
        words.map_err(|message| self.note(key, message)).ok()
    }

    fn note(&mut self, key: &str, message: String) {
        self.problems.push(Problem::new(self.entry.span_of(key), message));
    }

    fn failed(&mut self, key: &str, spec: Spec, message: String) -> Spec {
        self.note(key, message);
        spec
    }
}

/// Returns the key that sets a field of [`Spec`] or [`Policy`](childminder::Policy).
fn key_of(field: &str) -> &str {
    match field {
        "program" | "args" => "command",
        "descriptor" => "descriptors",
        "listener" => "listeners",
        "open_files" | "limit" => "limits",
        "stop_target" => "stop-to",
        _ => super::keys::KEYS
            .iter()
            .map(|key| key.name)
            .find(|key| key.replace('-', "_") == field)
            .unwrap_or("command"),
    }
}
