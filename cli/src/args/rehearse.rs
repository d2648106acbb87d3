//! `childminder rehearse`: options and help texts.

use std::path::PathBuf;
use std::time::Duration;

use super::explore::Explore;
use crate::values::duration;

/// Shows what a file does over a long time, in virtual time and without starting anything
///
/// The programs are scripted: a scenario says how long they live, how they fail and what happens when.
/// Without one, they do what they did in a journal, or what is assumed and printed. The result has restarts,
/// downtime and the programs that are given up.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rehearse {
    /// The file [default: childminder.toml, or else Procfile, here or in a parent directory]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// The scenario: what the programs do, and what happens when
    #[arg(short, long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,

    /// Takes what the programs do from their runs in this journal of 'up', or incident file; a scenario
    /// overrides it
    #[arg(long, value_name = "JOURNAL")]
    pub(crate) from_journal: Option<PathBuf>,

    /// The time to rehearse [default: that of the scenario, or 1d]
    #[arg(long = "for", value_name = "S", value_parser = duration::parse)]
    pub(crate) length: Option<Duration>,

    /// The seed of random lives and of the jitter [default: that of the scenario, or 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Prints what an operator would have seen as well
    #[arg(short, long, visible_alias = "log")]
    pub(crate) verbose: bool,

    /// Draws what happens as a timeline, into a file whose name ends with .html or .svg
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Writes what happens as a journal, for 'timeline', 'diff', 'replay' and 'why --journal'
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,

    /// Prints one JSON object
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) exploration: Explore,
}

const EXAMPLES: &str = "\
A scenario says what differs from programs that work:
  length = \"1d\"

  [process.db]
  start-takes = \"2s\"
  ready-after = \"5s\"
  stop-takes = \"8s\"

  [process.web]
  lives = { min = \"10m\", max = \"2h\" }
  fails = \"3 of 4\"

  [[at]]
  time = \"10m\"
  kill = \"db\"

  [[at]]
  time = \"12h\"
  break = \"web\"
  for = \"5m\"

Keys of a process: start-takes, ready-after, lives, exit, fails, unhealthy-after, stop-takes, ignores-term.
Keys of [[at]]: time, and one of kill, break (with for), stop, start, restart, unhealthy, not-ready, ready, stop-service,
start-service.

Examples:
  childminder rehearse
  childminder rehearse -s night.toml --for 7d -v
  childminder rehearse -o day.html
  childminder rehearse --from-journal night.journal --for 7d
  childminder rehearse --journal day.journal; childminder why --journal day.journal --at 3h web
  childminder rehearse --explore > found.txt; childminder rehearse --replay-scenario found.txt

Exit status: 0; 1 when an exploration has found something, or a file cannot be written; 3 when a program was given up; \
2 for a usage error or a problem of a file.";
