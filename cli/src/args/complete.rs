//! Completion of arguments that are not known before they are typed.

use clap_complete::CompletionCandidate;

use crate::file::{File, find};

/// Returns the names of the processes in the file of this directory. `-f` on the same line is not known here.
pub(crate) fn names() -> Vec<CompletionCandidate> {
    let Ok(file) = find(None).map(|path| File::read(&path)) else { return Vec::new() };
    // A shell has no place for the problems of the file.
    file.map(|file| file.names().map(|name| CompletionCandidate::new(name.as_str())).collect())
        .unwrap_or_default()
}
