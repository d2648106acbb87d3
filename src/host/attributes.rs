//! The attributes of a child besides its program: limits, priorities, and a terminal.

use std::ops::RangeInclusive;

use super::check::{SpecError, SpecProblem};
use super::io_priority::{IoPriority, LOWEST_LEVEL};
use super::limits::{Limit, Resource};
use super::spec::Spec;
use super::stdin::Stdin;
use super::terminal::TerminalSize;

const NICE: RangeInclusive<i32> = -20..=19;
const OOM_SCORE: RangeInclusive<i32> = -1000..=1000;

/// The limits of the child.
impl Spec {
    /// Sets a resource limit. Default: inherited.
    ///
    /// `soft` is the limit that applies; the program may raise it up to `hard`. With `None` as the hard limit
    /// that is inherited, and the soft limit is at most the inherited hard limit. Only root may raise a hard
    /// limit. [`Limit::UNLIMITED`] is no limit.
    ///
    /// A limit that the system refuses fails the start at [`SpawnStep::Limit`], with the name of the
    /// resource. Linux has all resources; macOS and the BSDs refuse those that are marked in [`Resource`].
    ///
    /// [`SpawnStep::Limit`]: crate::machine::SpawnStep::Limit
    ///
    /// ```
    /// use childminder::Spec;
    /// use childminder::host::{Limit, Resource};
    ///
    /// let spec = Spec::new("web")
    ///     .limit(Resource::CoreFileSize, 0, 0)
    ///     .limit(Resource::OpenFiles, 1024, None)
    ///     .limit(Resource::LockedMemory, 1 << 20, Limit::UNLIMITED);
    /// assert_eq!(spec.get_limits().count(), 3);
    /// let error = spec.limit(Resource::StackSize, 2, 1).check().unwrap_err();
    /// assert_eq!(error.to_string(), "limit is above its hard limit: stack=2:1");
    /// ```
    #[must_use]
    pub fn limit(mut self, resource: Resource, soft: u64, hard: impl Into<Option<u64>>) -> Self {
        self.limits.insert(resource, Limit { soft, hard: hard.into() });
        self
    }

    /// Sets the soft limit on the number of open descriptors, at most to the hard limit: the same as
    /// [`limit`](Self::limit) with [`Resource::OpenFiles`] and an inherited hard limit.
    ///
    /// A supervisor of many processes raises its own soft limit. Programs should not inherit that: some close
    /// all possible descriptors one by one, and `select` fails with numbers above 1023.
    ///
    /// ```
    /// use childminder::Spec;
    ///
    /// assert_eq!(Spec::new("web").open_files(1024).get_open_files(), Some(1024));
    /// ```
    #[must_use]
    pub fn open_files(self, soft: u64) -> Self {
        self.limit(Resource::OpenFiles, soft, None)
    }

    /// Returns the limits that are set, each once.
    pub fn get_limits(&self) -> impl Iterator<Item = (Resource, Limit)> {
        self.limits.iter().map(|(resource, limit)| (*resource, *limit))
    }

    /// Returns the soft limit on the number of open descriptors, if it is set.
    pub fn get_open_files(&self) -> Option<u64> {
        self.limits.get(&Resource::OpenFiles).map(Limit::soft)
    }

    /// Checks the limits.
    pub(super) fn check_limits(&self) -> Result<(), SpecError> {
        for (resource, Limit { soft, hard }) in self.get_limits() {
            if let Some(hard) = hard.filter(|hard| soft > *hard) {
                let value = format!("{resource}={soft}:{hard}");
                return Err(SpecError { field: "limit", value, problem: SpecProblem::AboveHardLimit });
            }
        }
        Ok(())
    }
}

/// The scheduling attributes of the child. Its own children inherit them.
impl Spec {
    /// Sets the nice value, from -20, the most favourable, to 19. Default: inherited. Only root, or a process
    /// whose limit [`Nice`](super::Resource::Nice) allows it, may lower the value.
    ///
    /// Where the kernel groups processes by session (`autogroup`), the value counts only among the processes
    /// of the same session.
    ///
    /// ```
    /// use childminder::Spec;
    ///
    /// assert_eq!(Spec::new("batch").nice(10).get_nice(), Some(10));
    /// let error = Spec::new("batch").nice(20).check().unwrap_err();
    /// assert_eq!(error.to_string(), "nice is out of range: 20");
    /// ```
    #[must_use]
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = Some(nice);
        self
    }

    /// Sets how readily the kernel kills the program when memory runs out: from -1000, never, to 1000, first.
    /// Default: inherited. Only root may lower the value.
    ///
    /// Linux only: a start on another system fails at [`SpawnStep::OomScore`].
    ///
    /// [`SpawnStep::OomScore`]: crate::machine::SpawnStep::OomScore
    #[must_use]
    pub fn oom_score_adj(mut self, score: i32) -> Self {
        self.oom_score_adj = Some(score);
        self
    }

    /// Sets the I/O priority. Default: inherited, which without any setting follows the nice value.
    ///
    /// Linux only: a start on another system fails at [`SpawnStep::IoPriority`].
    ///
    /// [`SpawnStep::IoPriority`]: crate::machine::SpawnStep::IoPriority
    #[must_use]
    pub fn io_priority(mut self, priority: IoPriority) -> Self {
        self.io_priority = Some(priority);
        self
    }

    /// Returns the nice value, if it is set.
    pub fn get_nice(&self) -> Option<i32> {
        self.nice
    }

    /// Returns the adjustment of the OOM score, if it is set.
    pub fn get_oom_score_adj(&self) -> Option<i32> {
        self.oom_score_adj
    }

    /// Returns the I/O priority, if it is set.
    pub fn get_io_priority(&self) -> Option<IoPriority> {
        self.io_priority
    }

    /// Checks the ranges of the attributes.
    pub(super) fn check_attributes(&self) -> Result<(), SpecError> {
        let out_of_range =
            |field, value: String| Err(SpecError { field, value, problem: SpecProblem::TooLarge });
        if let Some(nice) = self.nice.filter(|nice| !NICE.contains(nice)) {
            return out_of_range("nice", nice.to_string());
        }
        if let Some(score) = self.oom_score_adj.filter(|score| !OOM_SCORE.contains(score)) {
            return out_of_range("oom_score_adj", score.to_string());
        }
        if let Some(priority) = self.io_priority.filter(|priority| priority.level() > LOWEST_LEVEL) {
            return out_of_range("io_priority", priority.to_string());
        }
        Ok(())
    }
}

/// The terminal of the child.
impl Spec {
    /// Gives the child a pseudo-terminal of this size as its standard input, output and error, and a session
    /// of its own, whose controlling terminal it is. Default: none.
    ///
    /// Programs behave as they do for a user at a terminal: they write each line at once, use colours, ask
    /// for passwords, and shells have job control.
    ///
    /// * The output of both streams arrives as one, and
    ///   [`Batch::stream`](crate::output::Batch::stream) is always `Stdout`.
    /// * Input is written with [`ProcessMonitor::write_stdin`](crate::ProcessMonitor::write_stdin). The
    ///   terminal echoes it, and handles its control characters: `\x03` sends INT. The program may change
    ///   both.
    /// * [`ProcessMonitor::resize_terminal`](crate::ProcessMonitor::resize_terminal) changes the size, and
    ///   the program gets WINCH.
    /// * The variable `TERM` is inherited. Set it with [`env`](Self::env) if the monitor has none.
    /// * An interactive shell ignores TERM; HUP is a [stop signal](Self::stop_signal) that it obeys.
    ///
    /// The jobs of a shell have process groups of their own. A stop ends them where descendants are found
    /// outside of the group of the child, which [`Containment`](crate::machine::Containment) describes.
    ///
    /// ```
    /// use childminder::Spec;
    /// use childminder::host::TerminalSize;
    ///
    /// let spec = Spec::new("top").terminal(TerminalSize::default()).env("TERM", "xterm");
    /// assert_eq!(spec.get_terminal(), Some(TerminalSize::new(24, 80)));
    /// ```
    #[must_use]
    pub fn terminal(mut self, size: TerminalSize) -> Self {
        self.terminal = Some(size);
        self
    }

    /// Returns the size of the terminal, if the child gets one.
    pub fn get_terminal(&self) -> Option<TerminalSize> {
        self.terminal
    }

    /// Returns whether the monitor can write to the standard input of the child: whether it is
    /// [piped](Stdin::Piped) or a [terminal](Self::terminal).
    pub fn has_writable_stdin(&self) -> bool {
        self.terminal.is_some() || self.stdin == Stdin::Piped
    }

    /// Checks that the terminal does not contradict other settings.
    pub(super) fn check_terminal(&self) -> Result<(), SpecError> {
        let Some(size) = self.terminal else { return Ok(()) };
        if size.is_empty() {
            let problem = SpecProblem::TooLarge;
            return Err(SpecError { field: "terminal", value: size.to_string(), problem });
        }
        let conflict = |field, value| {
            Err(SpecError { field, value, problem: SpecProblem::Conflict { with: "terminal" } })
        };
        if !matches!(self.stdin, Stdin::Null | Stdin::Piped) {
            return conflict("stdin", self.stdin.to_string());
        }
        if !self.own_group {
            return conflict("own_group", "false".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_stored_once() {
        let spec = Spec::new("x").open_files(64).limit(Resource::OpenFiles, 16, 32);
        assert_eq!(spec.get_open_files(), Some(16));
        let limits: Vec<_> = spec.get_limits().collect();
        assert_eq!(limits, [(Resource::OpenFiles, Limit { soft: 16, hard: Some(32) })]);
        assert_ne!(spec, Spec::new("x").open_files(16));
    }

    #[test]
    fn a_value_out_of_range_is_an_error_with_its_field() {
        let error = |spec: Spec| spec.check().unwrap_err().to_string();
        assert_eq!(error(Spec::new("x").nice(-21)), "nice is out of range: -21");
        assert_eq!(error(Spec::new("x").oom_score_adj(1001)), "oom_score_adj is out of range: 1001");
        assert_eq!(
            error(Spec::new("x").io_priority(IoPriority::RealTime(8))),
            "io_priority is out of range: real-time 8"
        );
        let widest = Spec::new("x").nice(-20).oom_score_adj(-1000).io_priority(IoPriority::BestEffort(7));
        assert_eq!(widest.check(), Ok(()));
    }

    #[test]
    fn a_contradiction_is_an_error_with_its_field() {
        let terminal = |spec: Spec| spec.terminal(TerminalSize::default());
        let error = |spec: Spec| spec.check().unwrap_err().to_string();
        assert_eq!(
            error(terminal(Spec::new("x").stdin(Stdin::File("in".into())))),
            "stdin cannot be combined with terminal: in"
        );
        assert_eq!(
            error(terminal(Spec::new("x").own_group(false))),
            "own_group cannot be combined with terminal: false"
        );
        assert_eq!(
            error(Spec::new("x").terminal(TerminalSize::new(0, 80))),
            "terminal is out of range: 0x80"
        );
        assert!(terminal(Spec::new("x").stdin(Stdin::Piped)).check().is_ok());
        assert!(terminal(Spec::new("x")).has_writable_stdin() && !Spec::new("x").has_writable_stdin());
    }
}
