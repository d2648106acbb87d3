//! Runs scenarios against childminder and other supervisors, and writes the table of `docs/compared.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Parser;
use conformance::{
    Availability, Document, Error, Facts, Measurement, Peer, Scenario, Supervisor, Timeline, Tools,
};

/// Compares how supervisors behave.
#[derive(Debug, Parser)]
struct Args {
    /// The scenarios to run [default: all]
    scenarios: Vec<String>,
    /// The supervisors to run [default: all that are installed]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Writes docs/compared.md
    #[arg(long, conflicts_with_all = ["scenarios", "only"])]
    write: bool,
    /// Prints everything that happens
    #[arg(long)]
    timeline: bool,
    /// Prints the names of the scenarios and supervisors
    #[arg(long)]
    list: bool,
    /// Writes docs/compared.md with the measurements that it has, after a change of a text
    #[arg(long, conflicts_with_all = ["scenarios", "only", "write"])]
    render: bool,
    /// The number of cases that run at the same time
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// The folder with the scenarios
    #[arg(long, value_name = "DIR", default_value_os_t = conformance::folder())]
    folder: PathBuf,
    /// The program `childminder` [default: beside this program]
    #[arg(long, value_name = "FILE")]
    childminder: Option<PathBuf>,
}

/// The number of attempts on a machine that is busy.
const ATTEMPTS: usize = 3;

/// A scenario with a supervisor.
type Case<'a> = (&'a Scenario, &'a dyn Supervisor);

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether childminder does what its scenarios expect.
fn run(args: &Args) -> Result<bool, Error> {
    let scenarios = conformance::select(conformance::scenarios(&args.folder)?, &args.scenarios)?;
    let supervisors = selected(&args.only)?;
    if args.list {
        for scenario in &scenarios {
            println!("{}: {}", scenario.name, scenario.question);
        }
        supervisors.iter().for_each(|supervisor| println!("{}", supervisor.name()));
        return Ok(true);
    }
    let path = conformance::document();
    let file = |source| Error::File { path: path.clone(), source };
    if args.render {
        let mut document = Document::parse(&fs::read_to_string(&path).map_err(file)?)?;
        document.describe();
        fs::write(&path, document.render(&scenarios)).map_err(file)?;
        return Ok(true);
    }
    let beside = || std::env::current_exe().unwrap_or_default().with_file_name("childminder");
    let tools = Tools::find(args.childminder.clone().unwrap_or_else(beside));
    let peers: Vec<Peer> =
        supervisors.iter().map(|it| Peer::new(it.name(), it.settings(), tools.availability(*it))).collect();
    let installed = |supervisor: &&dyn Supervisor| {
        let peer = peers.iter().find(|peer| peer.name == supervisor.name());
        peer.is_some_and(|peer| matches!(peer.availability, Availability::Installed(_)))
    };
    for peer in &peers {
        if let Availability::Missing(reason) = &peer.availability {
            eprintln!("{} is skipped: {reason}", peer.name);
        }
    }
    let cases: Vec<Case<'_>> = scenarios
        .iter()
        .flat_map(|scenario| supervisors.iter().copied().filter(installed).map(move |it| (scenario, it)))
        .collect();
    let (cells, holds) = measure_all(args, &tools, &cases)?;
    if args.write {
        let mut document = Document::new(today(), machine(), peers);
        document.cells = cells;
        fs::write(&path, document.render(&scenarios)).map_err(file)?;
    }
    Ok(holds)
}

fn selected(names: &[String]) -> Result<Vec<&'static dyn Supervisor>, Error> {
    let all = conformance::supervisors();
    let known = || all.iter().map(|supervisor| supervisor.name().to_owned()).collect::<Vec<String>>();
    if let Some(name) = names.iter().find(|name| !known().contains(name)) {
        return Err(Error::UnknownSupervisor { name: name.clone(), known: known() });
    }
    let is_selected = |it: &&dyn Supervisor| names.is_empty() || names.iter().any(|name| name == it.name());
    Ok(all.into_iter().filter(is_selected).collect())
}

type Cells = BTreeMap<(String, String), String>;

/// Runs all cases, some at the same time, and returns their cells and whether childminder does what is
/// expected.
fn measure_all(args: &Args, tools: &Tools, cases: &[Case<'_>]) -> Result<(Cells, bool), Error> {
    let next = AtomicUsize::new(0);
    let result = Mutex::new(Ok((Cells::new(), true)));
    let work = || {
        while let Some((scenario, supervisor)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let measured = measure(scenario, *supervisor, tools);
            let mut result = result.lock().expect("no thread panics");
            let Ok((cells, holds)) = &mut *result else { return };
            let cell = match measured {
                Ok(Measurement::Done(timeline)) => {
                    let facts = Facts::of(&timeline);
                    let cell = facts.cell(&scenario.report);
                    println!("{}, {}: {cell}", scenario.name, supervisor.name());
                    if args.timeline {
                        print!("{timeline}");
                    }
                    if supervisor.name() == "childminder" {
                        for miss in facts.misses(&scenario.childminder) {
                            println!("{} does not hold: {miss}", scenario.name);
                            *holds = false;
                        }
                    }
                    cell
                }
                Ok(Measurement::Skipped(reason)) => {
                    println!("{}, {}: skipped: {reason}", scenario.name, supervisor.name());
                    format!("skipped: {reason}")
                }
                Err(error) => {
                    *result = Err(error);
                    return;
                }
            };
            cells.insert((scenario.name.clone(), supervisor.name().to_owned()), cell);
        }
    };
    thread::scope(|scope| {
        for _ in 0..args.jobs.clamp(1, cases.len().max(1)) {
            scope.spawn(work);
        }
    });
    result.into_inner().expect("no thread panics")
}

/// Runs a case, again if the machine was too busy, and returns the least disturbed measurement.
fn measure(scenario: &Scenario, supervisor: &dyn Supervisor, tools: &Tools) -> Result<Measurement, Error> {
    let mut best: Option<Timeline> = None;
    for _ in 0..ATTEMPTS {
        let timeline = match conformance::measure(scenario, supervisor, tools)? {
            Measurement::Done(timeline) => timeline,
            skipped @ Measurement::Skipped(_) => return Ok(skipped),
        };
        if !timeline.is_doubtful() {
            return Ok(Measurement::Done(timeline));
        }
        let (name, pause) = (supervisor.name(), timeline.longest_pause());
        println!("{}, {name}: disturbed, the machine was busy for {pause:.1?}", scenario.name);
        if best.as_ref().is_none_or(|best| pause < best.longest_pause()) {
            best = Some(timeline);
        }
    }
    Ok(Measurement::Done(best.unwrap_or_default()))
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn machine() -> String {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let release = text(system.release());
    // What follows is the name of a build.
    let release = release.split('-').next().unwrap_or_default();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let name = text(system.sysname());
    format!("{name} {release} ({}, {processors} processors)", text(system.machine()))
}
