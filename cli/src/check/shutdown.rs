//! Programs that need time to stop, and are killed before it is over.

use std::path::Path;
use std::time::Duration;

use childminder::Signal;

use super::finding::{FindingKind, Findings, Level};
use crate::file::Process;
use crate::file::setting::Entry;
use crate::values::duration;

/// A program with a time of its own for an orderly stop.
struct Program {
    name: &'static str,
    /// The options that set the time.
    options: &'static [&'static str],
    /// The default in seconds; `None` if there is no such time without the option.
    default: Option<u64>,
}

/// The programs, with the defaults of their manuals.
const PROGRAMS: &[Program] = &[
    Program { name: "gunicorn", options: &["--graceful-timeout"], default: Some(30) },
    Program { name: "hypercorn", options: &["--graceful-timeout"], default: Some(3) },
    Program { name: "uvicorn", options: &["--timeout-graceful-shutdown"], default: None },
    Program { name: "sidekiq", options: &["-t", "--timeout"], default: Some(25) },
    Program { name: "redis-server", options: &["--shutdown-timeout"], default: Some(10) },
    Program { name: "childminder", options: &["-k", "--killtime"], default: Some(5) },
];

/// The programs for which a longer wait does not help, because another signal is the right one.
const SIGNALS: &[(&str, Signal, Signal, &str)] = &[
    ("postgres", Signal::TERM, Signal::INT, "on TERM it waits until every client has gone"),
    ("nginx", Signal::TERM, Signal::QUIT, "on TERM it drops the open connections"),
    ("php-fpm", Signal::TERM, Signal::QUIT, "on TERM it drops the running requests"),
    ("httpd", Signal::TERM, Signal::USR1, "on TERM it drops the running requests"),
];

/// Checks the time and the signal to stop a process.
pub(super) fn check(entry: &Entry, process: &Process, findings: &mut Findings<'_>) {
    let words = command(entry.texts("command").unwrap_or_default());
    let kill_time = process.spec.get_policy().unwrap_or_default().kill_time;
    let is = |word: &String, name: &str| {
        Path::new(word).file_name().is_some_and(|file| file.to_string_lossy() == *name)
    };
    // The program, or the one that a wrapper such as `bundle exec` or `python -m` runs.
    let leading = &words[..words.len().min(4)];
    let is_program = |name: &str| leading.iter().any(|word| is(word, name));
    if let Some(program) = PROGRAMS.iter().find(|program| is_program(program.name))
        && let Some(own) = time(&words, program)
        && own >= kill_time
    {
        let message = format!(
            "`{}` takes up to {} to stop, but is killed after {}; set a longer `kill-time`",
            program.name,
            duration::text(own),
            duration::text(kill_time)
        );
        findings.add(FindingKind::ShortKillTime, Level::Warning, entry, "kill-time", message);
    }
    let signal = process.spec.get_stop_signal();
    if entry.get("stop-command").is_none()
        && let Some((name, _, better, reason)) =
            SIGNALS.iter().find(|(name, worse, ..)| *worse == signal && is_program(name))
    {
        let message = format!("`{name}`: {reason}; `stop-signal = \"{better}\"` may be meant");
        findings.add(FindingKind::StopSignal, Level::Info, entry, "stop-signal", message);
    }
}

/// Returns the words of the command that a shell runs, or else the words.
fn command(words: &[String]) -> Vec<String> {
    let script = match words {
        [shell, option, script, ..] if option == "-c" && shell.ends_with("sh") => script,
        _ => return words.to_vec(),
    };
    let words = shell_words::split(script).unwrap_or_default();
    words.into_iter().skip_while(|word| word == "exec").collect()
}

/// Returns the time that a program takes to stop.
fn time(words: &[String], program: &Program) -> Option<Duration> {
    let mut found = None;
    for (index, word) in words.iter().enumerate() {
        for option in program.options {
            let value = match word.strip_prefix(option) {
                Some("") => words.get(index + 1).map(String::as_str),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            found = value.and_then(|value| duration::parse(value).ok()).or(found);
        }
    }
    found.or_else(|| program.default.map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_272_the_time_that_a_program_takes_to_stop_is_read_from_its_command() {
        let words = |text: &str| command(&shell_words::split(text).unwrap());
        let seconds =
            |text: &str, index: usize| time(&words(text), &PROGRAMS[index]).map(|time| time.as_secs());
        assert_eq!(seconds("gunicorn app", 0), Some(30));
        assert_eq!(seconds("gunicorn --graceful-timeout 7 app", 0), Some(7));
        assert_eq!(seconds("sh -c 'exec gunicorn --graceful-timeout=9 app'", 0), Some(9));
        assert_eq!(seconds("uvicorn app:app", 2), None);
        assert_eq!(seconds("uvicorn app:app --timeout-graceful-shutdown 20", 2), Some(20));
        assert_eq!(words("sh -c 'exec gunicorn x'"), ["gunicorn", "x"]);
    }
}
