//! What the rest of this room uses of the operating system it is built for.

#[cfg(not(target_os = "linux"))]
pub(super) use super::elsewhere::{
    BackEnd, Tier, belongs_to, calls, keep_descriptors, listening, members, port_owner, run_limits,
    socket_owner,
};
#[cfg(target_os = "linux")]
pub(super) use super::linux::{
    back_end::BackEnd,
    calls,
    members::members,
    owner::{belongs_to, listening, port_owner, socket_owner},
    reserve::keep_descriptors,
    run_mark::limits as run_limits,
    tier::Tier,
};
