//! What this machine lacks: free ports, files, directories of logs.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;

use super::finding::{Findings, Level};
use crate::file::Process;
use crate::file::setting::{Entry, PortChoice, Setting};

/// Checks what a process needs besides its program, which [`File::located`](crate::file::File::located)
/// looks up.
pub(super) fn check(entry: &Entry, process: &Process, dir: &Path, findings: &mut Findings<'_>) {
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
        if is_occupied(address) {
            let message = format!("port {} is in use on this machine now", address.port());
            findings.add(Level::Warning, entry, key, message);
        }
    }
    if let Some(file) = entry.text("stdin").filter(|file| !["null", "inherit"].contains(file))
        && !dir.join(file).exists()
    {
        findings.add(Level::Error, entry, "stdin", format!("there is no file {}", dir.join(file).display()));
    }
    if let Some(Setting::Descriptors(files)) = entry.get("descriptors").map(|files| &files.value) {
        for path in files.values().map(|path| dir.join(path)).filter(|path| !path.exists()) {
            findings.add(Level::Error, entry, "descriptors", format!("there is no file {}", path.display()));
        }
    }
    if let Some(log) = &process.log
        && let Some(folder) = log.file.parent()
        && !folder.is_dir()
    {
        let message = format!("there is no directory {} for the log file", folder.display());
        findings.add(Level::Error, entry, "log", message);
    }
}

/// Whether something listens at an address. The attempt is over at once, so no client can connect to it.
fn is_occupied(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
