//! The control protocol, version 1: JSON objects, one on each line, over a Unix stream socket.
//!
//! A client sends one request and reads replies until `done` or `error`. `docs/control-protocol.md` describes
//! it for other programs.

use childminder::machine::LastRun;
use childminder::{Exit, Phase, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Instant;

/// The version of the protocol.
pub(crate) const VERSION: u64 = 1;

/// The longest request in bytes, with its line feed.
pub(crate) const LONGEST_REQUEST: usize = 64 * 1024;

/// A request. Without names it is about all processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Command {
    Status {
        #[serde(default)]
        names: Vec<String>,
    },
    Logs {
        #[serde(default)]
        names: Vec<String>,
        #[serde(default = "default_lines")]
        lines: usize,
        #[serde(default)]
        follow: bool,
    },
    Start {
        #[serde(default)]
        names: Vec<String>,
        /// Does not wait for dependencies.
        #[serde(default)]
        force: bool,
    },
    Stop {
        #[serde(default)]
        names: Vec<String>,
    },
    Restart {
        #[serde(default)]
        names: Vec<String>,
    },
    Kill {
        #[serde(default)]
        names: Vec<String>,
    },
    Signal {
        signal: String,
        #[serde(default)]
        names: Vec<String>,
    },
    Wait {
        until: WaitUntil,
        #[serde(default)]
        names: Vec<String>,
        /// The longest time to wait. Without it there is no limit.
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    Why {
        name: String,
    },
    Reload {
        #[serde(default)]
        dry_run: bool,
    },
    Down,
}

fn default_lines() -> usize {
    10
}

/// The state that `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WaitUntil {
    Ready,
    Down,
}

impl Command {
    /// Returns the line that requests this.
    pub(crate) fn to_line(&self) -> String {
        let mut request = serde_json::to_value(self).expect("a request has text keys");
        request["version"] = VERSION.into();
        format!("{request}\n")
    }

    /// Parses a line.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence for the client.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let mut request: Value = serde_json::from_slice(line)
            .map_err(|error| format!("the request is not valid JSON: {error}"))?;
        let Some(object) = request.as_object_mut() else {
            return Err("the request is not a JSON object".to_owned());
        };
        match object.remove("version").map(|version| version.as_u64()) {
            Some(Some(VERSION)) => {}
            Some(_) => {
                return Err(format!("this is version {VERSION} of the protocol, not that of the request"));
            }
            None => return Err(format!("the request has no version; write \"version\": {VERSION}")),
        }
        serde_json::from_value(request).map_err(|error| format!("the request is not valid: {error}"))
    }
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// The states of processes.
    Status { processes: Vec<ProcessStatus> },
    /// A line of output.
    Line(OutputLine),
    /// The client has read too slowly: this number of lines is missing here.
    Dropped { lines: u64 },
    /// Why a process is in its state.
    Why { text: String, last_line: Option<String> },
    /// The changes of a reload.
    Changes(Changes),
    /// The request was carried out. There are no more replies.
    Done,
    /// The request was not carried out. There are no more replies.
    Error { message: String },
}

impl Reply {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::Error { message: message.into() }
    }

    /// Returns the line that a client reads.
    pub(crate) fn to_line(&self) -> String {
        format!("{}\n", json!(self))
    }
}

/// A line of output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutputLine {
    pub(crate) name: String,
    pub(crate) run: u64,
    /// `stdout` or `stderr`. With merged output it is always `stdout`.
    pub(crate) stream: String,
    pub(crate) text: String,
}

/// The changes of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changes {
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) changed: Vec<Change>,
    /// The number of processes that stay as they are.
    pub(crate) unchanged: usize,
}

/// A process with other settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) name: String,
    /// The keys that differ.
    pub(crate) keys: Vec<String>,
    pub(crate) effect: Effect,
}

/// The effect on a process when its settings change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Effect {
    /// It goes on as it is, and the settings take effect when they are needed.
    None,
    /// It is restarted.
    Restart,
    /// It is down, and is started.
    Start,
    /// It is stopped, because it is held now.
    Stop,
}

/// The state of a process. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessStatus {
    pub(crate) name: String,
    /// One of `blocked starting up stopping waiting held completed failed gave-up down`.
    pub(crate) state: String,
    pub(crate) ready: bool,
    pub(crate) pid: Option<u32>,
    pub(crate) restarts: u64,
    /// The failures that count towards giving up.
    pub(crate) failures: u32,
    /// The time since the start of the run.
    pub(crate) uptime_ms: Option<u64>,
    /// The time until the next start.
    pub(crate) next_start_ms: Option<u64>,
    /// The time until KILL.
    pub(crate) kill_ms: Option<u64>,
    /// The dependency that is waited for.
    pub(crate) blocked_on: Option<String>,
    /// The end of the last run, as a text.
    pub(crate) last: Option<String>,
    /// The exit code of the last run.
    pub(crate) exit_code: Option<i32>,
    /// The signal that has ended the last run.
    pub(crate) exit_signal: Option<String>,
    pub(crate) port: Option<u16>,
}

impl ProcessStatus {
    /// Describes a process at the time `now`.
    pub(crate) fn new(status: &Status, port: Option<u16>, now: Instant) -> Self {
        let until = |at: Instant| millis(at.saturating_duration_since(now));
        let (exit_code, exit_signal) = match &status.last {
            Some(LastRun::Exited(Exit::Code(code))) => (Some(*code), None),
            Some(LastRun::Exited(Exit::Signal { signal, .. })) => (None, Some(signal.to_string())),
            _ => (None, None),
        };
        Self {
            name: status.name.to_string(),
            state: state(status.phase).to_owned(),
            ready: status.phase == Phase::Up && status.ready_since.is_some(),
            pid: status.pid,
            restarts: status.restarts,
            failures: status.failures,
            uptime_ms: status.since.map(|since| millis(now.saturating_duration_since(since))),
            next_start_ms: status.next_start.map(until),
            kill_ms: status.kill_at.map(until),
            blocked_on: status.blocked_on.as_ref().map(ToString::to_string),
            last: status.last.as_ref().map(ToString::to_string),
            exit_code,
            exit_signal,
            port,
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the name of a phase. The end of a stop has no name of its own.
pub(crate) fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Down => "down",
        Phase::Held => "held",
        Phase::Waiting => "waiting",
        Phase::Starting => "starting",
        Phase::Up => "up",
        Phase::Stopping | Phase::Ending | Phase::Unkillable => "stopping",
        Phase::Blocked => "blocked",
        Phase::Completed => "completed",
        Phase::Failed => "failed",
        Phase::GaveUp => "gave-up",
        // A phase that this version does not know.
        _ => "down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_258_every_request_is_understood_as_it_was_sent() {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        for command in [
            Command::Status { names: names() },
            Command::Logs { names: names(), lines: 7, follow: true },
            Command::Start { names: names(), force: true },
            Command::Stop { names: Vec::new() },
            Command::Restart { names: names() },
            Command::Kill { names: names() },
            Command::Signal { signal: "HUP".to_owned(), names: names() },
            Command::Wait { until: WaitUntil::Ready, names: names(), timeout_ms: Some(5) },
            Command::Why { name: "a".to_owned() },
            Command::Reload { dry_run: true },
            Command::Down,
        ] {
            let line = command.to_line();
            assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "{line}");
            assert_eq!(Command::parse(line.trim_end().as_bytes()), Ok(command));
        }
    }

    #[test]
    fn f_258_a_request_that_is_not_valid_is_answered_with_the_reason() {
        for (line, reason) in [
            ("", "not valid JSON"),
            ("{", "not valid JSON"),
            ("[]", "not a JSON object"),
            ("{}", "no version"),
            (r#"{"version":2,"command":"down"}"#, "version 1"),
            (r#"{"version":"1","command":"down"}"#, "version 1"),
            (r#"{"version":1}"#, "`command`"),
            (r#"{"version":1,"command":"dance"}"#, "`dance`"),
            (r#"{"version":1,"command":"why"}"#, "`name`"),
            (r#"{"version":1,"command":"stop","nmaes":[]}"#, "`nmaes`"),
            (r#"{"version":1,"command":"stop","names":"a"}"#, "invalid type"),
            (r#"{"version":1,"command":"wait","until":"ready","timeout_ms":-1}"#, "-1"),
            ("\u{0}\u{1}", "not valid JSON"),
        ] {
            let error = Command::parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
        // A deep nesting is an error, not a crash.
        let error = Command::parse("[".repeat(100_000).as_bytes()).unwrap_err();
        assert!(error.contains("recursion"), "{error}");
    }

    #[test]
    fn f_258_no_line_makes_the_parser_panic() {
        let names = vec!["ä".to_owned(), "b".to_owned()];
        let lines = [
            Command::Status { names: names.clone() },
            Command::Logs { names: names.clone(), lines: 10, follow: true },
            Command::Start { names: names.clone(), force: true },
            Command::Signal { signal: "HUP".to_owned(), names: names.clone() },
            Command::Wait { until: WaitUntil::Ready, names, timeout_ms: Some(5) },
            Command::Why { name: "b".to_owned() },
            Command::Reload { dry_run: true },
            Command::Down,
        ]
        .map(|command| command.to_line());
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below.max(1)
        };
        let rounds = std::env::var("CHILDMINDER_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
        let (mut valid, mut invalid) = (0_u64, 0_u64);
        for _ in 0..rounds.unwrap_or(20_000_u64) {
            let mut bytes = lines[random(lines.len())].trim_end().as_bytes().to_vec();
            for _ in 0..random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] = random(256) as u8,
                    1 => drop(bytes.drain(at..(at + random(10)).min(bytes.len()))),
                    2 => bytes.insert(at, b"{}[]\",:0-1eE.\\"[random(14)]),
                    _ => bytes.truncate(at.max(1)),
                }
                bytes.resize(bytes.len().max(1), b' ');
            }
            match Command::parse(&bytes) {
                Ok(_) => valid += 1,
                Err(reason) => invalid += u64::from(!reason.is_empty()),
            }
        }
        assert!(valid > 0 && invalid > 0, "{valid} {invalid}");
    }
}
