//! `childminder replay`: a journal in the machine of this version.

use std::fmt::Write;
use std::process::ExitCode;

use childminder::journal::{Difference, Ending, Journal, Verified};
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::open_journal;
use super::what_if::what_if;
use crate::args::Replay;
use crate::console::messages::escape;
use crate::values::duration;

/// `childminder replay`. Returns the exit status.
pub(crate) fn replay(args: &Replay) -> ExitCode {
    let journal = match open_journal(&args.journal) {
        Ok(journal) => journal,
        Err(error) => return crate::report_error(crate::USAGE, &error),
    };
    if args.what_if.is_asked() {
        return what_if(args, &journal);
    }
    if args.what_if.output.is_some() {
        let message = "a picture needs --set, --policy or --with; use `timeline` for what was recorded";
        return crate::report_error(crate::USAGE, &message);
    }
    match journal.verify() {
        Ok(verified) => crate::print(&identical(&journal, verified), "the result"),
        Err(difference) => {
            crate::print(&different(&journal, &difference), "the result");
            ExitCode::from(crate::FAILED)
        }
    }
}

fn identical(journal: &Journal, verified: Verified) -> String {
    let mut text = format!(
        "identical: {} and {}\n",
        count(verified.inputs, "input"),
        count(verified.decisions, "decision")
    );
    describe(journal, &mut text);
    if verified.lost > 0 {
        let lost = count(verified.lost, "entry").replace("entrys", "entries");
        writeln!(text, "{lost} could not be written, and were not compared").expect("a string");
    }
    text
}

fn different(journal: &Journal, difference: &Difference) -> String {
    let mut text = format!("different at line {}", difference.line());
    if let Some(path) = difference.path() {
        write!(text, " of {}", path.display()).expect("a string");
    }
    let at = duration::text(difference.at());
    let (recorded, decided) = (difference.recorded(), difference.decided());
    writeln!(text, ", {at} after the beginning").expect("a string");
    writeln!(text, "  recorded  {}", escape(recorded.unwrap_or("nothing"))).expect("a string");
    writeln!(text, "  decided   {}", escape(decided.unwrap_or("nothing"))).expect("a string");
    if let Some(state) = difference.state() {
        writeln!(text, "  state     {}", escape(state)).expect("a string");
    }
    describe(journal, &mut text);
    text
}

/// Says where a journal comes from, and what of it is missing.
fn describe(journal: &Journal, text: &mut String) {
    let header = journal.header();
    write!(text, "recorded by {}", escape(&header.program)).expect("a string");
    let began = header.began.and_then(|began| Timestamp::try_from(began).ok());
    if let Some(began) = began {
        let began = began.to_zoned(TimeZone::system());
        let began = strtime::format("%F %T %Z", &began).unwrap_or_default();
        write!(text, " from {began}").expect("a string");
    }
    writeln!(text, ", {}", duration::text(journal.length())).expect("a string");
    if header.segment > 0 {
        writeln!(text, "the beginning is no longer there: the journal begins with a checkpoint")
            .expect("a string");
    }
    match journal.ending() {
        Ending::Open => {
            writeln!(text, "the end is open: childminder still runs, or was killed").expect("a string")
        }
        Ending::Truncated { line } => {
            writeln!(text, "line {line} is not complete, and was left out: childminder was killed")
                .expect("a string");
        }
        _ => {}
    }
}

/// Returns a number with its noun.
pub(super) fn count(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
