//! The command line: subcommands, options, defaults, and help texts.

pub(crate) mod attributes;
pub(crate) mod log_file;
mod run;

use std::io::{self, Write};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use run::Run;

/// Parses the command line.
///
/// # Errors
///
/// The error of clap, which includes requests for help and the version. If `run` has no command, its help has
/// been printed before, as by Twisted.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    Cli::try_parse().inspect_err(|error| {
        if lacks_command(error) {
            let mut cli = Cli::command();
            cli.build();
            let run = cli.find_subcommand_mut("run").expect("`run` is defined below");
            let _ = writeln!(io::stderr(), "{}", run.render_help());
        }
    })
}

/// Whether `run` has no command.
fn lacks_command(error: &clap::Error) -> bool {
    let missing = error.get(ContextKind::InvalidArg);
    error.kind() == ErrorKind::MissingRequiredArgument
        && matches!(missing, Some(ContextValue::Strings(names)) if names.iter().any(|name| name.contains("COMMAND")))
}

/// Returns what to try after an error of the command line, if that is known.
pub(crate) fn hint(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    Some(format!("to keep a program running, write: childminder run {word} …"))
}

/// Keeps a program running: restarts it when it exits, and stops it with everything that it has started.
#[derive(Debug, Parser)]
#[command(name = "childminder", version, arg_required_else_help = true, after_help = SUMMARY)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const SUMMARY: &str = "\
Example:
  childminder run python3 -m http.server --bind 127.0.0.1 8000

'childminder run --help' shows the options and more examples.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<Run>),
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}
