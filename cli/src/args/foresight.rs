//! The commands about journals: options and help texts.

use std::path::PathBuf;
use std::time::Duration;

use super::Target;
use crate::values::duration;

/// Puts a journal into the machine again, and compares every decision
///
/// The journal is a file of 'up --journal', or an incident file. Nothing is started. If this version of
/// childminder decides as the recorded one did, this prints 'identical'; otherwise the first difference.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Example:
  childminder replay night.journal

Exit status: 0 when all decisions are the same, 1 when one is not, 2 when the file cannot be read.")]
pub(crate) struct Replay {
    /// The journal, or the incident file
    #[arg(value_name = "FILE")]
    pub(crate) journal: PathBuf,
}

/// Packs everything about an incident into one file, for another machine
///
/// The archive contains the journal, the definitions without the values of environment variables, the last
/// lines of every program, versions, and why every program is in its state, if childminder runs. Command
/// lines and output are in it: look through it before it leaves your hands.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  childminder incident -o night.tar.gz
  childminder incident --last 1h -f deploy/childminder.toml -o night.tar.gz
  childminder timeline night.tar.gz -o night.html

Exit status: 0; 1 when the archive cannot be written; 2 for a usage error, or when there is no journal.")]
pub(crate) struct Incident {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The archive to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// The journal [default: that of the running 'up --journal']
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,

    /// Only what has happened in this time before the end
    #[arg(long, value_name = "S", value_parser = duration::parse)]
    pub(crate) last: Option<Duration>,
}
