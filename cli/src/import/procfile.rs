//! Imports a `Procfile`.

use std::path::PathBuf;

use super::draft::{Draft, Drafts, Place, shell, table, text};
use super::{ImportError, text_of};

/// The port of the first process, and the distance between two, as in foreman.
const FIRST_PORT: u32 = 5000;
const STEP: u32 = 100;

/// The process that Heroku runs before the others of a new release.
const RELEASE: &str = "release";

/// Reads files.
pub(super) fn read(files: &[PathBuf]) -> Result<Drafts, ImportError> {
    let mut drafts = Drafts::default();
    let mut port = FIRST_PORT;
    for path in files {
        let content = text_of(path)?;
        let dir = path.parent().unwrap_or(&path.clone()).to_owned();
        for (index, line) in content.lines().enumerate() {
            let (line, place) = (line.trim(), Place::new(path, index + 1));
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
            let Some((name, command)) = line
                .split_once(':')
                .filter(|(name, _)| !name.is_empty() && name.trim_end().chars().all(is_name))
            else {
                return Err(ImportError::new(path, index + 1, "expected `name: command`"));
            };
            let command = command.trim();
            if command.is_empty() {
                return Err(ImportError::new(path, index + 1, format!("`{name}` has no command")));
            }
            let mut draft = Draft::new(name.trim_end());
            if drafts.find(&draft.original).is_some() {
                draft.note(&place, "this name occurs twice; foreman runs the last one only");
            }
            draft.set("command", shell(command));
            // The program may be a child of the shell.
            draft.set("stop-to", text("group"));
            if dir.join(".env").is_file() {
                draft.set("env-file", text(".env"));
            }
            draft.set("env", table(&[("PORT".to_owned(), text(&port.to_string()))]));
            port += STEP;
            if draft.original == RELEASE {
                draft.set("restart", text("never"));
                draft.note(&place, "runs once; the others do not wait for it without `after`");
            }
            if command.ends_with('&') || command.starts_with("nohup ") {
                draft.note(&place, "the command goes to the background, where its exit is not seen");
            }
            drafts.add(draft, &place);
        }
        let options = dir.join(".foreman");
        if options.is_file() {
            drafts.note(&Place::new(&options, 1), "the options of foreman are not carried over");
        }
    }
    Ok(drafts)
}
