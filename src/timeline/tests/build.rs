//! From a machine to a timeline.

use std::time::{Duration, Instant};

use crate::machine::{
    Containment, Definition, Dependency, Event, Exit, GiveUp, Input, Machine, Name, OnGiveUp, Output, Policy,
    RunId, Until,
};
use crate::timeline::builder::TimelineBuilder;
use crate::timeline::model::{Arrow, MarkKind, SpanKind, Timeline};

/// A machine with what it asks for.
struct Stage {
    machine: Machine<()>,
    builder: TimelineBuilder,
    zero: Instant,
    /// The runs that were started, in order.
    runs: Vec<RunId>,
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
    fn new() -> Self {
        Self {
            machine: Machine::new(),
            builder: TimelineBuilder::new("stage"),
            zero: Instant::now(),
            runs: Vec::new(),
        }
    }

    fn input(&mut self, millis: u64, input: Input<()>) {
        let at = Duration::from_millis(millis);
        self.machine.handle_input(input.clone(), self.zero + at).unwrap();
        let outputs: Vec<_> = std::iter::from_fn(|| self.machine.poll_output()).collect();
        for output in &outputs {
            if let Output::Spawn { run, .. } = output {
                self.runs.push(*run);
            }
        }
        self.builder.observe(at, &input, &outputs, &self.machine);
    }

    fn add(&mut self, millis: u64, name: &str, definition: Definition<()>) {
        self.input(millis, Input::Add { name: name.parse().unwrap(), definition: Box::new(definition) });
    }

    fn started(&mut self, millis: u64, run: usize) {
        let run = self.runs[run];
        self.input(millis, Input::Event(Event::Started { run, pid: 7, containment: Containment::Group }));
    }

    fn ended(&mut self, millis: u64, run: usize, code: i32) {
        let run = self.runs[run];
        let exited = Event::Exited { run, exit: Exit::Code(code), remaining: Vec::new() };
        self.input(millis, Input::Event(exited));
        self.input(millis, Input::Event(Event::Closed { run }));
    }
}

fn lane(timeline: &Timeline, name: &str) -> Vec<(u64, u64, SpanKind)> {
    let lane = timeline.lanes.iter().find(|lane| lane.name == name).expect("a lane");
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    lane.spans.iter().map(|span| (millis(span.from), millis(span.until), span.kind)).collect()
}

fn name(name: &str) -> Name {
    name.parse().unwrap()
}

#[test]
fn a_start_that_waits_is_blocked_until_an_arrow_permits_it() {
    let mut stage = Stage::new();
    stage.input(0, Input::StartService);
    stage.add(0, "db", Definition { ready: Some(Duration::from_secs(60)), ..Definition::new(()) });
    stage.add(
        0,
        "web",
        Definition { after: vec![Dependency::new(name("db"), Until::Ready)], ..Definition::new(()) },
    );
    stage.started(10, 0);
    stage.input(500, Input::Event(Event::Ready { run: stage.runs[0] }));
    stage.started(520, 1);
    stage.input(800, Input::Event(Event::NotReady { run: stage.runs[0], reason: "no answer".into() }));
    let timeline = stage.builder.finish(Duration::from_millis(1000));
    use SpanKind::{Blocked, Ready, Starting, Unhealthy, Up};
    assert_eq!(
        lane(&timeline, "db"),
        [(0, 10, Starting), (10, 500, Up), (500, 800, Ready), (800, 1000, Unhealthy)]
    );
    assert_eq!(lane(&timeline, "web"), [(0, 500, Blocked), (500, 520, Starting), (520, 1000, Ready)]);
    assert_eq!(timeline.lanes[1].spans[0].text, "waits for db (ready)");
    assert_eq!(timeline.lanes[0].spans[3].text, "no answer");
    assert_eq!(timeline.lanes[1].after, [(0, Until::Ready)]);
    let half = Duration::from_millis(500);
    assert_eq!(timeline.arrows, [Arrow::new(0, half, 1, half)]);
}

#[test]
fn a_crash_loop_has_exits_back_off_and_its_end() {
    let mut stage = Stage::new();
    stage.input(0, Input::StartService);
    let give_up = GiveUp { failures: 2, within: Some(Duration::from_secs(60)), then: OnGiveUp::StayDown };
    let policy = Policy { give_up: Some(give_up), ..Policy::default() };
    stage.add(0, "web", Definition { policy, ..Definition::new(()) });
    stage.started(0, 0);
    stage.ended(100, 0, 1);
    stage.builder.last_lines("web", stage.runs[0].number(), ["one".to_owned(), "two".to_owned()]);
    let next = stage.machine.poll_timeout().expect("a restart") - stage.zero;
    let next = u64::try_from(next.as_millis()).unwrap();
    stage.input(next, Input::Timeout);
    stage.started(next + 5, 1);
    stage.ended(next + 300, 1, 2);
    let timeline = stage.builder.finish(Duration::from_millis(next + 1000));
    use SpanKind::{BackOff, GaveUp, Ready, Starting};
    assert_eq!(
        lane(&timeline, "web"),
        [
            (0, 100, Ready),
            (100, next, BackOff),
            (next, next + 5, Starting),
            (next + 5, next + 300, Ready),
            (next + 300, next + 1000, GaveUp),
        ]
    );
    let web = &timeline.lanes[0];
    let marks: Vec<(MarkKind, &str)> = web.marks.iter().map(|mark| (mark.kind, &*mark.text)).collect();
    assert_eq!(
        marks,
        [
            (MarkKind::Exit(Exit::Code(1)), "exited with code 1 after 100 ms"),
            (MarkKind::Exit(Exit::Code(2)), "exited with code 2 after 295 ms"),
            (MarkKind::GaveUp, "is given up after 2 failures in 60.0 s"),
        ]
    );
    assert_eq!(web.marks[0].last_lines, ["one", "two"]);
    assert_eq!((web.starts(), web.downtime()), (2, Duration::from_millis(next - 100 + 5 + 700)));
}

#[test]
fn a_stop_that_needs_kill_and_a_process_that_comes_back() {
    let mut stage = Stage::new();
    stage.input(0, Input::StartService);
    stage.add(0, "web", Definition::new(()));
    stage.started(0, 0);
    stage.input(1000, Input::Remove { name: name("web") });
    stage.input(6000, Input::Timeout);
    stage.ended(6100, 0, 0);
    stage.add(9000, "web", Definition::new(()));
    stage.started(9000, 1);
    stage.input(10_000, Input::StopService);
    stage.ended(10_500, 1, 0);
    let timeline = stage.builder.finish(Duration::from_secs(12));
    use SpanKind::{Down, Ready, Stopping};
    let spans = lane(&timeline, "web");
    assert_eq!(timeline.lanes.len(), 1, "one lane for both");
    assert_eq!(spans[0], (0, 1000, Ready));
    assert_eq!(
        spans[spans.len() - 3..],
        [(9000, 10_000, Ready), (10_000, 10_500, Stopping), (10_500, 12_000, Down)]
    );
    let kinds: Vec<MarkKind> = timeline.lanes[0].marks.iter().map(|mark| mark.kind).collect();
    assert!(kinds.starts_with(&[MarkKind::Command, MarkKind::Killed]), "{kinds:?}");
}

#[test]
fn a_service_that_is_stopped_by_a_process_is_down_in_all_lanes() {
    let mut stage = Stage::new();
    stage.input(0, Input::StartService);
    let give_up = GiveUp { failures: 1, within: None, then: OnGiveUp::StopAll };
    let policy = Policy { give_up: Some(give_up), ..Policy::default() };
    stage.add(0, "web", Definition { policy, ..Definition::new(()) });
    stage.add(0, "idle", Definition::new(()));
    stage.started(0, 0);
    stage.started(0, 1);
    stage.ended(50, 1, 1);
    stage.ended(100, 0, 1);
    let timeline = stage.builder.finish(Duration::from_millis(200));
    // It was waiting for a restart, and nothing was published about its end.
    assert_eq!(lane(&timeline, "idle").last(), Some(&(100, 200, SpanKind::Down)));
}

#[test]
fn a_timeline_goes_on_after_a_checkpoint() {
    let mut stage = Stage::new();
    stage.input(0, Input::StartService);
    stage.add(0, "db", Definition { ready: Some(Duration::from_secs(60)), ..Definition::new(()) });
    let after = vec![Dependency::new(name("db"), Until::Ready)];
    stage.add(0, "web", Definition { after, ..Definition::new(()) });
    stage.started(10, 0);
    // The lanes before are forgotten.
    stage.builder = TimelineBuilder::new("the second segment");
    stage.builder.resume(Duration::from_millis(100), &stage.machine);
    stage.builder.last_lines("db", stage.runs[0].number(), ["early".to_owned()]);
    stage.input(500, Input::Event(Event::Ready { run: stage.runs[0] }));
    stage.ended(700, 0, 3);
    let timeline = stage.builder.finish(Duration::from_millis(700));
    use SpanKind::{Blocked, Ready, Starting, Up};
    assert_eq!(timeline.from, Duration::from_millis(100));
    assert_eq!(lane(&timeline, "db"), [(100, 500, Up), (500, 700, Ready)]);
    assert_eq!(lane(&timeline, "web"), [(100, 500, Blocked), (500, 700, Starting)]);
    assert_eq!(timeline.lanes[1].after, [(0, Until::Ready)]);
    assert_eq!(timeline.arrows.len(), 1);
    assert_eq!(timeline.lanes[0].marks[0].last_lines, ["early"]);
}
