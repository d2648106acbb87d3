//! Dependencies between the processes of a file: unknown names, and circles.

use std::collections::{BTreeMap, BTreeSet};

use super::keys;
use super::problems::Problem;
use super::setting::{After, Entry, Until};

/// Notes each dependency on a process that is not in the file, and each circle once.
pub(crate) fn check(entries: &[Entry], problems: &mut Vec<Problem>) {
    let by_name: BTreeMap<&str, &Entry> = entries.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    for entry in entries {
        for After { on, .. } in entry.after().iter().filter(|after| !by_name.contains_key(&*after.on.value)) {
            let problem = Problem::new(&on.span, format!("there is no process `{}`", on.value));
            problems.push(match keys::suggest(&on.value, by_name.keys().copied()) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem,
            });
        }
    }
    let mut search = Search { by_name, done: BTreeSet::new(), path: Vec::new() };
    for entry in entries {
        search.visit(entry, problems);
    }
}

/// Notes dependencies on the completion of a process that never completes, because it is always restarted.
pub(crate) fn check_completion(
    entries: &[Entry],
    never_complete: &BTreeSet<&str>,
    problems: &mut Vec<Problem>,
) {
    for After { on, until, .. } in entries.iter().flat_map(Entry::after) {
        if *until == Until::Completed && never_complete.contains(&*on.value) {
            let message = format!("`{}` never completes, because it is always restarted", on.value);
            let help = format!("add restart = \"never\" or \"on-failure\" to [process.{}]", on.value);
            problems.push(Problem::new(&on.span, message).help(help));
        }
    }
}

/// A search in depth. A dependency on a process of the current path closes a circle.
struct Search<'a> {
    by_name: BTreeMap<&'a str, &'a Entry>,
    done: BTreeSet<&'a str>,
    path: Vec<&'a str>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, entry: &'a Entry, problems: &mut Vec<Problem>) {
        let name = entry.name.as_str();
        if !self.done.insert(name) {
            return;
        }
        self.path.push(name);
        for After { on, .. } in entry.after() {
            if let Some(start) = self.path.iter().position(|name| *name == on.value) {
                let circle = [&self.path[start..], &[&*on.value]].concat().join("` after `");
                let message = format!("these processes wait for each other: `{circle}`");
                problems.push(Problem::new(&on.span, message).help("remove one of these dependencies"));
            } else if let Some(next) = self.by_name.get(&*on.value).copied() {
                self.visit(next, problems);
            }
        }
        self.path.pop();
    }
}
