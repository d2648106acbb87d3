//! The error of a start that failed.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::Exit;

/// The error of a process that could not be started. No process and no descriptor of it is left.
#[derive(Clone, Debug)]
pub struct SpawnError(Arc<Failure>);

/// One allocation for the whole error keeps the events and notices small that may contain one.
#[derive(Debug)]
struct Failure {
    step: SpawnStep,
    subject: String,
    source: io::Error,
}

impl SpawnError {
    /// Creates an error of `step`. `subject` is the path, name or number that the step was about.
    pub fn new(step: SpawnStep, subject: impl Into<String>, source: io::Error) -> Self {
        Self(Arc::new(Failure { step, subject: subject.into(), source }))
    }

    /// Returns the step that failed.
    pub fn step(&self) -> SpawnStep {
        self.0.step
    }

    /// Returns the path, name or number that the step was about.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns the error number of the system; `None` if the cause is not an error of the system.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.source.raw_os_error()
    }

    /// Returns whether the system was out of a resource (EAGAIN, EMFILE, ENFILE, ENOMEM) or the program file
    /// was being written (ETXTBSY). The program itself may be fine: the start is retried and may succeed
    /// later.
    pub fn is_resource(&self) -> bool {
        const RESOURCE: [i32; 5] = [libc::EAGAIN, libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ETXTBSY];
        self.raw_os_error().is_some_and(|code| RESOURCE.contains(&code))
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { step, subject, source } = &*self.0;
        // A path may come from a file, such as the first line of a script, and the message may go to a
        // terminal.
        let subject = Escaped(subject);
        match step {
            SpawnStep::Find => write!(f, "cannot find the program {subject}"),
            SpawnStep::Chdir => write!(f, "cannot enter the working directory {subject}"),
            SpawnStep::Stdin => write!(f, "cannot open {subject} for the standard input"),
            SpawnStep::Pipe => write!(f, "cannot make the pipes for its output"),
            SpawnStep::Fork => write!(f, "cannot create a process for {subject}"),
            SpawnStep::Descriptor => write!(f, "cannot give it descriptor {subject}"),
            SpawnStep::Guard => write!(f, "cannot register {subject} with the guardian"),
            SpawnStep::Cgroup => write!(f, "cannot put it into a control group of its own"),
            SpawnStep::Group => write!(f, "cannot give it a process group of its own"),
            SpawnStep::Terminal => write!(f, "cannot give it a terminal"),
            SpawnStep::Limit => write!(f, "cannot set the limit {subject}"),
            SpawnStep::Nice => write!(f, "cannot set the nice value {subject}"),
            SpawnStep::OomScore => write!(f, "cannot set the OOM score adjustment {subject}"),
            SpawnStep::IoPriority => write!(f, "cannot set the I/O priority {subject}"),
            SpawnStep::Setgroups => write!(f, "cannot set the supplementary groups {subject}"),
            SpawnStep::Setgid => write!(f, "cannot switch to group {subject}"),
            SpawnStep::Setuid => write!(f, "cannot switch to user {subject}"),
            SpawnStep::Exec => write!(f, "cannot execute {subject}"),
            SpawnStep::Notify => write!(f, "cannot open a channel for the notifications of {subject}"),
            SpawnStep::Watch => write!(f, "cannot watch the new process {subject}"),
        }?;
        write!(f, ": {source}")
    }
}

/// Text in which characters that change a terminal or forge a line are escaped.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            // Controls, and the marks that reverse or hide text.
            c if c.is_control() || is_invisible(c) => write!(f, "{}", c.escape_default()),
            c => write!(f, "{c}"),
        })
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}')
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.source)
    }
}

/// The error of a stop command.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StopCommandError {
    /// It could not be started.
    SpawnFailed(SpawnError),
    /// It ended with another status than 0.
    Failed(Exit),
}

impl fmt::Display for StopCommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpawnFailed(error) => write!(f, "cannot start the stop command: {error}"),
            Self::Failed(exit) => write!(f, "the stop command ended with {exit}"),
        }
    }
}

impl std::error::Error for StopCommandError {}

/// The steps of a start, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpawnStep {
    /// Look up the program, in PATH if its name has no slash.
    Find,
    /// Open the working directory.
    Chdir,
    /// Open the standard input.
    Stdin,
    /// Open the channels for its notifications.
    Notify,
    /// Create the pipes for its output.
    Pipe,
    /// Create the process.
    Fork,
    /// Give it a process group of its own.
    Group,
    /// Give it a control group of its own.
    Cgroup,
    /// Pass it the descriptors besides the first three.
    Descriptor,
    /// Register it with the guardian, which kills it if this process dies.
    Guard,
    /// Create its terminal, or make it the controlling terminal of a session of its own.
    Terminal,
    /// Set its nice value.
    Nice,
    /// Set its I/O priority.
    IoPriority,
    /// Set the adjustment of its OOM score.
    OomScore,
    /// Set a resource limit.
    Limit,
    /// Set its supplementary groups.
    Setgroups,
    /// Set its group id.
    Setgid,
    /// Set its user id.
    Setuid,
    /// Execute the program.
    Exec,
    /// Register its exit and its output with the event loop.
    Watch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_97_a_message_contains_no_character_that_changes_a_terminal_or_forges_a_line() {
        let subject = "/a\x1b]0;title\x07\n[ERROR] b\u{202e}c\u{200b}é";
        let error = SpawnError::new(SpawnStep::Find, subject, io::Error::from_raw_os_error(libc::ENOENT));
        let text = error.to_string();
        assert!(!text.contains(|c: char| c.is_control() || is_invisible(c)), "{text:?}");
        assert!(text.starts_with(r"cannot find the program /a\u{1b}]0;title\u{7}\n[ERROR] b"), "{text}");
        assert!(text.contains('é'));
        assert_eq!(error.subject(), subject);
    }
}
