//! `childminder`: keeps a program running from a terminal, a container or a unit file.
//!
//! The output of the program goes to stdout, events go to stderr, and signals end it. Everything is checked
//! before anything is started, so that a mistake on the command line is exit status 2 and not a crash loop.

mod args;
mod check;
mod console;
mod control;
mod export;
mod file;
mod foresight;
mod help;
mod import;
mod run;
mod system;
mod up;
mod values;

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::panic;
use std::path::Path;
use std::process::{self, ExitCode};

use clap::CommandFactory;
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};

use crate::args::{Cli, Command};
use crate::console::messages::{self, Format};
use crate::console::stderr::Stderr;
use crate::control::commands::{self, CommandFailure};
use crate::control::protocol::Command as Request;
use crate::run::config::RunConfig;
use crate::run::supervise;

/// Something could not be stopped, or the system refused a resource that childminder itself needs.
const FAILED: u8 = 1;
/// A usage error; nothing was started. Twisted exits with 1 here, which has a meaning of its own now.
const USAGE: u8 = 2;
/// A process was given up.
const GAVE_UP: u8 = 3;

fn main() -> ExitCode {
    // Answers the request of a completion script and exits, if this is one.
    CompleteEnv::with_factory(Cli::command).bin("childminder").complete();
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return report_usage_error(&error),
        Err(error) => error.exit(),
    };
    match cli.command {
        Command::Run(args) => {
            report_panics();
            let verbosity = args.verbosity.level();
            let config = match RunConfig::new(*args) {
                Ok(config) => config,
                Err(error) => return report_error(error.status(), &error),
            };
            messages::start(verbosity, Box::new(Stderr::new(io::stderr())), Format::Text);
            match supervise::run(config) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    // The logger never blocks for long, unlike the standard error itself.
                    log::error!("{error}");
                    ExitCode::from(FAILED)
                }
            }
        }
        Command::Up(args) => up::up(*args),
        Command::Status(args) => control(commands::status(&args)),
        Command::Logs(args) => control(commands::logs(&args)),
        Command::Start(args) => {
            let request = Request::Start { names: args.names.names, force: args.force };
            control(commands::simple(&args.target, &request))
        }
        Command::Stop(args) => {
            control(commands::simple(&args.target, &Request::Stop { names: args.names.names }))
        }
        Command::Restart(args) => {
            control(commands::simple(&args.target, &Request::Restart { names: args.names.names }))
        }
        Command::Kill(args) => {
            control(commands::simple(&args.target, &Request::Kill { names: args.names.names }))
        }
        Command::Signal(args) => {
            let request = Request::Signal { signal: args.signal.to_string(), names: args.names.names };
            control(commands::simple(&args.target, &request))
        }
        Command::Wait(args) => control(commands::wait(&args)),
        Command::Why(args) => match &args.journal {
            Some(journal) => foresight::why::why(&args, journal),
            None => control(commands::why(&args.target, &args.name)),
        },
        Command::Reload(args) => control(commands::reload(&args.target, args.dry_run)),
        Command::Down(args) => control(commands::simple(&args.target, &Request::Down)),
        Command::Check(args) => check::check(&args),
        Command::Rehearse(args) if args.exploration.is_wanted() => foresight::explore::explore(&args),
        Command::Rehearse(args) => foresight::rehearse::rehearse(&args),
        Command::Import(args) => import::import(&args),
        Command::Export(args) => export::export(&args),
        Command::Replay(args) => foresight::replay::replay(&args),
        Command::Incident(args) => foresight::incident::incident(&args),
        Command::Timeline(args) => foresight::timeline::timeline(&args),
        Command::Diff(args) => foresight::diff::diff(&args),
        Command::Schema => print(&format!("{:#}\n", file::schema::schema()), "the schema"),
        Command::Help { subject } => help::help(subject.as_deref()),
        Command::Completions { shell } => match completions(shell) {
            Ok(script) => print(&script, "the completion script"),
            Err(error) => report_error(FAILED, &format_args!("cannot write the completion script: {error}")),
        },
    }
}

/// Returns the exit code of a command for another terminal.
fn control(result: Result<(), CommandFailure>) -> ExitCode {
    match result.map_err(CommandFailure::report) {
        Ok(()) | Err(None) => ExitCode::SUCCESS,
        Err(Some((status, message))) => report_error(status, &message),
    }
}

/// Prints a text, whose reader may be gone.
fn print(text: &str, what: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            report_error(FAILED, &format_args!("cannot write {what}: {error}"))
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
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

/// Finds and reads a file, or reports what is wrong and returns the exit code.
fn read_file(named: Option<&Path>) -> Result<file::File, ExitCode> {
    file::File::find(named).map_err(|error| report_error(USAGE, &error))
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

/// Returns the completion script of a shell. It asks this program for the words to choose from, which include
/// the names in the file of the directory.
fn completions(shell: Shell) -> io::Result<String> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string()).expect("the same shells");
    completer.write_registration("COMPLETE", "childminder", "childminder", "childminder", &mut script)?;
    String::from_utf8(script).map_err(io::Error::other)
}
