//! Files with environment variables, one `NAME=VALUE` a line, as foreman and Docker Compose read them.
//!
//! ```text
//! # A comment.
//! export LANG=C.UTF-8
//! GREETING="two\nlines"   # the rest of the line is a comment
//! LITERAL='no $expansion, no \escapes'
//! ```
//!
//! A value in double quotes may contain `\n`, `\t`, `\r`, and any other character after a backslash; one in
//! quotes may continue over lines. Variables in values are not expanded. A message contains no value, since
//! these files are where secrets are kept.

use std::ops::Range;

use super::problems::Problem;

/// The variables of a file, in order.
pub(crate) type Pairs = Vec<(String, String)>;

/// Parses the text of such a file, and adds what is wrong to `problems`.
pub(crate) fn parse(text: &str, problems: &mut Vec<Problem>) -> Pairs {
    let mut cursor = Cursor { text, at: 0 };
    let mut pairs = Pairs::new();
    while cursor.at < text.len() {
        cursor.skip_blanks();
        match cursor.peek() {
            None => break,
            Some('\n' | '#') => cursor.skip_line(),
            Some(_) => match cursor.pair() {
                Ok(pair) => pairs.push(pair),
                Err(problem) => {
                    problems.push(problem.secret());
                    cursor.skip_line();
                }
            },
        }
    }
    pairs
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Skips everything on this line that separates words, the CR of a line end included.
    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|c| c != '\n' && c.is_whitespace()) {
            self.next();
        }
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').map_or_else(|| self.rest().len(), |newline| newline + 1);
    }

    fn pair(&mut self) -> Result<(String, String), Problem> {
        if self.rest().starts_with("export ") {
            self.at += "export ".len();
            self.skip_blanks();
        }
        let start = self.at;
        while self.peek().is_some_and(|c| !c.is_whitespace() && c != '=') {
            self.next();
        }
        let name = self.text[start..self.at].to_owned();
        let span = start..self.at.max(start + 1);
        self.skip_blanks();
        if self.peek() != Some('=') {
            return Err(Problem::new(&span, "expected NAME=VALUE, but there is no `=`"));
        }
        self.next();
        if name.is_empty() {
            return Err(Problem::new(&span, "there is no name before the `=`"));
        }
        if name.contains('\0') {
            return Err(Problem::new(&span, "a variable cannot contain a NUL byte"));
        }
        self.skip_blanks();
        let value = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.bare(),
        };
        if value.contains('\0') {
            return Err(Problem::new(&span, "a variable cannot contain a NUL byte"));
        }
        Ok((name, value))
    }

    /// Parses a value without quotes: the rest of the line, up to a comment after a blank.
    fn bare(&mut self) -> String {
        let line = self.rest().split('\n').next().unwrap_or_default();
        let comment = line
            .char_indices()
            .position(|(at, c)| c == '#' && self.text[..self.at + at].ends_with([' ', '\t']));
        let value: String = line.chars().take(comment.unwrap_or(usize::MAX)).collect();
        self.skip_line();
        value.trim().to_owned()
    }

    fn quoted(&mut self, quote: char) -> Result<String, Problem> {
        let start = self.at;
        self.next();
        let mut value = String::new();
        loop {
            match self.next() {
                None => {
                    // The rest of the file was taken for the value.
                    self.at = start;
                    return Err(Problem::new(&(start..start + 1), "this quote is not closed"));
                }
                Some(c) if c == quote => break,
                Some('\\') if quote == '"' => match self.next() {
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    Some('t') => value.push('\t'),
                    Some(c) => value.push(c),
                    None => {}
                },
                Some(c) => value.push(c),
            }
        }
        let after = self.span_of_line();
        let rest = self.rest().split('\n').next().unwrap_or_default().trim();
        if !(rest.is_empty() || rest.starts_with('#')) {
            return Err(Problem::new(&after, "there is text after the closing quote"));
        }
        self.skip_line();
        Ok(value)
    }

    /// Returns the rest of the line without its blanks.
    fn span_of_line(&self) -> Range<usize> {
        let line = self.rest().split('\n').next().unwrap_or_default();
        let blanks = line.len() - line.trim_start().len();
        self.at + blanks..self.at + line.trim_end().len().max(blanks)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::file::problems::Problems;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let pairs = parse(text, &mut problems);
        assert_eq!(problems, [], "{text:?}");
        pairs
    }

    #[test]
    fn f_252_variables_are_read_as_foreman_reads_them() {
        let text = "# comment\r\n\n A = 1 \nexport B=two words # comment\nC=a#b\nD=\nE='single $A \\n'  # c\n\
                    F=\"double\\n\\\"\\t\\\\ # no comment\"\nG='two\nlines'\nH=https://x/?a=b#c\r\nI= # only";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "a#b"),
            ("D", ""),
            ("E", "single $A \\n"),
            ("F", "double\n\"\t\\ # no comment"),
            ("G", "two\nlines"),
            ("H", "https://x/?a=b#c"),
            ("I", ""),
        ];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(pairs(text), expected);
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("A=1"), [("A".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn f_252_all_problems_of_a_file_of_variables_are_reported_without_their_values() {
        let text = "hunter2\n=hunter2\nA=\"hunter2\nB='x' hunter2\nC=1\n";
        let mut problems = Vec::new();
        assert_eq!(parse(text, &mut problems), [("C".to_owned(), "1".to_owned())]);
        let shown = Problems::new(Path::new(".env"), text, problems).to_string();
        assert_eq!(
            shown,
            ".env:1:1: expected NAME=VALUE, but there is no `=`\n\n\
             .env:2:1: there is no name before the `=`\n\n\
             .env:3:3: this quote is not closed\n\n\
             .env:4:7: there is text after the closing quote"
        );
    }
}
