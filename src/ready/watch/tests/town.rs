//! A world in which somebody serves: the simulated one, with doors that open at their time.

use std::future::pending;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::host::{Host, ProbeError, ProbeFuture, ProbeOwner, ProbeTarget, Process, SleepFuture, Spec};
use crate::machine::SpawnError;
use crate::testkit::Sim;

/// Counts who is under way: sleeps and probes hold a copy.
type Tally = Arc<()>;

#[derive(Debug)]
pub(super) struct Town {
    sim: Sim,
    epoch: Instant,
    doors: Mutex<Vec<Door>>,
    tally: Tally,
}

/// Somebody who answers at `target` from `opens` on.
#[derive(Debug)]
struct Door {
    target: ProbeTarget,
    opens: Duration,
    /// `None`: takes the connection and says nothing.
    answer: Option<Result<ProbeOwner, ProbeError>>,
}

impl Town {
    pub(super) fn new() -> Self {
        let sim = Sim::new();
        Self { epoch: sim.now(), sim, doors: Mutex::default(), tally: Arc::default() }
    }

    /// From `opens` on an attempt ends like this.
    pub(super) fn door(
        self,
        target: ProbeTarget,
        opens: Duration,
        answer: impl Into<Option<Result<ProbeOwner, ProbeError>>>,
    ) -> Self {
        let door = Door { target, opens, answer: answer.into() };
        self.doors.lock().expect("nobody panics here").insert(0, door);
        self
    }

    pub(super) fn sim(&self) -> Sim {
        self.sim.clone()
    }

    /// How many sleeps and probes there are.
    pub(super) fn under_way(&self) -> usize {
        Arc::strong_count(&self.tally) - 1
    }
}

impl Host for Town {
    fn now(&self) -> Instant {
        self.sim.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        let (sleep, tally) = (self.sim.sleep_until(at), self.tally.clone());
        Box::pin(async move {
            sleep.await;
            drop(tally);
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
        let doors = self.doors.lock().expect("nobody panics here");
        let door = doors.iter().find(|door| door.target == *target && door.opens <= elapsed);
        // The attempt is in the trace, whatever comes of it.
        let refused = self.sim.probe(target, owner);
        let (answer, tally) = (door.map(|door| door.answer.clone()), self.tally.clone());
        Box::pin(async move {
            let _tally = tally;
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
