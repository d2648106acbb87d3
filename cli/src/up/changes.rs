//! The difference between a file and what is running.

use std::collections::BTreeMap;

use childminder::Name;

use crate::control::protocol::{Change, Changes};
use crate::file::is_policy_key;
use crate::file::setting::Entry;

/// The keys that take effect without a restart, besides those of the policy.
const AT_ONCE: [&str; 2] = ["log", "hold"];

/// Compares two versions of a file. Only the settings count, not their places or comments.
pub(crate) fn compare(old: &[Entry], new: &[Entry]) -> Changes {
    let by_name = |entries: &'_ [Entry]| -> BTreeMap<Name, usize> {
        entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let mut changes = Changes::default();
    for entry in new {
        let Some(index) = before.get(&entry.name) else {
            changes.added.push(entry.name.to_string());
            continue;
        };
        let keys = old[*index].changes(entry);
        if keys.is_empty() {
            changes.unchanged += 1;
            continue;
        }
        let restarts = keys.iter().any(|key| !(is_policy_key(key) || AT_ONCE.contains(key)));
        let keys = keys.into_iter().map(str::to_owned).collect();
        changes.changed.push(Change { name: entry.name.to_string(), keys, restarts });
    }
    let removed = old.iter().filter(|entry| !after.contains_key(&entry.name));
    changes.removed = removed.map(|entry| entry.name.to_string()).collect();
    changes
}
