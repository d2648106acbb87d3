use super::is_on_time;
use crate::facts::{Expectation, Fact, Facts};
use crate::timeline::{Timeline, What};

fn timeline(events: &[(f64, What)]) -> Timeline {
    let mut timeline = Timeline::default();
    for (at, what) in events {
        timeline.add(*at, what.clone());
    }
    timeline
}

fn over(left: usize) -> What {
    What::Over { left, strays: left, supervisor: None, state: Some("up".to_owned()) }
}

const STOP: What = What::Asked { step: "stop" };

#[test]
fn a_crash_loop_shows_its_starts_and_delays() {
    let mut events = Vec::new();
    for (pid, at) in [(1, 2.0), (2, 3.1), (3, 5.1)] {
        events.extend([(at, What::Start { pid }), (at, What::Exit { pid }), (at + 0.01, What::Gone { pid })]);
    }
    events.push((9.0, over(0)));
    let facts = Facts::of(&timeline(&events));
    let report =
        [Fact::Starts, Fact::RestartDelays, Fact::State, Fact::Supervisor, Fact::AtOnce, Fact::Running];
    let cell = "starts at 0, 1.1, 3.1 s; started again after 1.1, 2.0 s; reported as `up`; never two at once; 0 running";
    assert_eq!(facts.cell(&report), cell);
    let expected = Expectation { starts: Some(vec![0.0, 1.0, 3.0]), ..Expectation::default() };
    assert_eq!(facts.misses(&expected), Vec::<String>::new());
    for starts in [vec![0.0, 1.0], vec![0.0, 1.5, 3.0], vec![0.0, 1.0, 0.5]] {
        let expected = Expectation { starts: Some(starts), ..Expectation::default() };
        assert_eq!(facts.misses(&expected).len(), 1, "{expected:?}");
    }
}

#[test]
fn a_stop_shows_how_it_ends_and_what_is_left() {
    let start = (0.0, What::Start { pid: 7 });
    let mut events = vec![start, (1.0, STOP), (1.02, What::Term { pid: 7 }), (6.04, What::Gone { pid: 7 })];
    events.extend([(6.1, What::Returned { success: true, left: 0 }), (8.0, over(0))]);
    let report = [Fact::End, Fact::Returned, Fact::Left, Fact::StartsAfter];
    let facts = Facts::of(&timeline(&events));
    let cell = "TERM, KILL after 5.0 s; the stop returns after 5.1 s; nothing left; no start afterwards";
    assert_eq!(facts.cell(&report), cell);
    let expected = Expectation {
        killed: Some(5.0),
        returned: Some(5.0),
        left: Some(0),
        starts_after: Some(0),
        ..Expectation::default()
    };
    assert_eq!(facts.misses(&expected), Vec::<String>::new());

    // The program exits by itself, its child does not, the stop fails, and there is another start.
    events.truncate(3);
    events.extend([
        (1.5, What::Exit { pid: 7 }),
        (1.51, What::Gone { pid: 7 }),
        (2.0, What::Returned { success: false, left: 1 }),
        (3.0, What::Start { pid: 8 }),
        (8.0, over(2)),
    ]);
    let facts = Facts::of(&timeline(&events));
    let cell = "TERM, gone after 0.5 s; the stop fails after 1.0 s; 1 process left then, 2 later; 1 start afterwards";
    assert_eq!(facts.cell(&report), cell);
    let misses = facts.misses(&expected).join("\n");
    for name in ["killed: ", "returned: ", "left: ", "starts-after: "] {
        assert!(misses.contains(name), "{misses}");
    }
}

#[test]
fn a_stop_that_never_returns_is_visible() {
    let events = [(0.0, What::Start { pid: 7 }), (1.0, STOP), (1.0, What::Term { pid: 7 }), (9.0, over(1))];
    let facts = Facts::of(&timeline(&events));
    let cell = "TERM, no KILL: it still runs; the stop does not return; 1 process left";
    assert_eq!(facts.cell(&[Fact::End, Fact::Returned, Fact::Left]), cell);

    let mut events = events.to_vec();
    events.insert(3, (1.1, What::NotAwaited));
    assert_eq!(Facts::of(&timeline(&events)).cell(&[Fact::Returned]), "the stop does not wait");
}

#[test]
fn what_is_expected_at_once_may_not_be_as_late_as_a_delay() {
    assert!(is_on_time(0.0, 0.5) && !is_on_time(0.0, 1.0), "1 s is the first delay of a restart");
    assert!(is_on_time(5.0, 6.5) && !is_on_time(5.0, 7.5) && !is_on_time(5.0, 4.5));
}

#[test]
fn the_end_of_the_supervisor_must_be_expected() {
    let ended = What::Over { left: 1, strays: 1, supervisor: Some(2), state: None };
    let facts = Facts::of(&timeline(&[(1.0, What::Started { success: false }), (9.0, ended)]));
    let report = [Fact::Start, Fact::Supervisor, Fact::State, Fact::Strays];
    assert_eq!(
        facts.cell(&report),
        "the start fails; the supervisor exits with 2; 1 process of earlier runs left"
    );
    let expected = Expectation { strays: Some(0), ..Expectation::default() };
    let misses = ["strays: 1 instead of 0", "exit status of the supervisor: Some(2) instead of None"];
    assert_eq!(facts.misses(&expected), misses);
    let expected = Expectation { supervisor_exits: Some(2), ..Expectation::default() };
    assert_eq!(facts.misses(&expected), Vec::<String>::new());
}

#[test]
fn two_runs_at_once_are_counted_and_many_times_are_summed_up() {
    let events = [
        (0.0, What::Start { pid: 1 }),
        (1.0, What::Start { pid: 2 }),
        (2.0, What::Gone { pid: 1 }),
        (2.0, What::Start { pid: 3 }),
        (9.0, over(2)),
    ];
    let facts = Facts::of(&timeline(&events));
    assert_eq!(facts.cell(&[Fact::Running, Fact::AtOnce]), "2 running; 2 at once");
    let expected = Expectation { at_once: Some(1), running: Some(1), ..Expectation::default() };
    assert_eq!(facts.misses(&expected), ["running: 2 instead of 1", "at-once: 2 instead of 1"]);

    let failures: Vec<_> = (0..10).map(|i| (f64::from(i), What::FailedStart)).collect();
    let facts = Facts::of(&timeline(&failures));
    assert_eq!(facts.cell(&[Fact::Attempts, Fact::Starts]), "10 attempts, one every 1.0 s; no start");
    let failures: Vec<_> = (0..8).map(|i| (f64::from(i * i), What::FailedStart)).collect();
    assert_eq!(Facts::of(&timeline(&failures)).cell(&[Fact::Attempts]), "8 attempts, the last at 49.0 s");
}
