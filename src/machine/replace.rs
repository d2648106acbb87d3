//! Changes of the definitions of processes.

use std::sync::Arc;
use std::time::Instant;

use super::definition::Settings;
use super::set::Machine;
use super::state::Input;
use super::{
    Definition, DefinitionError, Dependency, NoticeKind, Policy, Replaced, RestartGroup, UnknownName,
};

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
        if *self.child(slot).settings.policy != policy {
            let policy = self.shared(policy);
            self.publish(self.child(slot).name.clone(), NoticeKind::PolicyChanged, now);
            self.change(slot, now, |child, _| child.settings.policy = policy);
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
        definition: Definition<S>,
        now: Instant,
    ) -> Result<Replaced, DefinitionError>
    where
        S: PartialEq,
    {
        let slot = self.find(name)?;
        let name = self.child(slot).name.clone();
        let links = self.relations.get(slot);
        let edges = links.map(|links| &*links.edges).unwrap_or_default();
        let same_after = edges.iter().map(|edge| &edge.dependency).eq(&definition.after);
        let group = links.and_then(|links| links.group.as_ref()).map(|member| &member.group);
        let same_group = group == definition.restart_group.as_ref();
        let current = &self.child(slot).settings;
        if same_after && same_group && current.is_of(&definition) {
            return Ok(Replaced::Unchanged);
        }
        let is_same_program = starts_same_program(&current.spec, &definition.spec);
        self.check_definition(&name, Some(slot), &definition)?;
        let (settings, after, group) = self.take_apart(definition);
        self.publish(name.clone(), NoticeKind::Replaced, now);
        if is_same_program {
            self.change(slot, now, |child, _| child.settings = settings);
        } else {
            self.change(slot, now, |child, cx| child.replace(settings, cx));
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

    /// Divides a definition into the settings of the process and its relations.
    pub(super) fn take_apart(
        &mut self,
        definition: Definition<S>,
    ) -> (Settings<S>, Vec<Dependency>, Option<RestartGroup>) {
        let Definition { spec, policy, stop_signal, stop_target, stop_command, after, ready, restart_group } =
            definition;
        let policy = self.shared(policy);
        let settings = Settings { spec, policy, ready, stop_signal, stop_target, stop_command };
        (settings, after, restart_group)
    }

    /// Returns a policy that is shared if it equals the one before.
    pub(super) fn shared(&mut self, policy: Policy) -> Arc<Policy> {
        if *self.policy != policy {
            self.policy = Arc::new(policy);
        }
        self.policy.clone()
    }
}
