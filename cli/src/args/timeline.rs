//! The commands that draw journals: options and help texts.

use std::path::PathBuf;
use std::time::Duration;

use crate::values::moment::Moment;
use crate::values::{duration, moment};

/// Draws a journal: when each program was starting, ready, stopping or waiting, and how it ended
///
/// The journal is a file of 'up --journal', or an incident file. The picture is a page that can be zoomed and
/// has the last lines of each run, or an SVG image. Both are one file that loads nothing.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  childminder timeline night.journal -o night.html
  childminder timeline night.journal --from 03:00 --to 03:20 -o night.svg
  childminder timeline night.journal --from -1h -o last-hour.html

Exit status: 0; 1 when the picture cannot be written; 2 for a usage error, when the journal cannot be read, or when \
nothing of it is between the times.")]
pub(crate) struct Timeline {
    /// The journal, or the incident file
    #[arg(value_name = "FILE")]
    pub(crate) journal: PathBuf,

    /// The file to write; its name ends with .html or .svg
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// The beginning: 03:00, 2026-11-30T03:00, 10m after the beginning, or -1h before the end
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    pub(crate) from: Option<Moment>,

    /// The end, in the same forms
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    pub(crate) to: Option<Moment>,
}

/// Compares two journals, and names the first difference between their runs
///
/// The runs of a program are compared by their numbers: how they began, became ready and ended, and what was
/// commanded. Times are not compared, because no two recordings have the same, unless --within limits the
/// difference.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  childminder diff monday.journal tuesday.journal
  childminder diff monday.journal tuesday.journal --within 5s -o both.html

Exit status: 0 when both are equal, 1 when they differ, 2 when a file cannot be read or written.")]
pub(crate) struct Diff {
    /// The journal or the incident file of one run
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,

    /// That of the other
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,

    /// Times since the beginning that differ by more are a difference too
    #[arg(long, value_name = "S", value_parser = duration::parse)]
    pub(crate) within: Option<Duration>,

    /// A picture of both to write; its name ends with .html or .svg
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
