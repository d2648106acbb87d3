//! `childminder why --journal`: why a process was in its state, at any moment of a journal.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use childminder::journal::{Journal, Replay};

use super::open_journal;
use crate::args::Why;
use crate::console::messages::escape;
use crate::values::duration;

/// `childminder why --journal`. Returns the exit status.
pub(crate) fn why(args: &Why, path: &Path) -> ExitCode {
    let journal = match open_journal(path) {
        Ok(journal) => journal,
        Err(error) => return crate::report_error(crate::USAGE, &error),
    };
    let at = args.at.unwrap_or_else(|| journal.length());
    if at > journal.length() {
        let length = duration::text(journal.length());
        return crate::report_error(
            crate::USAGE,
            &format_args!("the journal ends after {length}; --at is later"),
        );
    }
    let replay = replayed(&journal, at);
    match replay.machine().why(&args.name, replay.instant(at)) {
        Some(why) => {
            let mut text = format!("{}\n", escape(&why.to_string()));
            if args.at.is_none() {
                let at = duration::text(at);
                text += &format!(
                    "that is at the end of the journal, after {at}; --at asks about an earlier time\n"
                );
            }
            crate::print(&text, "the reason")
        }
        None => {
            let known: Vec<String> =
                replay.machine().statuses().iter().map(|status| status.name.to_string()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let at = duration::text(at);
            let name = &args.name;
            let message =
                format_args!("there is no process {name:?} {at} after the beginning; there are: {known}");
            crate::report_error(crate::USAGE, &message)
        }
    }
}

/// Replays a journal up to a time.
pub(super) fn replayed(journal: &Journal, at: Duration) -> Replay<'_> {
    let mut replay = journal.replay();
    // What is decided at the same instant belongs to it.
    let count = journal.entries().iter().take_while(|entry| entry.at <= at).count();
    for _ in 0..count {
        replay.step();
    }
    replay
}

/// Returns why every process is in its state at the end of a journal.
pub(super) fn at_the_end(journal: &Journal) -> Vec<(String, String)> {
    let at = journal.length();
    let replay = replayed(journal, at);
    let statuses = replay.machine().statuses();
    let why = |name: &str| replay.machine().why(name, replay.instant(at)).map(|why| why.to_string());
    let all = statuses.iter().filter_map(|status| Some((status.name.to_string(), why(&status.name)?)));
    all.collect()
}
