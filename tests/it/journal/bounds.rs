//! The size of a journal, its segments, and what is kept.

use std::fs;

use childminder::journal::{Ending, Journal, JournalFile, JournalProblem, Record};
use childminder::testkit::Script;
use childminder::{Exit, ProcessMonitor, Spec};

use super::{monitor, secs};

#[test]
fn f_312_a_journal_has_two_segments_at_most_and_each_is_replayed_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("loop.journal");
    let (sim, monitor) = monitor(JournalFile::new(&path).max_size(40_000));
    sim.script("web", Script::new().lives(secs(2.0)).exits(Exit::Code(1)).leaves_behind(1));
    sim.script("worker", Script::new().lives(secs(0.5)).exits(Exit::Code(1)));
    monitor.add_process("web", Spec::new("web")).unwrap();
    monitor.add_process("worker", Spec::new("worker").after("web", childminder::Until::Started)).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(600.0));
    sim.block_on(monitor.close()).unwrap();
    sim.drop_futures();

    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let earlier = path.with_extension("journal.1");
    let sizes = [&path, &earlier].map(|path| fs::metadata(path).unwrap().len());
    assert!(sizes.iter().all(|size| *size < 25_000), "{sizes:?}");

    let both = Journal::read(&path).unwrap();
    let parts = [&earlier, &path].map(|path| Journal::parse(&fs::read(path).unwrap()).unwrap());
    assert_eq!(both.entries().len(), parts[0].entries().len() + parts[1].entries().len());
    assert_eq!(both.ending(), Ending::Complete);
    for journal in [&both, &parts[0], &parts[1]] {
        assert!(journal.header().segment > 0);
        assert!(matches!(journal.entries()[0].record, Record::Checkpoint(_)));
        let verified = journal.verify().unwrap_or_else(|difference| panic!("{difference}"));
        assert!(verified.decisions > 50, "{verified:?}");
    }
    // The first file alone, and one that belongs to another recording.
    fs::remove_file(&earlier).unwrap();
    assert_eq!(Journal::read(&path).unwrap().entries().len(), parts[1].entries().len());
    fs::write(&earlier, Journal::from_inputs(0, []).to_text()).unwrap();
    assert_eq!(Journal::read(&path).unwrap().entries().len(), parts[1].entries().len());
}

#[test]
fn f_312_a_checkpoint_that_is_not_the_state_that_was_reached_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("loop.journal");
    let (sim, monitor) = monitor(JournalFile::new(&path).max_size(40_000));
    sim.script("web", Script::new().lives(secs(0.5)).exits(Exit::Code(1)));
    monitor.add_process("web", Spec::new("web")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(100_000.0));
    sim.block_on(monitor.close()).unwrap();
    sim.drop_futures();
    let text = fs::read_to_string(&path).unwrap();
    let changed: String = text
        .lines()
        .map(|line| format!("{}}}\n", line.split(",\"sum\"").next().unwrap()))
        .map(|line| {
            if line.contains("\"checkpoint\"") { line.replace("\"growths\":", "\"growths\":1") } else { line }
        })
        .collect();
    fs::write(&path, changed).unwrap();
    let difference = Journal::read(&path).unwrap().verify().expect_err("another state");
    assert_eq!((difference.path(), difference.line()), (Some(&*path), 2));
    assert!(difference.recorded().unwrap().contains("growths"), "{difference}");
}

#[test]
fn f_312_the_journal_of_an_earlier_monitor_becomes_the_segment_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.journal");
    for round in 0..3 {
        let (sim, monitor) = monitor(JournalFile::new(&path));
        monitor.add_process(&format!("round{round}"), Spec::new("web")).unwrap();
        sim.block_on(monitor.close()).unwrap();
        sim.drop_futures();
    }
    assert!(fs::read_to_string(&path).unwrap().contains("round2"));
    assert!(fs::read_to_string(path.with_extension("journal.1")).unwrap().contains("round1"));
    // A journal that is never used ends its thread, and is empty.
    drop(ProcessMonitor::builder().journal(JournalFile::new(&path)).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn f_317_a_second_monitor_cannot_record_into_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.journal");
    let (sim, first) = monitor(JournalFile::new(&path));
    first.add_process("web", Spec::new("web")).unwrap();
    for _ in 0..2 {
        let error = ProcessMonitor::builder().journal(JournalFile::new(&path)).expect_err("it is in use");
        assert!(matches!(error.problem(), JournalProblem::InUse));
        assert_eq!(
            error.to_string(),
            format!(
                "cannot create the journal {path:?}: another monitor records into it; choose another file, or end that \
                 monitor"
            )
        );
    }
    assert!(!path.with_extension("journal.1").exists(), "the file was moved");
    // As if the first one was about to begin a new segment.
    fs::rename(&path, path.with_extension("journal.1")).unwrap();
    assert!(ProcessMonitor::builder().journal(JournalFile::new(&path)).is_err(), "it has its old file still");
    fs::rename(path.with_extension("journal.1"), &path).unwrap();
    sim.block_on(first.close()).unwrap();
    sim.drop_futures();
    assert_eq!(Journal::read(&path).unwrap().ending(), Ending::Complete);
    // The lock ends with the recording, also with one that was never used.
    for _ in 0..20 {
        drop(ProcessMonitor::builder().journal(JournalFile::new(&path)).unwrap());
    }
}

#[test]
fn f_312_most_of_what_is_written_are_entries_also_with_many_processes_and_few_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("many.journal");
    let (sim, monitor) = monitor(JournalFile::new(&path).max_entries(0).max_size(0));
    sim.script("p0", Script::new().lives(secs(2.0)).exits(Exit::Code(1)));
    for i in 0..100 {
        monitor.add_process(&format!("p{i}"), Spec::new("sleep").arg(i.to_string())).unwrap();
    }
    monitor.start_service().unwrap();
    for _ in 0..200 {
        sim.advance(secs(200.0));
    }
    sim.block_on(monitor.close()).unwrap();
    sim.drop_futures();
    let journal = Journal::read(&path).unwrap();
    assert!(journal.header().segment > 0);
    let text = [path.with_extension("journal.1"), path].map(|path| fs::read_to_string(path).unwrap());
    let checkpoint = |text: &str| {
        text.lines().nth(1).map_or(0, |line| if line.contains("\"checkpoint\"") { line.len() } else { 0 })
    };
    // The last file is not full.
    let (first, size) = (checkpoint(&text[0]), text[0].len());
    assert!(first > 10_000 && size >= 4 * first, "{first} bytes of {size} are the checkpoint");
    journal.verify().unwrap_or_else(|difference| panic!("{difference}"));
}
