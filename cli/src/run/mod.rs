//! `childminder run`: keeps one program running.

mod account;
pub(crate) mod config;
mod environment;
pub(crate) mod supervise;
