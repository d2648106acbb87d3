//! Changes of the definitions of processes.

use std::time::Instant;

use super::set::Machine;
use super::state::Input;
use super::{Definition, DefinitionError, NoticeKind, Policy, Replaced, UnknownName};

/// Changes of definitions.
impl<S: Clone> Machine<S> {
    /// Changes the policy of a process, from its next decision on: a delay that has begun and a KILL that is
    /// due stay as they are.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] if there is no process with this name.
    pub fn set_policy(&mut self, name: &str, policy: Policy, now: Instant) -> Result<(), UnknownName> {
        let slot = self.find(name)?;
        if self.child(slot).definition.policy != policy {
            self.publish(self.child(slot).name.clone(), NoticeKind::PolicyChanged, now);
            self.change(slot, now, |child, _| child.definition.policy = policy);
        }
        Ok(())
    }

    /// Replaces the definition of a process. If the spec is another one, the current run is stopped, and the
    /// process is started with the new spec; it counts as new, apart from its place in the order and whether
    /// it is held. If the spec is the same, the rest of the definition takes effect without a restart.
    ///
    /// # Errors
    ///
    /// [`DefinitionError`] if there is no process with this name, or if the new dependencies or the new group
    /// cannot work. Nothing is changed then.
    pub fn replace_process(
        &mut self,
        name: &str,
        definition: Definition<S>,
        now: Instant,
    ) -> Result<Replaced, DefinitionError>
    where
        S: PartialEq,
    {
        self.replace_process_unless(S::eq, name, definition, now)
    }

    /// [Replaces](Self::replace_process) the definition of a process, with a restart unless the new spec
    /// starts the same program.
    pub(crate) fn replace_process_unless(
        &mut self,
        starts_same_program: impl FnOnce(&S, &S) -> bool,
        name: &str,
        mut definition: Definition<S>,
        now: Instant,
    ) -> Result<Replaced, DefinitionError>
    where
        S: PartialEq,
    {
        let slot = self.find(name)?;
        let name = self.child(slot).name.clone();
        let (after, group) = (std::mem::take(&mut definition.after), definition.restart_group.take());
        let links = self.relations.get(slot);
        let edges = links.map(|links| links.edges()).unwrap_or_default();
        let same_after = edges.iter().map(|edge| &edge.dependency).eq(&after);
        let same_group = links.and_then(|links| links.group()).map(|member| &member.group) == group.as_ref();
        let current = &self.child(slot).definition;
        if same_after && same_group && *current == definition {
            return Ok(Replaced::Unchanged);
        }
        let is_same_program = starts_same_program(&current.spec, &definition.spec);
        (definition.after, definition.restart_group) = (after, group);
        self.check_definition(&name, Some(slot), &definition)?;
        let (after, group) = (std::mem::take(&mut definition.after), definition.restart_group.take());
        self.publish(name.clone(), NoticeKind::Replaced, now);
        if is_same_program {
            self.change(slot, now, |child, _| child.definition = definition);
        } else {
            self.change(slot, now, |child, cx| child.replace(definition, cx));
        }
        if !same_after {
            self.relations.unlink(slot);
            self.link(slot, &name, after);
        }
        if !same_group {
            self.relations.leave_group(slot);
            if let Some(group) = group {
                let facts = self.child(slot).facts();
                self.relations.join_group(slot, &name, group, facts);
            }
        }
        self.drive(slot, Input::Wake, now);
        Ok(if is_same_program { Replaced::Updated } else { Replaced::Restarting })
    }
}
