//! The commands that control an `up` from another terminal.

use std::path::PathBuf;
use std::time::Duration;

use childminder::Signal;
use clap_complete::engine::ArgValueCandidates;

use super::complete;
use super::up::Target;
use crate::control::protocol::{Command, WaitUntil};
use crate::values::duration;

/// The programs that a command is about.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Names {
    /// The programs [default: all]
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::names))]
    pub(crate) names: Vec<String>,
}

/// Programs, at least one.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SomeNames {
    /// The programs
    #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(complete::names))]
    pub(crate) names: Vec<String>,
}

/// Shows the states of the programs
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) names: Names,
    /// Shows them again every second, until Ctrl-C
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Prints a JSON array of objects
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints the last lines that the programs have written
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Logs {
    /// The file [default: childminder.toml, or else Procfile, here or in a parent directory]
    // Without a short form: `logs -f` follows, as with other programs.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) names: Names,
    /// Prints new lines too, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// The number of lines; at most 1000 are kept for each program
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub(crate) lines: usize,
    /// Prints a JSON object for each line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Starts programs that are held, completed, failed, given up, or waiting
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) names: SomeNames,
    /// Does not wait for the programs that they depend on
    #[arg(long)]
    pub(crate) force: bool,
}

/// A command with the names of programs.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OnPrograms {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) names: SomeNames,
}

/// Sends a signal to the process groups of programs
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SendSignal {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The signal, such as HUP or 1
    #[arg(value_name = "SIG")]
    pub(crate) signal: Signal,
    #[command(flatten)]
    pub(crate) names: SomeNames,
}

/// Waits until programs are ready, or down
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Wait {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) names: Names,
    /// Until they are ready, which is the default
    #[arg(long, conflicts_with = "down")]
    pub(crate) ready: bool,
    /// Until they are down
    #[arg(long)]
    pub(crate) down: bool,
    /// The longest time to wait, also for the start of 'up' itself; then the exit status is 1
    #[arg(long, value_name = "S", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
}

/// Explains why a program is in its state
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Why {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The program
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::names))]
    pub(crate) name: String,
    /// In this journal or incident file, instead of now
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub(crate) journal: Option<PathBuf>,
    /// At this time after the beginning of the journal [default: its end]
    #[arg(long, value_name = "S", requires = "journal", value_parser = duration::parse)]
    pub(crate) at: Option<Duration>,
}

/// Reads the file again, and applies what has changed in it
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Shows the difference, and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Stops everything, and returns when it is down
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Down {
    #[command(flatten)]
    pub(crate) target: Target,
}

impl Wait {
    /// Returns the request.
    pub(crate) fn command(&self) -> Command {
        let until = if self.down { WaitUntil::Down } else { WaitUntil::Ready };
        let millis = |timeout: Duration| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        Command::Wait { until, names: self.names.names.clone(), timeout_ms: self.timeout.map(millis) }
    }
}
