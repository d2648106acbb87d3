//! `childminder import`: a `childminder.toml` from the files of another supervisor.
//!
//! ```text
//! supervisord, systemd ─► ini ─┐
//! process_compose ─► yaml ─────┼─► drafts with notes ─► TOML on stdout, notes on stderr
//! procfile ────────────────────┘
//! ```
//!
//! Nothing is dropped in silence: each setting becomes a key or a note, and a note names the file and the
//! line.

mod draft;
mod ini;
mod process_compose;
mod procfile;
mod supervisord;
mod systemd;
mod systemd_service;
mod yaml;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::{Import, Origin};
use crate::console::messages;

/// The longest file that is read. Files of supervisors are much shorter.
const LONGEST_FILE: u64 = 4 << 20;

/// `childminder import`. Returns the exit status.
pub(crate) fn import(args: &Import) -> ExitCode {
    let drafts = match args.origin {
        Origin::Supervisord => supervisord::read(&args.files),
        Origin::Procfile => procfile::read(&args.files),
        Origin::ProcessCompose => process_compose::read(&args.files),
        Origin::Systemd => systemd::read(&args.files),
    };
    match drafts.and_then(|drafts| if drafts.is_empty() { Err(nothing(&args.files)) } else { Ok(drafts) }) {
        Ok(drafts) => {
            let code = crate::print(&drafts.toml(), "the file");
            let _ = write!(io::stderr(), "{}", drafts.report());
            code
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {}", messages::escape(&error.to_string()));
            ExitCode::from(crate::USAGE)
        }
    }
}

fn nothing(files: &[PathBuf]) -> ImportError {
    let path = files.first().cloned().unwrap_or_default();
    ImportError {
        path,
        line: None,
        message: "there is no process in this file; is it of this kind?".to_owned(),
    }
}

/// The error returned for a file that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportError {
    path: PathBuf,
    line: Option<usize>,
    message: String,
}

impl ImportError {
    fn new(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: Some(line), message: message.into() }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        self.line.iter().try_for_each(|line| write!(f, "{line}:"))?;
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for ImportError {}

/// Reads a text file.
fn text_of(path: &Path) -> Result<String, ImportError> {
    let failed = |message: String| ImportError { path: path.to_owned(), line: None, message };
    let metadata = fs::metadata(path).map_err(|error| failed(format!("cannot read this file: {error}")))?;
    if metadata.len() > LONGEST_FILE {
        return Err(failed("this file is longer than 4 MiB".to_owned()));
    }
    let bytes = fs::read(path).map_err(|error| failed(format!("cannot read this file: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        ImportError::new(path, line, "this is not UTF-8 text")
    })
}
