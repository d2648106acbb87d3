//! The restart of a group, after a member has ended by itself.
//!
//! The members that are restarted with it are stopped and *parked*: they do not start before the restart is
//! complete. It is complete when they have ended and the delay of the first member has passed, or when that
//! one is not restarted after all. Then all of them are started in their order.

use super::relations::{Group, GroupRestart, Membership, Quit, Relations, Task};
use super::run::StopReason;
use super::{Name, Strategy};

impl Relations {
    /// Restarts the group of a process that has ended by itself and is restarted.
    pub(super) fn restart_group(&mut self, slot: usize) {
        let Some(name) = self.group_name(slot) else { return };
        let group = &self.groups[&name];
        if group.restart.is_some() {
            // It joins the restart that is under way.
            self.member(slot).is_parked = true;
            return;
        }
        let position = group.members.iter().position(|member| *member == slot).unwrap_or_default();
        let first = match group.strategy {
            Strategy::OneForAll => 0,
            Strategy::RestForOne => position + 1,
        };
        let others = group.members[first..].iter().copied();
        // In the reverse order, as far as dependencies do not demand another one.
        let others: Vec<usize> =
            others.rev().filter(|other| *other != slot && self.is_running_member(*other)).collect();
        if others.is_empty() {
            return;
        }
        for &other in &others {
            let member = self.member(other);
            (member.is_parked, member.is_awaited) = (true, true);
        }
        self.member(slot).is_parked = true;
        let restart = GroupRestart { cause: slot, awaited: others.len() };
        self.table(&name).restart = Some(restart);
        let after = self.known(slot).name.clone();
        self.drain(&others, &Quit::Because(StopReason::Group { group: name, after }), true);
    }

    /// Notes that the run of a process has ended.
    pub(super) fn member_ended(&mut self, slot: usize) {
        let Some(name) = self.group_name(slot) else { return };
        if std::mem::take(&mut self.member(slot).is_awaited) {
            if let Some(restart) = &mut self.table(&name).restart {
                restart.awaited -= 1;
            }
            self.complete_group(&name);
        }
    }

    /// Completes the restart of the group of a process if its new state permits.
    pub(super) fn update_group(&mut self, slot: usize) {
        if let Some(name) = self.group_name(slot) {
            self.complete_group(&name);
        }
    }

    fn complete_group(&mut self, name: &Name) {
        let Some(GroupRestart { cause, awaited }) = self.table(name).restart else { return };
        let facts = self.known(cause).facts;
        if !facts.pending || facts.blocked && awaited == 0 {
            self.release_group(name);
        }
    }

    /// Ends the restart of a group, and starts its members.
    fn release_group(&mut self, name: &Name) {
        let group = self.table(name);
        group.restart = None;
        for slot in group.members.clone() {
            let member = self.member(slot);
            member.is_awaited = false;
            if std::mem::take(&mut member.is_parked) {
                self.push(Task::Wake(slot));
            }
        }
    }

    /// Removes a process from its group.
    pub(super) fn leave_group(&mut self, slot: usize) {
        if self.group_name(slot).is_none() {
            return;
        }
        let Some(member) = self.known(slot).group.take() else { return };
        let name = &member.group.name;
        let group = self.table(name);
        group.members.retain(|other| *other != slot);
        if let Some(restart) = &mut group.restart {
            restart.awaited -= usize::from(member.is_awaited);
            if restart.cause == slot {
                self.release_group(name);
            } else {
                self.complete_group(name);
            }
        }
        if self.table(name).members.is_empty() {
            self.groups.remove(name);
        }
    }

    fn group_name(&self, slot: usize) -> Option<Name> {
        Some(self.get(slot)?.group.as_ref()?.group.name.clone())
    }

    fn is_running_member(&self, slot: usize) -> bool {
        self.get(slot).is_some_and(|links| links.facts.run.is_some())
    }

    fn table(&mut self, name: &Name) -> &mut Group {
        self.groups.get_mut(name).expect("a group with members")
    }

    fn member(&mut self, slot: usize) -> &mut Membership {
        self.known(slot).group.as_deref_mut().expect("a member of a group")
    }
}
