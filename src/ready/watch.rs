//! The watch over one service: it sees its starts, and says when each is ready.
//!
//! 1. [`check_free`](Watch::check_free): nobody answers yet where the process is to.
//! 2. [`equip`](Watch::equip): the spec is given what it takes to notify.
//! 3. [`arm`](Watch::arm): the next start is the one.
//! 4. Whoever minds the process starts it, with the [`host`](Watch::host) of the watch, which sees the start, all that
//!    is read from it, and its end. It need not know that it is watched.
//! 5. The future that `arm` returned ends, on whatever executor it runs.
//!
//! Steps 2 to 5 are repeated for each start. Nothing of one reaches the next: each has a session, a gate, and bells of
//! its own (F-84).

use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::condition::{Condition, Leaf};
use super::gate::Gate;
use super::notify::Bell;
use super::session::Session;
use super::tree::Tree;
use super::until::{Hung, UntilReady};
use super::vacancy::{self, AddressInUse};
use crate::host::tap::{Start, StartQueue, TapHost};
use crate::host::{Host, Spec};
use crate::search::{MessageExtractor, ParallelSearch};

/// Says of each start of one process when it is ready.
pub(crate) struct Watch {
    host: Arc<dyn Host>,
    condition: Condition,
    timeout: Duration,
    message: MessageExtractor,
    starts: StartQueue,
    /// What the spec was equipped with, until the watch is starts.
    bells: Mutex<Vec<Hung>>,
}

impl Watch {
    /// A watch for whatever is started with its [`host`](Self::host). `timeout` counts from each start; `Duration::MAX`
    /// leaves all patience to whoever waits. Whoever calls this has [checked](Condition::check) the condition.
    pub(crate) fn new(
        host: Arc<dyn Host>,
        condition: Condition,
        timeout: Duration,
        message: MessageExtractor,
    ) -> Self {
        Self { host, condition, timeout, message, starts: StartQueue::default(), bells: Mutex::default() }
    }

    /// The host that the process must be started with.
    pub(crate) fn host(&self) -> TapHost {
        TapHost::new(self.host.clone(), self.starts.clone())
    }

    /// Gives `spec` what the next start needs to notify: a fresh pipe, a fresh socket. Before [`arm`](Self::arm), and
    /// anew for each start.
    ///
    /// # Errors
    ///
    /// What the system says to the pipe, or to the socket and its directory.
    pub(crate) fn equip(&self, mut spec: Spec) -> io::Result<Spec> {
        let mut pipes: Vec<(i32, Hung)> = Vec::new();
        let mut socket: Option<Hung> = None;
        for (number, leaf) in self.leaves().into_iter().enumerate() {
            match leaf {
                Leaf::Notify(descriptor) => {
                    if let Some((_, hung)) = pipes.iter_mut().find(|(known, _)| *known == descriptor) {
                        hung.leaves.push(number);
                        continue;
                    }
                    let bell;
                    (bell, spec) = Bell::pipe(descriptor, spec)?;
                    pipes.push((descriptor, Hung { leaves: vec![number], bell }));
                }
                Leaf::SdNotify => {
                    if let Some(hung) = &mut socket {
                        hung.leaves.push(number);
                        continue;
                    }
                    let bell;
                    (bell, spec) = Bell::socket(spec)?;
                    socket = Some(Hung { leaves: vec![number], bell });
                }
                Leaf::Uptime(_) | Leaf::OutputMatch(_) | Leaf::Answers { .. } | Leaf::Command(_) => {}
            }
        }
        *self.bells() = pipes.into_iter().map(|(_, hung)| hung).chain(socket).collect();
        Ok(spec)
    }

    /// Watches the next start.
    pub(crate) fn arm(&self) -> UntilReady {
        let leaves = self.leaves();
        let printed = leaves.iter().enumerate().filter_map(|(number, leaf)| match leaf {
            Leaf::OutputMatch(printed) => Some((number, printed)),
            Leaf::Uptime(_) | Leaf::Answers { .. } | Leaf::Command(_) | Leaf::Notify(_) | Leaf::SdNotify => {
                None
            }
        });
        let session = Arc::new(Session::new(ParallelSearch::new(printed, self.message.clone())));
        self.starts.clear();
        self.starts.announce(Start { observer: session.clone(), replacement: None });
        let gate = Gate::new(&self.condition, self.timeout);
        UntilReady::new(self.host.clone(), session, gate, mem::take(&mut *self.bells()))
    }

    /// Whether nobody answers yet where the process of `spec` is to (F-82). Where anybody may answer, nobody is asked, nor
    /// where the spec gives a socket that listens already.
    ///
    /// # Errors
    ///
    /// [`AddressInUse`]: where, and who it is.
    pub(crate) fn check_free(
        &self,
        spec: &Spec,
    ) -> impl Future<Output = Result<(), AddressInUse>> + Send + use<> {
        let targets = self.leaves().into_iter().filter_map(|leaf| match leaf {
            Leaf::Answers { target, anybody: false } => Some(target),
            Leaf::Answers { anybody: true, .. }
            | Leaf::Uptime(_)
            | Leaf::OutputMatch(_)
            | Leaf::Command(_)
            | Leaf::Notify(_)
            | Leaf::SdNotify => None,
        });
        let targets = targets.filter(|target| !vacancy::is_given(spec, target)).collect();
        vacancy::check(self.host.clone(), targets)
    }

    /// In the order in which the gate numbers them.
    fn leaves(&self) -> Vec<Leaf> {
        Tree::of(&self.condition).1
    }

    fn bells(&self) -> MutexGuard<'_, Vec<Hung>> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("condition", &self.condition)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
