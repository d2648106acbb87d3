//! A process of a plan, as long as it is only planned.

use std::sync::atomic::{AtomicU64, Ordering};

/// Stands for one process of one [`Plan`](super::Plan): what [`spawn`](super::Plan::spawn) returns and later steps take.
///
/// It is a number, free to copy. A plan refuses those of another plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessRef {
    plan: PlanId,
    index: usize,
}

/// Tells the plans of this program apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlanId(u64);

impl PlanId {
    /// One that was never used before.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl ProcessRef {
    pub(super) fn new(plan: PlanId, index: usize) -> Self {
        Self { plan, index }
    }

    pub(super) fn plan(self) -> PlanId {
        self.plan
    }

    /// Where in the plan's list of processes it is.
    pub(super) fn index(self) -> usize {
        self.index
    }
}
