//! The watch over one run of a monitor: until it is ready, and then as long as it works.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{fmt, io, mem};

use super::alive::UntilUnhealthy;
use super::gate::{FlatCondition, Gate};
use super::liveness::{Liveness, LivenessGate};
use super::notify::open_channels;
use super::session::Session;
use super::until::UntilReady;
use crate::host::health::{HealthEvent, HealthStart, HealthWatch};
use crate::host::{Host, Spec};
use crate::search::MessageExtractor;

/// The watch over one run.
pub(super) struct RunWatch {
    host: Arc<dyn Host>,
    session: Arc<Session>,
    state: State,
}

enum State {
    Starting {
        until: Box<UntilReady>,
        alive: Option<(FlatCondition, Liveness)>,
        watchdog: Option<Duration>,
    },
    Alive(Box<UntilUnhealthy>),
    /// There is nothing more to report.
    Over,
}

impl RunWatch {
    /// Opens the notification channels for the next start of `spec`, and begins to watch it.
    ///
    /// # Errors
    ///
    /// The system's error when it cannot create a pipe, a socket or its directory.
    pub(super) fn begin(
        spec: &Spec,
        host: &Arc<dyn Host>,
        condition: &FlatCondition,
        timeout: Duration,
        message: &MessageExtractor,
        alive: Option<(FlatCondition, Liveness)>,
        watchdog: Option<Duration>,
    ) -> io::Result<HealthStart> {
        let (spec, notifications) = open_channels(condition, watchdog, spec.clone())?;
        let session = Session::of(condition, message.clone(), notifications, watchdog.is_some());
        let gate = Gate::new(condition, timeout);
        let until = Box::new(UntilReady::new(host.clone(), session.clone(), gate));
        let state = State::Starting { until, alive, watchdog };
        let watch = Self { host: host.clone(), session: session.clone(), state };
        Ok(HealthStart { spec, observer: session, watch: Box::new(watch) })
    }
}

impl HealthWatch for RunWatch {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HealthEvent> {
        match &mut self.state {
            State::Starting { until, .. } => {
                let verdict = ready!(Pin::new(until).poll(cx));
                let State::Starting { alive, watchdog, .. } = mem::replace(&mut self.state, State::Over)
                else {
                    unreachable!("the start was just polled")
                };
                match verdict {
                    Ok(ready) => {
                        if alive.is_some() || watchdog.is_some() {
                            let gate = LivenessGate::new(alive, watchdog, self.host.now());
                            let (host, session) = (self.host.clone(), self.session.clone());
                            let until = UntilUnhealthy::new(host, session, gate, ready.pid);
                            self.state = State::Alive(Box::new(until));
                        }
                        Poll::Ready(HealthEvent::Ready(ready))
                    }
                    Err(failure) => Poll::Ready(HealthEvent::NotReady(failure)),
                }
            }
            State::Alive(until) => {
                let reason = ready!(Pin::new(until).poll(cx));
                self.state = State::Over;
                Poll::Ready(HealthEvent::Unhealthy(reason))
            }
            State::Over => {
                // A program that is being stopped must not block because nothing reads what it sends.
                self.session.poll_watchdog(cx, &|_| true);
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for RunWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state: &dyn fmt::Debug = match &self.state {
            State::Starting { until, .. } => until,
            State::Alive(until) => until,
            State::Over => &"over",
        };
        f.debug_tuple("RunWatch").field(state).finish()
    }
}
