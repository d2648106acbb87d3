//! `childminder`: keeps a program running from a terminal, a container or a unit file.
//!
//! The output of the program goes to stdout, events go to stderr, and signals end it. Everything is checked
//! before anything is started, so that a mistake on the command line is exit status 2 and not a crash loop.

mod args;
mod console;
mod run;
mod system;
mod values;

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::panic;
use std::process::{self, ExitCode};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::{Cli, Command};
use crate::console::messages;
use crate::run::config::RunConfig;
use crate::run::supervise;

/// Something could not be stopped, or the system refused a resource that childminder itself needs.
const FAILED: u8 = 1;
/// A usage error; nothing was started. Twisted exits with 1 here, which has a meaning of its own now.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return report_usage_error(&error),
        Err(error) => error.exit(),
    };
    match cli.command {
        Command::Run(args) => {
            report_panics();
            let verbosity = args.verbosity();
            let config = match RunConfig::new(*args) {
                Ok(config) => config,
                Err(error) => return report_error(error.status(), &error),
            };
            messages::start(verbosity);
            match supervise::run(config) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    // The logger never blocks for long, unlike the standard error itself.
                    log::error!("{error}");
                    ExitCode::from(FAILED)
                }
            }
        }
        Command::Completions { shell } => match write_completions(shell) {
            // The reader of the script may close it early.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                report_error(FAILED, &format_args!("cannot write the completion script: {error}"))
            }
            Ok(()) | Err(_) => ExitCode::SUCCESS,
        },
    }
}

/// Turns a panic before the first start into an error with exit status 1. Some libraries panic when the
/// system has no thread, descriptor or memory left. [`supervise::run`] restores the default when it starts
/// the program.
fn report_panics() {
    panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let reason = payload.downcast_ref::<String>().map(String::as_str);
        let reason = reason.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("unknown reason");
        let _ = writeln!(io::stderr(), "error: cannot start: {}", messages::escape(reason));
        process::exit(FAILED.into());
    }));
}

/// Prints an error, unless nothing can be printed, and returns the exit code.
fn report_error(status: u8, error: &dyn fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {}", messages::escape(&error.to_string()));
    ExitCode::from(status)
}

fn report_usage_error(error: &clap::Error) -> ExitCode {
    let rendered = error.render();
    let text = if messages::is_colourful() { rendered.ansi().to_string() } else { rendered.to_string() };
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{}", messages::escape(&text));
    if let Some(hint) = args::hint(error) {
        let _ = writeln!(stderr, "\n{}", messages::escape(&hint));
    }
    ExitCode::from(USAGE)
}

fn write_completions(shell: Shell) -> io::Result<()> {
    // Into memory first: `generate` panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "childminder", &mut script);
    let mut stdout = io::stdout().lock();
    stdout.write_all(&script)?;
    stdout.flush()
}
