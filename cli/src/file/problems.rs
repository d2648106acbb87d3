//! What is wrong with a file: all problems at once, each with its line and a marker.
//!
//! ```text
//! childminder.toml:7:1: unknown key `kil-time`
//!   |
//! 7 | kil-time = "10s"
//!   | ^^^^^^^^ did you mean `kill-time`?
//! ```

use std::fmt::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A value with its place in the file.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

impl<T> At<T> {
    pub(crate) fn new(span: Range<usize>, value: T) -> Self {
        Self { value, span }
    }
}

/// Two values are equal wherever they are, so that moving a line changes nothing.
impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A problem of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The bytes that the marker points at. Without them the problem is one of the whole file.
    span: Option<Range<usize>>,
    message: String,
    /// The text to write instead.
    help: Option<String>,
    /// Whether the line may contain a secret, so that it is not shown.
    secret: bool,
}

impl Problem {
    pub(crate) fn new(span: &Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span.clone()), message: message.into(), help: None, secret: false }
    }

    /// Creates a problem that has no line.
    pub(crate) fn of_file(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), help: None, secret: false }
    }

    /// Adds what to write instead.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Keeps the line from being shown.
    #[must_use]
    pub(crate) fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// Everything that is wrong with a file, in the order of its lines.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Problems {
    path: PathBuf,
    text: String,
    list: Vec<Problem>,
}

impl Problems {
    /// Creates the error for a file with this text.
    pub(crate) fn new(path: &Path, text: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
        Self { path: path.to_owned(), text: text.to_owned(), list }
    }

    /// Creates the error for a file that cannot be read at all.
    pub(crate) fn of_file(path: &Path, message: impl Into<String>) -> Self {
        Self::new(path, "", vec![Problem::of_file(message)])
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns each problem with its line, from 1, and its message.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<usize>, &str)> {
        self.list.iter().map(|problem| {
            let line = problem.span.as_ref().map(|span| Place::of(&self.text, span).line);
            (line, problem.message.as_str())
        })
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let path = self.path.display();
        let Problem { span, message, help, secret } = problem;
        let Some(span) = span else {
            write!(f, "{path}: {message}")?;
            return help.as_ref().map_or(Ok(()), |help| write!(f, "\n  {help}"));
        };
        let place = Place::of(&self.text, span);
        write!(f, "{path}:{}:{}: {message}", place.line, place.column)?;
        let help = help.as_deref().unwrap_or_default();
        if *secret {
            return if help.is_empty() { Ok(()) } else { write!(f, "\n  {help}") };
        }
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let marker = "^".repeat(place.width);
        let indent = " ".repeat(place.column - 1);
        let mut mark = format!("{margin} | {indent}{marker}");
        if !help.is_empty() {
            let _ = write!(mark, " {help}");
        }
        write!(f, "\n{margin} |\n{number} | {}\n{mark}", place.shown)
    }
}

/// Returns the number of the line of a place, counted from 1.
pub(crate) fn line_of(text: &str, span: &Range<usize>) -> usize {
    Place::of(text, span).line
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            self.write(f, problem)?;
        }
        Ok(())
    }
}

/// Shows no text of the file, which may contain secrets.
impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problems").field("path", &self.path).field("list", &self.list).finish_non_exhaustive()
    }
}

impl std::error::Error for Problems {}

/// The longest part of a line that is shown, in characters.
const LONGEST: usize = 120;

/// A place in a text as people count: lines and columns from 1.
struct Place {
    line: usize,
    column: usize,
    /// The number of characters to mark, at least 1.
    width: usize,
    /// The line as it is shown. Each tab is one space, so that the marker is below its text.
    shown: String,
}

impl Place {
    fn of(text: &str, span: &Range<usize>) -> Self {
        let start = floor(text, span.start);
        let end = floor(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let count = |from: usize, to: usize| text[from..to.max(from)].chars().count();
        let column = count(line_start, start) + 1;
        // A value of several lines is marked to the end of its first line.
        let last = end.min(line_start + line.len());
        let width = count(start, last).clamp(1, LONGEST.saturating_sub(column).max(1));
        let shown = line.chars().take(LONGEST.max(column)).map(|c| if c == '\t' { ' ' } else { c }).collect();
        Self { line: text[..start].matches('\n').count() + 1, column, width, shown }
    }
}

/// Returns the position of the character that contains the byte `index`.
fn floor(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    (0..=index).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Range<usize>) -> String {
        let problem = Problem::new(&span, "it is wrong").help("write this");
        Problems::new(Path::new("f"), text, vec![problem]).to_string()
    }

    #[test]
    fn f_250_a_problem_is_shown_with_its_line_and_a_marker() {
        let text = "a = 1\n\tß = [2,\n 3]\n";
        assert_eq!(shown(text, 7..9), "f:2:2: it is wrong\n  |\n2 |  ß = [2,\n  |  ^ write this");
        assert_eq!(shown(text, 12..18), "f:2:6: it is wrong\n  |\n2 |  ß = [2,\n  |      ^^^ write this");
        assert_eq!(shown("", 0..0), "f:1:1: it is wrong\n  |\n1 | \n  | ^ write this");
        assert_eq!(shown("x", 90..99), "f:1:2: it is wrong\n  |\n1 | x\n  |  ^ write this");
        // In the middle of a character.
        assert_eq!(shown("ß", 1..1), "f:1:1: it is wrong\n  |\n1 | ß\n  | ^ write this");
    }

    #[test]
    fn f_250_the_line_of_a_secret_is_not_shown() {
        let problem = Problem::new(&(0..1), "it is wrong").help("write this").secret();
        let problems = Problems::new(Path::new("f"), "token = hunter2", vec![problem]);
        assert_eq!(problems.to_string(), "f:1:1: it is wrong\n  write this");
        assert!(!format!("{problems:?}").contains("hunter2"));
    }

    #[test]
    fn f_250_problems_are_sorted_by_their_lines() {
        let list =
            vec![Problem::new(&(2..3), "second"), Problem::new(&(0..1), "first"), Problem::of_file("whole")];
        let problems = Problems::new(Path::new("f"), "a\nb\n", list);
        let found: Vec<_> = problems.iter().collect();
        assert_eq!(found, [(None, "whole"), (Some(1), "first"), (Some(2), "second")]);
    }
}
