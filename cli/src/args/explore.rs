//! `childminder rehearse --explore`: options and help texts.

use std::path::PathBuf;
use std::time::Duration;

use crate::values::duration;

/// The maximum of states that fits into the memory of a small machine.
const MOST_STATES: u64 = 50_000_000;

/// The options of a rehearsal that an exploration does not have.
const NO_REHEARSAL: [&str; 6] = ["scenario", "from_journal", "length", "verbose", "output", "journal"];

/// The options of an exploration.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Exploration")]
pub(crate) struct Explore {
    /// Takes every order of starts, exits, readiness and probe results, and shows what is wrong with the file
    ///
    /// Found are programs that are never ready again, that are given up although what they depend on has
    /// recovered, that are restarted without limit, that take too long to stop, or that are started because
    /// another process answers. Each is shown with the shortest known way to it, which can be run again.
    #[arg(long, conflicts_with_all = NO_REHEARSAL)]
    pub(crate) explore: bool,

    /// Runs scenarios that --explore has printed, and shows what is wrong after them
    #[arg(long, value_name = "FILE", conflicts_with = "explore", conflicts_with_all = NO_REHEARSAL)]
    pub(crate) replay_scenario: Option<PathBuf>,

    /// The maximum number of events after which every order is taken
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) depth: usize,

    /// The maximum number of states; when they are reached, the search goes no deeper
    #[arg(long, value_name = "N", default_value = "100000", value_parser = clap::value_parser!(u64).range(1..=MOST_STATES))]
    pub(crate) states: u64,

    /// The number of random walks of 40 events, which go beyond that
    #[arg(long, value_name = "N", default_value = "200")]
    pub(crate) walks: u64,

    /// The time that a stop may take; Kubernetes allows 30s, systemd 90s, `docker stop` 10s
    #[arg(long, value_name = "S", default_value = "30", value_parser = duration::parse)]
    pub(crate) stop_limit: Duration,
}

impl Explore {
    /// Whether this is requested instead of a rehearsal.
    pub(crate) fn is_wanted(&self) -> bool {
        self.explore || self.replay_scenario.is_some()
    }
}
