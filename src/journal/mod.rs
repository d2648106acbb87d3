//! The journal of a monitor: everything that its machine decides by, in a file, and its replay.
//!
//! A [`JournalFile`] records the inputs of a monitor: commands, events, times, and definitions without the
//! values of environment variables. Since the [machine](crate::machine) is pure, the inputs are enough: a
//! [`Replay`] puts them into a machine, which goes through the same states again and decides the same. The
//! decisions are recorded too, as short texts, so that a replay can [compare](Journal::verify) them one by
//! one. Of the output there are counts, and the last lines of each run.
//!
//! ```
//! use std::time::Duration;
//!
//! use childminder::journal::{Journal, JournalFile};
//! use childminder::testkit::{Script, Sim};
//! use childminder::{Exit, ProcessMonitor};
//!
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("night.journal");
//! let sim = Sim::new();
//! sim.script("web", Script::new().lives(Duration::from_millis(500)).exits(Exit::Code(1)));
//! let builder = ProcessMonitor::builder().journal(JournalFile::new(&path))?;
//! let (monitor, driver) = builder.build(sim.clone())?;
//! monitor.add_process("web", ["web"])?;
//! monitor.start_service()?;
//! sim.spawn(driver);
//! sim.advance(Duration::from_secs(60));
//! sim.block_on(monitor.close())?;
//!
//! let journal = Journal::read(&path)?;
//! let verified = journal.verify().map_err(|difference| difference.to_string())?;
//! assert!(verified.decisions > 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/journal.md` in the repository describes the format.

mod decision;
mod entry;
mod error;
mod file;
mod format;
mod output;
mod parse;
mod queue;
mod read;
mod recorded_runs;
mod recorder;
mod replay;
mod resumed;
mod segments;
mod timeline;
mod what_if;
mod write;
mod writer;

pub use entry::{Ending, Entry, Header, Journal, Program, Record, RunOutput};
pub use error::{JournalError, JournalProblem};
pub use file::JournalFile;
pub use replay::{Difference, Replay, Step, Verified};
pub use what_if::{WhatIf, WhatIfError};
pub use writer::JournalWriter;
