//! What the rest of this room uses of the operating system it is built for.

#[cfg(not(target_os = "linux"))]
pub(super) use super::elsewhere::{
    BackEnd, Tier, calls, members, reserve_low_descriptors, run_limits, socket_owner,
};
#[cfg(target_os = "linux")]
pub(super) use super::linux::{
    back_end::BackEnd, calls, members::members, owner::socket_owner, reserve::reserve_low_descriptors,
    run_mark::limits as run_limits, tier::Tier,
};
