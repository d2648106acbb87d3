//! `childminder up`: options and help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;

use super::complete;
use super::verbosity::Verbosity;
use crate::up::screen::LogFormat;
use crate::values::duration;

/// The file that a command is about.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// The file [default: childminder.toml, or else Procfile, here or in a parent directory]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// Keeps the programs of a file running until a signal stops them
///
/// The output of the programs goes to stdout, each line prefixed with the name of its program; events go to
/// stderr. Ctrl-C and TERM stop the programs in order: each one before those that it depends on. A second
/// signal kills them at once. 'childminder status' shows them from another terminal.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Only these programs, with everything that they depend on; the others are held
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::names))]
    pub(crate) names: Vec<String>,

    /// Returns when everything is ready, and leaves the programs running in the background
    #[arg(short, long)]
    pub(crate) detach: bool,

    /// The time to become ready with --detach; then everything is stopped
    #[arg(long, value_name = "S", default_value = "300", value_parser = duration::parse)]
    pub(crate) timeout: Duration,

    /// Stops everything when this program has exited, and returns its exit status
    #[arg(long, value_name = "NAME", conflicts_with = "detach", add = ArgValueCandidates::new(complete::names))]
    pub(crate) exit_with: Option<String>,

    /// The format of lines and events: for people, or one JSON object on each line
    #[arg(long, value_name = "FORMAT", default_value = "text", value_enum)]
    pub(crate) log_format: LogFormat,

    /// Keeps this file up to date with the states of the programs, for Prometheus
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,

    /// Records everything that decides about the programs in this file, for 'replay' and 'timeline'
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) verbosity: Verbosity,

    /// Reports to the process that has detached this one, on the standard output
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
}

const EXAMPLES: &str = "\
A file has a table for each program:
  [process.db]
  command = \"postgres -D data\"
  ready = { port = 5432 }

  [process.web]
  command = \"./serve --port 8000\"
  after = { db = \"ready\" }

Examples:
  childminder up
  childminder up -d -f deploy/childminder.toml
  childminder up --exit-with tests

Exit status: 0 when a signal or 'childminder down' has stopped everything, 1 when something could not be stopped or started,
2 for a usage error or a problem of the file, 3 when a program was given up. CHILDMINDER_LOG, if set, overrides -q and -v.";
