//! The executor by itself, in virtual time: stories that are compared as a whole, and random walks.

mod comeback;
mod crash;
mod ends;
mod killing;
mod oracle;
mod output;
mod stage;
mod timeouts;
mod walk;
mod work;
