//! What happened, and what would happen: commands about journals and rehearsals.
//!
//! `rehearse` runs a file in virtual time: with a `scenario`, or with what is `assumed`; `outcome` shows the
//! result.

mod assumed;
mod outcome;
pub(crate) mod rehearse;
mod scenario;
