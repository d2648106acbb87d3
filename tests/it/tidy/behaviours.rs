//! `docs/behaviours.md` and the names of the tests agree.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{read, rust_files};

const DOCUMENT: &str = "docs/behaviours.md";

/// The number of behaviours of each ported system; the ids count from 1.
const SYSTEMS: [(&str, u32); 9] = [
    ("PM", 47),
    ("LP", 12),
    ("PMT", 9),
    ("SV", 35),
    ("RX", 14),
    ("PJ", 6),
    ("PL", 21),
    ("TD", 14),
    ("CS", 23),
];

/// The number of faults known before the first release; later ones need not be consecutive.
const FAULTS: u32 = 85;

#[test]
fn every_behaviour_and_fault_is_listed_once() {
    let mut listed = Vec::new();
    for line in read(DOCUMENT).lines().filter_map(|line| line.strip_prefix("- ")) {
        let (id, rest) = line.split_once(": ").unwrap_or_else(|| panic!("no id: {line}"));
        assert!(rest.ends_with('`') || rest.starts_with("does not apply. "), "{id} names no test");
        listed.push(id.to_owned());
    }
    let unique: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len(), "an id is listed twice");
    let expected = SYSTEMS.iter().copied().chain([("F", FAULTS)]);
    let expected =
        expected.flat_map(|(system, count)| (1..=count).map(move |number| format!("{system}-{number}")));
    let missing: Vec<String> = expected.filter(|id| !unique.contains(id)).collect();
    assert_eq!(missing, Vec::<String>::new(), "not listed");
}

#[test]
fn every_listed_test_exists_and_carries_its_id() {
    let tests = tests();
    for line in read(DOCUMENT).lines().filter_map(|line| line.strip_prefix("- ")) {
        let Some((rest, name)) = line.strip_suffix('`').and_then(|line| line.rsplit_once('`')) else {
            continue;
        };
        let (id, _) = rest.split_once(": ").unwrap();
        assert!(tests.contains_key(name), "{id}: there is no test `{name}`");
        assert!(ids(name).contains(id), "`{name}` does not carry the id {id}");
    }
}

#[test]
fn every_id_in_the_name_of_a_test_is_listed() {
    let document = read(DOCUMENT);
    for (name, path) in tests() {
        for id in ids(&name) {
            assert!(document.contains(&format!("\n- {id}: ")), "{path}: `{name}` is named after {id}");
        }
    }
}

/// Returns the names of all tests, with the file of each. A test of `every_runtime!` is a function in its
/// list.
fn tests() -> BTreeMap<String, String> {
    let mut tests = BTreeMap::new();
    for path in rust_files() {
        let text = read(&path);
        let mut lists = text.split("every_runtime!(").skip(1).map(|list| list.split(')').next().unwrap());
        let listed: BTreeSet<&str> = lists.by_ref().flat_map(|list| list.split([',', '\n', ' '])).collect();
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            let name =
                line.split_once("fn ").filter(|(before, _)| matches!(*before, "" | "async " | "pub(crate) "));
            if let Some((_, rest)) = name {
                let name = rest.split(['(', '<']).next().unwrap();
                if is_test || listed.contains(name) {
                    tests.insert(name.to_owned(), path.clone());
                }
                is_test = false;
            } else if line == "#[test]" {
                is_test = true;
            } else if !line.starts_with(['#', '/']) {
                is_test = false;
            }
        }
    }
    tests
}

/// Returns the ids in the name of a test: `pm_24_25_f_68_…` has three, and `cs_8_to_10_…` has three.
fn ids(name: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let (mut system, mut last, mut is_range) = (None, 0, false);
    for part in name.split('_') {
        let upper = part.to_uppercase();
        if upper == "F" || SYSTEMS.iter().any(|(known, _)| *known == upper) {
            (system, last, is_range) = (Some(upper), 0, false);
        } else if let (Some(system), Ok(number)) = (&system, part.parse::<u32>()) {
            let first = if is_range { last + 1 } else { number };
            ids.extend((first..=number).map(|number| format!("{system}-{number}")));
            (last, is_range) = (number, false);
        } else if part == "to" && last > 0 {
            is_range = true;
        } else {
            (system, last, is_range) = (None, 0, false);
        }
    }
    ids
}

#[test]
fn ids_are_read_from_names() {
    let of = |name: &str| ids(name).into_iter().collect::<Vec<_>>();
    assert_eq!(of("pm_24_25_f_68_exactly_at_the_threshold"), ["F-68", "PM-24", "PM-25"]);
    assert_eq!(of("cs_1_8_to_10_in_every_state"), ["CS-1", "CS-10", "CS-8", "CS-9"]);
    assert_eq!(of("restart_pm_40_f_33"), ["F-33", "PM-40"]);
    assert_eq!(of("a_life_of_2_s_to_3_s"), Vec::<String>::new());
}
