//! `childminder check`: what can be known about a file without starting anything.
//!
//! * `policies` and `relations` judge the settings of one process and those between processes; `surroundings`
//!   looks at this machine; `shutdown` knows the programs that need time to stop.
//! * `schedule` computes the restarts of a process; `report` shows everything.

mod finding;
mod policies;
mod relations;
mod report;
pub(crate) mod schedule;
mod shutdown;
mod surroundings;

use std::process::ExitCode;

use childminder::System;

use self::finding::Findings;
use self::report::Report;
use self::surroundings::Running;
use crate::args::Check;
use crate::file::{File, FileError};

/// `childminder check`. Returns the exit status.
pub(crate) fn check(args: &Check) -> ExitCode {
    let file = match File::find(args.file.as_deref()) {
        Ok(file) => file,
        Err(FileError::Invalid(problems)) if args.json => {
            crate::print(&report::invalid(&problems), "the report");
            return ExitCode::from(crate::USAGE);
        }
        Err(error) => return crate::report_error(crate::USAGE, &error),
    };
    let system = match System::try_new() {
        Ok(system) => system,
        Err(error) => {
            return crate::report_error(crate::FAILED, &format_args!("cannot start the event loop: {error}"));
        }
    };
    let (processes, problems) = file.located(&system);
    let mut findings = Findings::new(&file);
    let running = Running::of(&file);
    for (entry, process) in file.entries.iter().zip(&processes) {
        policies::check(entry, process, &mut findings);
        shutdown::check(entry, process, &mut findings);
        surroundings::check(entry, process, file.dir(), &running, &mut findings);
    }
    relations::check(&file.entries, &processes, &mut findings);
    let report = Report { file: &file, processes: &processes, problems: &problems, findings: &findings };
    let text = if args.json { format!("{:#}\n", report.json()) } else { report.text() };
    let code = crate::print(&text, "the report");
    if !args.json && !problems.is_empty() {
        return crate::report_error(crate::USAGE, &problems);
    }
    if report.has_errors() { ExitCode::from(crate::USAGE) } else { code }
}
