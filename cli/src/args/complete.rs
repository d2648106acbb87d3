//! Completion of arguments that are not known before they are typed.

use clap::CommandFactory;
use clap_complete::CompletionCandidate;

use super::Cli;
use crate::file::File;
use crate::help;

/// Returns the names of the processes in the file of this directory. `-f` on the same line is not known here.
pub(crate) fn names() -> Vec<CompletionCandidate> {
    // A shell has no place for the problems of the file.
    let Ok(file) = File::find(None) else { return Vec::new() };
    file.names().map(|name| CompletionCandidate::new(name.as_str())).collect()
}

/// Returns what `childminder help` has a text about.
pub(crate) fn subjects() -> Vec<CompletionCandidate> {
    let cli = Cli::command();
    let commands = cli.get_subcommands().map(|command| command.get_name().to_owned());
    commands.chain(help::names().map(str::to_owned)).map(CompletionCandidate::new).collect()
}
