//! A journal that was recorded decides the same when it is replayed.

use childminder::journal::{Ending, Record};

use super::night;

#[test]
fn a_recorded_night_is_replayed_decision_by_decision() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("night.journal");
    let journal = night(&path);
    let verified = journal.verify().unwrap_or_else(|difference| panic!("{difference}"));
    assert!(verified.inputs > 100 && verified.decisions > 140, "{verified:?}");
    assert_eq!(verified.lost, 0);
    assert_eq!(journal.ending(), Ending::Complete);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("hunter2"), "the value of a variable is in the journal");
    let last = journal.entries().iter().find_map(|entry| match &entry.record {
        Record::Output(output) if output.name == "db" => Some(output.last.join("|")),
        _ => None,
    });
    assert_eq!(last.as_deref(), Some("up \"and\" ready"));
}
