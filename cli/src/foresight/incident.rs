//! `childminder incident`: everything about an incident in one archive.
//!
//! The archive is a compressed tar file, so that it can be looked through with common tools before it is
//! given away. Values of environment variables are left out.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use childminder::journal::{Journal, Record};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use toml::{Table, Value as Toml};

use super::{OpenError, open_journal, why};
use crate::args::Incident;
use crate::control::client::{ClientError, Connection};
use crate::control::home::Home;
use crate::control::protocol::{Command, ProcessStatus, Reply};
use crate::file::find;
use crate::values::duration;

/// The name of the journal in an archive.
pub(super) const JOURNAL: &str = "incident/journal.jsonl";

/// The name of the description of an archive.
pub(super) const ABOUT: &str = "incident/about.json";

/// This program, as the description of an archive names it.
pub(super) const PROGRAM: &str = concat!("childminder ", env!("CARGO_PKG_VERSION"));

/// The number of lines of each program in an archive.
const LINES: usize = 200;

/// The text in place of the value of an environment variable.
const LEFT_OUT: &str = "(left out)";

/// Why there is no archive.
#[derive(Debug)]
enum Failure {
    /// There is no file, or no journal of it.
    Usage(String),
    Journal(OpenError),
    Write {
        path: PathBuf,
        error: io::Error,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) => f.write_str(message),
            Self::Journal(error) => error.fmt(f),
            Self::Write { path, error } => write!(f, "cannot write {}: {error}", path.display()),
        }
    }
}

/// `childminder incident`. Returns the exit status.
pub(crate) fn incident(args: &Incident) -> ExitCode {
    match pack(args) {
        Ok(summary) => crate::print(&summary, "the summary"),
        Err(failure @ Failure::Write { .. }) => crate::report_error(crate::FAILED, &failure),
        Err(failure) => crate::report_error(crate::USAGE, &failure),
    }
}

fn pack(args: &Incident) -> Result<String, Failure> {
    let file = find(args.target.file.as_deref()).map_err(|error| Failure::Usage(error.to_string()))?;
    let path = match &args.journal {
        Some(path) => path.clone(),
        None => Home::candidates(&file).iter().find_map(Home::journal).ok_or_else(|| {
            let file = file.display();
            Failure::Usage(format!(
                "there is no journal of {file}: start it with `childminder up --journal FILE`, or name one with --journal"
            ))
        })?,
    };
    let mut journal = open_journal(&path).map_err(Failure::Journal)?;
    if let Some(last) = args.last {
        journal = journal.since(journal.length().saturating_sub(last));
    }
    // Before the archive is created: what is wrong here is no problem of the archive.
    let definitions = definitions(&file)
        .map_err(|error| Failure::Usage(format!("{}: cannot read this file: {error}", file.display())))?;
    let live = Live::ask(&file);
    let write = |error| Failure::Write { path: args.output.clone(), error };
    let mut archive = Archive::create(&args.output).map_err(write)?;
    let about = about(&file, &path, &journal, &live);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let written =
        fill(&mut archive, &about, (&name, &definitions), &journal, &live).and_then(|()| archive.finish());
    written.inspect_err(|_| remove_part(&args.output)).map_err(write)?;
    Ok(summary(args, &journal, &live))
}

/// Removes a file that was written in part, unless it is something else, such as a device.
pub(super) fn remove_part(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        // The error that comes before this one is reported.
        let _ = fs::remove_file(path);
    }
}

/// Says what is in an archive.
fn summary(args: &Incident, journal: &Journal, live: &Live) -> String {
    let mut text = format!(
        "{}: a journal of {} with {} entries, the definitions without the values of environment variables, and ",
        args.output.display(),
        duration::text(journal.length()),
        journal.entries().len(),
    );
    text += &match &live.refused {
        None => format!("the state and the last lines of {} programs\n", live.processes.len()),
        Some(reason) => {
            format!("the state at the end of the journal, since childminder does not answer: {reason}\n")
        }
    };
    text + "look through it before you give it away: command lines and output may contain secrets\n"
}

/// Adds everything to an archive; `definitions` with the name of their file.
fn fill(
    archive: &mut Archive,
    about: &Value,
    (name, definitions): (&str, &str),
    journal: &Journal,
    live: &Live,
) -> io::Result<()> {
    archive.add(JOURNAL, journal.to_text().as_bytes())?;
    archive.add(ABOUT, format!("{about:#}\n").as_bytes())?;
    let reasons = if live.refused.is_none() { live.why.clone() } else { why::at_the_end(journal) };
    let reasons: String = reasons.iter().map(|(_, why)| format!("{why}\n")).collect();
    archive.add("incident/why.txt", reasons.as_bytes())?;
    let statuses = serde_json::to_string_pretty(&live.processes)?;
    archive.add("incident/status.json", format!("{statuses}\n").as_bytes())?;
    archive.add(&format!("incident/{name}"), definitions.as_bytes())?;
    for (name, lines) in tails(journal, live) {
        archive.add(&format!("incident/output/{name}.txt"), (lines.join("\n") + "\n").as_bytes())?;
    }
    Ok(())
}

fn about(file: &Path, path: &Path, journal: &Journal, live: &Live) -> Value {
    let system = nix::sys::utsname::uname().ok();
    let system = system.map(|name| {
        let parts = [name.sysname(), name.release(), name.version(), name.machine()];
        parts.map(|part| part.to_string_lossy().into_owned()).join(" ")
    });
    json!({
        "packed_by": PROGRAM,
        "packed_at": crate::console::messages::timestamp(),
        "recorded_by": journal.header().program,
        "system": system,
        "file": file.display().to_string(),
        "journal": path.display().to_string(),
        "running": live.refused.is_none(),
        "not_running": live.refused,
    })
}

/// Returns the last lines of each program: those that `up` has kept, or else those in the journal.
fn tails(journal: &Journal, live: &Live) -> Vec<(String, Vec<String>)> {
    if live.refused.is_none() {
        return live.lines.clone();
    }
    let mut tails: Vec<(String, Vec<String>)> = Vec::new();
    for entry in journal.entries() {
        let Record::Output(output) = &entry.record else { continue };
        match tails.iter_mut().find(|(name, _)| *name == *output.name) {
            Some((_, lines)) => lines.clone_from(&output.last),
            None => tails.push((output.name.to_string(), output.last.clone())),
        }
    }
    tails
}

/// Returns the text of a file without the values of variables and without comments, in which there may be
/// secrets as well.
fn definitions(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let Ok(mut table) = text.parse::<Table>() else {
        // A Procfile has commands only.
        let is_toml = file.extension().is_some_and(|extension| extension == "toml");
        return Ok(if is_toml { "# left out: it is not valid TOML\n".to_owned() } else { text });
    };
    leave_out(&mut table);
    toml::to_string(&table).map_err(io::Error::other)
}

fn leave_out(table: &mut Table) {
    for (key, value) in table.iter_mut() {
        if key == "env" {
            hide(value);
        } else {
            each_table(value, &mut leave_out);
        }
    }
}

fn each_table(value: &mut Toml, act: &mut dyn FnMut(&mut Table)) {
    match value {
        Toml::Table(table) => act(table),
        Toml::Array(items) => items.iter_mut().for_each(|item| each_table(item, act)),
        _ => {}
    }
}

/// Replaces the values of variables.
fn hide(value: &mut Toml) {
    match value {
        Toml::Table(table) => table.iter_mut().for_each(|(_, value)| *value = LEFT_OUT.into()),
        Toml::Array(items) => items.iter_mut().for_each(|item| {
            let name = item.as_str().and_then(|item| item.split_once('=')).map(|(name, _)| name.to_owned());
            *item = format!("{}={LEFT_OUT}", name.unwrap_or_default()).into();
        }),
        other => *other = LEFT_OUT.into(),
    }
}

/// The answers of the running `up`.
#[derive(Debug, Default)]
struct Live {
    /// Why it says nothing.
    refused: Option<String>,
    processes: Vec<ProcessStatus>,
    why: Vec<(String, String)>,
    lines: Vec<(String, Vec<String>)>,
}

impl Live {
    fn ask(file: &Path) -> Self {
        let mut live = Self::default();
        if let Err(error) = live.asked(file) {
            live = Self { refused: Some(error.to_string()), ..Self::default() };
        }
        live
    }

    fn asked(&mut self, file: &Path) -> Result<(), ClientError> {
        let Self { processes, why, lines, .. } = self;
        Connection::open(file)?.request(&Command::Status { names: Vec::new() }, |reply| {
            if let Reply::Status { processes: all } = reply {
                *processes = all;
            }
            Ok(())
        })?;
        for name in processes.iter().map(|process| process.name.clone()) {
            Connection::open(file)?.request(&Command::Why { name: name.clone() }, |reply| {
                if let Reply::Why { text, last_line } = reply {
                    let last = last_line.map(|line| format!("\n  its last line of output: {line}"));
                    why.push((name.clone(), text + &last.unwrap_or_default()));
                }
                Ok(())
            })?;
            let request = Command::Logs { names: vec![name.clone()], lines: LINES, follow: false };
            let mut last = Vec::new();
            Connection::open(file)?.request(&request, |reply| {
                if let Reply::Line(line) = reply {
                    last.push(line.text);
                }
                Ok(())
            })?;
            if !last.is_empty() {
                lines.push((name, last));
            }
        }
        Ok(())
    }
}

/// An archive under construction.
struct Archive(tar::Builder<GzEncoder<File>>);

impl Archive {
    fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        Ok(Self(tar::Builder::new(GzEncoder::new(file, Compression::default()))))
    }

    fn add(&mut self, name: &str, contents: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        self.0.append_data(&mut header, name, contents)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.finish()?;
        self.0.get_mut().try_finish()?;
        self.0.get_mut().get_mut().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_315_no_value_of_a_variable_is_in_the_definitions() {
        let dir = std::env::temp_dir().join(format!("childminder-definitions-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("childminder.toml");
        let text = "# password: secret0\n[defaults]\nenv = { A = \"secret1\" }\n[process.web]\ncommand = \"serve\"\n\
                    env = [\"B=secret2\"]\n[process.db]\ncommand = \"db\"\n[process.db.env]\nC = \"secret3\"\nD = 4\n";
        fs::write(&file, text).unwrap();
        let found = definitions(&file).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert!(!found.contains("secret"), "{found}");
        assert!(
            ["serve", "A = ", "B=(left out)", "C = ", "D = "].iter().all(|part| found.contains(part)),
            "{found}"
        );
        assert!(!found.contains("D = 4"), "{found}");
    }
}
