//! Benchmarks: each figure is compared with that of a bare loop in C, measured in the same run.
//!
//! ```text
//! cargo bench                       everything, in about eight minutes
//! cargo bench -- restart output     these two
//! cargo bench -- --quick            a small sample of everything, to check that it works
//! cargo bench -- --json             each figure as a JSON object on a line of its own
//! ```
//!
//! Absolute times depend on the machine, so no target fails the run. Both sides take turns, the result is the
//! median of their ratios, and a missed target is printed as missed. `README.md` beside this file describes
//! each figure and has the table of the last run.
//!
//! Most contenders run in processes of their own, which separates their resources from those of the
//! benchmark. This program calls itself for that, with `--contender` and a name.

mod baseline;
mod census;
mod client;
mod clock;
mod descriptors;
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

/// The settings that every benchmark gets.
struct Bench {
    baseline: Baseline,
    /// Whether the samples are small.
    quick: bool,
}

/// Measures a subject, and returns a row for each figure.
type Measure = fn(&Bench) -> Outcome<Vec<Row>>;

const BENCHES: [(&str, Measure); 14] = [
    ("restart", restart::measure),
    ("kill", kill::measure),
    ("output", output::measure),
    ("fairness", fairness::measure),
    ("latency", latency::measure),
    ("scale", scale::measure),
    ("thousands", scale::measure_thousands),
    ("many", scale::measure_many),
    ("descriptors", descriptors::measure),
    ("ready", ready::measure),
    ("plan", plan::measure),
    ("client", client::measure),
    ("server", server::measure),
    ("machine", machine::measure),
];

/// Does the work of a bare loop with childminder, in a process of its own.
type Contender = fn(&[String]) -> Outcome<()>;

const CONTENDERS: [(&str, Contender); 5] = [
    ("fairness", fairness::contend),
    ("restart", restart::contend),
    ("output", output::contend),
    ("scale", scale::contend),
    ("descriptors", descriptors::contend),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let result = match args.as_slice() {
        [flag, name, rest @ ..] if flag == "--contender" => contend(name, rest),
        // `cargo test --benches` runs this without the flag, to check that it builds.
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
    let (_, contend) = CONTENDERS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("unknown contender `{name}`"))?;
    contend(args)
}

fn run(args: &[String]) -> Outcome<()> {
    let names: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let is_known = |name: &&str| BENCHES.iter().any(|(known, _)| known == name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        let known = BENCHES.map(|(name, _)| name).join(", ");
        return Err(format!("unknown benchmark `{unknown}`; known are {known}").into());
    }
    let bench = Bench { baseline: Baseline::build()?, quick: args.iter().any(|arg| arg == "--quick") };
    let json = args.iter().any(|arg| arg == "--json");
    let (mut table, mut failed) = (Table::default(), Vec::new());
    for (name, measure) in BENCHES.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        eprintln!("measuring {name} …");
        let rows = match measure(&bench) {
            Ok(rows) => rows,
            // The others may succeed.
            Err(error) => {
                eprintln!("error: cannot measure {name}: {error}");
                failed.push(*name);
                continue;
            }
        };
        if json {
            print!("{}", Table::json_lines(name, &rows));
        }
        table.add(rows);
    }
    if !json {
        print!("{table}");
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("not measured: {}", failed.join(", ")).into()) }
}

impl Bench {
    /// Returns `all`, or `few` in a quick run.
    fn sample(&self, all: usize, few: usize) -> usize {
        if self.quick { few } else { all }
    }
}
