//! How much is reported: `-q` and `-v`.

use log::LevelFilter;

/// The options for the least important messages to show.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Verbosity {
    /// Says less: warnings and errors only; twice: errors only
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "verbose", help_heading = "Options")]
    pub(crate) quiet: u8,

    /// Says more
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Options")]
    pub(crate) verbose: u8,
}

impl Verbosity {
    /// Returns the level of the least important messages to show.
    pub(crate) fn level(self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (0, 0) => LevelFilter::Info,
            (0, 1) => LevelFilter::Debug,
            (0, 2..) => LevelFilter::Trace,
            (1, _) => LevelFilter::Warn,
            (2.., _) => LevelFilter::Error,
        }
    }
}
