//! The table of `childminder status`, and the prefixes of `childminder logs`.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use super::protocol::ProcessStatus;

const HEADS: [&str; 8] = ["NAME", "STATE", "READY", "PID", "UPTIME", "RESTARTS", "NEXT START", "LAST EXIT"];

/// Renders the states as a table. Columns that are empty in every line are left out.
pub(crate) fn render(processes: &[ProcessStatus], colourful: bool) -> String {
    let rows: Vec<[String; 8]> = processes.iter().map(row).collect();
    let is_shown = |column: &usize| *column < 3 || rows.iter().any(|row| !row[*column].is_empty());
    let columns: Vec<usize> = (0..HEADS.len()).filter(is_shown).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(HEADS[column].len())
    };
    let mut text = String::new();
    let mut line = |cells: &[&str; 8], colour: Option<u8>| {
        let mut line = String::new();
        for &column in &columns {
            let cell = cells[column];
            let padding = width(column) - cell.chars().count() + 2;
            // Writing into memory does not fail.
            let _ = match colour.filter(|_| column == 1) {
                Some(colour) => write!(line, "\x1b[{colour}m{cell}\x1b[0m{:padding$}", ""),
                None => write!(line, "{cell}{:padding$}", ""),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line(&HEADS, None);
    for (row, process) in rows.iter().zip(processes) {
        line(&row.each_ref().map(String::as_str), colourful.then(|| colour(process)));
    }
    text
}

fn row(process: &ProcessStatus) -> [String; 8] {
    let shown = |millis: Option<u64>| millis.map(span).unwrap_or_default();
    let next = match (&process.blocked_on, process.next_start_ms, process.kill_ms) {
        (Some(on), _, _) => format!("after {on}"),
        (None, Some(next), _) => format!("in {}", span(next)),
        (None, None, Some(kill)) => format!("KILL in {}", span(kill)),
        (None, None, None) => String::new(),
    };
    [
        process.name.clone(),
        process.state.clone(),
        if process.ready { "yes" } else { "no" }.to_owned(),
        process.pid.map(|pid| pid.to_string()).unwrap_or_default(),
        shown(process.uptime_ms.filter(|_| process.pid.is_some())),
        process.restarts.to_string(),
        next,
        process.last.clone().unwrap_or_default(),
    ]
}

/// Green for what is well, red for what has failed, yellow for what is on its way.
fn colour(process: &ProcessStatus) -> u8 {
    match process.state.as_str() {
        "up" if process.ready => 32,
        "completed" => 32,
        "failed" | "gave-up" => 31,
        "held" | "down" => 90,
        _ => 33,
    }
}

/// Formats a time in its two largest units.
fn span(millis: u64) -> String {
    let duration = Duration::from_millis(millis);
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 10 => format!("{:.1}s", duration.as_secs_f64()),
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// The padded prefixes of lines.
#[derive(Debug)]
pub(crate) struct Prefixes(HashMap<String, String>);

impl Prefixes {
    /// Creates the prefixes for processes, with the colours that `up` gives them.
    pub(crate) fn new(names: Vec<String>, colourful: bool) -> Self {
        let width = crate::up::screen::width(names.iter().map(String::as_str));
        let prefix = |(index, name): (usize, String)| {
            let prefix = crate::up::screen::prefix(&name, "", colourful.then_some(index), width);
            (name, prefix)
        };
        Self(names.into_iter().enumerate().map(prefix).collect())
    }

    /// Returns the prefix of a process.
    pub(crate) fn of(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| format!("[{name}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, state: &str) -> ProcessStatus {
        ProcessStatus {
            name: name.to_owned(),
            state: state.to_owned(),
            ready: false,
            pid: None,
            restarts: 0,
            failures: 0,
            uptime_ms: None,
            next_start_ms: None,
            kill_ms: None,
            blocked_on: None,
            last: None,
            exit_code: None,
            exit_signal: None,
            port: None,
        }
    }

    #[test]
    fn f_261_the_table_shows_what_each_process_does() {
        let up = ProcessStatus {
            ready: true,
            pid: Some(4242),
            uptime_ms: Some(3_723_000),
            restarts: 12,
            last: Some("exited with code 1".to_owned()),
            ..process("db", "up")
        };
        let waiting = ProcessStatus { next_start_ms: Some(2500), ..process("worker", "waiting") };
        let blocked =
            ProcessStatus { blocked_on: Some("db (ready)".to_owned()), ..process("web", "blocked") };
        let expected = "\
NAME    STATE    READY  PID   UPTIME  RESTARTS  NEXT START        LAST EXIT
db      up       yes    4242  1h 2m   12                          exited with code 1
worker  waiting  no                   0         in 2.5s
web     blocked  no                   0         after db (ready)
";
        let processes = [up, waiting, blocked];
        assert_eq!(render(&processes, false), expected);
        assert!(render(&processes, true).contains("\x1b[32mup\x1b[0m       yes"));
        assert_eq!(render(&[], false), "NAME  STATE  READY\n");
    }

    #[test]
    fn times_have_their_two_largest_units() {
        for (millis, text) in [
            (0, "0.0s"),
            (9_900, "9.9s"),
            (59_999, "59s"),
            (61_000, "1m 1s"),
            (3_600_000, "1h 0m"),
            (200_000_000, "2d 7h"),
        ] {
            assert_eq!(span(millis), text);
        }
    }
}
