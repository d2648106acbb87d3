//! How fast childminder is: each figure beside that of a bare loop in C that was measured in the same run.
//!
//! ```text
//! cargo bench                       all of it, some two minutes
//! cargo bench -- restart output     these two
//! cargo bench -- --quick            a smaller sample of everything, for a look whether it still works
//! ```
//!
//! Absolute times say more about the machine than about the program, so nothing here fails on a slow one: the two
//! sides take turns, what counts is the median of their ratios, and a target that was missed is printed as missed.
//! `README.md` beside this file says what is measured and how, and has the table of the last run.
//!
//! Most contenders are processes of their own, so that what they use can be told from what the bench itself uses. For
//! that, this program calls itself, with `--contender` and a name.

mod baseline;
mod census;
mod client;
mod clock;
mod fairness;
mod figures;
mod kill;
mod latency;
mod machine;
mod output;
mod plan;
mod ready;
mod restart;
mod scale;
mod server;
mod table;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use baseline::Baseline;
use table::{Row, Table};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a bench has to work with.
struct Bench {
    baseline: Baseline,
    /// Less of everything.
    quick: bool,
}

/// Measures something: a row for each figure.
type Measure = fn(&Bench) -> Outcome<Vec<Row>>;

const BENCHES: [(&str, Measure); 11] = [
    ("restart", restart::measure),
    ("kill", kill::measure),
    ("output", output::measure),
    ("fairness", fairness::measure),
    ("latency", latency::measure),
    ("scale", scale::measure),
    ("ready", ready::measure),
    ("plan", plan::measure),
    ("client", client::measure),
    ("server", server::measure),
    ("machine", machine::measure),
];

/// Does what a bare loop does, in a process of its own.
type Contender = fn(&[String]) -> Outcome<()>;

const CONTENDERS: [(&str, Contender); 3] =
    [("restart", restart::contend), ("output", output::contend), ("scale", scale::contend)];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let result = match args.as_slice() {
        [flag, name, rest @ ..] if flag == "--contender" => contend(name, rest),
        // `cargo test --benches` runs this without the flag, and only wants to know that it builds.
        _ if !args.iter().any(|arg| arg == "--bench") => Ok(()),
        _ => run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn contend(name: &str, args: &[String]) -> Outcome<()> {
    let (_, contend) =
        CONTENDERS.iter().find(|(known, _)| *known == name).ok_or_else(|| format!("no contender {name}"))?;
    contend(args)
}

fn run(args: &[String]) -> Outcome<()> {
    let names: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let is_known = |name: &&str| BENCHES.iter().any(|(known, _)| known == name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        let known = BENCHES.map(|(name, _)| name).join(", ");
        return Err(format!("there is no bench {unknown}, only {known}").into());
    }
    let bench = Bench { baseline: Baseline::build()?, quick: args.iter().any(|arg| arg == "--quick") };
    let mut table = Table::default();
    for (name, measure) in BENCHES.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        eprintln!("measuring {name} …");
        table.add(measure(&bench)?);
    }
    print!("{table}");
    Ok(())
}

impl Bench {
    /// `all` of something, or `few` in a quick run.
    fn sample(&self, all: usize, few: usize) -> usize {
        if self.quick { few } else { all }
    }
}
