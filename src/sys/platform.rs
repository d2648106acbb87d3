//! What the rest of this room uses of the operating system it is built for.

#[cfg(not(target_os = "linux"))]
pub(super) use super::elsewhere::{BackEnd, calls, create, members, reserve_low_descriptors, socket_owner};
#[cfg(target_os = "linux")]
pub(super) use super::linux::{
    back_end::BackEnd, back_end::create, calls, clone::reserve_low_descriptors, members::members,
    owner::socket_owner,
};
