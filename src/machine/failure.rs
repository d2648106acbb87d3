//! A start that failed: at which step, on what, and why.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a process could not be started. Nothing of it is left when this is returned: no process, no descriptor.
#[derive(Clone, Debug)]
pub struct SpawnError {
    step: SpawnStep,
    subject: String,
    source: Arc<io::Error>,
}

impl SpawnError {
    /// A failure at `step` on `subject`: the path, name or number that the step was about.
    pub fn new(step: SpawnStep, subject: impl Into<String>, source: io::Error) -> Self {
        Self { step, subject: subject.into(), source: Arc::new(source) }
    }

    /// The step of the start that failed.
    pub fn step(&self) -> SpawnStep {
        self.step
    }

    /// The path, name or number that the step was about.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The system's error number, if it was the system that refused.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// Whether the system had nothing left to give (EAGAIN, EMFILE, ENFILE, ENOMEM) or the program file was being
    /// written (ETXTBSY). Such a failure says nothing about the program: it is retried and may pass by itself
    /// (F-8, F-9, F-70).
    pub fn is_resource(&self) -> bool {
        const RESOURCE: [i32; 5] = [libc::EAGAIN, libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ETXTBSY];
        self.raw_os_error().is_some_and(|code| RESOURCE.contains(&code))
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, subject, source } = self;
        // A path may come from a file, such as the first line of a script, and the message may go to a terminal.
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
            SpawnStep::Setgroups => write!(f, "cannot set the supplementary groups {subject}"),
            SpawnStep::Setgid => write!(f, "cannot switch to group {subject}"),
            SpawnStep::Setuid => write!(f, "cannot switch to user {subject}"),
            SpawnStep::Exec => write!(f, "cannot execute {subject}"),
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
        Some(&*self.source)
    }
}

/// The steps of a start, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpawnStep {
    /// Look the program up, in PATH if its name has no slash.
    Find,
    /// Open the working directory.
    Chdir,
    /// Open what becomes the standard input.
    Stdin,
    /// Make the two pipes.
    Pipe,
    /// Create the process.
    Fork,
    /// Give it its own group.
    Group,
    /// Give it its own control group.
    Cgroup,
    /// Give it the descriptors it is to have besides the first three.
    Descriptor,
    /// Register it with the guardian, so that it dies with this process.
    Guard,
    /// Set its supplementary groups.
    Setgroups,
    /// Set its group id.
    Setgid,
    /// Set its user id.
    Setuid,
    /// Execute the program.
    Exec,
    /// Register its end and its output with the event loop.
    Watch,
}
