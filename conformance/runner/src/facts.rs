//! The facts that a timeline shows, as numbers and as words.

use serde::Deserialize;

use crate::timeline::{Timeline, What};

/// The time by which something may be later than expected, in seconds, on a machine that is busy.
const LATE: f64 = 2.0;

/// The time that counts as at once, in seconds: less than the shortest delay of a restart.
const AT_ONCE: f64 = 0.8;

/// The time by which something may seem to be earlier than expected, in seconds: the resolution of the clock,
/// twice, and the time that a program takes to log its start.
const EARLY: f64 = 0.1;

/// The largest number of times that a cell lists one by one.
const MOST_TIMES: usize = 6;

/// A fact for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fact {
    /// The times of all starts.
    Starts,
    /// The times from an exit to the next start.
    RestartDelays,
    /// The times of all starts that failed.
    Attempts,
    /// The state of the program that the supervisor reports.
    State,
    /// Whether the supervisor survives.
    Supervisor,
    /// The result of a start.
    Start,
    /// The end of the program after a stop.
    End,
    /// When the stop returned.
    Returned,
    /// The processes that are left.
    Left,
    /// The starts after the stop.
    StartsAfter,
    /// The number of programs that run at the end.
    Running,
    /// The largest number of runs at the same time.
    AtOnce,
    /// The processes of runs that are over.
    Strays,
}

/// The facts of a run, with times in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Facts {
    /// The times of all starts, since the first one.
    pub starts: Vec<f64>,
    /// The times from an exit to the next start.
    pub restart_delays: Vec<f64>,
    /// The times of failed starts, since the first one.
    pub attempts: Vec<f64>,
    /// The largest number of runs at the same time.
    pub at_once: usize,
    /// The number of programs that run at the end.
    pub running: usize,
    /// The number of processes that are left at the end.
    pub left: usize,
    /// The state of the program that the supervisor reports at the end.
    pub state: Option<String>,
    /// The number of them that come from a run that is over.
    pub strays: usize,
    /// Whether the start that was requested was successful.
    pub started: Option<bool>,
    /// The exit status of the supervisor, unless it is alive at the end.
    pub supervisor: Option<i32>,
    /// The events after a stop.
    pub stop: Option<Stop>,
}

/// The events after a stop; times in seconds since it was requested.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stop {
    /// When the first program got TERM, if it logs that.
    pub term: Option<f64>,
    /// When the last program that ran was gone.
    pub gone: Option<f64>,
    /// Whether a program had to be killed: it logs the exits of its own.
    pub killed: bool,
    /// When the stop returned, and whether as a success.
    pub returned: Option<(f64, bool)>,
    /// The number of processes that were alive when the stop returned.
    pub left_then: Option<usize>,
    /// Whether the supervisor has no way to wait for the end of a stop.
    pub is_not_awaited: bool,
    /// The number of starts after the request.
    pub starts_after: usize,
}

/// The facts that childminder must show in a scenario; absent values may be anything.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Expectation {
    /// The times of all starts, since the first one.
    pub starts: Option<Vec<f64>>,
    /// The times from an exit to the next start.
    pub restart_delays: Option<Vec<f64>>,
    /// The times of failed starts, since the first one.
    pub attempts: Option<Vec<f64>>,
    /// When a program that ignores TERM is gone.
    pub killed: Option<f64>,
    /// When the stop returns, as a success.
    pub returned: Option<f64>,
    /// The number of processes that are left when the stop returns, and at the end.
    pub left: Option<usize>,
    /// The number of starts after the stop.
    pub starts_after: Option<usize>,
    /// The number of programs that run at the end.
    pub running: Option<usize>,
    /// The largest number of runs at the same time.
    pub at_once: Option<usize>,
    /// The number of processes of runs that are over.
    pub strays: Option<usize>,
    /// The exit status of the supervisor, which otherwise must be alive at the end.
    pub supervisor_exits: Option<i32>,
}

/// One run of the program.
#[derive(Debug)]
struct Run {
    pid: u32,
    start: f64,
    term: Option<f64>,
    exit: Option<f64>,
    gone: Option<f64>,
}

impl Run {
    fn end(&self) -> Option<f64> {
        self.exit.or(self.gone)
    }
}

impl Facts {
    /// Derives the facts of a timeline.
    pub fn of(timeline: &Timeline) -> Self {
        let runs = runs(timeline);
        let mut facts = Self { at_once: at_once(&runs), restart_delays: delays(&runs), ..Self::default() };
        facts.starts = since_first(runs.iter().map(|run| run.start).collect());
        facts.running = runs.iter().filter(|run| run.end().is_none()).count();
        let failed = timeline.events().iter().filter(|event| event.what == What::FailedStart);
        facts.attempts = since_first(failed.map(|event| event.at).collect());
        let mut asked = None;
        for event in timeline.events() {
            match &event.what {
                What::Asked { step: "stop" | "shutdown" | "kill" } => {
                    asked = Some(event.at);
                    facts.stop = Some(stop(&runs, event.at));
                }
                What::Returned { success, left } => {
                    if let (Some(stop), Some(asked)) = (&mut facts.stop, asked) {
                        stop.returned = Some((event.at - asked, *success));
                        stop.left_then = Some(*left);
                    }
                }
                What::NotAwaited => {
                    if let Some(stop) = &mut facts.stop {
                        stop.is_not_awaited = true;
                    }
                }
                What::Started { success } => facts.started = Some(*success),
                What::Over { left, strays, supervisor, state } => {
                    (facts.left, facts.strays, facts.supervisor) = (*left, *strays, *supervisor);
                    facts.state.clone_from(state);
                }
                _ => {}
            }
        }
        facts
    }

    /// Returns the facts as the text of a cell.
    pub fn cell(&self, report: &[Fact]) -> String {
        let stop = self.stop.clone().unwrap_or_default();
        let words = report.iter().filter_map(|fact| match fact {
            Fact::Starts => Some(times("start", &self.starts)),
            Fact::Attempts => Some(times("attempt", &self.attempts)),
            Fact::RestartDelays if self.restart_delays.is_empty() => Some("not started again".to_owned()),
            Fact::RestartDelays => Some(format!("started again after {} s", seconds(&self.restart_delays))),
            Fact::State => self.state.as_ref().map(|state| format!("reported as `{state}`")),
            Fact::Supervisor => self.supervisor.map(|status| format!("the supervisor exits with {status}")),
            Fact::Start => Some(match self.started {
                Some(true) => "the start succeeds".to_owned(),
                Some(false) => "the start fails".to_owned(),
                None => "the start does not return".to_owned(),
            }),
            Fact::End => Some(stop.end()),
            Fact::Returned => Some(stop.return_words()),
            Fact::Left => Some(self.left_words(&stop)),
            Fact::StartsAfter => Some(match stop.starts_after {
                0 => "no start afterwards".to_owned(),
                1 => "1 start afterwards".to_owned(),
                count => format!("{count} starts afterwards"),
            }),
            Fact::Running => Some(format!("{} running", self.running)),
            Fact::AtOnce if self.at_once < 2 => Some("never two at once".to_owned()),
            Fact::AtOnce => Some(format!("{} at once", self.at_once)),
            Fact::Strays if self.strays == 0 => Some("nothing of an earlier run left".to_owned()),
            Fact::Strays => Some(format!("{} of earlier runs left", processes(self.strays))),
        });
        words.collect::<Vec<String>>().join("; ")
    }

    fn left_words(&self, stop: &Stop) -> String {
        let words = |count| match count {
            0 => "nothing left".to_owned(),
            count => format!("{} left", processes(count)),
        };
        match stop.left_then {
            Some(then) if then != self.left => {
                format!(
                    "{} then, {} later",
                    words(then),
                    if self.left == 0 { "none".to_owned() } else { self.left.to_string() }
                )
            }
            _ => words(self.left),
        }
    }

    /// Returns in which respects the facts differ from what is expected.
    pub fn misses(&self, expected: &Expectation) -> Vec<String> {
        let mut misses = Vec::new();
        let mut lists = |name: &str, expected: &Option<Vec<f64>>, found: &[f64]| {
            let Some(expected) = expected else { return };
            let pairs = expected.iter().zip(found);
            if expected.len() != found.len() || pairs.into_iter().any(|(a, b)| !is_on_time(*a, *b)) {
                misses.push(format!("{name}: {found:.2?} instead of {expected:.2?}"));
            }
        };
        lists("starts", &expected.starts, &self.starts);
        lists("restart-delays", &expected.restart_delays, &self.restart_delays);
        lists("attempts", &expected.attempts, &self.attempts);
        let stop = self.stop.clone().unwrap_or_default();
        let mut check = |name: &str, holds: bool, found: String| {
            if !holds {
                misses.push(format!("{name}: {found}"));
            }
        };
        if let Some(at) = expected.killed {
            let holds = stop.killed && stop.gone.is_some_and(|gone| is_on_time(at, gone));
            check("killed", holds, format!("{:?} instead of {at} s", stop.gone.filter(|_| stop.killed)));
        }
        if let Some(at) = expected.returned {
            let holds = stop.returned.is_some_and(|(returned, success)| success && is_on_time(at, returned));
            check("returned", holds, format!("{:?} instead of success after {at} s", stop.returned));
        }
        if let Some(count) = expected.left {
            let holds = self.left == count && stop.left_then.is_none_or(|then| then == count);
            let found = format!("{:?} when the stop returned and {} later", stop.left_then, self.left);
            check("left", holds, format!("{found} instead of {count}"));
        }
        let mut counts = |name: &str, expected: Option<usize>, found: usize| {
            if let Some(count) = expected {
                check(name, found == count, format!("{found} instead of {count}"));
            }
        };
        counts("starts-after", expected.starts_after, stop.starts_after);
        counts("running", expected.running, self.running);
        counts("at-once", expected.at_once, self.at_once);
        counts("strays", expected.strays, self.strays);
        let found = format!("{:?} instead of {:?}", self.supervisor, expected.supervisor_exits);
        check("exit status of the supervisor", self.supervisor == expected.supervisor_exits, found);
        misses
    }
}

impl Stop {
    fn end(&self) -> String {
        let term = if self.term.is_some() { "TERM" } else { "no TERM" };
        match self.gone {
            Some(gone) if self.killed => format!("{term}, KILL after {gone:.1} s"),
            Some(gone) => format!("{term}, gone after {gone:.1} s"),
            None => format!("{term}, no KILL: it still runs"),
        }
    }

    fn return_words(&self) -> String {
        match self.returned {
            _ if self.is_not_awaited => "the stop does not wait".to_owned(),
            Some((at, true)) => format!("the stop returns after {at:.1} s"),
            Some((at, false)) => format!("the stop fails after {at:.1} s"),
            None => "the stop does not return".to_owned(),
        }
    }
}

fn is_on_time(expected: f64, found: f64) -> bool {
    let late = if expected == 0.0 { AT_ONCE } else { LATE };
    (expected - EARLY..=expected + late).contains(&found)
}

/// Returns all runs in the order of their starts.
fn runs(timeline: &Timeline) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for event in timeline.events() {
        let (What::Start { pid } | What::Term { pid } | What::Exit { pid } | What::Gone { pid }) = event.what
        else {
            continue;
        };
        if matches!(event.what, What::Start { .. }) {
            runs.push(Run { pid, start: event.at, term: None, exit: None, gone: None });
        } else if let Some(run) = runs.iter_mut().rev().find(|run| run.pid == pid) {
            let time = match event.what {
                What::Term { .. } => &mut run.term,
                What::Exit { .. } => &mut run.exit,
                _ => &mut run.gone,
            };
            time.get_or_insert(event.at);
        }
    }
    runs
}

fn delays(runs: &[Run]) -> Vec<f64> {
    let pairs = runs.windows(2);
    pairs.filter_map(|pair| Some((pair[1].start - pair[0].end()?).max(0.0))).collect()
}

fn at_once(runs: &[Run]) -> usize {
    let at = |time: f64| {
        let runs = runs.iter().filter(|run| run.start <= time && run.end().is_none_or(|end| end > time));
        runs.count()
    };
    runs.iter().map(|run| at(run.start)).max().unwrap_or_default()
}

fn stop(runs: &[Run], asked: f64) -> Stop {
    let before = || runs.iter().filter(|run| run.start <= asked && run.end().is_none_or(|end| end > asked));
    let ends: Option<Vec<f64>> = before().map(|run| run.gone.or(run.exit)).collect();
    let gone = ends.and_then(|ends| ends.into_iter().reduce(f64::max));
    let terms = before().filter_map(|run| run.term).filter(|term| *term >= asked);
    Stop {
        term: terms.reduce(f64::min).map(|term| term - asked),
        gone: gone.map(|gone| gone - asked),
        killed: before().any(|run| run.gone.is_some() && run.exit.is_none()),
        starts_after: runs.iter().filter(|run| run.start > asked).count(),
        ..Stop::default()
    }
}

fn since_first(times: Vec<f64>) -> Vec<f64> {
    let first = times.first().copied().unwrap_or_default();
    times.into_iter().map(|time| time - first).collect()
}

fn processes(count: usize) -> String {
    if count == 1 { "1 process".to_owned() } else { format!("{count} processes") }
}

/// Returns times as a list, such as "0, 1.0, 3.1".
fn seconds(times: &[f64]) -> String {
    let text = times.iter().map(|time| format!("{time:.1}"));
    text.collect::<Vec<String>>().join(", ")
}

/// Returns when something happened, in full or in short.
fn times(what: &str, times: &[f64]) -> String {
    let count = times.len();
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (shortest, longest) = (
        gaps.iter().copied().reduce(f64::min).unwrap_or(0.0),
        gaps.iter().copied().reduce(f64::max).unwrap_or(0.0),
    );
    match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        2..=MOST_TIMES => format!("{what}s at 0, {} s", seconds(&times[1..])),
        _ if longest < 0.1 => format!("{count} {what}s in {:.1} s", times[count - 1]),
        _ if longest - shortest < 0.3 => {
            let mean = times[count - 1] / gaps.len() as f64;
            format!("{count} {what}s, one every {mean:.1} s")
        }
        _ => format!("{count} {what}s, the last at {:.1} s", times[count - 1]),
    }
}

#[cfg(test)]
mod tests;
