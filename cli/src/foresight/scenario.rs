//! Scenario files: what the programs of a rehearsal do, and what happens when.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use childminder::machine::Input;
use childminder::testkit::rehearse::{Behaviour, Happening, Scenario};
use childminder::{Exit, Name};
use toml::de::DeValue;

use super::assumed::{self, Assumed, FAILED, KILLED};
use super::rehearse::{DAY, Plot, definition};
use crate::file::problems::{Problem, Problems};
use crate::file::reader::{self, Item, Reader, Value, items};
use crate::file::{File, Process, read_text, suggest};
use crate::values::duration;

/// The keys at the top.
const TOP: [&str; 4] = ["length", "seed", "process", "at"];
/// The keys of a process.
const PROCESS: [&str; 8] =
    ["start-takes", "ready-after", "lives", "exit", "fails", "unhealthy-after", "stop-takes", "ignores-term"];
/// The keys of an event that say what happens.
const ACTIONS: [&str; 10] = [
    "kill",
    "break",
    "stop",
    "start",
    "restart",
    "unhealthy",
    "not-ready",
    "ready",
    "stop-service",
    "start-service",
];
/// The other keys of an event.
const EVENT: [&str; 3] = ["time", "for", "exit"];
/// The longest time that can be rehearsed. A longer one would take minutes.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Reads a scenario for the processes of `file`, and adds it to `scenario`. The scenario overrides what is
/// `assumed` of the processes, key by key.
///
/// # Errors
///
/// All [`Problems`] of the scenario.
pub(super) fn read(
    path: &Path,
    scenario: Scenario,
    file: &File,
    (processes, assumed): (&[Process], Vec<Assumed>),
    length: Option<Duration>,
) -> Result<Plot, Problems> {
    let (path, text) = read_text(path)?;
    let mut problems = Vec::new();
    let document = reader::parse(&text, &mut problems);
    let items = items(document.get_ref());
    let mut parser = Parser {
        reader: Reader::default(),
        file,
        processes,
        assumed,
        scenario,
        length: length.unwrap_or(DAY),
        said: HashMap::new(),
    };
    let mut seed = 0;
    // The length comes first, since the times of events are compared with it.
    for item in items.iter().filter(|item| item.key == "length") {
        let own = parser.length(item.value);
        parser.length = length.or(own).unwrap_or(DAY);
    }
    for item in &items {
        match item.key {
            "length" => {}
            "seed" => seed = parser.reader.small(item.value, 0, i64::MAX).unwrap_or(seed),
            "process" => parser.processes(item.value),
            "at" => parser.events(item.value),
            _ => parser.reader.unknown_key(item, TOP),
        }
    }
    let assumptions = parser.assume();
    problems.append(&mut parser.reader.problems);
    if items.is_empty() && problems.is_empty() {
        let problem = Problem::of_file("there is nothing in this scenario");
        problems.push(problem.help("add [process.NAME] with lives = \"40s\", or [[at]] with time and kill"));
    }
    if problems.is_empty() {
        Ok(Plot { length: parser.length, seed, scenario: parser.scenario, assumptions })
    } else {
        Err(Problems::new(&path, &text, problems))
    }
}

/// Reads a scenario, value by value.
struct Parser<'f> {
    reader: Reader,
    file: &'f File,
    processes: &'f [Process],
    /// In the order of the processes.
    assumed: Vec<Assumed>,
    scenario: Scenario,
    length: Duration,
    /// The keys of each process that has a table.
    said: HashMap<Name, Vec<String>>,
}

/// The time to the exit of a process.
enum Life {
    Assumed,
    Each(Vec<Option<Duration>>),
    Between(Duration, Duration),
}

impl Parser<'_> {
    fn note(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.reader.note(Problem::new(span, message));
    }

    fn length(&mut self, value: &Value<'_>) -> Option<Duration> {
        let length = self.reader.duration(value)?;
        if length.is_zero() {
            self.note(&value.span(), "no time is rehearsed: this is zero");
            return None;
        }
        if length > LONGEST {
            self.note(&value.span(), format!("at most {} can be rehearsed", duration::text(LONGEST)));
            return None;
        }
        Some(length)
    }

    /// Looks up a process, and suggests another one if there is none with this name.
    fn known(&mut self, name: &str, span: &Range<usize>) -> Option<Name> {
        if let Some(known) = self.file.names().find(|known| ***known == *name) {
            return Some(known.clone());
        }
        let message = format!("there is no process `{name}` in {}", self.file.path.display());
        let names = self.file.names().map(Name::as_str);
        let problem = Problem::new(span, message);
        self.reader.note(match suggest(name, names.clone()) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None if names.clone().count() <= 8 => {
                problem.help(format!("there is {}", reader::list(&names.collect::<Vec<_>>())))
            }
            None => problem,
        });
        None
    }

    fn processes(&mut self, value: &Value<'_>) {
        for item in self.reader.table(value, "tables, [process.NAME]").unwrap_or_default() {
            let name = self.known(item.key, &item.key_span);
            if let Some(name) = &name {
                let keys = self.reader.table(item.value, "a table").unwrap_or_default();
                self.said.insert(name.clone(), keys.iter().map(|item| item.key.to_owned()).collect());
            }
            let behaviours = self.behaviours(&item, name.as_ref());
            let Some(name) = name else { continue };
            for behaviour in behaviours {
                self.scenario = std::mem::take(&mut self.scenario).behaves(&*name, behaviour);
            }
        }
    }

    /// Adds what the scenario does not say. Returns it in words.
    fn assume(&mut self) -> Vec<String> {
        let mut assumptions = assumed::of_all(&self.assumed, true);
        for (process, assumed) in self.processes.iter().zip(&self.assumed) {
            let said = self.said.get(&process.name);
            assumptions.extend(assumed.in_words(&process.name, said.map_or(&[], Vec::as_slice)));
            if said.is_none() {
                for behaviour in &assumed.behaviours {
                    let scenario = std::mem::take(&mut self.scenario);
                    self.scenario = scenario.behaves(&*process.name, behaviour.clone());
                }
            }
        }
        assumptions
    }

    /// Returns the process with this name.
    fn process(&self, name: Option<&Name>) -> Option<&Process> {
        let name = name?;
        self.processes.iter().find(|process| process.name == *name)
    }

    /// Returns what the runs of a process do if the scenario says nothing.
    fn assumed(&self, name: Option<&Name>) -> Vec<Behaviour> {
        let index = self.processes.iter().position(|process| Some(&process.name) == name);
        index.map_or_else(|| vec![Behaviour::default()], |index| self.assumed[index].behaviours.clone())
    }

    /// Reads the table of a process.
    fn behaviours(&mut self, item: &Item<'_>, name: Option<&Name>) -> Vec<Behaviour> {
        let what = format!("a table, [process.{}]", item.key);
        let items = self.reader.table(item.value, &what).unwrap_or_default();
        let mut runs = self.assumed(name);
        let mut life = Life::Assumed;
        for item in &items {
            let value = item.value;
            match item.key {
                "start-takes" => runs = with(runs, self.reader.duration(value), Behaviour::start_takes),
                "ready-after" => runs = self.readiness(runs, item, name),
                "lives" => life = self.life(value).unwrap_or(life),
                "exit" => runs = with(runs, self.exit(value), Behaviour::exits),
                "fails" => runs = with(runs, self.fails(value), |run, (count, of)| run.fails(count, of)),
                "unhealthy-after" => runs = self.unhealthy(runs, item, name),
                "stop-takes" => runs = with(runs, self.reader.duration(value), Behaviour::stop_takes),
                "ignores-term" => {
                    let ignores = self.reader.flag(value) == Some(true);
                    let takes = items.iter().find(|item| item.key == "stop-takes");
                    if ignores && takes.is_some() {
                        self.note(&value.span(), "it ignores the stop signal, so `stop-takes` has no effect");
                    }
                    if ignores {
                        runs = with(runs, Some(()), |run, ()| run.ignores_term());
                    }
                }
                _ => self.reader.unknown_key(item, PROCESS),
            }
        }
        match life {
            Life::Assumed => runs,
            Life::Between(min, max) => with(runs, Some(()), |run, ()| run.lives_between(min, max)),
            Life::Each(lives) => {
                let count = runs.len().max(lives.len());
                let run = |index: usize| runs[index.min(runs.len() - 1)].clone();
                let live = |index: usize| match lives[index.min(lives.len() - 1)] {
                    Some(life) => run(index).lives(life),
                    None => run(index).lives_forever(),
                };
                (0..count).map(live).collect()
            }
        }
    }

    fn readiness(&mut self, runs: Vec<Behaviour>, item: &Item<'_>, name: Option<&Name>) -> Vec<Behaviour> {
        if self.process(name).and_then(definition).is_some_and(|definition| definition.ready.is_none()) {
            let message = "this process has no `ready`, so it is ready when it is started";
            let problem = Problem::new(&item.key_span, message);
            self.reader
                .note(problem.help(format!("add `ready` to [process.{}]", name.map_or("", |name| name))));
        }
        let runs = with(runs, Some(()), |run, ()| run.never_ready());
        match item.value.get_ref() {
            DeValue::String(text) if *text == "never" => runs,
            _ => with(runs, self.reader.duration(item.value), Behaviour::ready_after),
        }
    }

    fn unhealthy(&mut self, runs: Vec<Behaviour>, item: &Item<'_>, name: Option<&Name>) -> Vec<Behaviour> {
        let entry = name.and_then(|name| self.file.entries.iter().find(|entry| entry.name == *name));
        if entry.is_some_and(|entry| entry.get("alive").is_none() && entry.get("watchdog").is_none()) {
            let message = "this process has no `alive` and no `watchdog`, so it is never found unhealthy";
            let problem = Problem::new(&item.key_span, message);
            self.reader
                .note(problem.help(format!("add `alive` to [process.{}]", name.map_or("", |name| name))));
        }
        with(runs, self.reader.duration(item.value), Behaviour::unhealthy_after)
    }

    /// Reads one duration, a list of them, or their bounds.
    fn life(&mut self, value: &Value<'_>) -> Option<Life> {
        match value.get_ref() {
            DeValue::Array(list) if list.is_empty() => {
                self.note(&value.span(), "expected the life of at least one run, but this is empty");
                None
            }
            DeValue::Array(list) => {
                let lives = list.iter().map(|value| self.one_life(value)).collect::<Vec<_>>();
                lives.into_iter().collect::<Option<Vec<_>>>().map(Life::Each)
            }
            DeValue::Table(_) => {
                let (mut min, mut max) = (None, None);
                let items = self.reader.table(value, "a table")?;
                for item in &items {
                    match item.key {
                        "min" => min = self.reader.duration(item.value),
                        "max" => max = self.reader.duration(item.value),
                        _ => self.reader.unknown_key(item, ["min", "max"]),
                    }
                }
                if !["min", "max"].iter().all(|key| items.iter().any(|item| item.key == *key)) {
                    self.note(&value.span(), "expected both `min` and `max`");
                }
                let (min, max) = (min?, max?);
                if min > max {
                    self.note(&value.span(), "`min` is above `max`");
                    return None;
                }
                Some(Life::Between(min, max))
            }
            _ => Some(Life::Each(vec![self.one_life(value)?])),
        }
    }

    fn one_life(&mut self, value: &Value<'_>) -> Option<Option<Duration>> {
        match value.get_ref() {
            DeValue::String(text) if *text == "forever" => Some(None),
            _ => self.reader.duration(value).map(Some),
        }
    }

    fn exit(&mut self, value: &Value<'_>) -> Option<Exit> {
        match value.get_ref() {
            DeValue::Integer(_) => self.reader.small(value, 0, 255).map(Exit::Code),
            _ => Some(Exit::Signal { signal: self.reader.signal(value)?, core: false }),
        }
    }

    /// Reads a text such as `3 of 4`.
    fn fails(&mut self, value: &Value<'_>) -> Option<(u32, u32)> {
        const EXPECTED: &str = "a text such as \"3 of 4\": the first 3 of every 4 starts fail";
        let text = self.reader.text(value, EXPECTED)?;
        let parsed = text.split_once(" of ").and_then(|(count, of)| {
            Some((count.trim().parse::<u32>().ok()?, of.trim().parse::<u32>().ok()?))
        });
        match parsed {
            None => self.note(&value.span(), format!("expected {EXPECTED}")),
            Some((_, 0)) => self.note(&value.span(), "there are no starts in 0 starts"),
            Some((count, of)) if count > of => {
                self.note(&value.span(), format!("{count} is more than {of}"));
            }
            Some(parsed) => return Some(parsed),
        }
        None
    }

    fn events(&mut self, value: &Value<'_>) {
        let DeValue::Array(events) = value.get_ref() else {
            self.reader.expected::<()>(value, "tables, [[at]]");
            return;
        };
        for event in events.iter() {
            if let Some(items) = self.reader.table(event, "a table, [[at]]") {
                self.event(&event.span(), &items);
            }
        }
    }

    /// Reads an event.
    fn event(&mut self, span: &Range<usize>, items: &[Item<'_>]) {
        let find = |key: &str| items.iter().find(|item| item.key == key);
        let time = match find("time") {
            None => {
                self.note(span, "this event has no `time`");
                None
            }
            Some(item) => self.reader.duration(item.value).filter(|time| {
                let is_late = *time > self.length;
                if is_late {
                    let end = duration::text(self.length);
                    let message = format!("this is after the end of the rehearsal, which takes {end}");
                    self.reader.note(Problem::new(&item.value.span(), message));
                }
                !is_late
            }),
        };
        for item in items.iter().filter(|item| !EVENT.contains(&item.key) && !ACTIONS.contains(&item.key)) {
            let problem = Problem::new(&item.key_span, format!("unknown key `{}`", item.key));
            self.reader.note(match suggest(item.key, EVENT.into_iter().chain(ACTIONS)) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help("an event has `time` and what happens, such as `kill`"),
            });
        }
        let actions: Vec<&Item<'_>> = items.iter().filter(|item| ACTIONS.contains(&item.key)).collect();
        let action = match actions[..] {
            [action] => action,
            [] => {
                self.note(span, format!("nothing happens here; expected {}", reader::list(&ACTIONS)));
                return;
            }
            [first, second, ..] => {
                let message = format!("an event has one action, and there is `{}` already", first.key);
                self.note(&second.key_span, message);
                return;
            }
        };
        let lasts = self.lasts(action, find("for"));
        let exit = find("exit").and_then(|item| self.exit(item.value));
        if let Some(item) = find("exit").filter(|_| !["kill", "break"].contains(&action.key)) {
            self.note(&item.key_span, format!("`{}` has no exit", action.key));
        }
        let happenings = self.happenings(action, lasts.unwrap_or_default(), exit);
        let Some(time) = time else { return };
        for happening in happenings {
            self.scenario = std::mem::take(&mut self.scenario).at(time, happening);
        }
    }

    /// Reads how long an outage lasts.
    fn lasts(&mut self, action: &Item<'_>, item: Option<&Item<'_>>) -> Option<Duration> {
        match (action.key, item) {
            ("break", Some(item)) => {
                let lasts = self.reader.duration(item.value)?;
                if lasts.is_zero() {
                    self.note(&item.value.span(), "this outage takes no time; `kill` ends a run");
                }
                Some(lasts)
            }
            ("break", None) => {
                let problem = Problem::new(&action.key_span, "it is not said how long this lasts");
                self.reader.note(problem.help("add for = \"5m\""));
                None
            }
            (_, Some(item)) => {
                self.note(&item.key_span, format!("`{}` happens at one moment", action.key));
                None
            }
            (_, None) => None,
        }
    }

    fn happenings(&mut self, action: &Item<'_>, lasts: Duration, exit: Option<Exit>) -> Vec<Happening> {
        if let "stop-service" | "start-service" = action.key {
            if self.reader.flag(action.value) == Some(false) {
                self.note(&action.value.span(), "expected true");
            }
            let command = if action.key == "stop-service" { Input::StopService } else { Input::StartService };
            return vec![command.into()];
        }
        let texts = match action.value.get_ref() {
            DeValue::Array(list) => list.iter().collect(),
            _ => vec![action.value],
        };
        let mut happenings: Vec<Happening> = Vec::new();
        for value in texts {
            let Some(text) = self.reader.text(value, "the name of a process, or a list of names") else {
                continue;
            };
            let Some(name) = self.known(text, &value.span()) else { continue };
            match action.key {
                "kill" => happenings.push(Happening::Exits { name, exit: exit.unwrap_or(KILLED) }),
                "break" => happenings.push(Happening::Breaks { name, exit: exit.unwrap_or(FAILED), lasts }),
                "stop" => happenings.push(Input::Hold { name }.into()),
                "start" => {
                    happenings.extend(
                        [Input::Release { name: name.clone() }, Input::Start { name }].map(Into::into),
                    );
                }
                "restart" => happenings.push(Input::Stop { name }.into()),
                "unhealthy" => happenings.push(Happening::Unhealthy { name }),
                "not-ready" => happenings.push(Happening::NotReady { name }),
                _ => happenings.push(Happening::Ready { name }),
            }
        }
        happenings
    }
}

/// Changes what each run does if there is a value.
fn with<T: Copy>(
    runs: Vec<Behaviour>,
    value: Option<T>,
    set: impl Fn(Behaviour, T) -> Behaviour,
) -> Vec<Behaviour> {
    match value {
        Some(value) => runs.into_iter().map(|run| set(run, value)).collect(),
        None => runs,
    }
}
