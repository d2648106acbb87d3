//! From what goes into a machine and comes out of it to a timeline.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::model::{Arrow, Lane, Mark, MarkKind, Span, SpanKind, Timeline};
use crate::machine::{
    Dependency, Event, Input, Machine, Name, Notice, NoticeKind, OnGiveUp, Output, Phase, RunId, Status,
    Until,
};

/// Makes a [`Timeline`] of a machine while inputs go into it.
///
/// It is shown every input with its outputs, as a replay of a journal or a rehearsal has them. A process has
/// one lane, even if it is removed and added again.
///
/// ```
/// use std::time::{Duration, Instant};
/// use childminder::machine::{Definition, Input, Machine};
/// use childminder::timeline::{SpanKind, TimelineBuilder};
///
/// let zero = Instant::now();
/// let mut machine = Machine::new();
/// let mut builder = TimelineBuilder::new("a machine");
/// let name: childminder::Name = "web".parse()?;
/// let inputs = [
///     (0, Input::StartService),
///     (1, Input::Add { name: name.clone(), definition: Box::new(Definition::new(())) }),
///     (9, Input::Hold { name }),
/// ];
/// for (second, input) in inputs {
///     let at = Duration::from_secs(second);
///     machine.handle_input(input.clone(), zero + at)?;
///     let outputs: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
///     builder.observe(at, &input, &outputs, &machine);
/// }
/// let timeline = builder.finish(Duration::from_secs(10));
/// assert_eq!(timeline.lanes[0].spans[0].kind, SpanKind::Starting);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TimelineBuilder {
    timeline: Timeline,
    tracks: Vec<Track>,
    by_name: HashMap<Name, usize>,
    by_run: HashMap<RunId, usize>,
    /// The tracks to be looked at after an input, kept to be used again.
    touched: Vec<usize>,
    /// The tracks that were started by an input.
    spawned: Vec<usize>,
}

/// A lane that grows, and what is known about its process.
struct Track {
    name: Name,
    open: Option<Span>,
    after: Vec<Dependency>,
    /// The run that was sent KILL.
    killed: Option<RunId>,
    /// The run that has been ready.
    was_ready: Option<RunId>,
    /// The reason why the current run is not ready.
    reason: Arc<str>,
    /// The last lines of a run whose end has not been seen.
    early_lines: Option<(u64, Vec<String>)>,
    /// When it last became started, ready and completed.
    became: [Duration; 3],
    level: [bool; 3],
}

impl TimelineBuilder {
    /// Returns a builder of a timeline with this title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            timeline: Timeline::new(title, Duration::ZERO),
            tracks: Vec::new(),
            by_name: HashMap::new(),
            by_run: HashMap::new(),
            touched: Vec::new(),
            spawned: Vec::new(),
        }
    }

    /// Sets the time of day at time zero. Without it the axis has no time of day.
    #[must_use]
    pub fn began(mut self, began: SystemTime) -> Self {
        self.timeline.began = Some(began);
        self
    }

    /// Adds an input, the outputs that followed, and the machine after it. Inputs are added in the order of
    /// their times.
    pub fn observe<S: Clone>(
        &mut self,
        at: Duration,
        input: &Input<S>,
        outputs: &[Output<S>],
        machine: &Machine<S>,
    ) {
        let mut touched = std::mem::take(&mut self.touched);
        let mut is_about_all = self.input(at, input, &mut touched);
        for output in outputs {
            is_about_all |= self.output(at, output, &mut touched);
        }
        if is_about_all {
            touched.clear();
            touched.extend(0..self.tracks.len());
        }
        touched.sort_unstable();
        touched.dedup();
        let statuses: Vec<Option<Status>> =
            touched.iter().map(|&track| machine.status(&self.tracks[track].name)).collect();
        for (&track, status) in touched.iter().zip(&statuses) {
            self.tracks[track].set_level(at, status.as_ref());
        }
        // A process that has become ready permits a start by the same input.
        for track in std::mem::take(&mut self.spawned) {
            self.permit(track, at);
        }
        for (&track, status) in touched.iter().zip(&statuses) {
            self.change(track, at, status.as_ref());
        }
        touched.clear();
        self.touched = touched;
    }

    /// Goes on with a machine in another state, as a journal does whose beginning is missing. Without an
    /// input before, the timeline begins here.
    pub fn resume<S: Clone>(&mut self, at: Duration, machine: &Machine<S>) {
        if self.tracks.is_empty() {
            self.timeline.from = at;
        }
        let statuses = machine.statuses();
        for status in &statuses {
            let track = self.track(&status.name);
            let after = machine.dependencies(&status.name);
            self.set_dependencies(track, after);
            self.by_run.extend(status.run.map(|run| (run, track)));
        }
        for track in 0..self.tracks.len() {
            let status = statuses.iter().find(|status| status.name == self.tracks[track].name);
            self.tracks[track].set_level(at, status);
            self.change(track, at, status);
        }
    }

    /// Adds the last lines that a run has printed to the mark of its end. They may come before its end.
    pub fn last_lines(&mut self, name: &str, run: u64, lines: impl IntoIterator<Item = String>) {
        let Some(&track) = self.by_name.get(name) else { return };
        let marks = &mut self.timeline.lanes[track].marks;
        let lines = lines.into_iter().collect();
        match marks.iter_mut().rev().find(|mark| is_end_of(mark, run)) {
            Some(mark) => mark.last_lines = lines,
            None => self.tracks[track].early_lines = Some((run, lines)),
        }
    }

    fn set_dependencies(&mut self, track: usize, after: Vec<Dependency>) {
        self.timeline.lanes[track].after = after.iter().map(|on| (self.track(&on.on), on.until)).collect();
        self.tracks[track].after = after;
    }

    /// Returns the timeline. What is going on lasts until `length`.
    pub fn finish(mut self, length: Duration) -> Timeline {
        for (track, lane) in self.tracks.iter_mut().zip(&mut self.timeline.lanes) {
            if let Some(open) = track.open.take() {
                push(lane, Span { until: length.max(open.from), ..open });
            }
        }
        self.timeline.until = length;
        self.timeline
    }

    /// Notes an input. Returns whether it is about all processes.
    fn input<S>(&mut self, at: Duration, input: &Input<S>, touched: &mut Vec<usize>) -> bool {
        if let Some(name) = input.name() {
            touched.push(self.track(name));
        }
        match input {
            Input::Add { name, definition } | Input::Replace { name, definition, .. } => {
                let track = self.track(name);
                self.set_dependencies(track, definition.after.clone());
            }
            Input::Start { name } => self.mark(name, at, MarkKind::Command, "was started by a command"),
            Input::Stop { name } => self.mark(name, at, MarkKind::Command, "was stopped by a command"),
            Input::Signal { name, signal } => {
                self.mark(name, at, MarkKind::Signal(*signal), &format!("was sent {signal} by a command"));
            }
            Input::Event(event) => {
                touched.extend(self.by_run.get(&event.run()));
                self.event(at, event);
            }
            Input::StartService | Input::StopService | Input::KillService | Input::RestartAll => return true,
            _ => {}
        }
        false
    }

    fn event(&mut self, at: Duration, event: &Event) {
        let Some(&track) = self.by_run.get(&event.run()) else { return };
        match event {
            // The notice follows when the output has ended; the mark belongs here.
            Event::Exited { run, exit, .. } => {
                let mut mark = Mark::new(at, MarkKind::Exit(*exit), format!("exited with {exit}"));
                mark.run = Some(run.number());
                let early = self.tracks[track].early_lines.take_if(|(of, _)| *of == run.number());
                mark.last_lines = early.map(|(_, lines)| lines).unwrap_or_default();
                self.timeline.lanes[track].marks.push(mark);
            }
            Event::NotReady { reason, .. } => self.tracks[track].reason = Arc::clone(reason),
            _ => {}
        }
    }

    /// Notes an output. Returns whether it is about all processes.
    fn output<S>(&mut self, at: Duration, output: &Output<S>, touched: &mut Vec<usize>) -> bool {
        match output {
            Output::Spawn { run, name, .. } => {
                let track = self.track(name);
                self.by_run.insert(*run, track);
                touched.push(track);
                self.spawned.push(track);
                false
            }
            Output::Notice(notice) => {
                touched.push(self.track(&notice.name));
                self.notice(at, notice)
            }
            _ => false,
        }
    }

    fn notice(&mut self, at: Duration, notice: &Notice) -> bool {
        let Notice { name, run, kind, .. } = notice;
        let mark = match kind {
            NoticeKind::Exited { .. } => {
                let marks = &mut self.timeline.lanes[self.by_name[name]].marks;
                let end =
                    run.and_then(|run| marks.iter_mut().rev().find(|mark| is_end_of(mark, run.number())));
                end.into_iter().for_each(|mark| mark.text = kind.to_string());
                return false;
            }
            NoticeKind::SpawnFailed { .. } => MarkKind::SpawnFailed,
            NoticeKind::Killed => {
                let track = self.by_name[name];
                self.tracks[track].killed = *run;
                MarkKind::Killed
            }
            NoticeKind::Unhealthy { .. } => MarkKind::Unhealthy,
            NoticeKind::NotReady { .. } => MarkKind::Unhealthy,
            NoticeKind::Survived { .. } => MarkKind::Survived,
            NoticeKind::GaveUp { .. } => MarkKind::GaveUp,
            NoticeKind::Removed
            | NoticeKind::Held
            | NoticeKind::Released
            | NoticeKind::PolicyChanged
            | NoticeKind::Replaced => MarkKind::Command,
            _ => return false,
        };
        let mark = Mark { run: run.map(RunId::number), ..Mark::new(at, mark, kind.to_string()) };
        self.timeline.lanes[self.by_name[name]].marks.push(mark);
        matches!(kind, NoticeKind::GaveUp { then: OnGiveUp::StopAll, .. })
    }

    fn mark(&mut self, name: &Name, at: Duration, kind: MarkKind, text: &str) {
        let track = self.track(name);
        self.timeline.lanes[track].marks.push(Mark::new(at, kind, text));
    }

    /// Returns the track of a process, which is new if the process was not seen before.
    fn track(&mut self, name: &Name) -> usize {
        if let Some(&track) = self.by_name.get(name) {
            return track;
        }
        self.by_name.insert(name.clone(), self.tracks.len());
        self.tracks.push(Track::new(name.clone()));
        self.timeline.lanes.push(Lane::new(&**name));
        self.tracks.len() - 1
    }

    /// Adds an arrow from the dependency that was met last, if the process had to wait.
    fn permit(&mut self, track: usize, at: Duration) {
        let Track { open: Some(Span { kind: SpanKind::Blocked, from, .. }), after, .. } = &self.tracks[track]
        else {
            return;
        };
        let met = after.iter().filter_map(|on| {
            let dependency = *self.by_name.get(&on.on)?;
            Some((self.tracks[dependency].became[level(on.until)], dependency))
        });
        // Of several at the same time, the last in the file.
        if let Some((met, dependency)) = met.max().filter(|(met, _)| met >= from) {
            self.timeline.arrows.push(Arrow::new(dependency, met, track, at));
        }
    }

    /// Ends the open span and begins another one, if the process has changed.
    fn change(&mut self, track: usize, at: Duration, status: Option<&Status>) {
        let Self { timeline, tracks, .. } = self;
        let (lane, track) = (&mut timeline.lanes[track], &mut tracks[track]);
        let next = status.map(|status| track.span(at, status));
        let is_same = match (&track.open, &next) {
            (Some(open), Some(next)) => {
                (open.kind, open.run, &open.text) == (next.kind, next.run, &next.text)
            }
            (None, None) => true,
            _ => false,
        };
        if !is_same && let Some(open) = std::mem::replace(&mut track.open, next) {
            push(lane, Span { until: at, ..open });
        }
    }
}

/// Appends a span that has a length.
fn push(lane: &mut Lane, span: Span) {
    if span.until > span.from {
        lane.spans.push(span);
    }
}

fn is_end_of(mark: &Mark, run: u64) -> bool {
    mark.run == Some(run) && matches!(mark.kind, MarkKind::Exit(_) | MarkKind::SpawnFailed)
}

fn level(until: Until) -> usize {
    match until {
        Until::Started => 0,
        Until::Ready => 1,
        Until::Completed => 2,
    }
}

impl Track {
    fn new(name: Name) -> Self {
        Self {
            name,
            open: None,
            after: Vec::new(),
            killed: None,
            was_ready: None,
            reason: "".into(),
            early_lines: None,
            became: [Duration::ZERO; 3],
            level: [false; 3],
        }
    }

    fn set_level(&mut self, at: Duration, status: Option<&Status>) {
        let is_up = status.is_some_and(|status| status.phase == Phase::Up);
        let is_ready = status.is_some_and(|status| status.ready_since.is_some());
        let has_completed = status.is_some_and(|status| status.phase == Phase::Completed);
        for (i, now) in [is_up, is_ready, has_completed].into_iter().enumerate() {
            if now && !self.level[i] {
                self.became[i] = at;
            }
            self.level[i] = now;
        }
    }

    /// Returns the span that begins with this status.
    fn span(&mut self, at: Duration, status: &Status) -> Span {
        let run = status.run;
        let (kind, text) = match status.phase {
            Phase::Down => (SpanKind::Down, String::new()),
            Phase::Held => (SpanKind::Held, String::new()),
            Phase::Waiting => (SpanKind::BackOff, String::new()),
            Phase::Starting => (SpanKind::Starting, String::new()),
            Phase::Up if status.ready_since.is_some() => {
                self.was_ready = run;
                (SpanKind::Ready, String::new())
            }
            Phase::Up if self.was_ready == run => (SpanKind::Unhealthy, self.reason.to_string()),
            Phase::Up => (SpanKind::Up, String::new()),
            Phase::Stopping => (SpanKind::Stopping, String::new()),
            Phase::Ending if self.killed.is_some() && self.killed == run => (SpanKind::Killed, String::new()),
            Phase::Ending => {
                (SpanKind::Stopping, "the end of its family or its output is awaited".to_owned())
            }
            Phase::Unkillable => (SpanKind::Killed, "it has outlived KILL".to_owned()),
            Phase::Blocked => {
                let on = status.blocked_on.as_ref();
                (SpanKind::Blocked, on.map_or_else(String::new, |on| format!("waits for {on}")))
            }
            Phase::Completed => (SpanKind::Completed, String::new()),
            Phase::Failed => (SpanKind::Failed, String::new()),
            Phase::GaveUp => (SpanKind::GaveUp, String::new()),
        };
        Span { run: run.map(RunId::number), text, ..Span::new(at, at, kind) }
    }
}

impl fmt::Debug for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track").field("name", &self.name).field("open", &self.open).finish_non_exhaustive()
    }
}
