//! `childminder`: keeps a program running from a terminal, a container or a unit file.
//!
//! The program's output goes to stdout, what happens to it goes to stderr, and signals end it. Everything is checked
//! before anything is started, so that a mistake on the command line is exit status 2 and not a crash loop.

mod account;
mod args;
mod duration;
mod messages;
mod order;
mod run;
mod signals;
mod stderr;
mod stdout;
mod variable;

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::{Cli, Command};
use crate::order::Order;

/// Something survived, or the system refused what the program itself needs.
const FAILED: u8 = 1;
/// It was called wrongly, and nothing was started. Twisted said 1 here (PMT-1); 1 has a meaning of its own now.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match cli.command {
        Command::Run(args) => {
            let verbosity = args.verbosity();
            let order = match Order::new(*args) {
                Ok(order) => order,
                Err(error) => return complain(USAGE, &error),
            };
            messages::start(verbosity);
            match run::run(order) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    // Messages have their own way out by now, which cannot get stuck.
                    log::error!("{error}");
                    ExitCode::from(FAILED)
                }
            }
        }
        Command::Completions { shell } => match write_completions(shell) {
            Ok(()) => ExitCode::SUCCESS,
            // A reader that has seen enough is no failure.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => complain(FAILED, &format_args!("cannot write the completions: {error}")),
        },
    }
}

/// Says why, as far as anybody listens, and how to exit.
fn complain(status: u8, error: &dyn fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::from(status)
}

fn write_completions(shell: Shell) -> io::Result<()> {
    // Into memory first: `generate` panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "childminder", &mut script);
    let mut stdout = io::stdout().lock();
    stdout.write_all(&script)?;
    stdout.flush()
}
