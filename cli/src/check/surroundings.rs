//! What this machine lacks: free ports, files, directories of logs.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;

use super::finding::{FindingKind, Findings, Level};
use crate::control::client::Connection;
use crate::control::protocol::{Change, Command, ProcessStatus, Reply};
use crate::file::setting::{Entry, PortChoice, Setting};
use crate::file::{File, Process};

/// The `up` that runs for a file, if there is one.
#[derive(Debug, Default)]
pub(super) struct Running {
    processes: Vec<ProcessStatus>,
    /// The keys of each process that a reload would change.
    changed: Vec<Change>,
}

impl Running {
    /// Asks the `up` of a file. If it cannot be asked, nothing is known about it.
    pub(super) fn of(file: &File) -> Self {
        let mut running = Self::default();
        for command in [Command::Status { names: Vec::new() }, Command::Reload { dry_run: true }] {
            let Ok(connection) = Connection::open(&file.path) else { return Self::default() };
            let answered = connection.request(&command, |reply| {
                match reply {
                    Reply::Status { processes } => running.processes = processes,
                    Reply::Changes(changes) => running.changed = changes.changed,
                    _ => {}
                }
                Ok(())
            });
            if let Err(error) = answered {
                log::debug!("cannot ask the running supervisor: {error}");
                return Self::default();
            }
        }
        running
    }

    /// Whether the port of a process is in use by that process itself, or by its supervisor in its place.
    fn has_port(&self, entry: &Entry, key: &str, port: u16) -> bool {
        let change = self.changed.iter().find(|change| *change.name == *entry.name);
        let is_changed = change.is_some_and(|change| change.keys.iter().any(|changed| changed == key));
        let process = self.processes.iter().find(|process| *process.name == *entry.name);
        // The supervisor holds listening sockets whether or not their program runs.
        let holds = |process: &ProcessStatus| {
            key == "listeners" || process.pid.is_some() && process.port == Some(port)
        };
        !is_changed && process.is_some_and(holds)
    }
}

/// Checks what a process needs besides its program, which [`File::located`](crate::file::File::located)
/// looks up.
pub(super) fn check(
    entry: &Entry,
    process: &Process,
    dir: &Path,
    running: &Running,
    findings: &mut Findings<'_>,
) {
    let mut addresses = BTreeSet::new();
    if let Some(PortChoice::Number(port)) = entry.port() {
        addresses.insert(("port", SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }
    for listener in entry.texts("listeners").into_iter().flatten() {
        // A name that cannot be resolved is an error of `up`; a placeholder has no fixed number.
        let resolved = listener.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
        addresses.extend(resolved.map(|address| ("listeners", address)));
    }
    for (key, address) in addresses {
        if is_occupied(address) && !running.has_port(entry, key, address.port()) {
            let message = format!("port {} is in use on this machine now", address.port());
            findings.add(FindingKind::OccupiedPort, Level::Warning, entry, key, message);
        }
    }
    if let Some(file) = entry.text("stdin").filter(|file| !["null", "inherit"].contains(file))
        && !dir.join(file).exists()
    {
        let message = format!("there is no file {}", dir.join(file).display());
        findings.add(FindingKind::MissingFile, Level::Error, entry, "stdin", message);
    }
    if let Some(Setting::Descriptors(files)) = entry.get("descriptors").map(|files| &files.value) {
        for path in files.values().map(|path| dir.join(path)).filter(|path| !path.exists()) {
            let message = format!("there is no file {}", path.display());
            findings.add(FindingKind::MissingFile, Level::Error, entry, "descriptors", message);
        }
    }
    if let Some(log) = &process.log
        && let Some(folder) = log.file.parent()
        && !folder.is_dir()
    {
        let message = format!("there is no directory {} for the log file", folder.display());
        findings.add(FindingKind::MissingLogDirectory, Level::Error, entry, "log", message);
    }
}

/// Whether something listens at an address. The attempt is over at once, so no client can connect to it.
fn is_occupied(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
