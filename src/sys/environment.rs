//! The environment of a child: what it inherits, what its spec says, and what we have to say ourselves. The later wins.
//!
//! A child with listeners hears of them in `LISTEN_FDS` and `LISTEN_PID`, as from systemd. What this process was told of
//! listeners of its own is taken away then, for the names of other sockets would be taken for those of the child's.
//! Without listeners it is passed on as it is: its `LISTEN_PID` says that somebody else is meant.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};

use crate::host::Spec;

use super::guardian;
use super::words::{OpenWord, Words, c_string};

const FDS: &str = "LISTEN_FDS";
const PID: &str = "LISTEN_PID";
const NAMES: &str = "LISTEN_FDNAMES";
const PIDFD: &str = "LISTEN_PIDFDID";

/// `NAME=value` each. The one that only the child knows, its `LISTEN_PID`, is open, to be completed there.
///
/// What is inherited is copied under std's lock, for another thread may be in the middle of `set_var`; that costs a few
/// microseconds of a start's few hundred.
pub(super) fn of(spec: &Spec) -> Words {
    let listeners = spec.count_listeners();
    let mut changes: BTreeMap<&OsStr, Option<Cow<'_, OsStr>>> = BTreeMap::new();
    if listeners > 0 {
        changes.extend([NAMES, PIDFD].map(|name| (OsStr::new(name), None)));
    }
    changes.extend(spec.get_envs().map(|(key, value)| (key, value.map(Cow::Borrowed))));
    if listeners > 0 {
        changes.insert(PID.as_ref(), None);
        changes.insert(FDS.as_ref(), Some(OsString::from(listeners.to_string()).into()));
    }
    if spec.dies_with_parent() {
        changes.insert(guardian::VARIABLE.as_ref(), Some(OsStr::new(guardian::marker()).into()));
    }
    let inherited = (!spec.is_env_cleared()).then(std::env::vars_os).into_iter().flatten();
    Words::with_open(
        inherited
            .filter(|(key, _)| !changes.contains_key(&**key))
            .map(|(key, value)| pair(key, &value))
            .chain(changes.iter().filter_map(|(key, value)| Some(pair((*key).to_owned(), value.as_ref()?)))),
        (listeners > 0).then(|| OpenWord::new("LISTEN_PID=")),
    )
}

fn pair(mut key: OsString, value: &OsStr) -> CString {
    key.reserve_exact(value.len() + 2);
    key.push("=");
    key.push(value);
    c_string(key)
}
