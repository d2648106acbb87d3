//! Policies with the arithmetic of other supervisors.

use std::time::Duration;

use super::{ExitSet, GiveUp, LongRun, OnGiveUp, Policy, Restart, Signal};
use crate::backoff::{Growth, Jitter};

/// # Presets
///
/// Each has the defaults of another supervisor: when it restarts a process, how long it waits, and when it
/// gives up. Use them as a base: `Policy { kill_time, ..Policy::systemd() }`.
impl Policy {
    /// Returns the policy of Twisted's `ProcessMonitor` (24.11), which is the default.
    ///
    /// | failure in a row | 1 | 2 | 3 | 4 | … | 12 | 13 |
    /// | --- | --- | --- | --- | --- | --- | --- | --- |
    /// | delay | 1 s | 2 s | 4 s | 8 s | … | 2048 s | 3600 s |
    ///
    /// - A run of at least 1 s is restarted at once, and resets the delay. Every end of a run is restarted.
    /// - It never gives up. KILL follows the stop signal after 5 s.
    ///
    /// One difference: here a start that fails always waits for the delay, also if `threshold` is zero.
    pub fn twisted() -> Self {
        Self::default()
    }

    /// Returns the policy of a program in supervisord (4.3) with its defaults: `startsecs=1`,
    /// `startretries=3`, `autorestart=unexpected`, `exitcodes=0`, `stopwaitsecs=10`.
    ///
    /// | failure in a row | 1 | 2 | 3 | 4 |
    /// | --- | --- | --- | --- | --- |
    /// | delay | 1 s | 2 s | 3 s | given up (FATAL) |
    ///
    /// - The delay grows by one second without a maximum; with more `startretries`, set
    ///   [`GiveUp::failures`] to their number plus one.
    /// - A run of at least 1 s is restarted at once unless it exits with code 0, and starts the count over.
    ///
    /// Differences: supervisord retries a run shorter than `startsecs` even if its exit code is 0; here it is
    /// completed. supervisord looks at its clock, which is the wall clock, about once a second, so its delays
    /// are up to a second longer.
    pub fn supervisord() -> Self {
        Self {
            threshold: Duration::from_secs(1),
            kill_time: Duration::from_secs(10),
            min_restart_delay: Duration::from_secs(1),
            max_restart_delay: Self::LONGEST,
            restart: Restart::OnFailure,
            growth: Growth::Linear(Duration::from_secs(1)),
            give_up: Some(GiveUp { failures: 4, within: None, then: OnGiveUp::StayDown }),
            ..Self::default()
        }
    }

    /// Returns the policy of a systemd service (257) with `Restart=on-failure` and otherwise the defaults:
    /// `RestartSec=100ms`, `RestartSteps=0`, `StartLimitBurst=5`, `StartLimitIntervalSec=10s`,
    /// `TimeoutStopSec=90s`.
    ///
    /// | failure | 1 | 2 | 3 | 4 | 5 within 10 s |
    /// | --- | --- | --- | --- | --- | --- |
    /// | delay | 100 ms | 100 ms | 100 ms | 100 ms | given up |
    ///
    /// - Every restart waits, however long the run was: no run resets anything.
    /// - Exit code 0 and the signals HUP, INT, TERM and PIPE are a success, after which it stays down.
    /// - For `RestartSteps=n` and `RestartMaxDelaySec=m`, set [`growth`](Self::growth) to
    ///   [`Growth::Steps(n)`](Growth::Steps) and [`max_restart_delay`](Self::max_restart_delay) to `m`.
    ///
    /// Differences: systemd counts starts, also those by hand, in a window that begins with the first of
    /// them; here failures count, in a window that slides, and a start by hand starts the count over.
    /// `RestartRandomizedDelaySec=` is a time there; [`Jitter`] is a fraction of the delay.
    pub fn systemd() -> Self {
        let delay = Duration::from_millis(100);
        let success = [Signal::HUP, Signal::INT, Signal::TERM, Signal::PIPE];
        Self {
            threshold: Self::LONGEST,
            kill_time: Duration::from_secs(90),
            min_restart_delay: delay,
            max_restart_delay: delay,
            restart: Restart::OnFailure,
            success: success.into_iter().fold(ExitSet::default(), ExitSet::signal),
            growth: Growth::Fixed,
            give_up: Some(GiveUp {
                failures: 5,
                within: Some(Duration::from_secs(10)),
                then: OnGiveUp::StayDown,
            }),
            ..Self::default()
        }
    }

    /// Returns the policy of a container of Kubernetes (kubelet 1.32) with `restartPolicy: Always` and
    /// `terminationGracePeriodSeconds: 30`.
    ///
    /// | failure in a row | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
    /// | --- | --- | --- | --- | --- | --- | --- | --- |
    /// | delay | none | 10 s | 20 s | 40 s | 80 s | 160 s | 300 s |
    ///
    /// - The end of a run of at least 10 minutes is the first of a new series.
    /// - It never gives up (`CrashLoopBackOff` goes on).
    ///
    /// Differences: the kubelet resets the delay if 10 minutes, twice its maximum, are between the ends of
    /// two runs, which includes the delay; here the run itself has to take that long. The kubelet looks for
    /// work about once a second.
    pub fn kubernetes() -> Self {
        Self {
            threshold: Duration::from_secs(600),
            kill_time: Duration::from_secs(30),
            min_restart_delay: Duration::from_secs(10),
            max_restart_delay: Duration::from_secs(300),
            growth: Growth::DoublingAfterFirst,
            long_run: LongRun::FirstDelay,
            ..Self::default()
        }
    }

    /// Returns the policy of a supervisor of Erlang/OTP (27) with its defaults, for a `permanent` child:
    /// `intensity => 1`, `period => 5`, `shutdown => 5000`.
    ///
    /// - Every end of a run, also with code 0, is restarted at once and counts.
    /// - The second one within 5 s is one too many: everything is stopped ([`OnGiveUp::StopAll`]). In
    ///   general, [`GiveUp::failures`] is the intensity plus one.
    ///
    /// The strategy of the supervisor, such as `one_for_all`, is a [`RestartGroup`](super::RestartGroup).
    /// Differences: in OTP the restarts of all children of a supervisor share one count; here each process
    /// has its own. The supervisor of an OTP supervisor may restart it; here nothing starts a service again
    /// that was stopped.
    pub fn otp() -> Self {
        Self {
            threshold: Duration::ZERO,
            kill_time: Duration::from_secs(5),
            success: ExitSet::NONE,
            growth: Growth::AtOnce,
            give_up: Some(GiveUp {
                failures: 2,
                within: Some(Duration::from_secs(5)),
                then: OnGiveUp::StopAll,
            }),
            ..Self::default()
        }
    }

    /// Returns the policy of a service of Canonical's Pebble (in 2025) with its defaults:
    /// `backoff-delay: 500ms`, `backoff-factor: 2.0`, `backoff-limit: 30s`, `kill-delay: 5s`.
    ///
    /// | failure in a row | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
    /// | --- | --- | --- | --- | --- | --- | --- | --- |
    /// | delay | 0.5 s | 1 s | 2 s | 4 s | 8 s | 16 s | 30 s |
    ///
    /// - A random part of up to a tenth is added to each delay, also to the limit.
    /// - The end of a run of at least 30 s (`backoff-limit` again) is the first of a new series. Every end of
    ///   a run is restarted.
    /// - It never gives up.
    ///
    /// Difference: older versions of Pebble do not retry a first run that is shorter than a second.
    pub fn pebble() -> Self {
        Self {
            threshold: Duration::from_secs(30),
            kill_time: Duration::from_secs(5),
            min_restart_delay: Duration::from_millis(500),
            max_restart_delay: Duration::from_secs(30),
            jitter: Jitter::TENTH,
            long_run: LongRun::FirstDelay,
            ..Self::default()
        }
    }

    /// Returns the policy of a container of Docker (Engine 27) with `--restart always`, and with its default
    /// stop timeout.
    ///
    /// | failure in a row | 1 | 2 | 3 | 4 | … | 10 | 11 |
    /// | --- | --- | --- | --- | --- | --- | --- | --- |
    /// | delay | 0.1 s | 0.2 s | 0.4 s | 0.8 s | … | 51.2 s | 60 s |
    ///
    /// - The end of a run of at least 10 s is the first of a new series.
    /// - It never gives up. KILL follows the stop signal after 10 s.
    ///
    /// `--restart on-failure:n` is [`Restart::OnFailure`] with [`GiveUp::failures`] of `n + 1`. One
    /// difference: Docker counts all restarts of the container, also those after a long run.
    pub fn docker() -> Self {
        Self {
            threshold: Duration::from_secs(10),
            kill_time: Duration::from_secs(10),
            min_restart_delay: Duration::from_millis(100),
            max_restart_delay: Duration::from_secs(60),
            long_run: LongRun::FirstDelay,
            ..Self::default()
        }
    }
}
