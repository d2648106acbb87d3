//! The executor alone, in virtual time: traces that are compared as a whole, and random walks.

mod comeback;
mod crash;
mod ends;
mod harness;
mod killing;
mod oracle;
mod output;
mod timeouts;
mod walk;
mod work;
