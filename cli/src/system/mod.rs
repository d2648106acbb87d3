//! The surroundings of childminder: signals, the terminal, the service manager, and the duties of process 1.

pub(crate) mod memory;
pub(crate) mod notify;
pub(crate) mod open_files;
pub(crate) mod reaper;
pub(crate) mod signals;
pub(crate) mod terminal;
