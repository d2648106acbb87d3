//! An integration test as a script of processes, where every exit must be expected.
//!
//! A [`Plan`] is built, and then run. Building only records; but whatever can be known before anything runs is checked
//! there, commands are looked up, and a mistake is told with the number and the text of its step. From the outside in:
//!
//! * `script` is what was recorded.
//! * `vm` decides. It is a pure machine: exits, output, answers and the time go in; *start this*, *ask that one to end*,
//!   *kill them all* and the verdict come out. No process may end unless the current step expects it.
//! * `run` is the future that carries it out, beside the driver of a [monitor](crate::monitor) of its own. The monitor is
//!   what starts and ends processes, with their groups; the plan adds only what it expects of them.
//! * `recorder` stands between the monitor and the host, as a host of its own. It sees every start, every byte, every
//!   signal and every end; it writes the `files` and keeps the `journal`.
//! * `crash` runs a plan again and again, and has a process crash at another point each time. The point is a matter of `vm`;
//!   the line that reproduces it, of `reproduction`.
//! * `error` and `story` tell what went wrong, `report` what went well, `timeline` draws it.

pub(crate) mod builder;
mod building;
mod call;
mod crash;
pub(crate) mod error;
mod expected;
mod files;
mod input;
mod journal;
mod json_lines;
mod mistake;
mod not_survived;
mod planned;
mod point;
mod record;
mod recorder;
mod report;
mod reproduction;
mod run;
mod script;
mod story;
mod survived;
mod timeline;
mod vm;

pub(crate) use builder::Plan;
pub use builder::StepMut;
pub use call::IntoStepResult;
pub use crash::CrashPoints;
pub(crate) use error::PlanError;
pub use error::{PlanProblem, PlanStory, StepFailure};
pub use expected::Expected;
pub use journal::{Journal, JournalEntry, JournalEvent};
pub use mistake::PlanMistake;
pub use not_survived::{CrashError, CrashFailure, VariableProblem};
pub use planned::ProcessRef;
pub use point::{CrashPoint, ParseCrashPointError};
pub use report::Report;
pub use run::RunFuture;
pub use survived::CrashReport;
