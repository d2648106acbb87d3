//! What a spec contains, for those who start it.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::account::Account;
use super::descriptor::Descriptor;
use super::spec::Spec;
use super::stdin::Stdin;
use crate::machine::{Policy, Signal};

/// The number of the first listener, by the convention of `LISTEN_FDS`.
const FIRST_LISTENER: i32 = 3;

/// Accessors, for the implementation of a [`Host`](super::Host).
impl Spec {
    /// Returns the program as it was given.
    pub fn get_program(&self) -> &OsStr {
        &self.program
    }

    /// Returns the arguments without the program itself.
    pub fn get_args(&self) -> impl ExactSizeIterator<Item = &OsStr> {
        self.args.iter().map(OsString::as_os_str)
    }

    /// Returns whether the environment is not inherited.
    pub fn is_env_cleared(&self) -> bool {
        self.env_clear
    }

    /// Returns the variables that are set, or removed (`None`). Those of the [`user`](Self::user) are
    /// included.
    pub fn get_envs(&self) -> impl Iterator<Item = (&OsStr, Option<&OsStr>)> {
        let of_the_user = self.account().map(Account::variables).into_iter().flatten();
        let of_the_user = of_the_user.filter(|(key, _)| self.env.get(*key).is_none());
        let given = self.env.iter().map(|(key, value)| (key.as_os_str(), value.as_deref()));
        given.chain(of_the_user.map(|(key, value)| (key, Some(value))))
    }

    /// Returns the working directory, if it is set.
    pub fn get_cwd(&self) -> Option<&Path> {
        self.cwd.as_deref()
    }

    /// Returns the user id to switch to.
    pub fn get_uid(&self) -> Option<u32> {
        self.uid.or_else(|| self.user.as_ref()?.uid())
    }

    /// Returns the group id to switch to.
    pub fn get_gid(&self) -> Option<u32> {
        let of_the_user = || Some(self.account()?.gid);
        self.gid.or_else(|| self.group.as_ref()?.gid()).or_else(of_the_user)
    }

    /// Returns the supplementary groups to set: those that were given or belong to the user, or none for
    /// another user or group.
    pub fn get_groups(&self) -> Option<&[u32]> {
        match (&self.groups, self.account()) {
            (Some(groups), _) => Some(groups),
            (None, Some(account)) => Some(&account.groups),
            (None, None) => (self.get_uid().is_some() || self.get_gid().is_some()).then_some(&[]),
        }
    }

    fn account(&self) -> Option<&Account> {
        self.user.as_ref()?.account()
    }

    /// Whether both output streams share one pipe.
    pub fn merges_output(&self) -> bool {
        self.merge_output
    }

    /// Returns the file mode creation mask to set.
    pub fn get_umask(&self) -> Option<u32> {
        self.umask
    }

    /// Returns the standard input.
    pub fn get_stdin(&self) -> &Stdin {
        &self.stdin
    }

    /// Returns the signal that asks the program to end.
    pub fn get_stop_signal(&self) -> Signal {
        self.stop_signal
    }

    /// Returns whether the child leads a process group of its own.
    pub fn has_own_group(&self) -> bool {
        self.own_group
    }

    /// Returns the policy of this process, if it is set.
    pub fn get_policy(&self) -> Option<Policy> {
        self.policy.as_deref().copied()
    }

    /// Returns the descriptors of the child by their numbers: the listeners, from 3, and the others.
    pub fn get_descriptors(&self) -> impl Iterator<Item = (i32, &Descriptor)> {
        let others = self.descriptors.iter().map(|(number, descriptor)| (*number, descriptor));
        (FIRST_LISTENER..).zip(&self.listeners).chain(others)
    }

    /// Returns the number of listeners, which is the value of `LISTEN_FDS`.
    pub fn count_listeners(&self) -> usize {
        self.listeners.len()
    }

    /// Returns the programs that are exempt from the containment.
    pub fn get_spared(&self) -> impl Iterator<Item = &OsStr> {
        self.spared.iter().map(OsString::as_os_str)
    }

    /// Returns whether the child dies with this process.
    pub fn dies_with_parent(&self) -> bool {
        self.die_with_parent
    }
}
