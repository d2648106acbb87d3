//! The script of a simulated process.

use std::io;
use std::time::Duration;

use crate::host::{ProbeTarget, Spec};
use crate::machine::{Exit, SpawnError, SpawnStep, Stream};

/// The behaviour of one run of a program, for [`Sim::script`](super::Sim::script).
///
/// By default, the process runs until it is stopped, writes nothing, and exits at once on the stop signal.
///
/// In the names of the methods, TERM stands for the stop signal of the process's [`Spec`]. KILL cannot be
/// ignored. All other signals are recorded in the trace and have no effect.
///
/// ```
/// use std::time::Duration;
/// use childminder::testkit::Script;
/// use childminder::Exit;
/// use childminder::machine::Stream;
///
/// // A server that needs two seconds to exit after TERM, and crashes after a day.
/// let server = Script::new()
///     .prints(Duration::from_millis(300), Stream::Stdout, "listening\n")
///     .lives(Duration::from_secs(86_400))
///     .exits(Exit::Code(70))
///     .exits_after_term(Duration::from_secs(2))
///     .exits_on_term(Exit::Code(0));
/// # let _ = server;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a script has no effect until it is passed to `Sim::script`"]
pub struct Script {
    failure: Option<(SpawnStep, i32)>,
    lives: Option<Duration>,
    exit: Option<Exit>,
    /// The time from TERM to the exit; `None` if TERM is ignored.
    pub(super) exits_after_term: Option<Duration>,
    /// The exit on TERM; `None` if the signal itself ends the process.
    pub(super) exit_on_term: Option<Exit>,
    pub(super) ignores_input: bool,
    pub(super) prints: Vec<Print>,
    /// The addresses that it serves, and the time from the start to when that begins, in this order.
    serves: Vec<(Duration, ProbeTarget)>,
    pub(super) leaks_output: Duration,
    pub(super) leaves_behind: usize,
    pub(super) unkillable: Duration,
}

/// Bytes to write at a certain time.
#[derive(Clone, Debug)]
pub(super) struct Print {
    /// The time since the start.
    pub(super) at: Duration,
    pub(super) stream: Stream,
    pub(super) bytes: Vec<u8>,
}

impl Script {
    /// Creates a script of a process that runs until it is stopped, and exits at once on TERM.
    pub fn new() -> Self {
        Self {
            failure: None,
            lives: None,
            exit: None,
            exits_after_term: Some(Duration::ZERO),
            exit_on_term: None,
            ignores_input: false,
            prints: Vec::new(),
            serves: Vec::new(),
            leaks_output: Duration::ZERO,
            leaves_behind: 0,
            unkillable: Duration::ZERO,
        }
    }

    /// Creates a script of a failed start: it fails at `step` with the system's error number `errno`, such as
    /// 24 for "too many open files". Other methods have no effect on it.
    pub fn fails(step: SpawnStep, errno: i32) -> Self {
        Self { failure: Some((step, errno)), ..Self::new() }
    }

    /// Sets the time from the start to the exit of the process. The exit code is 0 unless
    /// [`exits`](Self::exits) sets another one. Default: never.
    pub fn lives(mut self, lives: Duration) -> Self {
        self.lives = Some(lives);
        self
    }

    /// Sets how the process exits by itself: at once, unless [`lives`](Self::lives) sets a time.
    pub fn exits(mut self, exit: Exit) -> Self {
        self.exit = Some(exit);
        self
    }

    /// Sets the time from TERM to the exit. Default: zero.
    pub fn exits_after_term(mut self, delay: Duration) -> Self {
        self.exits_after_term = Some(delay);
        self
    }

    /// Makes the process ignore TERM.
    pub fn ignores_term(mut self) -> Self {
        self.exits_after_term = None;
        self
    }

    /// Sets how the process exits on TERM, as if it had a handler. Default: the signal itself ends it.
    pub fn exits_on_term(mut self, exit: Exit) -> Self {
        self.exit_on_term = Some(exit);
        self
    }

    /// Makes the process never read its standard input, whose pipe is full from the beginning. Otherwise what
    /// [`ProcessMonitor::write_stdin`](crate::ProcessMonitor::write_stdin) writes is read at once, and is in
    /// the trace.
    pub fn ignores_input(mut self) -> Self {
        self.ignores_input = true;
        self
    }

    /// Makes the process write `bytes` to `stream`, at `at` after its start, if it is still alive. May be
    /// called several times. The pipe has unlimited room.
    pub fn prints(mut self, at: Duration, stream: Stream, bytes: impl Into<Vec<u8>>) -> Self {
        self.prints.push(Print { at, stream, bytes: bytes.into() });
        self
    }

    /// Makes the process answer [probes](crate::Host::probe) of `target`, from `at` after its start until its
    /// exit. May be called several times.
    ///
    /// The first status in a [`ProbeTarget::Http`] is that of the answer; a later call with a later time
    /// changes it. A process that serves HTTP on a port also accepts plain connections there, and answers
    /// other paths with 404.
    pub fn serves(mut self, at: Duration, target: ProbeTarget) -> Self {
        self.serves.push((at, target));
        self.serves.sort_by_key(|(at, _)| *at);
        self
    }

    /// Simulates a descendant outside of the process group that holds both streams open for `after_exit`
    /// after the exit of the process. `Duration::MAX` means forever.
    pub fn leaks_output(mut self, after_exit: Duration) -> Self {
        self.leaks_output = after_exit;
        self
    }

    /// Simulates `count` descendants in the process group that outlive the process, ignore TERM, hold its
    /// streams open, and exit on KILL. Without a [group of its own](Spec::own_group) they cannot be
    /// identified: KILL does not reach them, and they hold the streams open forever.
    pub fn leaves_behind(mut self, count: usize) -> Self {
        self.leaves_behind = count;
        self
    }

    /// Delays the effect of KILL on the process and its group by `delay`, as if the process were waiting in
    /// the kernel.
    pub fn unkillable(mut self, delay: Duration) -> Self {
        self.unkillable = delay;
        self
    }

    /// Returns the addresses served at `age` after the start.
    pub(super) fn serves_at(&self, age: Duration) -> impl Iterator<Item = &ProbeTarget> {
        self.serves.iter().take_while(move |(at, _)| *at <= age).map(|(_, target)| target)
    }

    /// Returns the time and kind of the exit without a signal, if there is one.
    pub(super) fn end(&self) -> Option<(Duration, Exit)> {
        match (self.lives, self.exit) {
            (None, None) => None,
            (lives, exit) => Some((lives.unwrap_or_default(), exit.unwrap_or(Exit::Code(0)))),
        }
    }

    /// Returns the error of starting `spec`, if the start fails.
    pub(super) fn failure(&self, spec: &Spec) -> Option<SpawnError> {
        self.failure.map(|(step, errno)| {
            SpawnError::new(step, subject(step, spec), io::Error::from_raw_os_error(errno))
        })
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the subject of the error message of `step` for `spec`.
fn subject(step: SpawnStep, spec: &Spec) -> String {
    let id = |id: Option<u32>| id.map_or_else(|| "unchanged".to_owned(), |id| id.to_string());
    match step {
        SpawnStep::Find
        | SpawnStep::Notify
        | SpawnStep::Pipe
        | SpawnStep::Terminal
        | SpawnStep::Fork
        | SpawnStep::Cgroup
        | SpawnStep::Group
        | SpawnStep::Guard
        | SpawnStep::Exec
        | SpawnStep::Watch => spec.get_program().to_string_lossy().into_owned(),
        SpawnStep::Chdir => spec.get_cwd().map_or_else(|| ".".to_owned(), |cwd| cwd.display().to_string()),
        SpawnStep::Stdin => spec.get_stdin().to_string(),
        SpawnStep::Descriptor => {
            format!("{:?}", spec.get_descriptors().map(|(number, _)| number).collect::<Vec<_>>())
        }
        SpawnStep::Nice => spec.get_nice().unwrap_or_default().to_string(),
        SpawnStep::IoPriority => {
            spec.get_io_priority().map_or_else(|| "unchanged".to_owned(), |priority| priority.to_string())
        }
        SpawnStep::OomScore => spec.get_oom_score_adj().unwrap_or_default().to_string(),
        SpawnStep::Limit => {
            spec.get_limits().map(|(resource, _)| resource.to_string()).collect::<Vec<_>>().join(", ")
        }
        SpawnStep::Setgroups => format!("{:?}", spec.get_groups().unwrap_or_default()),
        SpawnStep::Setgid => id(spec.get_gid()),
        SpawnStep::Setuid => id(spec.get_uid()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::host::Stdin;

    #[test]
    fn an_exit_without_a_time_is_immediate_and_a_time_without_an_exit_is_a_success() {
        let second = Duration::from_secs(1);
        assert_eq!(Script::new().end(), None);
        assert_eq!(Script::new().lives(second).end(), Some((second, Exit::Code(0))));
        assert_eq!(Script::new().exits(Exit::Code(1)).end(), Some((Duration::ZERO, Exit::Code(1))));
        assert_eq!(Script::new().exits(Exit::Lost).lives(second).end(), Some((second, Exit::Lost)));
    }

    #[test]
    fn a_failed_start_names_the_subject_of_its_step() {
        let spec = Spec::new("web").cwd("/srv").stdin(Stdin::File("in.txt".into())).uid(7).groups([8, 9]);
        let error = |step| Script::fails(step, libc::EPERM).failure(&spec).expect("it fails").to_string();
        let reason = io::Error::from_raw_os_error(libc::EPERM);
        assert_eq!(error(SpawnStep::Exec), format!("cannot execute web: {reason}"));
        assert_eq!(error(SpawnStep::Chdir), format!("cannot enter the working directory /srv: {reason}"));
        assert_eq!(error(SpawnStep::Stdin), format!("cannot open in.txt for the standard input: {reason}"));
        let given = File::open("/dev/null").expect("/dev/null");
        let shown = format!("descriptor {}", given.as_raw_fd());
        for (stdin, shown) in [(Stdin::descriptor(given), &*shown), (Stdin::Null, "/dev/null")] {
            let spec = Spec::new("web").stdin(stdin);
            let error = Script::fails(SpawnStep::Stdin, libc::EPERM).failure(&spec).expect("it fails");
            assert_eq!(error.to_string(), format!("cannot open {shown} for the standard input: {reason}"));
        }
        assert_eq!(error(SpawnStep::Setuid), format!("cannot switch to user 7: {reason}"));
        assert_eq!(
            error(SpawnStep::Setgroups),
            format!("cannot set the supplementary groups [8, 9]: {reason}")
        );
        assert!(Script::new().failure(&spec).is_none());
    }
}
