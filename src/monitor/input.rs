//! The commands for the standard input and the terminal of a process.

use std::task::Waker;

use super::handle::ProcessMonitor;
use super::input_queue::{InputError, InputQueues};
use super::shared::Core;
use crate::drive::{Life, Ticket};
use crate::host::TerminalSize;
use crate::machine::{Phase, RunId, UnknownName};

/// The standard input of a process that is [piped](crate::Stdin::Piped) or a
/// [terminal](crate::Spec::terminal).
impl ProcessMonitor {
    /// Writes to the standard input of the current run of a process. The call does not wait: the bytes are
    /// queued and written as the process reads. The ticket resolves when all of them are written, and may be
    /// dropped.
    ///
    /// Up to 1 MiB waits for each process. A call whose bytes do not fit takes none of them and returns
    /// [`InputError::Full`]; a program that writes without end waits for the ticket of an earlier call.
    ///
    /// Bytes belong to a run. They may be written from its notice
    /// [`Started`](crate::machine::NoticeKind::Started) on, and what the process has not read when it exits
    /// is lost: the ticket fails with [`InputError::Ended`] or [`InputError::NotRunning`]. (A ticket that has
    /// resolved says that the bytes are in the pipe or the terminal, not that the process has read them.)
    ///
    /// ```
    /// use childminder::machine::NoticeKind;
    /// use childminder::{ProcessMonitor, Spec, Stdin, System};
    ///
    /// let monitor = ProcessMonitor::background(System::new())?;
    /// let mut notices = monitor.notices();
    /// monitor.add_process("copy", Spec::new("cat").stdin(Stdin::Piped))?;
    /// monitor.start_process("copy")?;
    /// assert!(notices.iter().flatten().any(|notice| matches!(notice.kind, NoticeKind::Started { .. })));
    /// monitor.write_stdin("copy", b"hello\n")?.wait()?;
    /// monitor.close_stdin("copy")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InputError`] if there is no such process, it does not run or its input cannot be written, or the
    /// bytes do not fit.
    pub fn write_stdin(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<Ticket<InputError>, InputError> {
        let (promise, ticket) = self.0.service.drive.ticket();
        let bytes = bytes.as_ref();
        self.with_input(name, |inputs, run| inputs.write(run, bytes, promise))?;
        Ok(ticket)
    }

    /// Ends the standard input of the current run of a process, after the bytes that wait: closes the pipe,
    /// or writes the end-of-file character (Ctrl-D) to the terminal. It is no error if the input has ended.
    ///
    /// # Errors
    ///
    /// [`InputError`] if there is no such process, it does not run or its input cannot be written.
    pub fn close_stdin(&self, name: &str) -> Result<(), InputError> {
        self.with_input(name, |inputs, run| Ok(inputs.close(run)))
    }

    /// Changes the size of the terminal of the current run of a process, which gets WINCH. The next run
    /// begins with the size of its spec.
    ///
    /// # Errors
    ///
    /// [`InputError`] if there is no such process, it does not run or has no terminal, or the size is empty.
    pub fn resize_terminal(&self, name: &str, size: TerminalSize) -> Result<(), InputError> {
        self.with_input(name, |inputs, run| inputs.resize(run, size))
    }

    /// Applies a command to the input of the current run, and then has the driver execute it.
    fn with_input(
        &self,
        name: &str,
        act: impl FnOnce(&mut InputQueues, RunId) -> Result<Waker, InputError>,
    ) -> Result<(), InputError> {
        let input = self.0.service.drive.command(|core, _| {
            if core.life != Life::Open {
                return Err(InputError::Closed);
            }
            let run = run_with_input(core, name)?;
            act(&mut core.state.inputs, run)
        })?;
        input.wake();
        Ok(())
    }
}

/// Returns the current run of a process, if its input can be written.
fn run_with_input(core: &Core, name: &str) -> Result<RunId, InputError> {
    let status = core.state.machine.status(name).ok_or_else(|| UnknownName::new(name))?;
    match (status.phase, status.run) {
        (_, Some(run)) if core.state.inputs.contains(run) => Ok(run),
        (Phase::Up | Phase::Stopping, Some(_)) => Err(InputError::NotWritable(status.name)),
        _ => Err(InputError::NotRunning(status.name)),
    }
}
