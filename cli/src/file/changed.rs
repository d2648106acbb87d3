//! Policies in which single keys are changed, as `childminder replay --set` does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use childminder::machine::GiveUp;
use childminder::{Name, Policy};
use toml::de::{DeTable, DeValue};

use super::keys::{self, KEYS};
use super::policy;
use super::problems::{At, Problem, Problems};
use super::reader::{self, Item, Reader, Value, items};
use super::setting::{Entry, Setting};
use super::suggest;

/// Returns the policies that differ after the assignments, such as `web.kill-time = "10s"`. A text may lack
/// its quotes.
///
/// # Errors
///
/// All [`Problems`], with their lines: each assignment is one.
pub(crate) fn changed_policies(
    assignments: &[String],
    known: &[(Name, Policy)],
) -> Result<Vec<(Name, Policy)>, Problems> {
    let text: Vec<String> = assignments.iter().map(|assignment| quoted(assignment)).collect();
    let text = text.join("\n");
    let mut problems = Vec::new();
    let document = reader::parse(&text, &mut problems);
    let mut reader = Reader::default();
    let mut changed = Vec::new();
    for item in items(document.get_ref()) {
        let Some((name, base)) = known.iter().find(|(name, _)| **name == *item.key) else {
            problems.push(unknown(&item, known));
            continue;
        };
        let settings = settings(&mut reader, &item, *base);
        let base = match settings.get("policy").map(|policy| &policy.value) {
            Some(Setting::Text(preset)) => policy::preset(preset),
            _ => *base,
        };
        let entry = Entry::new(name.clone(), item.key_span.clone(), settings);
        let Some(policy) = policy::build_on(base, &entry, &mut problems) else { continue };
        match policy.check() {
            Ok(()) => changed.push((name.clone(), policy)),
            Err(error) => problems.push(Problem::new(&place(&entry), error.to_string())),
        }
    }
    problems.append(&mut reader.problems);
    if problems.is_empty() { Ok(changed) } else { Err(Problems::new(Path::new("--set"), &text, problems)) }
}

/// Returns an assignment with quotes around a text that lacks them.
fn quoted(assignment: &str) -> String {
    let Some((key, value)) = assignment.split_once('=') else { return assignment.to_owned() };
    let (_, errors) = DeTable::parse_recoverable(assignment);
    if errors.is_empty() { assignment.to_owned() } else { format!("{key}= {:?}", value.trim()) }
}

fn unknown(item: &Item<'_>, known: &[(Name, Policy)]) -> Problem {
    let problem = Problem::new(&item.key_span, format!("there is no process `{}`", item.key));
    match suggest(item.key, known.iter().map(|(name, _)| name.as_str())) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help("write NAME.KEY=VALUE, such as web.kill-time=10s"),
    }
}

/// Returns the place of the first setting.
fn place(entry: &Entry) -> Range<usize> {
    let first = entry.keys().map(|key| entry.span_of(key)).min_by_key(|span| span.start);
    first.unwrap_or(&entry.span).clone()
}

/// Reads the settings of a process.
fn settings(reader: &mut Reader, item: &Item<'_>, base: Policy) -> BTreeMap<&'static str, At<Setting>> {
    let mut settings = BTreeMap::new();
    for item in
        reader.table(item.value, "a key of this process, such as kill-time = \"10s\"").unwrap_or_default()
    {
        let Some(key) = keys::find(item.key) else {
            reader
                .unknown_key(&item, KEYS.iter().map(|key| key.name).filter(|key| policy::is_policy_key(key)));
            continue;
        };
        if !policy::is_policy_key(key.name) {
            let message = format!("`{}` is no key of a policy, so it cannot be changed here", key.name);
            reader.note(Problem::new(&item.key_span, message).help("use another file, with --with"));
            continue;
        }
        let setting = match key.name {
            "give-up" => give_up(reader, item.value, base.give_up),
            _ => reader.setting(key, item.value, Path::new(".")),
        };
        if let Some(setting) = setting {
            settings.insert(key.name, At::new(item.value.span(), setting));
        }
    }
    settings
}

/// Reads when to give up; a key that is not set is that of `base`.
fn give_up(reader: &mut Reader, value: &Value<'_>, base: Option<GiveUp>) -> Option<Setting> {
    let (mut failures, mut within) = (base.map(|base| base.failures), base.and_then(|base| base.within));
    for item in reader.table(value, "a table such as { failures = 5, within = \"1m\" }")? {
        match item.key {
            "failures" => failures = Some(reader.small(item.value, 1, GiveUp::MAX_FAILURES.into())?),
            "within" => match item.value.get_ref() {
                DeValue::Boolean(false) => within = None,
                _ => within = Some(reader.duration(item.value)?),
            },
            _ => reader.unknown_key(&item, ["failures", "within"]),
        }
    }
    if failures.is_none() {
        let problem = Problem::new(&value.span(), "this process never gives up, and `failures` is missing");
        reader.note(problem.help("set give-up.failures as well"));
    }
    Some(Setting::GiveUp { failures: failures?, within })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn change(assignments: &[&str]) -> Result<Vec<(Name, Policy)>, String> {
        let known = [("web", Policy::supervisord()), ("db", Policy::default())];
        let known = known.map(|(name, policy)| (name.parse().unwrap(), policy));
        let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
        changed_policies(&assignments, &known).map_err(|problems| problems.to_string())
    }

    #[test]
    fn single_keys_are_changed_and_the_others_stay() {
        let changed =
            change(&["web.give-up.failures=3", "web.kill-time=7s", "db.policy=kubernetes"]).unwrap();
        let give_up = Policy::supervisord().give_up.map(|give_up| GiveUp { failures: 3, ..give_up });
        let web = Policy { give_up, kill_time: Duration::from_secs(7), ..Policy::supervisord() };
        assert_eq!(changed.len(), 2);
        assert!(changed.iter().any(|(name, policy)| *name == "web" && *policy == web), "{changed:?}");
        assert!(changed.iter().any(|(name, policy)| *name == "db" && *policy == Policy::kubernetes()));
        let changed = change(&["web.give-up.within=\"1m\""]).unwrap();
        let give_up = changed[0].1.give_up.unwrap();
        assert_eq!((give_up.failures, give_up.within), (4, Some(Duration::from_secs(60))));
    }

    #[test]
    fn a_change_that_is_wrong_is_shown_with_its_place() {
        for (wrong, expected) in [
            (
                "wbe.kill-time=1",
                "--set:1:1: there is no process `wbe`\n  |\n1 | wbe.kill-time=1\n  | ^^^ did you mean `web`?",
            ),
            (
                "web.kil-time=1",
                "--set:1:5: unknown key `kil-time`\n  |\n1 | web.kil-time=1\n  |     ^^^^^^^^ did you mean `kill-time`?",
            ),
            ("web.cwd=x", "--set:1:5: `cwd` is no key of a policy, so it cannot be changed here"),
            ("web.kill-time=soon", "--set:1:16: expected seconds"),
            ("web.kill-time=-1", "--set:1:15: this duration is negative"),
            ("web.give-up.failures=0", "--set:1:22: expected an integer from 1 to 10000"),
            ("db.give-up.within=1", "this process never gives up, and `failures` is missing"),
            ("web.min-restart-delay=0", "min_restart_delay is zero"),
            ("web", "--set:1:"),
            ("", ""),
        ] {
            match change(&[wrong]) {
                Err(found) => assert!(found.contains(expected) && !expected.is_empty(), "{wrong}: {found}"),
                Ok(changed) => assert!(expected.is_empty() && changed.is_empty(), "{wrong}: {changed:?}"),
            }
        }
        // All at once.
        let all = change(&["wbe.kill-time=1", "web.kil-time=1"]).unwrap_err();
        assert!(all.contains("--set:1:1: ") && all.contains("--set:2:5: "), "{all}");
    }
}
