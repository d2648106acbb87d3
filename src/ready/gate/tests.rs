//! The gate in stories: what it wanted, and when, compared as a whole.

use std::fmt::Write as _;
use std::io;

use super::*;
use crate::host::{ProbeOwner, Spec};
use crate::ready::OutputMatch;
use crate::ready::tally::Answer;

const SECOND: Duration = Duration::from_secs(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A gate, the time, and all that the gate has wanted.
struct Story {
    gate: Gate,
    start: Instant,
    now: Instant,
    /// The attempt that is on its way, by leaf.
    asked: Vec<(usize, u32)>,
    /// What comes of an attempt while time passes.
    world: fn() -> Answer,
    told: String,
}

impl Story {
    /// The run has started, with a second to be ready in.
    fn new(condition: Condition) -> Self {
        Self::with_timeout(condition, SECOND)
    }

    fn with_timeout(condition: Condition, timeout: Duration) -> Self {
        condition.check().expect("a story is about what can be met");
        #[expect(clippy::disallowed_methods, reason = "a story needs an instant to begin at")]
        let now = Instant::now();
        let gate = Gate::new(&condition, timeout);
        let mut story =
            Self { gate, start: now, now, asked: Vec::new(), world: refused, told: String::new() };
        story.hear(Event::Started(7));
        story
    }

    fn hear(&mut self, event: Event) {
        self.gate.handle_event(event, self.now);
        self.listen();
    }

    fn leaf(&mut self, leaf: usize, word: Word) {
        self.hear(Event::Leaf(leaf, word));
    }

    /// Answers the attempt that is on its way for `leaf`.
    fn answer(&mut self, leaf: usize, answer: Answer) {
        let place = self.asked.iter().position(|(asked, _)| *asked == leaf).expect("it was asked");
        let (_, attempt) = self.asked.remove(place);
        self.leaf(leaf, Word::Answer(attempt, answer));
    }

    /// Lets time pass until `at`, from one deadline to the next; every attempt is answered at once.
    fn until(&mut self, at: Duration) {
        let end = self.start + at;
        loop {
            while let Some((leaf, _)) = self.asked.first().copied() {
                self.answer(leaf, (self.world)());
            }
            match self.gate.poll_timeout() {
                Some(next) if next <= end => {
                    assert!(next >= self.now, "a deadline in the past");
                    self.now = next;
                    self.gate.handle_timeout(next);
                    self.listen();
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn listen(&mut self) {
        while let Some(output) = self.gate.poll_output() {
            let after = (self.now - self.start).as_micros() as f64 / 1000.0;
            let what = match output {
                Output::Ask { leaf, attempt } => {
                    self.asked.push((leaf, attempt));
                    format!("ask for {}", self.gate.leaf(leaf))
                }
                Output::Look => "look".to_owned(),
                Output::Ready => "ready".to_owned(),
                Output::Failed(Cause::SpawnFailed(error)) => format!("failed: {error}"),
                Output::Failed(cause) => format!("failed: {cause:?}"),
            };
            writeln!(self.told, "{after} {what}").expect("a string takes everything");
        }
    }

    /// What was wanted since this was last asked.
    fn told(&mut self) -> String {
        std::mem::take(&mut self.told)
    }

    fn report(&self) -> Vec<String> {
        self.gate.report(self.now).iter().map(ToString::to_string).collect()
    }
}

fn refused() -> Answer {
    Answer::ProbeFuture(Err(io::Error::from_raw_os_error(libc::ECONNREFUSED).into()))
}

fn own() -> Answer {
    Answer::ProbeFuture(Ok(ProbeOwner::Own))
}

fn output() -> Condition {
    Condition::output("x")
}

fn port() -> Condition {
    Condition::port(80)
}

#[test]
fn sv_13_nothing_wanted_is_ready_as_soon_as_it_runs() {
    let mut story = Story::new(Condition::all([]));
    assert_eq!(story.told(), "0 look\n");
    story.hear(Event::Alive);
    assert_eq!(story.told(), "0 ready\n");
}

#[test]
fn sv_13_a_time_out_shorter_than_the_uptime_wins_and_one_as_long_does_not() {
    let mut story = Story::new(Condition::uptime(millis(1001)));
    story.until(2 * SECOND);
    assert_eq!(story.told(), "1000 failed: TimedOut(1s)\n");
    let mut story = Story::new(Condition::uptime(SECOND));
    story.until(2 * SECOND);
    assert_eq!(story.told(), "1000 look\n");
}

#[test]
fn sv_13_a_late_tick_finds_the_order_of_what_it_missed() {
    for (uptime, wanted) in [(999, "5000 look\n"), (1001, "5000 failed: TimedOut(1s)\n")] {
        let mut story = Story::new(Condition::uptime(millis(uptime)));
        story.now += 5 * SECOND;
        story.gate.handle_timeout(story.now);
        story.listen();
        assert_eq!(story.told(), wanted, "uptime {uptime}");
    }
}

#[test]
fn sv_15_output_before_the_uptime_is_remembered_and_ready_never_precedes_the_uptime() {
    let mut story = Story::new(Condition::all([Condition::uptime(millis(200)), output()]));
    story.until(millis(10));
    story.leaf(1, Word::Seen(1));
    story.until(millis(300));
    assert_eq!(story.told(), "200 look\n");
    assert_eq!(story.report(), ["uptime of 200ms: met after 200.0ms", "output \"x\": met after 10.0ms"]);
}

#[test]
fn sv_14_16_in_an_all_asking_begins_when_the_others_have_come() {
    let mut story = Story::new(Condition::all([port(), Condition::uptime(millis(200)), output()]));
    story.until(millis(300));
    story.leaf(2, Word::Seen(1));
    assert_eq!(story.told(), "300 ask for port 80\n");
    story.answer(0, own());
    assert_eq!(story.told(), "300 look\n");
}

#[test]
fn sv_16_an_all_in_an_all_is_one_and_an_any_asks_at_once() {
    let unix = || Condition::unix("/s");
    let mut story =
        Story::new(Condition::all([Condition::all([port(), Condition::all([output()])]), unix()]));
    assert_eq!(story.told(), "");
    story.leaf(1, Word::Seen(1));
    assert_eq!(story.told(), "0 ask for port 80\n0 ask for socket /s\n");

    let mut story = Story::new(Condition::any([port(), Condition::all([output(), unix()])]));
    assert_eq!(story.told(), "0 ask for port 80\n");
    story.leaf(1, Word::Seen(1));
    assert_eq!(story.told(), "0 ask for socket /s\n");
}

#[test]
fn sv_16_in_a_mixed_any_the_uptime_comes_first_and_nobody_asks_for_what_is_settled() {
    let either = Condition::any([port(), output()]);
    let mut story =
        Story::new(Condition::all([Condition::uptime(millis(10)), either, Condition::unix("/s")]));
    assert_eq!(story.told(), "");
    story.until(millis(9));
    story.leaf(2, Word::Seen(1));
    story.until(millis(10));
    assert_eq!(story.told(), "10 ask for socket /s\n");
}

#[test]
fn sv_16_17_the_pauses_grow_with_the_time_it_takes_and_no_error_ends_the_asking() {
    let mut story = Story::with_timeout(port(), Duration::MAX);
    let mut asked = Vec::new();
    for errno in
        [libc::ECONNREFUSED, libc::ECONNRESET, libc::EMFILE, libc::EACCES, libc::ETIMEDOUT].repeat(20)
    {
        assert_eq!(story.asked, [(0, asked.len() as u32 + 1)], "one attempt at a time");
        asked.push(story.now - story.start);
        story.answer(0, Answer::ProbeFuture(Err(io::Error::from_raw_os_error(errno).into())));
        story.now = story.gate.poll_timeout().expect("it asks again");
        story.gate.handle_timeout(story.now);
        story.listen();
    }
    for pair in asked.windows(2) {
        assert_eq!(pair[1] - pair[0], (pair[0] / 20).clamp(Duration::from_micros(100), millis(100)));
    }
    story.answer(0, own());
    assert!(story.told().ends_with("look\n"));
}

#[test]
fn what_is_printed_hastens_an_attempt_but_not_to_less_than_a_millisecond() {
    let mut story = Story::with_timeout(port(), Duration::MAX);
    story.until(SECOND);
    let due = story.gate.poll_timeout().expect("it asks again") - story.start;
    story.until(due + millis(30));
    story.told();
    story.hear(Event::OutputMatch);
    assert!(story.told().ends_with(" ask for port 80\n"));
    // Asked too early, and then it said so: it is asked again.
    story.hear(Event::OutputMatch);
    story.answer(0, refused());
    let soon = Some(story.now + millis(1));
    assert_eq!(story.gate.poll_timeout(), soon);
    story.hear(Event::OutputMatch);
    assert_eq!((story.told(), story.gate.poll_timeout()), (String::new(), soon));
}

#[test]
fn a_command_is_not_run_more_often_than_ten_times_a_second() {
    let mut story = Story::with_timeout(Condition::command(Spec::new("ok")), Duration::MAX);
    let fail = || Answer::Command(Err("code 1: not yet".to_owned()));
    assert_eq!(story.told(), "0 ask for command ok\n");
    story.now += millis(5);
    story.answer(0, fail());
    story.hear(Event::OutputMatch);
    assert_eq!(story.report(), ["command ok: missing after 5.0ms (code 1: not yet)"]);
    story.now = story.gate.poll_timeout().unwrap();
    story.gate.handle_timeout(story.now);
    story.listen();
    assert_eq!(story.told(), "100 ask for command ok\n");
    story.answer(0, Answer::Command(Ok(())));
    assert_eq!(story.told(), "100 look\n");
    assert_eq!(story.report(), ["command ok: met after 100.0ms"]);
}

#[test]
fn sv_18_f_82_a_stranger_is_not_ready_and_the_unverified_is_with_a_remark() {
    let stranger = || Answer::ProbeFuture(Ok(ProbeOwner::Stranger("pid 7 (nginx)".to_owned())));
    let mut story = Story::new(port());
    story.answer(0, stranger());
    assert_eq!(story.told(), "0 ask for port 80\n");
    assert_eq!(story.report(), ["port 80: missing after 0.0ns (held by a stranger: pid 7 (nginx))"]);
    story.now = story.gate.poll_timeout().unwrap();
    story.gate.handle_timeout(story.now);
    story.listen();
    story.answer(0, Answer::ProbeFuture(Ok(ProbeOwner::Unverified("no /proc".to_owned()))));
    assert_eq!(story.told(), "0.1 ask for port 80\n0.1 look\n");
    assert_eq!(story.report(), ["port 80: met after 100.0µs (unverified: no /proc)"]);

    let mut story = Story::new(port().by_anybody());
    story.answer(0, stranger());
    assert_eq!(story.told(), "0 ask for port 80\n0 look\n");
}

#[test]
fn sv_19_f_84_a_death_decides_at_once_whatever_was_met() {
    for exit in [Exit::Code(0), Exit::Code(1), Exit::Lost] {
        let mut story = Story::new(Condition::all([output(), Condition::uptime(millis(200))]));
        story.leaf(0, Word::Seen(1));
        story.until(millis(100));
        story.hear(Event::Exited(exit));
        story.until(2 * SECOND);
        assert_eq!(story.told(), format!("100 failed: Exited({exit:?})\n"));
        assert_eq!(story.gate.poll_timeout(), None);
    }
}

#[test]
fn f_84_it_is_not_ready_when_the_look_finds_it_dead() {
    let mut story = Story::new(output());
    story.leaf(0, Word::Seen(1));
    story.hear(Event::Exited(Exit::Code(1)));
    story.hear(Event::Alive);
    assert_eq!(story.told(), "0 look\n0 failed: Exited(Code(1))\n");
}

#[test]
fn sv_20_a_time_out_names_what_is_missing_and_why() {
    let mut story = Story::new(Condition::all([
        Condition::uptime(millis(200)),
        OutputMatch::text("x").times(3).into(),
        port(),
        Condition::sd_notify(),
    ]));
    story.leaf(1, Word::Seen(1));
    story.leaf(3, Word::Remark("status: loading".to_owned()));
    story.until(2 * SECOND);
    assert_eq!(story.told(), "1000 failed: TimedOut(1s)\n");
    assert_eq!(
        story.report(),
        [
            "uptime of 200ms: met after 200.0ms",
            "output \"x\", 3 times: missing after 2.0s (seen 1 of 3 times)",
            "port 80: missing after 2.0s (not asked yet)",
            "notification READY=1: missing after 2.0s (status: loading)",
        ]
    );
}

#[test]
fn sv_20_an_attempt_without_an_answer_is_told() {
    let mut story = Story::new(port());
    story.now += SECOND;
    story.gate.handle_timeout(story.now);
    assert_eq!(story.report(), ["port 80: missing after 1.0s (no answer for 1.0s)"]);
}

#[test]
fn sv_24_f_85_several_matches_are_harmless() {
    let mut story = Story::new(Condition::any([output(), Condition::output("y")]));
    story.leaf(0, Word::Seen(1));
    story.leaf(0, Word::Seen(2));
    story.leaf(1, Word::Seen(1));
    story.hear(Event::Alive);
    story.leaf(1, Word::Seen(2));
    story.hear(Event::Alive);
    story.hear(Event::Exited(Exit::Code(0)));
    assert_eq!(story.told(), "0 look\n0 ready\n");
}

#[test]
fn f_85_what_is_expected_several_times_is_met_by_the_last_of_them() {
    let mut story = Story::new(OutputMatch::text("x").times(2).into());
    story.leaf(0, Word::Seen(1));
    assert_eq!(story.report(), ["output \"x\", 2 times: missing after 0.0ns (seen 1 of 2 times)"]);
    story.leaf(0, Word::Seen(2));
    assert_eq!(story.report(), ["output \"x\", 2 times: met after 0.0ns"]);
}

#[test]
fn f_85_at_the_very_deadline_news_comes_before_time() {
    let mut story = Story::new(output());
    story.until(millis(999));
    story.now = story.start + SECOND;
    story.leaf(0, Word::Seen(1));
    story.gate.handle_timeout(story.now);
    story.hear(Event::Alive);
    assert_eq!(story.told(), "1000 look\n1000 ready\n");
}

#[test]
fn an_answer_to_an_attempt_that_is_over_changes_nothing() {
    let mut story = Story::new(port());
    story.answer(0, refused());
    story.leaf(0, Word::Answer(1, own()));
    story.now = story.gate.poll_timeout().expect("it asks again");
    story.gate.handle_timeout(story.now);
    story.listen();
    story.leaf(0, Word::Answer(1, own()));
    assert_eq!(story.told(), "0 ask for port 80\n0.1 ask for port 80\n");
    story.answer(0, own());
    assert_eq!(story.told(), "0.1 look\n");
}

#[test]
fn f_84_what_was_no_start_is_told_and_news_before_the_start_is_not_heard() {
    let error =
        SpawnError::new(crate::machine::SpawnStep::Find, "x", io::Error::from_raw_os_error(libc::ENOENT));
    let mut story = Story::new(output());
    story.gate = Gate::new(&output(), SECOND);
    story.leaf(0, Word::Seen(1));
    story.hear(Event::Exited(Exit::Code(0)));
    story.hear(Event::OutputMatch);
    assert_eq!((story.told(), story.gate.poll_timeout()), (String::new(), None));
    story.hear(Event::SpawnFailed(error));
    story.hear(Event::Abandoned);
    let reason = io::Error::from_raw_os_error(libc::ENOENT);
    assert_eq!(story.told(), format!("0 failed: cannot find the program x: {reason}\n"));
    story.gate = Gate::new(&output(), SECOND);
    story.hear(Event::Abandoned);
    assert_eq!(story.told(), "0 failed: NeverStarted\n");
}

/// Every nest of three leaves to a depth of two, with every set of them met, and every end.
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
            // The leaves by kind: an uptime that comes or does not, an output, a port.
            let uptime = Condition::uptime(if met[0] { millis(200) } else { 2 * SECOND });
            let places = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][order];
            let kinds = [uptime, output(), port()];
            let mut story = Story::new(nest(places.map(|kind| kinds[kind].clone())));
            let leaf_of = |kind| places.iter().position(|place| *place == kind).unwrap();
            if met[1] {
                story.leaf(leaf_of(1), Word::Seen(1));
            }
            story.world = if met[2] { own } else { refused };
            story.until(millis(900));
            if story.told.contains("look") {
                story.hear(Event::Alive);
            }
            match end {
                Some(exit) => story.hear(Event::Exited(exit)),
                None => story.until(2 * SECOND),
            }
            let told = story.told();
            let verdict = told.lines().last().unwrap().split_once(' ').unwrap().1.to_owned();
            let wanted = match end {
                _ if holds(places.map(|kind| met[kind])) => "ready".to_owned(),
                None => "failed: TimedOut(1s)".to_owned(),
                Some(exit) => format!("failed: Exited({exit:?})"),
            };
            assert_eq!(verdict, wanted, "met {met:?}, leaves {places:?}, end {end:?}:\n{told}");
        }
    }
}
