//! `childminder up -d`: starts everything in the background, and returns when it is ready.
//!
//! The process in the background is this program again, in a session of its own. It reports on its standard
//! output, which is a pipe: what it waits for, that everything is ready, or why it is not. Its messages and
//! the lines of the programs go to a log file.

use std::env;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::screen::LogFormat;
use crate::args::Up;
use crate::console::messages;
use crate::control::home::Home;

/// A line of the report.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Pending(Vec<String>),
    Ready { pid: u32 },
    Failed(String),
}

/// The report of the process in the background.
#[derive(Debug)]
pub(crate) struct Report(File);

impl Report {
    /// Takes over the standard output, which is then `/dev/null`.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub(crate) fn of_stdout() -> io::Result<Self> {
        let pipe = io::stdout().as_fd().try_clone_to_owned()?;
        let null = OpenOptions::new().write(true).open("/dev/null")?;
        nix::unistd::dup2_stdout(&null)?;
        Ok(Self(pipe.into()))
    }

    /// Reports what is waited for. Returns whether the report is still read.
    pub(crate) fn progress(&mut self, pending: &[String]) -> bool {
        self.write(&Line::Pending(pending.to_vec()))
    }

    /// Reports that everything is ready.
    pub(crate) fn ready(&mut self) {
        self.write(&Line::Ready { pid: std::process::id() });
    }

    /// Reports why not everything is ready.
    pub(crate) fn failed(&mut self, reason: &str) {
        self.write(&Line::Failed(reason.to_owned()));
    }

    fn write(&mut self, line: &Line) -> bool {
        let line = serde_json::to_string(line).expect("texts and numbers") + "\n";
        self.0.write_all(line.as_bytes()).is_ok()
    }
}

/// A writer of messages to the log, which is looked up for each message because lines rotate it.
#[derive(Debug)]
pub(crate) struct LogWriter(PathBuf);

impl LogWriter {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Write for LogWriter {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        OpenOptions::new().create(true).append(true).mode(0o600).open(&self.0)?.write(message)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the process in the background, and shows its report.
pub(crate) fn launch(args: &Up, file: &Path) -> ExitCode {
    match launched(args, file) {
        Ok(code) => code,
        Err(error) => {
            crate::report_error(crate::FAILED, &format_args!("cannot start in the background: {error}"))
        }
    }
}

fn launched(args: &Up, file: &Path) -> io::Result<ExitCode> {
    let home = Home::create(file).map_err(io::Error::other)?;
    let log_path = home.log();
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&log_path)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg("up").arg("--detached").arg("--file").arg(file);
    command.arg(format!("--timeout={}s", args.timeout.as_secs_f64()));
    command.arg(format!("--log-format={}", if args.log_format == LogFormat::Json { "json" } else { "text" }));
    command.args((0..args.verbosity.quiet).map(|_| "-q")).args((0..args.verbosity.verbose).map(|_| "-v"));
    command.args(args.metrics.iter().flat_map(|path| [OsStr::new("--metrics"), path.as_os_str()]));
    command.args(args.journal.iter().flat_map(|path| [OsStr::new("--journal"), path.as_os_str()]));
    command.arg("--").args(&args.names);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
    let report = child.stdout.take().expect("it is a pipe");
    let progress = Progress::new(io::stderr().is_terminal())?;
    for line in BufReader::new(report).lines() {
        let line = serde_json::from_str(&line?);
        match line.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))? {
            Line::Pending(pending) => progress.show(pending),
            Line::Ready { pid } => {
                progress.finish();
                let _ = writeln!(io::stderr(), "up as process {pid}; the log is {}", log_path.display());
                return Ok(ExitCode::SUCCESS);
            }
            Line::Failed(reason) => {
                progress.finish();
                let _ = writeln!(io::stderr(), "error: {}", messages::escape(&reason));
                // It stops what it has started.
                let status = child.wait()?;
                let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
                return Ok(ExitCode::from(code.unwrap_or(crate::FAILED)));
            }
        }
    }
    progress.finish();
    let status = child.wait()?;
    let ended = match status.signal() {
        Some(signal) => format!("it was ended by signal {signal}"),
        None => format!("its exit status is {}", status.code().unwrap_or_default()),
    };
    Err(io::Error::other(format!("{ended}; the log is {}", log_path.display())))
}
