//! `childminder diff`: the first difference between two runs of the same programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use childminder::timeline::{Lane, MarkKind, SpanKind, Timeline};

use super::open_journal;
use super::timeline::{Picture, PictureError, of_journal};
use crate::args;
use crate::console::messages::escape;
use crate::values::duration;

/// `childminder diff`. Returns the exit status.
pub(crate) fn diff(args: &args::Diff) -> ExitCode {
    match compare_files(args) {
        // Status 1 means that they differ.
        Ok((_, text)) if crate::print(&text, "the result") != ExitCode::SUCCESS => {
            ExitCode::from(crate::USAGE)
        }
        Ok((true, _)) => ExitCode::SUCCESS,
        Ok((false, _)) => ExitCode::from(crate::FAILED),
        Err(error) => crate::report_error(crate::USAGE, &error),
    }
}

/// Returns whether both are equal, and the result as text.
fn compare_files(args: &args::Diff) -> Result<(bool, String), PictureError> {
    let picture = args.output.as_deref().map(Picture::at).transpose()?;
    let open = |path: &Path| {
        open_journal(path).map(|journal| of_journal(&journal, path)).map_err(PictureError::Open)
    };
    let (a, b) = (open(&args.a)?, open(&args.b)?);
    let difference = first_difference(&a, &b, args.within);
    let mut text = String::new();
    match &difference {
        None => writeln!(text, "equal: {}", sizes(&a)).expect("a string"),
        Some(difference) => difference.describe(&mut text),
    }
    table(&a, &b, &mut text);
    if let Some(picture) = picture {
        let title = format!("A: {}, B: {}", a.title, b.title);
        picture.write(&a.beside(b, title, ["A", "B"]))?;
    }
    Ok((difference.is_none(), text))
}

/// Something that happened to a process, as far as two runs can agree in it.
#[derive(Clone, Debug, PartialEq)]
struct Act {
    at: Duration,
    text: String,
}

/// The first difference between two runs.
#[derive(Debug, PartialEq)]
struct Divergence {
    process: String,
    /// The number of the run of the process in which it happened; 0 before the first one.
    run: usize,
    a: Option<Act>,
    b: Option<Act>,
}

impl Divergence {
    /// Returns the time at which the first of both did what the other did not.
    fn at(&self) -> Duration {
        [&self.a, &self.b].into_iter().flatten().map(|act| act.at).min().unwrap_or_default()
    }

    fn describe(&self, text: &mut String) {
        let side = |act: &Option<Act>| match act {
            Some(act) => format!("{}, {} after the beginning", escape(&act.text), time(act.at)),
            None => "nothing more".to_owned(),
        };
        let run = if self.run == 0 { String::new() } else { format!(", run {}", self.run) };
        let (process, at) = (escape(&self.process), time(self.at()));
        writeln!(text, "different: {process}{run}, {at} after the beginning").expect("a string");
        writeln!(text, "  A  {}\n  B  {}", side(&self.a), side(&self.b)).expect("a string");
    }
}

fn time(at: Duration) -> String {
    duration::text(Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)))
}

/// Returns the earliest difference of all processes.
fn first_difference(a: &Timeline, b: &Timeline, within: Option<Duration>) -> Option<Divergence> {
    let lanes = pairs(a, b).into_iter();
    lanes.filter_map(|(name, a, b)| difference(name, a, b, within)).min_by_key(Divergence::at)
}

/// Returns the lanes of both by their names.
fn pairs<'t>(a: &'t Timeline, b: &'t Timeline) -> Vec<(&'t str, Option<&'t Lane>, Option<&'t Lane>)> {
    let others: BTreeMap<&str, &Lane> = b.lanes.iter().map(|lane| (&*lane.name, lane)).collect();
    let ours = a.lanes.iter().map(|lane| (&*lane.name, Some(lane), others.get(&*lane.name).copied()));
    let is_ours = |name: &str| a.lanes.iter().any(|lane| lane.name == name);
    let theirs = b.lanes.iter().filter(|lane| !is_ours(&lane.name));
    ours.chain(theirs.map(|lane| (&*lane.name, None, Some(lane)))).collect()
}

fn difference(
    name: &str,
    a: Option<&Lane>,
    b: Option<&Lane>,
    within: Option<Duration>,
) -> Option<Divergence> {
    let (a, b) = (a.map_or_else(Vec::new, acts), b.map_or_else(Vec::new, acts));
    let mut run = 0;
    for i in 0..a.len().max(b.len()) {
        let (a, b) = (a.get(i), b.get(i));
        run += usize::from([a, b].into_iter().flatten().any(|act| act.text == STARTS));
        let is_same = match (a, b) {
            (Some(a), Some(b)) => {
                a.text == b.text && within.is_none_or(|within| a.at.abs_diff(b.at) <= within)
            }
            _ => false,
        };
        if !is_same {
            return Some(Divergence { process: name.to_owned(), run, a: a.cloned(), b: b.cloned() });
        }
    }
    None
}

const STARTS: &str = "starts";

/// Returns what happened to a process, without what takes a random time or is over before it can be seen.
fn acts(lane: &Lane) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut last = None;
    for span in &lane.spans {
        if span.run.is_some() && span.run != last {
            last = span.run;
            // A run that was going on at the beginning of a record is no start of it.
            if span.kind == SpanKind::Starting || !acts.is_empty() || span.from > Duration::ZERO {
                acts.push((span.from, 1, STARTS.to_owned()));
            }
        }
        let is_lasting = matches!(
            span.kind,
            SpanKind::Ready | SpanKind::Unhealthy | SpanKind::Completed | SpanKind::Failed
        );
        if is_lasting {
            acts.push((span.from, 2, format!("is {}", span.kind)));
        }
    }
    for mark in &lane.marks {
        let text = match mark.kind {
            // Its text has the time that the process lived.
            MarkKind::Exit(exit) => format!("exits with {exit}"),
            _ => mark.text.clone(),
        };
        acts.push((mark.at, 0, text));
    }
    // An exit comes before the start that follows it at the same time.
    acts.sort_by_key(|(at, rank, _)| (*at, *rank));
    acts.into_iter().map(|(at, _, text)| Act { at, text }).collect()
}

fn sizes(timeline: &Timeline) -> String {
    let starts: usize = timeline.lanes.iter().map(Lane::starts).sum();
    format!("{} processes with {starts} runs", timeline.lanes.len())
}

/// Writes the starts of each process, and how long it was wanted and did not run, in two columns.
fn table(a: &Timeline, b: &Timeline, text: &mut String) {
    let mut rows = vec![
        ["", "starts", "", "not running", ""].map(str::to_owned),
        ["", "A", "B", "A", "B"].map(str::to_owned),
    ];
    for (name, a, b) in pairs(a, b) {
        let starts =
            |lane: Option<&Lane>| lane.map_or_else(|| "-".to_owned(), |lane| lane.starts().to_string());
        let down = |lane: Option<&Lane>| lane.map_or_else(|| "-".to_owned(), |lane| time(lane.downtime()));
        rows.push([escape(name), starts(a), starts(b), down(a), down(b)]);
    }
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    text.push('\n');
    for row in &rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for i in 1..5 {
            write!(line, "  {:>1$}", row[i], widths[i]).expect("a string");
        }
        writeln!(text, "{}", line.trim_end()).expect("a string");
    }
}

#[cfg(test)]
mod tests {
    use childminder::Exit;
    use childminder::timeline::{Mark, Span};

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A process that crashes with `code` after `seconds`, and runs again a second later.
    fn run(name: &str, seconds: u64, code: i32) -> Lane {
        let mut lane = Lane::new(name);
        let span = |from, until, kind, run| {
            let mut span = Span::new(from, until, kind);
            span.run = run;
            span
        };
        lane.spans.push(span(s(0), s(1), SpanKind::Starting, Some(1)));
        lane.spans.push(span(s(1), s(seconds), SpanKind::Ready, Some(1)));
        let exit = MarkKind::Exit(Exit::Code(code));
        lane.marks.push(Mark::new(s(seconds), exit, format!("exited with code {code} after {seconds} s")));
        lane.spans.push(span(s(seconds), s(seconds + 1), SpanKind::BackOff, None));
        lane.spans.push(span(s(seconds + 1), s(100), SpanKind::Ready, Some(7)));
        lane
    }

    fn timeline(lanes: impl IntoIterator<Item = Lane>) -> Timeline {
        let mut timeline = Timeline::new("test", s(100));
        timeline.lanes = lanes.into_iter().collect();
        timeline
    }

    #[test]
    fn runs_with_the_same_acts_are_equal_whenever_they_happened() {
        let (a, b) = (timeline([run("web", 10, 1)]), timeline([run("web", 12, 1)]));
        assert_eq!(first_difference(&a, &b, None), None);
        assert_eq!(first_difference(&a, &b, Some(s(2))), None);
        let difference = first_difference(&a, &b, Some(s(1))).expect("a difference of two seconds");
        assert_eq!((&*difference.process, difference.run, difference.at()), ("web", 1, s(10)));
    }

    #[test]
    fn the_first_difference_of_all_processes_is_named() {
        let a = timeline([run("db", 50, 1), run("web", 10, 1)]);
        let b = timeline([run("db", 50, 2), run("web", 10, 3)]);
        let difference = first_difference(&a, &b, None).unwrap();
        let mut text = String::new();
        difference.describe(&mut text);
        assert_eq!(
            text,
            "different: web, run 1, 10s after the beginning\n  A  exits with code 1, 10s after the beginning\n  B  \
             exits with code 3, 10s after the beginning\n"
        );
    }

    #[test]
    fn a_process_of_one_side_and_an_earlier_end_are_differences() {
        let (both, one) = (timeline([run("web", 10, 1), run("job", 5, 0)]), timeline([run("web", 10, 1)]));
        let difference = first_difference(&both, &one, None).unwrap();
        assert_eq!((&*difference.process, difference.b), ("job", None));
        let difference = first_difference(&one, &both, None).unwrap();
        assert_eq!((&*difference.process, difference.a), ("job", None));
        let mut shorter = run("web", 10, 1);
        shorter.spans.pop();
        let difference = first_difference(&one, &timeline([shorter]), None).unwrap();
        assert_eq!((difference.run, difference.a.unwrap().text, difference.b), (2, STARTS.to_owned(), None));
    }

    #[test]
    fn the_table_has_starts_and_downtime_in_two_columns() {
        let (a, b) = (timeline([run("web", 10, 1), run("job", 5, 0)]), timeline([run("web", 12, 1)]));
        let mut text = String::new();
        table(&a, &b, &mut text);
        let expected = "
     starts     not running
          A  B            A   B
web       2  2           2s  2s
job       2  -           2s   -
";
        assert_eq!(text, expected);
    }
}
