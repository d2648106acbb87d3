//! Linux: a process is held by its pidfd, a descriptor that means this process and never another one.

pub(super) mod back_end;
pub(super) mod calls;
mod cgroup;
pub(super) mod clone;
mod crew;
mod diagnosis;
mod dispositions;
pub(super) mod event_loop;
mod family;
mod group;
mod holders;
mod leader;
mod listeners;
pub(super) mod members;
pub(super) mod owner;
mod process;
mod process_ids;
mod process_table;
pub(super) mod reserve;
pub(super) mod run_mark;
mod scope;
mod survivor;
pub(super) mod tier;
pub(super) mod watched;
