//! The environment of a child: the inherited variables, those of its spec, and those that a start adds. Later
//! ones win.
//!
//! A child with listeners gets `LISTEN_FDS` and `LISTEN_PID`, as from systemd. If this process was itself
//! started with listeners, their names and ids are removed then: they would be taken for those of the child's
//! listeners. A child without listeners inherits these variables unchanged, because its `LISTEN_PID` shows
//! that another process is meant.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::host::Spec;

use super::cstr_array::{CStrArray, CStrArrayBuilder, PatchedCString};

const FDS: &str = "LISTEN_FDS";
const PID: &str = "LISTEN_PID";
const NAMES: &str = "LISTEN_FDNAMES";
const PIDFD: &str = "LISTEN_PIDFDID";

/// Variables that a start adds by itself.
pub(super) type Additions = Vec<(&'static str, OsString)>;

/// Builds the strings `NAME=value`. `LISTEN_PID`, which only the child knows, is left open for it to
/// complete.
///
/// The inherited variables are copied under the lock of `std`, because another thread may be in `set_var`.
/// That costs a few microseconds of a start's two hundred.
pub(super) fn build(spec: &Spec, additions: &Additions) -> CStrArray {
    let listeners = spec.count_listeners();
    let mut changes: BTreeMap<&OsStr, Option<Cow<'_, OsStr>>> = BTreeMap::new();
    if listeners > 0 {
        changes.extend([NAMES, PIDFD].map(|name| (OsStr::new(name), None)));
    }
    changes.extend(additions.iter().map(|(key, value)| (OsStr::new(key), Some(Cow::Borrowed(&**value)))));
    changes.extend(spec.get_envs().map(|(key, value)| (key, value.map(Cow::Borrowed))));
    if listeners > 0 {
        changes.insert(PID.as_ref(), None);
        changes.insert(FDS.as_ref(), Some(OsString::from(listeners.to_string()).into()));
    }
    let mut variables = CStrArrayBuilder::default();
    if !spec.is_env_cleared() {
        for (key, value) in std::env::vars_os().filter(|(key, _)| !changes.contains_key(&**key)) {
            variables.push(&[&key, "=".as_ref(), &value]);
        }
    }
    for (key, value) in &changes {
        if let Some(value) = value {
            variables.push(&[key, "=".as_ref(), value]);
        }
    }
    variables.build((listeners > 0).then(|| PatchedCString::new("LISTEN_PID=")))
}
