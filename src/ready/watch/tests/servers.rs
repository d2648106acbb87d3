//! A simulated host with servers that begin to answer at a given time.

use std::future::pending;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::host::{Host, ProbeError, ProbeFuture, ProbeOwner, ProbeTarget, Process, SleepFuture, Spec};
use crate::machine::SpawnError;
use crate::testkit::Sim;

/// Counts the sleeps and probes in progress, each of which holds a clone.
type Counter = Arc<()>;

#[derive(Debug)]
pub(super) struct SimWithServers {
    sim: Sim,
    epoch: Instant,
    servers: Mutex<Vec<Server>>,
    counter: Counter,
}

/// A server that answers at `target` from `opens` on.
#[derive(Debug)]
struct Server {
    target: ProbeTarget,
    opens: Duration,
    /// `None`: accepts the connection and does not answer.
    answer: Option<Result<ProbeOwner, ProbeError>>,
}

impl SimWithServers {
    pub(super) fn new() -> Self {
        let sim = Sim::new();
        Self { epoch: sim.now(), sim, servers: Mutex::default(), counter: Arc::default() }
    }

    /// Adds a server whose probes end like this from `opens` on.
    pub(super) fn server(
        self,
        target: ProbeTarget,
        opens: Duration,
        answer: impl Into<Option<Result<ProbeOwner, ProbeError>>>,
    ) -> Self {
        let server = Server { target, opens, answer: answer.into() };
        self.servers.lock().expect("the lock is not poisoned").insert(0, server);
        self
    }

    pub(super) fn sim(&self) -> Sim {
        self.sim.clone()
    }

    /// Returns how many sleeps and probes are in progress.
    pub(super) fn in_progress(&self) -> usize {
        Arc::strong_count(&self.counter) - 1
    }
}

impl Host for SimWithServers {
    fn now(&self) -> Instant {
        self.sim.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        let (sleep, counter) = (self.sim.sleep_until(at), self.counter.clone());
        Box::pin(async move {
            sleep.await;
            drop(counter);
        })
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        Host::spawn(&self.sim, spec)
    }

    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        self.sim.locate(spec)
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        let elapsed = self.now() - self.epoch;
        let servers = self.servers.lock().expect("the lock is not poisoned");
        let server = servers.iter().find(|server| server.target == *target && server.opens <= elapsed);
        // Every probe is in the trace.
        let refused = self.sim.probe(target, owner);
        let (answer, counter) = (server.map(|server| server.answer.clone()), self.counter.clone());
        Box::pin(async move {
            let _counter = counter;
            match answer {
                Some(Some(answer)) => answer,
                Some(None) => pending().await,
                None => refused.await,
            }
        })
    }

    fn has_threads(&self) -> bool {
        false
    }
}
