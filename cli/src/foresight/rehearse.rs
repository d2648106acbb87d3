//! `childminder rehearse`: a file in virtual time, with scripted programs.

use std::process::ExitCode;
use std::time::Duration;

use childminder::Policy;
use childminder::journal::WhatIf;
use childminder::machine::Definition;
use childminder::testkit::rehearse::{Clock, ProcessReport, Scenario};
use childminder::timeline::TimelineBuilder;

use super::assumed::Assumed;
use super::outcome::{self, Outcome};
use super::rehearsed::{MAX_INPUTS, RehearsedJournal};
use super::timeline::Picture;
use super::{assumed, open_runs, scenario};
use crate::args::Rehearse;
use crate::file::ports::Ports;
use crate::file::{File, FileError, Process};

/// The time that is rehearsed if nothing else is said.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A scenario that is complete but for the processes of the file.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) scenario: Scenario,
    pub(super) length: Duration,
    pub(super) seed: u64,
    /// The assumptions, line by line.
    pub(super) assumptions: Vec<String>,
}

/// `childminder rehearse`. Returns the exit status.
pub(crate) fn rehearse(args: &Rehearse) -> ExitCode {
    let picture = match args.output.as_deref().map(Picture::at).transpose() {
        Ok(picture) => picture,
        Err(error) => return crate::report_error(error.status(), &error),
    };
    let file = match File::find(args.file.as_deref()) {
        Ok(file) => file,
        Err(error) => {
            let advice = match (&error, &args.from_journal) {
                (FileError::NotFound(_), Some(path)) => {
                    let path = path.display();
                    format!(
                        "; to rehearse the programs of the journal itself, use `childminder replay {path} --set …`"
                    )
                }
                _ => String::new(),
            };
            return crate::report_error(crate::USAGE, &format_args!("{error}{advice}"));
        }
    };
    let processes = file.described(&Ports::assumed(&file.entries), |_| true);
    if args.length.is_some_and(|length| length.is_zero()) {
        return crate::report_error(crate::USAGE, &"no time is rehearsed: --for is zero");
    }
    let runs = match args.from_journal.as_deref().map(open_runs).transpose() {
        Ok(runs) => runs,
        Err(error) => return crate::report_error(crate::USAGE, &error),
    };
    let empty = with_processes(Scenario::new(), &processes);
    let assumed = processes.iter().map(|process| Assumed::of(process, &file, runs.as_ref())).collect();
    let plot = match &args.scenario {
        None => assumed::plot(empty, assumed, &processes, args.length.unwrap_or(DAY)),
        Some(path) => match scenario::read(path, empty, &file, (&processes, assumed), args.length) {
            Ok(plot) => plot,
            Err(problems) => return crate::report_error(crate::USAGE, &problems),
        },
    };
    let seed = args.seed.unwrap_or(plot.seed);
    let mut scenario = plot.scenario.length(plot.length).seed(seed);
    if args.journal.is_some() {
        scenario = scenario.max_inputs(MAX_INPUTS);
    }
    let journal = args.journal.as_deref().map(|path| RehearsedJournal::create(path, seed, &processes));
    let mut journal = match journal.transpose() {
        Ok(journal) => journal,
        Err(error) => return crate::report_error(error.status(), &error),
    };
    let mut log = args.verbose.then(String::new);
    let mut timeline =
        picture.as_ref().map(|_| TimelineBuilder::new(format!("{} rehearsed", file.path.display())));
    let result = scenario.max_notices(0).observe(|moment| {
        if let Some(timeline) = &mut timeline {
            timeline.observe(moment.at, moment.input, moment.outputs, moment.machine);
        }
        if let Some(journal) = &mut journal {
            journal.observe(moment);
        }
        if let Some(log) = &mut log {
            use std::fmt::Write;
            for notice in moment.outputs.iter().filter_map(outcome::notice) {
                // Writing into memory does not fail.
                let _ = writeln!(log, "{} {notice}", Clock(moment.at));
            }
        }
    });
    let rehearsal = match result {
        Ok(rehearsal) => rehearsal,
        // The file was checked, so this is a combination that only the machine refuses.
        Err(error) => return crate::report_error(crate::USAGE, &error),
    };
    if let (Some(picture), Some(timeline)) = (picture, timeline)
        && let Err(error) = picture.write(&timeline.finish(rehearsal.length()))
    {
        return crate::report_error(error.status(), &error);
    }
    if let Err(error) = journal.map_or(Ok(()), RehearsedJournal::finish) {
        return crate::report_error(error.status(), &error);
    }
    let is_unused =
        |process: &&ProcessReport| process.starts > 0 && file.names().all(|name| *name != process.name);
    let recorded = runs.iter().flat_map(WhatIf::recorded);
    let outcome = Outcome {
        file: &file,
        scenario: args.scenario.as_deref(),
        from_journal: args.from_journal.as_deref(),
        unused: recorded.filter(is_unused).map(|process| (&process.name, process.starts)).collect(),
        is_limited: args.journal.is_some(),
        seed,
        assumptions: &plot.assumptions,
        log: log.as_deref(),
        rehearsal: &rehearsal,
    };
    let text = if args.json { format!("{:#}\n", outcome.json()) } else { outcome.text() };
    let code = crate::print(&text, "the result");
    let has_given_up = rehearsal.processes().iter().any(|process| !process.given_up.is_empty());
    if has_given_up && code == ExitCode::SUCCESS { ExitCode::from(crate::GAVE_UP) } else { code }
}

/// Adds the processes of a file to a scenario.
fn with_processes(mut scenario: Scenario, processes: &[Process]) -> Scenario {
    for process in processes {
        if let Some(definition) = definition(process) {
            scenario = scenario.process(process.name.clone(), definition);
            if process.hold {
                scenario = scenario.held(process.name.clone());
            }
        }
    }
    scenario
}

/// Returns what the machine has to know about a process; `None` if its spec is not valid, which `File::read`
/// has reported.
pub(super) fn definition(process: &Process) -> Option<Definition<()>> {
    let spec = process.spec.clone();
    let timeout = spec.get_ready_timeout();
    let definition = spec.into_definition(Policy::default()).ok()?.with_spec(());
    // A monitor leaves it to the watch to report a timeout, and gives the machine more time. Here is no
    // watch.
    let ready = definition.ready.map(|_| timeout);
    Some(Definition { ready, ..definition })
}
