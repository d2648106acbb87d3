//! The command line: subcommands, options, defaults, and help texts.

pub(crate) mod attributes;
mod complete;
mod control;
mod convert;
mod explore;
mod foresight;
pub(crate) mod log_file;
mod rehearse;
mod run;
mod timeline;
mod up;
mod verbosity;

use std::io::{self, Write};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use clap_complete::engine::ArgValueCandidates;

pub(crate) use control::{Down, Logs, OnPrograms, Reload, SendSignal, Start, Status, Wait, Why};
pub(crate) use convert::{Check, Engine, Export, Import, Origin};
pub(crate) use explore::Explore;
pub(crate) use foresight::{Incident, Replay, WhatIf};
pub(crate) use rehearse::Rehearse;
pub(crate) use run::Run;
pub(crate) use timeline::{Diff, Timeline};
pub(crate) use up::{Target, Up};

use crate::help;

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

/// Keeps programs running: restarts them when they exit, and stops them with everything that they have
/// started.
#[derive(Debug, Parser)]
#[command(name = "childminder", version, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = format!("{}\n\n{SUMMARY}", help::list()))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const SUMMARY: &str = "\
Examples:
  childminder run python3 -m http.server --bind 127.0.0.1 8000
  childminder up

'childminder run --help' and 'childminder up --help' show the options and more examples.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<Run>),
    Up(Box<Up>),
    Status(Status),
    Logs(Logs),
    Start(Start),
    /// Stops programs, and keeps them down until they are started
    Stop(OnPrograms),
    /// Restarts programs, and returns when their old runs are over
    Restart(OnPrograms),
    /// Kills programs, which are then restarted as after a crash
    Kill(OnPrograms),
    Signal(SendSignal),
    Wait(Wait),
    Why(Why),
    Reload(Reload),
    Down(Down),
    Check(Check),
    Rehearse(Rehearse),
    Import(Import),
    Export(Export),
    Replay(Replay),
    Incident(Incident),
    Timeline(Timeline),
    Diff(Diff),
    /// Prints the JSON schema of childminder.toml, for editors
    Schema,
    /// Shows the help of a command, or of a topic
    Help {
        /// The command or the topic [default: lists of both]
        #[arg(value_name = "COMMAND|TOPIC", add = ArgValueCandidates::new(complete::subjects))]
        subject: Option<String>,
    },
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests;
