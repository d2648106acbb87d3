//! The host as the watch has it used: what goes through it is seen.

use std::sync::Arc;
use std::time::Instant;

use crate::host::{Host, Probe, Process, Sleep, Spec, Target};
use crate::machine::SpawnError;

/// A host of which the [`Watch`](super::Watch) sees the first start after it was armed.
#[derive(Debug)]
pub(crate) struct Observed {
    host: Arc<dyn Host>,
}

impl Observed {
    pub(super) fn new(host: Arc<dyn Host>) -> Self {
        Self { host }
    }
}

impl Host for Observed {
    fn now(&self) -> Instant {
        self.host.now()
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        self.host.sleep_until(at)
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        self.host.spawn(spec)
    }

    fn probe(&self, target: &Target, owner: Option<u32>) -> Probe {
        self.host.probe(target, owner)
    }

    fn has_threads(&self) -> bool {
        self.host.has_threads()
    }
}
