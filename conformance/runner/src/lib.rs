//! Measures how childminder and other supervisors behave in the same situations.
//!
//! A [`Scenario`] is a file of the folder `conformance`: the script of a child, what is done to its
//! supervisor, and which facts are of interest. [`measure`] runs it against one [`Supervisor`] and returns a
//! [`Timeline`], from which [`Facts`] are derived. The [`Document`] of all facts is `docs/compared.md`.
//!
//! What happened is judged from outside: the children log their own starts and signals, and a census of
//! `/proc` finds every process that carries the mark of the run.

#![expect(clippy::disallowed_methods, reason = "it measures real programs in real time")]

mod case;
mod census;
mod clock;
mod document;
mod error;
mod facts;
mod scenario;
mod supervisors;
mod timeline;

pub use case::{Measurement, measure};
pub use census::marked;
pub use document::{Document, Peer};
pub use error::Error;
pub use facts::{Expectation, Fact, Facts, Stop};
pub use scenario::{Scenario, Section, Step, scenarios, select};
pub use supervisors::{Availability, Request, Setup, Supervisor, Tools, supervisors};
pub use timeline::{Event, Timeline, What};

use std::path::{Path, PathBuf};

/// Returns the folder with the scenarios of this checkout.
pub fn folder() -> PathBuf {
    root().join("conformance")
}

/// Returns the path of the document of this checkout.
pub fn document() -> PathBuf {
    root().join("docs/compared.md")
}

fn root() -> &'static Path {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR"));
    runner.ancestors().nth(2).expect("the runner is two folders below the root")
}
