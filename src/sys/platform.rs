//! What the rest of this room uses of the operating system it is built for.

#[cfg(not(target_os = "linux"))]
pub(super) use super::elsewhere::{
    BackEnd, Tier, Watched, belongs_to, block_on, calls, close_discarded, keep_descriptors, listening,
    members, port_owner, run_limits, sleep_until, socket_owner,
};
#[cfg(target_os = "linux")]
pub(super) use super::linux::{
    back_end::BackEnd,
    calls,
    event_loop::{block_on, close_discarded, sleep::sleep_until},
    members::members,
    owner::{belongs_to, listening, port_owner, socket_owner},
    reserve::keep_descriptors,
    run_mark::limits as run_limits,
    tier::Tier,
    watched::Watched,
};
