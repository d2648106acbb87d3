//! What a process of the fake world does with its life.

use std::io;
use std::time::Duration;

use crate::host::{ProbeTarget, Spec};
use crate::machine::{Exit, SpawnError, SpawnStep, Stream};

/// What one run of a program does, for [`Sim::script`](super::Sim::script).
///
/// Without any option: it lives for ever, writes nothing, and ends at once when it gets the stop signal.
///
/// In the names of the options TERM stands for the stop signal of the process's
/// [`Spec`], whichever that is. KILL cannot be ignored. Every other signal is written to the trace and has no effect.
///
/// ```
/// use std::time::Duration;
/// use childminder::testkit::Script;
/// use childminder::Exit;
/// use childminder::machine::Stream;
///
/// // A server that needs two seconds for its work after TERM, if it does not crash before.
/// let server = Script::new()
///     .prints(Duration::from_millis(300), Stream::Stdout, "listening\n")
///     .lives(Duration::from_secs(86_400))
///     .exits(Exit::Code(70))
///     .heeds_term_after(Duration::from_secs(2))
///     .exits_on_term(Exit::Code(0));
/// # let _ = server;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a script does nothing until a `Sim` is given it"]
pub struct Script {
    failure: Option<(SpawnStep, i32)>,
    lives: Option<Duration>,
    exit: Option<Exit>,
    /// How long after TERM it ends. `None`: it does not.
    pub(super) heeds_term_after: Option<Duration>,
    /// With what it ends then. `None`: the signal itself ends it.
    pub(super) exit_on_term: Option<Exit>,
    pub(super) prints: Vec<Print>,
    /// Where it answers, and how long after its start that begins, in this order.
    serves: Vec<(Duration, ProbeTarget)>,
    pub(super) leaks_output: Duration,
    pub(super) leaves_behind: usize,
    pub(super) unkillable: Duration,
}

/// Bytes to write, and when.
#[derive(Clone, Debug)]
pub(super) struct Print {
    /// How long after the start.
    pub(super) at: Duration,
    pub(super) stream: Stream,
    pub(super) bytes: Vec<u8>,
}

impl Script {
    /// Lives for ever, and heeds TERM at once.
    pub fn new() -> Self {
        Self {
            failure: None,
            lives: None,
            exit: None,
            heeds_term_after: Some(Duration::ZERO),
            exit_on_term: None,
            prints: Vec::new(),
            serves: Vec::new(),
            leaks_output: Duration::ZERO,
            leaves_behind: 0,
            unkillable: Duration::ZERO,
        }
    }

    /// Cannot be started: the start fails at `step` with this error number of the system, such as 24 for "too many
    /// open files". No other option has any effect then.
    pub fn fails(step: SpawnStep, errno: i32) -> Self {
        Self { failure: Some((step, errno)), ..Self::new() }
    }

    /// Ends by itself after this long, with exit code 0 unless [`exits`](Self::exits) says otherwise. Default: never.
    pub fn lives(mut self, lives: Duration) -> Self {
        self.lives = Some(lives);
        self
    }

    /// Ends by itself with `exit`: at once, unless [`lives`](Self::lives) says when.
    pub fn exits(mut self, exit: Exit) -> Self {
        self.exit = Some(exit);
        self
    }

    /// Ends this long after TERM. Default: at once.
    pub fn heeds_term_after(mut self, delay: Duration) -> Self {
        self.heeds_term_after = Some(delay);
        self
    }

    /// Does not end on TERM (F-24).
    pub fn ignores_term(mut self) -> Self {
        self.heeds_term_after = None;
        self
    }

    /// Has a handler for TERM, and ends with `exit` when it heeds it. Default: the signal itself ends the process.
    pub fn exits_on_term(mut self, exit: Exit) -> Self {
        self.exit_on_term = Some(exit);
        self
    }

    /// Writes `bytes` to `stream`, `at` this long after its start, if it is still alive. May be said several times.
    /// The pipe takes everything at once, whether or not somebody reads.
    pub fn prints(mut self, at: Duration, stream: Stream, bytes: impl Into<Vec<u8>>) -> Self {
        self.prints.push(Print { at, stream, bytes: bytes.into() });
        self
    }

    /// Answers [probes](crate::Host::probe) of `target`, from `at` this long after its start until it ends itself. May
    /// be said several times.
    ///
    /// The status in a [`ProbeTarget::Http`] is what it answers with; said again for a later time, it changes. Who serves
    /// HTTP on a port accepts connections there, and answers other paths with 404.
    pub fn serves(mut self, at: Duration, target: ProbeTarget) -> Self {
        self.serves.push((at, target));
        self.serves.sort_by_key(|(at, _)| *at);
        self
    }

    /// Has started something outside its group that holds both its streams open, this long after its own exit
    /// (F-17). `Duration::MAX` is for ever.
    pub fn leaks_output(mut self, after_exit: Duration) -> Self {
        self.leaks_output = after_exit;
        self
    }

    /// Has started `count` processes of its group that outlive it, ignore TERM, hold its streams open, and die only
    /// of KILL (F-25). Without a [group of its own](Spec::own_group) nobody can tell whose they are: KILL does not
    /// reach them, and they hold the streams for ever.
    pub fn leaves_behind(mut self, count: usize) -> Self {
        self.leaves_behind = count;
        self
    }

    /// KILL ends it, and its group, only this long after it was sent, as if it hung in the kernel (F-27).
    pub fn unkillable(mut self, delay: Duration) -> Self {
        self.unkillable = delay;
        self
    }

    /// Where it answers when it has lived this long.
    pub(super) fn serves_at(&self, age: Duration) -> impl Iterator<Item = &ProbeTarget> {
        self.serves.iter().take_while(move |(at, _)| *at <= age).map(|(_, target)| target)
    }

    /// When it ends by itself, and how.
    pub(super) fn end(&self) -> Option<(Duration, Exit)> {
        match (self.lives, self.exit) {
            (None, None) => None,
            (lives, exit) => Some((lives.unwrap_or_default(), exit.unwrap_or(Exit::Code(0)))),
        }
    }

    /// Why `spec` cannot be started, if it cannot.
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

/// What `step` is about when `spec` is started.
fn subject(step: SpawnStep, spec: &Spec) -> String {
    let id = |id: Option<u32>| id.map_or_else(|| "unchanged".to_owned(), |id| id.to_string());
    match step {
        SpawnStep::Find
        | SpawnStep::Pipe
        | SpawnStep::Fork
        | SpawnStep::Group
        | SpawnStep::Guard
        | SpawnStep::Exec
        | SpawnStep::Watch => spec.get_program().to_string_lossy().into_owned(),
        SpawnStep::Chdir => spec.get_cwd().map_or_else(|| ".".to_owned(), |cwd| cwd.display().to_string()),
        SpawnStep::Stdin => spec.get_stdin().to_string(),
        SpawnStep::Descriptor => {
            format!("{:?}", spec.get_descriptors().map(|(number, _)| number).collect::<Vec<_>>())
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
    fn an_exit_without_a_time_is_at_once_and_a_time_without_an_exit_is_a_success() {
        let second = Duration::from_secs(1);
        assert_eq!(Script::new().end(), None);
        assert_eq!(Script::new().lives(second).end(), Some((second, Exit::Code(0))));
        assert_eq!(Script::new().exits(Exit::Code(1)).end(), Some((Duration::ZERO, Exit::Code(1))));
        assert_eq!(Script::new().exits(Exit::Lost).lives(second).end(), Some((second, Exit::Lost)));
    }

    #[test]
    fn a_failed_start_names_what_its_step_was_about() {
        let spec = Spec::new("web").cwd("/srv").stdin(Stdin::File("in.txt".into())).uid(7).groups([8, 9]);
        let error = |step| Script::fails(step, libc::EPERM).failure(&spec).expect("it fails").to_string();
        let reason = io::Error::from_raw_os_error(libc::EPERM);
        assert_eq!(error(SpawnStep::Exec), format!("cannot execute web: {reason}"));
        assert_eq!(error(SpawnStep::Chdir), format!("cannot enter the working directory /srv: {reason}"));
        assert_eq!(error(SpawnStep::Stdin), format!("cannot open in.txt for the standard input: {reason}"));
        let given = File::open("/dev/null").expect("there is one");
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
