//! The real world: [`System`], a [`Host`](crate::Host) that starts processes of this machine.
//!
//! This is the only room with a clock and with the creation of processes. A start takes these steps, and
//! everything that can fail comes before the process exists:
//!
//! 1. `launch` turns the spec into what `exec` needs: the program found, the arguments and the environment as
//!    C strings, the working directory, the standard input and the pipes or the terminal open.
//! 2. Our ends are registered with the event loop.
//! 3. The process is created. On Linux, `linux/clone.rs` does this at a cost that depends neither on the
//!    memory nor on the number of descriptors of the monitor; elsewhere it is a `fork`. `pre_exec` has the
//!    steps of the child.
//! 4. The process gets a handle that means this process and no other. If that fails, it is killed and reaped
//!    before the error is returned.
//!
//! There are two back ends behind [`System`]:
//!
//! * **Linux with pidfds** observes the exit without reaping. The dead leader of a group keeps the group's
//!   number from being used again, so that the remaining members can be found and killed safely; see
//!   `linux/group.rs`.
//! * **The portable one**, on `async-process`, is for macOS, the BSDs and a Linux without pidfds. The option
//!   `--cfg async_process_force_signal_backend` selects it on any Linux, which is how it is tested. There the
//!   leader is reaped by the same call that finds it dead; `portable.rs` describes the consequences.

mod attributes;
mod broken_pipe;
mod cstr_array;
mod descriptors;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod environment;
mod executable;
mod exit;
mod guardian;
mod input;
mod launch;
#[cfg(target_os = "linux")]
mod linux;
mod lookup;
mod mark;
mod platform;
mod portable;
mod pre_exec;
mod preflight;
mod probe;
mod report;
mod socket;
mod stdio;
mod streams;
pub(crate) mod system;

pub(crate) use self::broken_pipe::write as write_without_sigpipe;
#[cfg(test)]
pub(crate) use self::exit::alone;
#[cfg(test)]
pub(crate) use self::exit::rerun::restore_signals;
pub(crate) use self::exit::{Interrupts, at_exit};
pub(crate) use self::probe::{is_itself, stream_socket};
pub(crate) use self::system::System;
