//! The commands about journals: options and help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;

use super::Target;
use crate::file::PRESETS;
use crate::values::duration;

/// Puts a journal into the machine again, and compares every decision
///
/// The journal is a file of 'up --journal', or an incident file. Nothing is started. If this version of
/// childminder decides as the recorded one did, this prints 'identical'; otherwise the first difference.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Example:
  childminder replay night.journal
  childminder replay night.journal --set web.give-up.failures=3 -o what-if.html
  childminder replay night.journal --policy kubernetes

With --set, --policy or --with the recorded commands and runs come again, and the decisions are made anew: restarts,
downtime and the times of giving up are shown as they were, and as they would have been.

Exit status: 0 when all decisions are the same, and for a what-if; 1 when a decision is not the same, or the picture cannot
be written; 2 for a usage error, or when the file cannot be read.")]
pub(crate) struct Replay {
    /// The journal, or the incident file
    #[arg(value_name = "FILE")]
    pub(crate) journal: PathBuf,

    #[command(flatten)]
    pub(crate) what_if: WhatIf,
}

/// The changes for which a journal is rehearsed.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct WhatIf {
    /// Changes a key of the policy of a program; may be given several times
    #[arg(long, value_name = "NAME.KEY=VALUE")]
    pub(crate) set: Vec<String>,

    /// Gives all programs the policy of this supervisor
    #[arg(long, value_name = "PRESET", value_parser = PossibleValuesParser::new(PRESETS))]
    pub(crate) policy: Option<String>,

    /// Uses the programs of this file instead of the recorded ones
    #[arg(long, value_name = "FILE")]
    pub(crate) with: Option<PathBuf>,

    /// Draws both as timelines, into a file whose name ends with .html or .svg
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
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
