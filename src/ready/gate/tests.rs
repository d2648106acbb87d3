//! Whole runs of the gate in virtual time, compared by the trace of its outputs.

use std::fmt::Write as _;
use std::io;

use super::*;
use crate::host::{ProbeOwner, Spec};
use crate::ready::OutputMatch;
use crate::ready::leaf::AttemptResult;

const SECOND: Duration = Duration::from_secs(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Drives a gate in virtual time and records its outputs.
struct Harness {
    gate: Gate,
    start: Instant,
    now: Instant,
    /// The attempts in flight, as pairs of leaf and number.
    in_flight: Vec<(usize, u32)>,
    /// The result of each attempt that ends while time passes.
    result: fn() -> AttemptResult,
    trace: String,
}

impl Harness {
    /// Starts a run that has one second to become ready.
    fn new(condition: Condition) -> Self {
        Self::with_timeout(condition, SECOND)
    }

    fn with_timeout(condition: Condition, timeout: Duration) -> Self {
        condition.check().expect("the condition can be met");
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an instant to begin at")]
        let now = Instant::now();
        let gate = gate(&condition, timeout);
        let mut harness =
            Self { gate, start: now, now, in_flight: Vec::new(), result: refused, trace: String::new() };
        harness.feed(Event::Started(7));
        harness
    }

    fn feed(&mut self, event: Event) {
        self.gate.handle_event(event, self.now);
        self.record_outputs();
    }

    fn leaf(&mut self, leaf: usize, event: LeafEvent) {
        self.feed(Event::Leaf(leaf, event));
    }

    /// Ends the attempt in flight for `leaf`.
    fn end_attempt(&mut self, leaf: usize, result: AttemptResult) {
        let index = self.in_flight.iter().position(|(attempted, _)| *attempted == leaf);
        let (_, number) = self.in_flight.remove(index.expect("an attempt is in flight"));
        self.leaf(leaf, LeafEvent::Attempt(number, result));
    }

    /// Lets time pass until `at`, from one deadline to the next. Every attempt ends at once.
    fn until(&mut self, at: Duration) {
        let end = self.start + at;
        loop {
            while let Some((leaf, _)) = self.in_flight.first().copied() {
                self.end_attempt(leaf, (self.result)());
            }
            match self.gate.poll_timeout() {
                Some(next) if next <= end => {
                    assert!(next >= self.now, "the deadline lies in the past");
                    self.now = next;
                    self.handle_timeout();
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// Lets time pass until the next deadline.
    fn until_deadline(&mut self) {
        self.now = self.gate.poll_timeout().expect("there is a deadline");
        self.handle_timeout();
    }

    fn handle_timeout(&mut self) {
        self.gate.handle_timeout(self.now);
        self.record_outputs();
    }

    fn record_outputs(&mut self) {
        while let Some(output) = self.gate.poll_output() {
            let after = (self.now - self.start).as_micros() as f64 / 1000.0;
            let what = match output {
                Output::Attempt { leaf, number } => {
                    self.in_flight.push((leaf, number));
                    format!("probe {}", self.gate.leaf(leaf))
                }
                Output::CheckAlive => "check alive".to_owned(),
                Output::Ready => "ready".to_owned(),
                Output::Failed(FailureCause::SpawnFailed(error)) => format!("failed: {error}"),
                Output::Failed(cause) => format!("failed: {cause:?}"),
            };
            writeln!(self.trace, "{after} {what}").expect("writing to a string succeeds");
        }
    }

    /// Returns the outputs since the last call.
    fn take_trace(&mut self) -> String {
        std::mem::take(&mut self.trace)
    }

    fn statuses(&self) -> Vec<String> {
        self.gate.statuses(self.now).iter().map(ToString::to_string).collect()
    }
}

fn gate(condition: &Condition, timeout: Duration) -> Gate {
    Gate::new(&FlatCondition::new(condition), timeout)
}

fn refused() -> AttemptResult {
    AttemptResult::Probe(Err(io::Error::from_raw_os_error(libc::ECONNREFUSED).into()))
}

fn own() -> AttemptResult {
    AttemptResult::Probe(Ok(ProbeOwner::Own))
}

fn output() -> Condition {
    Condition::output("x")
}

fn port() -> Condition {
    Condition::port(80)
}

#[test]
fn sv_13_without_conditions_a_process_is_ready_as_soon_as_it_runs() {
    let mut harness = Harness::new(Condition::all([]));
    assert_eq!(harness.take_trace(), "0 check alive\n");
    harness.feed(Event::Alive);
    assert_eq!(harness.take_trace(), "0 ready\n");
}

#[test]
fn sv_13_a_timeout_shorter_than_the_uptime_fails_the_start_and_one_as_long_does_not() {
    let mut harness = Harness::new(Condition::uptime(millis(1001)));
    harness.until(2 * SECOND);
    assert_eq!(harness.take_trace(), "1000 failed: TimedOut(1s)\n");
    let mut harness = Harness::new(Condition::uptime(SECOND));
    harness.until(2 * SECOND);
    assert_eq!(harness.take_trace(), "1000 check alive\n");
}

#[test]
fn sv_13_a_late_timeout_call_keeps_the_order_of_uptime_and_timeout() {
    for (uptime, wanted) in [(999, "5000 check alive\n"), (1001, "5000 failed: TimedOut(1s)\n")] {
        let mut harness = Harness::new(Condition::uptime(millis(uptime)));
        harness.now += 5 * SECOND;
        harness.handle_timeout();
        assert_eq!(harness.take_trace(), wanted, "uptime {uptime}");
    }
}

#[test]
fn sv_15_output_before_the_uptime_is_remembered_and_ready_never_precedes_the_uptime() {
    let mut harness = Harness::new(Condition::all([Condition::uptime(millis(200)), output()]));
    harness.until(millis(10));
    harness.leaf(1, LeafEvent::Matched(1));
    harness.until(millis(300));
    assert_eq!(harness.take_trace(), "200 check alive\n");
    assert_eq!(harness.statuses(), ["uptime of 200ms: met after 200.0ms", "output \"x\": met after 10.0ms"]);
}

#[test]
fn sv_14_16_in_an_all_probing_begins_when_everything_else_has_arrived() {
    let mut harness = Harness::new(Condition::all([port(), Condition::uptime(millis(200)), output()]));
    harness.until(millis(300));
    harness.leaf(2, LeafEvent::Matched(1));
    assert_eq!(harness.take_trace(), "300 probe port 80\n");
    harness.end_attempt(0, own());
    assert_eq!(harness.take_trace(), "300 check alive\n");
}

#[test]
fn sv_16_a_nested_all_is_flattened_and_an_any_probes_at_once() {
    let unix = || Condition::unix("/s");
    let mut harness =
        Harness::new(Condition::all([Condition::all([port(), Condition::all([output()])]), unix()]));
    assert_eq!(harness.take_trace(), "");
    harness.leaf(1, LeafEvent::Matched(1));
    assert_eq!(harness.take_trace(), "0 probe port 80\n0 probe socket /s\n");

    let mut harness = Harness::new(Condition::any([port(), Condition::all([output(), unix()])]));
    assert_eq!(harness.take_trace(), "0 probe port 80\n");
    harness.leaf(1, LeafEvent::Matched(1));
    assert_eq!(harness.take_trace(), "0 probe socket /s\n");
}

#[test]
fn sv_16_an_any_within_an_all_waits_for_the_uptime_and_a_settled_leaf_is_not_probed() {
    let either = Condition::any([port(), output()]);
    let mut harness =
        Harness::new(Condition::all([Condition::uptime(millis(10)), either, Condition::unix("/s")]));
    assert_eq!(harness.take_trace(), "");
    harness.until(millis(9));
    harness.leaf(2, LeafEvent::Matched(1));
    harness.until(millis(10));
    assert_eq!(harness.take_trace(), "10 probe socket /s\n");
}

#[test]
fn sv_16_17_delays_grow_with_the_elapsed_time_and_no_error_ends_the_probing() {
    let mut harness = Harness::with_timeout(port(), Duration::MAX);
    let mut asked = Vec::new();
    for errno in
        [libc::ECONNREFUSED, libc::ECONNRESET, libc::EMFILE, libc::EACCES, libc::ETIMEDOUT].repeat(20)
    {
        assert_eq!(harness.in_flight, [(0, asked.len() as u32 + 1)], "one attempt is in flight");
        asked.push(harness.now - harness.start);
        harness.end_attempt(0, AttemptResult::Probe(Err(io::Error::from_raw_os_error(errno).into())));
        harness.until_deadline();
    }
    assert_eq!(asked.len(), 100);
    for pair in asked.windows(2) {
        assert_eq!(pair[1] - pair[0], (pair[0] / 50).clamp(Duration::from_micros(50), millis(100)));
    }
    harness.end_attempt(0, own());
    assert!(harness.take_trace().ends_with("check alive\n"));
}

#[test]
fn output_makes_the_next_attempt_sooner_but_not_sooner_than_after_a_millisecond() {
    let mut harness = Harness::with_timeout(port(), Duration::MAX);
    harness.until(SECOND);
    let due = harness.gate.poll_timeout().expect("another attempt is due") - harness.start;
    harness.until(due + millis(30));
    harness.take_trace();
    harness.feed(Event::Printed);
    assert!(harness.take_trace().ends_with(" probe port 80\n"));
    // Output during an attempt: the next one is made sooner as well.
    harness.feed(Event::Printed);
    harness.end_attempt(0, refused());
    let soon = Some(harness.now + millis(1));
    assert_eq!(harness.gate.poll_timeout(), soon);
    harness.feed(Event::Printed);
    assert_eq!((harness.take_trace(), harness.gate.poll_timeout()), (String::new(), soon));
}

#[test]
fn a_command_is_not_run_more_often_than_ten_times_a_second() {
    let mut harness = Harness::with_timeout(Condition::command(Spec::new("ok")), Duration::MAX);
    let fail = || AttemptResult::Command(Err("code 1: not yet".to_owned()));
    assert_eq!(harness.take_trace(), "0 probe command ok\n");
    harness.now += millis(5);
    harness.end_attempt(0, fail());
    harness.feed(Event::Printed);
    assert_eq!(harness.statuses(), ["command ok: missing after 5.0ms (code 1: not yet)"]);
    harness.until_deadline();
    assert_eq!(harness.take_trace(), "100 probe command ok\n");
    harness.end_attempt(0, AttemptResult::Command(Ok(())));
    assert_eq!(harness.take_trace(), "100 check alive\n");
    assert_eq!(harness.statuses(), ["command ok: met after 100.0ms"]);
}

#[test]
fn sv_18_f_82_the_socket_of_a_stranger_does_not_count_and_an_unverified_one_does_with_a_remark() {
    let stranger = || AttemptResult::Probe(Ok(ProbeOwner::Stranger("pid 7 (nginx)".to_owned())));
    let mut harness = Harness::new(port());
    harness.end_attempt(0, stranger());
    assert_eq!(harness.take_trace(), "0 probe port 80\n");
    assert_eq!(harness.statuses(), ["port 80: missing after 0.0ns (held by a stranger: pid 7 (nginx))"]);
    harness.until_deadline();
    harness.end_attempt(0, AttemptResult::Probe(Ok(ProbeOwner::Unverified("no /proc".to_owned()))));
    assert_eq!(harness.take_trace(), "0.05 probe port 80\n0.05 check alive\n");
    assert_eq!(harness.statuses(), ["port 80: met after 50.0µs (unverified: no /proc)"]);

    let mut harness = Harness::new(port().by_any_process());
    harness.end_attempt(0, stranger());
    assert_eq!(harness.take_trace(), "0 probe port 80\n0 check alive\n");
}

#[test]
fn sv_19_f_84_a_death_fails_the_start_at_once() {
    for exit in [Exit::Code(0), Exit::Code(1), Exit::Lost] {
        let mut harness = Harness::new(Condition::all([output(), Condition::uptime(millis(200))]));
        harness.leaf(0, LeafEvent::Matched(1));
        harness.until(millis(100));
        harness.feed(Event::Exited(exit));
        harness.until(2 * SECOND);
        assert_eq!(harness.take_trace(), format!("100 failed: Exited({exit:?})\n"));
        assert_eq!(harness.gate.poll_timeout(), None);
    }
}

#[test]
fn f_84_a_process_found_dead_by_the_check_is_not_ready() {
    let mut harness = Harness::new(output());
    harness.leaf(0, LeafEvent::Matched(1));
    harness.feed(Event::Exited(Exit::Code(1)));
    harness.feed(Event::Alive);
    assert_eq!(harness.take_trace(), "0 check alive\n0 failed: Exited(Code(1))\n");
}

#[test]
fn sv_20_a_timeout_names_each_missing_condition_and_the_reason() {
    let mut harness = Harness::new(Condition::all([
        Condition::uptime(millis(200)),
        OutputMatch::text("x").times(3).into(),
        port(),
        Condition::sd_notify(),
    ]));
    harness.leaf(1, LeafEvent::Matched(1));
    harness.leaf(3, LeafEvent::Remark("status: loading".to_owned()));
    harness.until(2 * SECOND);
    assert_eq!(harness.take_trace(), "1000 failed: TimedOut(1s)\n");
    assert_eq!(
        harness.statuses(),
        [
            "uptime of 200ms: met after 200.0ms",
            "output \"x\", 3 times: missing after 2.0s (seen 1 of 3 times)",
            "port 80: missing after 2.0s (not tried yet)",
            "notification READY=1: missing after 2.0s (status: loading)",
        ]
    );
}

#[test]
fn sv_20_an_attempt_without_an_answer_is_reported() {
    let mut harness = Harness::new(port());
    harness.now += SECOND;
    harness.gate.handle_timeout(harness.now);
    assert_eq!(harness.statuses(), ["port 80: missing after 1.0s (no answer for 1.0s)"]);
}

#[test]
fn sv_24_f_85_several_matches_are_harmless() {
    let mut harness = Harness::new(Condition::any([output(), Condition::output("y")]));
    harness.leaf(0, LeafEvent::Matched(1));
    harness.leaf(0, LeafEvent::Matched(2));
    harness.leaf(1, LeafEvent::Matched(1));
    harness.feed(Event::Alive);
    harness.leaf(1, LeafEvent::Matched(2));
    harness.feed(Event::Alive);
    harness.feed(Event::Exited(Exit::Code(0)));
    assert_eq!(harness.take_trace(), "0 check alive\n0 ready\n");
}

#[test]
fn f_85_an_output_expected_several_times_is_met_by_the_last_match() {
    let mut harness = Harness::new(OutputMatch::text("x").times(2).into());
    harness.leaf(0, LeafEvent::Matched(1));
    assert_eq!(harness.statuses(), ["output \"x\", 2 times: missing after 0.0ns (seen 1 of 2 times)"]);
    harness.leaf(0, LeafEvent::Matched(2));
    assert_eq!(harness.statuses(), ["output \"x\", 2 times: met after 0.0ns"]);
}

#[test]
fn f_85_an_event_at_the_very_deadline_comes_before_the_timeout() {
    let mut harness = Harness::new(output());
    harness.until(millis(999));
    harness.now = harness.start + SECOND;
    harness.leaf(0, LeafEvent::Matched(1));
    harness.gate.handle_timeout(harness.now);
    harness.feed(Event::Alive);
    assert_eq!(harness.take_trace(), "1000 check alive\n1000 ready\n");
}

#[test]
fn the_result_of_an_attempt_that_is_over_changes_nothing() {
    let mut harness = Harness::new(port());
    harness.end_attempt(0, refused());
    harness.leaf(0, LeafEvent::Attempt(1, own()));
    harness.until_deadline();
    harness.leaf(0, LeafEvent::Attempt(1, own()));
    assert_eq!(harness.take_trace(), "0 probe port 80\n0.05 probe port 80\n");
    harness.end_attempt(0, own());
    assert_eq!(harness.take_trace(), "0.05 check alive\n");
}

#[test]
fn f_84_a_failed_start_is_reported_and_events_before_the_start_are_ignored() {
    let error =
        SpawnError::new(crate::machine::SpawnStep::Find, "x", io::Error::from_raw_os_error(libc::ENOENT));
    let mut harness = Harness::new(output());
    harness.gate = gate(&output(), SECOND);
    harness.leaf(0, LeafEvent::Matched(1));
    harness.feed(Event::Exited(Exit::Code(0)));
    harness.feed(Event::Printed);
    assert_eq!((harness.take_trace(), harness.gate.poll_timeout()), (String::new(), None));
    harness.feed(Event::SpawnFailed(error));
    harness.feed(Event::Abandoned);
    let reason = io::Error::from_raw_os_error(libc::ENOENT);
    assert_eq!(harness.take_trace(), format!("0 failed: cannot find the program x: {reason}\n"));
    harness.gate = gate(&output(), SECOND);
    harness.feed(Event::Abandoned);
    assert_eq!(harness.take_trace(), "0 failed: NeverStarted\n");
}

/// Every combination of three leaves up to a depth of two, with every subset met and every ending.
#[test]
fn sv_13_14_19_20_f_85_truth_table() {
    type Nest = (fn([Condition; 3]) -> Condition, fn([bool; 3]) -> bool);
    let nests: [Nest; 6] = [
        (Condition::all, |[a, b, c]| a && b && c),
        (Condition::any, |[a, b, c]| a || b || c),
        (|[a, b, c]| Condition::all([a, Condition::any([b, c])]), |[a, b, c]| a && (b || c)),
        (|[a, b, c]| Condition::any([a, Condition::all([b, c])]), |[a, b, c]| a || (b && c)),
        (|[a, b, c]| Condition::all([Condition::all([a, b]), c]), |[a, b, c]| a && b && c),
        (|[a, b, c]| Condition::any([Condition::any([a, b]), c]), |[a, b, c]| a || b || c),
    ];
    let ends = [None, Some(Exit::Code(0)), Some(Exit::Code(1))];
    for ((nest, holds), order) in nests.into_iter().flat_map(|nest| (0..6).map(move |order| (nest, order))) {
        for (set, end) in (0..8).flat_map(|set| ends.map(|end| (set, end))) {
            let met = [0, 1, 2].map(|leaf| set & (1 << leaf) != 0);
            // The leaves by kind: an uptime that is reached or not, an output, a port.
            let uptime = Condition::uptime(if met[0] { millis(200) } else { 2 * SECOND });
            let places = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][order];
            let kinds = [uptime, output(), port()];
            let mut harness = Harness::new(nest(places.map(|kind| kinds[kind].clone())));
            let leaf_of = |kind| places.iter().position(|place| *place == kind).unwrap();
            if met[1] {
                harness.leaf(leaf_of(1), LeafEvent::Matched(1));
            }
            harness.result = if met[2] { own } else { refused };
            harness.until(millis(900));
            if harness.trace.contains("check alive") {
                harness.feed(Event::Alive);
            }
            match end {
                Some(exit) => harness.feed(Event::Exited(exit)),
                None => harness.until(2 * SECOND),
            }
            let trace = harness.take_trace();
            let verdict = trace.lines().last().unwrap().split_once(' ').unwrap().1.to_owned();
            let wanted = match end {
                _ if holds(places.map(|kind| met[kind])) => "ready".to_owned(),
                None => "failed: TimedOut(1s)".to_owned(),
                Some(exit) => format!("failed: Exited({exit:?})"),
            };
            assert_eq!(verdict, wanted, "met {met:?}, leaves {places:?}, end {end:?}:\n{trace}");
        }
    }
}

#[test]
fn the_text_of_a_program_cannot_change_a_terminal_or_forge_a_line_of_a_report() {
    let mut harness = Harness::new(Condition::sd_notify());
    harness.leaf(0, LeafEvent::Remark("status: \u{1b}[2Jgone\nready".to_owned()));
    let [status] = &harness.gate.statuses(harness.now)[..] else { panic!("there is one condition") };
    assert_eq!(
        status.to_string(),
        r"notification READY=1: missing after 0.0ns (status: \u{1b}[2Jgone\nready)"
    );
}
