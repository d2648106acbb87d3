//! The picture of a timeline as a page that can be zoomed.
//!
//! The page is one file without any request: its style, its script and the data. The data are numbers in flat
//! lists, with differences instead of times, and a table of texts, because there may be a hundred thousand
//! events. `page/draw.js` draws what is visible of them.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use super::clock::Clock;
use super::json::{self, Quoted};
use super::lane::label;
use super::legend;
use super::model::{Lane, Mark, MarkKind, SpanKind, Timeline};
use super::palette;
use crate::machine::Exit;

const STYLE: &str = include_str!("page.css");
/// The parts of the script, in one function: other scripts, such as those of browser extensions, cannot reach
/// its names.
const SCRIPT: &str = concat!(
    "(() => {\n'use strict';\n",
    include_str!("page/data.js"),
    include_str!("page/draw.js"),
    include_str!("page/use.js"),
    "})();\n"
);
const BODY: &str = include_str!("page.html");

/// The greatest size of all last lines of output, in bytes. Beyond it those of the earliest exits are
/// missing.
const LINES: usize = 1_500_000;

impl Timeline {
    /// Returns a picture as an HTML page, which is one self-contained file and loads nothing. It can be
    /// zoomed and moved with pointer and keyboard, shows details, filters by name, and has the last lines of
    /// output before each exit. It follows the light or dark mode of the browser, and can be printed.
    ///
    /// A hundred thousand events take less than 5 MB.
    pub fn to_html(&self) -> String {
        page(self)
    }
}

fn page(timeline: &Timeline) -> String {
    let clock = Clock::new(timeline.began, timeline.utc_offset);
    let facts = legend::facts(timeline, &clock);
    let mut page = String::with_capacity(BODY.len() + STYLE.len() + SCRIPT.len() + 1024);
    // Each place occurs once, in this order, so no text of the timeline is taken for a place.
    let mut rest = BODY;
    let places: [(&str, &dyn Fn() -> String); 6] = [
        ("{{title}}", &|| escaped(&timeline.title)),
        ("{{style}}", &|| STYLE.to_owned()),
        ("{{heading}}", &|| escaped(&timeline.title)),
        ("{{facts}}", &|| escaped(&facts)),
        ("{{data}}", &|| json::for_page(&data(timeline, &clock))),
        ("{{script}}", &|| SCRIPT.to_owned()),
    ];
    for (place, text) in places {
        let (before, after) = rest.split_once(place).expect("the page has this place");
        page.push_str(before);
        page.push_str(&text());
        rest = after;
    }
    page.push_str(rest);
    page
}

fn escaped(text: &str) -> String {
    super::svg::escaped(text)
}

/// Texts that are written once and referred to by number. Number 0 is the empty text.
struct Texts<'t> {
    numbers: HashMap<&'t str, usize>,
    json: String,
}

impl<'t> Texts<'t> {
    fn new() -> Self {
        Self { numbers: HashMap::from([("", 0)]), json: "\"\"".to_owned() }
    }

    fn number(&mut self, text: &'t str) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(text).or_insert_with(|| {
            write!(self.json, ",{}", Quoted(text)).expect("a string accepts all text");
            next
        })
    }
}

/// Returns the data of the page as JSON.
fn data(timeline: &Timeline, clock: &Clock) -> String {
    let lines: Vec<Vec<String>> = timeline
        .lanes
        .iter()
        .map(|lane| lane.marks.iter().map(|mark| mark.last_lines.join("\n")).collect())
        .collect();
    let (first, left_out) = first_lines(timeline);
    let mut texts = Texts::new();
    let mut kinds = Kinds::default();
    let mut out = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("a string accepts all text");
    match clock.zero_millis() {
        Some(zero) => put(format_args!("{{\"zero\":{zero}")),
        None => put(format_args!("{{\"zero\":null")),
    }
    put(format_args!(",\"from\":{},\"until\":{}", micros(timeline.from), micros(timeline.until)));
    put(format_args!(",\"leftOut\":{left_out},\"kinds\":["));
    for (i, (kind, (_, light, dark))) in SpanKind::ALL.into_iter().zip(palette::of_kinds()).enumerate() {
        let (comma, name, share) = (if i == 0 { "" } else { "," }, kind.to_string(), kind.look().share);
        let outage = u8::from(kind.is_outage());
        put(format_args!("{comma}[{},{share},{},{},{outage}]", Quoted(&name), Quoted(light), Quoted(dark)));
    }
    put(format_args!("],\"lanes\":["));
    for (i, lane) in timeline.lanes.iter().enumerate() {
        put(format_args!("{}{{\"name\":{},\"after\":[", if i == 0 { "" } else { "," }, Quoted(&lane.name)));
        for (j, (on, until)) in lane.after.iter().enumerate() {
            put(format_args!("{}[{on},\"{until}\"]", if j == 0 { "" } else { "," }));
        }
        put(format_args!("],\"spans\":["));
        spans(lane, &mut texts, &mut put);
        put(format_args!("],\"marks\":["));
        let mut last = 0;
        for (j, (mark, lines)) in lane.marks.iter().zip(&lines[i]).enumerate() {
            let at = micros(mark.at);
            let lines = if mark.at >= first { texts.number(lines) } else { 0 };
            let (kind, run, text) = (kinds.number(mark), mark.run.unwrap_or(0), texts.number(&mark.text));
            put(format_args!(
                "{}{},{kind},{run},{text},{lines}",
                if j == 0 { "" } else { "," },
                at - last.min(at)
            ));
            last = at;
        }
        put(format_args!("]}}"));
    }
    put(format_args!("],\"arrows\":["));
    for (i, arrow) in timeline.arrows.iter().enumerate() {
        let (at, start) = (micros(arrow.at), micros(arrow.start));
        put(format_args!("{}{},{at},{},{start}", if i == 0 { "" } else { "," }, arrow.from, arrow.to));
    }
    put(format_args!("],\"markKinds\":[{}],\"texts\":[{}]}}", kinds.json, texts.json));
    out
}

/// Writes five numbers for each span: the time since the end of the previous one, its length, its kind, its
/// run (0 for none) and its text.
fn spans<'t>(lane: &'t Lane, texts: &mut Texts<'t>, put: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    let mut last = 0;
    for (i, span) in lane.spans.iter().enumerate() {
        let (from, until) = (micros(span.from), micros(span.until));
        let (gap, length) = (from - last.min(from), until - from.min(until));
        let (kind, run, text) = (span.kind as usize, span.run.unwrap_or(0), texts.number(&span.text));
        put(format_args!("{}{gap},{length},{kind},{run},{text}", if i == 0 { "" } else { "," }));
        last = last.max(from) + length;
    }
}

/// Returns the time of the first mark whose lines are not left out, and the number of those left out.
fn first_lines(timeline: &Timeline) -> (Duration, usize) {
    let marks = timeline.lanes.iter().flat_map(|lane| &lane.marks).filter(|mark| !mark.last_lines.is_empty());
    let mut sizes: Vec<(Duration, usize)> =
        marks.map(|mark| (mark.at, mark.last_lines.iter().map(|line| line.len() + 1).sum())).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let mut sum = 0;
    let is_too_much = |&(_, size): &(Duration, usize)| {
        sum += size;
        sum > LINES
    };
    match sizes.iter().position(is_too_much) {
        Some(i) => (sizes[i].0 + Duration::from_nanos(1), sizes.len() - i),
        None => (Duration::ZERO, 0),
    }
}

/// The kinds of marks that occur: label, form, and whether it is a failure.
#[derive(Default)]
struct Kinds {
    numbers: HashMap<MarkKind, usize>,
    json: String,
}

impl Kinds {
    fn number(&mut self, mark: &Mark) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(mark.kind).or_insert_with(|| {
            let comma = if next == 0 { "" } else { "," };
            let (form, severity) = (form(mark.kind), super::density::severity(mark.kind));
            write!(self.json, "{comma}[{},\"{form}\",{severity}]", Quoted(&label(mark.kind)))
                .expect("a string accepts all text");
            next
        })
    }
}

/// Returns the name by which the script knows the form of a mark.
fn form(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Exit(Exit::Code(0)) => "good",
        MarkKind::Exit(Exit::Code(_)) => "code",
        MarkKind::Exit(Exit::Signal { .. }) => "signal",
        MarkKind::Exit(Exit::Lost) | MarkKind::Survived => "ring",
        MarkKind::SpawnFailed => "cross",
        MarkKind::Signal(_) | MarkKind::Killed => "arrow",
        MarkKind::Unhealthy => "triangle",
        MarkKind::GaveUp => "block",
        MarkKind::Command => "dot",
    }
}

/// Returns whole microseconds; they are exact in the script for 285 years.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min(1 << 53)
}
