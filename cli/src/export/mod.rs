//! `childminder export`: the same programs for an engine that manages more than one machine.
//!
//! * `program` has the settings of a process with the ports filled in.
//! * `systemd`, `kubernetes`, `nomad` and `compose` write the files of an engine and note what it lacks;
//!   `yaml` and `shell` are the languages that they write.
//! * `report` shows what is lost, with both restart schedules side by side.
//!
//! Each engine lists the keys that it carries over. Every other key that a process has is reported as lost,
//! so a new key cannot be forgotten.

mod compose;
mod kubernetes;
mod nomad;
mod program;
mod report;
mod shell;
mod systemd;
mod yaml;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use self::program::Program;
use self::report::Exported;
use crate::args::{Engine, Export};
use crate::console::messages;
use crate::file::ports::Ports;

/// The first of the numbers that replace reserved ports.
const FIRST_PORT: u16 = 20_000;

/// `childminder export`. Returns the exit status.
pub(crate) fn export(args: &Export) -> ExitCode {
    let file = match crate::read_file(args.file.as_deref()) {
        Ok(file) => file,
        Err(code) => return code,
    };
    let ports = Ports::fixed(&file.entries, FIRST_PORT);
    let processes = file.described(&Ports::assumed(&file.entries), |_| true);
    let programs: Vec<Program<'_>> = file
        .entries
        .iter()
        .zip(&processes)
        .map(|(entry, process)| Program::new(entry, process, &ports, file.dir()))
        .collect();
    let exported = match args.engine {
        Engine::Systemd => systemd::export(&programs),
        Engine::Kubernetes => kubernetes::export(&programs),
        Engine::Nomad => nomad::export(&programs),
        Engine::Compose => compose::export(&programs),
    };
    let code = match &args.output {
        Some(dir) => match write_all(dir, &exported) {
            Ok(()) => ExitCode::SUCCESS,
            Err((path, error)) => {
                return crate::report_error(crate::FAILED, &format_args!("cannot write {path}: {error}"));
            }
        },
        None => crate::print(&exported.text(), "the files"),
    };
    let _ = write!(io::stderr(), "{}", messages::escape(&exported.report(&programs)));
    code
}

/// Writes the files into a directory.
fn write_all(dir: &Path, exported: &Exported) -> Result<(), (String, io::Error)> {
    let failed = |path: &Path, error| (path.display().to_string(), error);
    fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    for (name, text) in &exported.files {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}
