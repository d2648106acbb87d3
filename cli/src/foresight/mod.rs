//! What happened, and what would happen: commands about journals and rehearsals.
//!
//! `rehearse` runs a file in virtual time: with a `scenario`, or with what is `assumed`; `outcome` shows the
//! result. `explore` takes every order of events instead, and looks for what is wrong with the file.

mod assumed;
pub(crate) mod explore;
mod outcome;
pub(crate) mod rehearse;
mod scenario;
