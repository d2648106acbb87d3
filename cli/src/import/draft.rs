//! The file that an import prints, and the notes about what it lacks.

use std::fmt::{Display, Write};
use std::path::{Path, PathBuf};

use childminder::{Name, Signal};

use crate::console::messages;

/// The keys in whose texts `{port}` is a placeholder, which it is not in the files of other supervisors.
const WITH_PLACEHOLDERS: &[&str] = &["command", "stop-command", "env", "listeners", "ready", "alive"];

/// The place of a setting in a file of another supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) line: usize,
}

impl Place {
    pub(super) fn new(path: &Path, line: usize) -> Self {
        Self { path: path.to_owned(), line }
    }
}

/// Something that is not carried over, or only in part.
#[derive(Clone, Debug)]
struct Note {
    place: Place,
    message: String,
}

/// A process, in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// Its name in the other supervisor.
    pub(super) original: String,
    name: String,
    keys: Vec<(&'static str, String)>,
    comments: Vec<String>,
    notes: Vec<Note>,
}

impl Draft {
    pub(super) fn new(original: &str) -> Self {
        Self { original: original.to_owned(), ..Self::default() }
    }

    /// Sets a key to a value in TOML; an earlier value is replaced.
    pub(super) fn set(&mut self, key: &'static str, value: impl Into<String>) {
        debug_assert!(crate::file::is_key(key), "{key} is no key");
        let mut value: String = value.into();
        if WITH_PLACEHOLDERS.contains(&key) {
            // In a TOML string, in which a backslash is written as two.
            value = value.replace("{port", "\\\\{port");
        }
        self.keys.retain(|(known, _)| *known != key);
        self.keys.push((key, value));
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(known, _)| *known == key)
    }

    /// Adds a comment above the process.
    pub(super) fn comment(&mut self, text: &str) {
        self.comments.push(text.to_owned());
    }

    /// Adds a note.
    pub(super) fn note(&mut self, place: &Place, message: impl Into<String>) {
        self.notes.push(Note { place: place.clone(), message: message.into() });
    }
}

/// All processes of an import.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    list: Vec<Draft>,
    notes: Vec<Note>,
}

impl Drafts {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a process under a name that is valid and free.
    pub(super) fn add(&mut self, mut draft: Draft, place: &Place) {
        let valid = valid_name(&draft.original);
        let is_free = |name: &String| self.list.iter().all(|other| other.name != *name);
        let mut name = valid.clone();
        for number in 2.. {
            if is_free(&name) {
                break;
            }
            name = format!("{}-{number}", &valid[..valid.len().min(58)]);
        }
        if name != draft.original {
            draft.note(place, format!("the name `{}` became `{name}`", draft.original));
        }
        draft.name = name;
        self.list.push(draft);
    }

    /// Adds a note about no process in particular.
    pub(super) fn note(&mut self, place: &Place, message: impl Into<String>) {
        self.notes.push(Note { place: place.clone(), message: message.into() });
    }

    /// Returns the process with this name in the other supervisor, with its own name.
    pub(super) fn find(&self, original: &str) -> Option<(&Draft, &str)> {
        self.list.iter().find(|draft| draft.original == original).map(|draft| (draft, &*draft.name))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Draft> {
        self.list.iter_mut()
    }

    /// Returns the file.
    pub(super) fn toml(&self) -> String {
        let mut text =
            String::from("# Check this file with `childminder check`, and start it with `childminder up`.\n");
        if !self.notes.is_empty() {
            text.push_str("#\n# Not carried over:\n");
            self.notes.iter().for_each(|note| comment(&mut text, &shown(note)));
        }
        for draft in &self.list {
            text.push('\n');
            draft.comments.iter().for_each(|line| comment(&mut text, line));
            draft.notes.iter().for_each(|note| comment(&mut text, &shown(note)));
            let _ = writeln!(text, "[process.{}]", key(&draft.name));
            for (key, value) in &draft.keys {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
        text
    }

    /// Returns the notes, one on a line.
    pub(super) fn report(&self) -> String {
        let mut text = String::new();
        for note in &self.notes {
            let _ = writeln!(text, "{}", messages::escape(&shown(note)));
        }
        for draft in &self.list {
            for note in &draft.notes {
                let _ = writeln!(text, "{}", messages::escape(&format!("{} [{}]", shown(note), draft.name)));
            }
        }
        text
    }
}

fn shown(note: &Note) -> String {
    format!("{}:{}: {}", note.place.path.display(), note.place.line, note.message)
}

/// Writes comment lines. A control character could end the comment, or is not allowed in one.
fn comment(text: &mut String, lines: &str) {
    for line in lines.lines() {
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(text, "# {}", line.trim_end());
    }
}

/// Returns a name that childminder accepts.
fn valid_name(original: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._@:-".contains(c) { c } else { '-' };
    let name: String = original.chars().map(plain).take(64).collect();
    let name = if name.starts_with(['.', '-']) { format!("_{}", &name[1..]) } else { name };
    if Name::new(&name).is_ok() { name } else { "process".to_owned() }
}

/// Returns a key of a TOML table.
pub(super) fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { text(name) }
}

/// Returns a TOML string.
pub(super) fn text(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// Returns a TOML list of strings.
pub(super) fn list<T: AsRef<str>>(values: &[T]) -> String {
    let values: Vec<String> = values.iter().map(|value| text(value.as_ref())).collect();
    format!("[{}]", values.join(", "))
}

/// Returns a TOML inline table.
pub(super) fn table<V: Display>(entries: &[(String, V)]) -> String {
    let entries: Vec<String> =
        entries.iter().map(|(name, value)| format!("{} = {value}", key(name))).collect();
    format!("{{ {} }}", entries.join(", "))
}

/// Returns a table of environment variables.
pub(super) fn variables(pairs: &[(String, String)]) -> String {
    // The last value of a name counts, and TOML allows one only.
    let mut last: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs {
        last.retain(|(known, _)| known != name);
        last.push((name.clone(), text(value)));
    }
    table(&last)
}

/// Returns a signal: its name, or its number.
pub(super) fn signal(signal: Signal) -> String {
    let name = signal.to_string();
    if name.parse::<i32>().is_ok() { name } else { text(&name) }
}

/// Returns the command that a shell runs.
pub(super) fn shell(script: &str) -> String {
    list(&["sh", "-c", script])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_273_names_and_values_are_quoted_so_that_they_cannot_add_keys() {
        assert_eq!(text("a\"b\\c\nd\u{1}é"), r#""a\"b\\c\nd\u0001é""#);
        assert_eq!(key("web-1"), "web-1");
        assert_eq!(key("a.b]"), r#""a.b]""#);
        for (original, name) in [("web", "web"), ("a b", "a-b"), (".x", "_x"), ("", "process"), ("é", "_")] {
            assert_eq!(valid_name(original), name, "{original}");
        }
        let place = Place::new(Path::new("f"), 1);
        let mut drafts = Drafts::default();
        for _ in 0..2 {
            let mut draft = Draft { original: "a b".to_owned(), ..Draft::default() };
            draft.set("command", text("x"));
            draft.note(&place, "two\nlines");
            drafts.add(draft, &place);
        }
        let toml = drafts.toml();
        assert!(toml.contains("[process.a-b]\n") && toml.contains("[process.a-b-2]\n"), "{toml}");
        assert!(toml.contains("# f:1: two\n# lines\n"), "{toml}");
    }
}
