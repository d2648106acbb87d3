//! Reads the repository: its files, and the code, comments and string literals of a Rust file.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders that hold Rust code.
pub(super) const CODE: [&str; 7] =
    ["src", "tests", "examples", "benches", "cli/src", "cli/tests", "conformance"];

/// A comment or a string literal, by line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prose {
    Comment,
    Literal,
}

/// A Rust file, split into code, comments and literals.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// The code with every comment and every literal blanked out; line breaks stay where they were.
    pub(super) code: String,
    /// Each line of a comment or of a literal, with its line number.
    pub(super) prose: Vec<(usize, Prose, String)>,
}

/// Returns the root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the repository.
pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read `{path}`: {error}"))
}

/// Returns the files below `folder` that have this extension, relative to the root and sorted.
pub(super) fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(relative(&path));
            }
        }
    }
    files.sort();
    files
}

/// Returns the written Rust files of all folders, without the generated ones.
pub(super) fn rust_files() -> Vec<String> {
    let all = CODE.into_iter().flat_map(|folder| files(folder, "rs"));
    all.filter(|path| !read(path).starts_with("// @generated")).collect()
}

/// Returns the Markdown files that are part of the project.
pub(super) fn markdown_files() -> Vec<String> {
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<String> = top
        .filter(|path| path.extension().is_some_and(|found| found == "md"))
        .map(|p| relative(&p))
        .collect();
    all.extend(["cli", "benches", "docs", ".github"].into_iter().flat_map(|folder| files(folder, "md")));
    all.sort();
    all
}

fn relative(path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(root()).unwrap().to_owned();
    path.to_str().expect("a UTF-8 path").to_owned()
}

/// Whether the file holds tests only: such a file may import anything.
pub(super) fn is_test_file(path: &str) -> bool {
    !path.starts_with("src/") && !path.starts_with("cli/src/")
        || path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "walk.rs" | "laws.rs"))
}

/// Splits a Rust file.
pub(super) fn split(text: &str) -> Source {
    let mut scanner = Scanner { rest: text.chars().collect(), at: 0, line: 1, source: Source::default() };
    while scanner.at < scanner.rest.len() {
        scanner.step();
    }
    scanner.source
}

struct Scanner {
    rest: Vec<char>,
    at: usize,
    line: usize,
    source: Source,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> char {
        self.rest.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn step(&mut self) {
        let (one, two) = (self.peek(0), self.peek(1));
        let after_word = self.at > 0 && is_word(self.rest[self.at - 1]);
        match one {
            '/' if two == '/' => self.comment(|scanner| scanner.peek(0) == '\n'),
            '/' if two == '*' => self.comment(|scanner| scanner.rest[..scanner.at].ends_with(&['*', '/'])),
            '"' => self.literal(0, true),
            'r' | 'b' | 'c' if !after_word => self.prefixed(),
            '\'' => self.character(),
            _ => self.keep(),
        }
    }

    /// Copies one character of code.
    fn keep(&mut self) {
        let one = self.peek(0);
        self.source.code.push(one);
        self.advance();
    }

    fn advance(&mut self) -> char {
        let one = self.peek(0);
        self.line += usize::from(one == '\n');
        self.at += 1;
        one
    }

    fn comment(&mut self, is_over: impl Fn(&Self) -> bool) {
        let begin = self.at;
        let line = self.line;
        while self.at < self.rest.len() && !(self.at > begin + 1 && is_over(self)) {
            self.advance();
        }
        self.record(Prose::Comment, line, begin, self.at);
    }

    /// A literal that begins with one of the letters r, b and c, or else an identifier.
    fn prefixed(&mut self) {
        let letters = (0..3).take_while(|&i| matches!(self.peek(i), 'r' | 'b' | 'c')).count();
        let is_raw = (0..letters).any(|i| self.peek(i) == 'r');
        let hashes = (letters..).take_while(|&i| self.peek(i) == '#').count();
        if self.peek(letters + hashes) != '"' || (hashes > 0 && !is_raw) {
            return self.keep();
        }
        self.at += letters + hashes;
        self.literal(hashes, !is_raw);
    }

    fn literal(&mut self, hashes: usize, has_escapes: bool) {
        self.at += 1;
        let (begin, line) = (self.at, self.line);
        loop {
            match self.peek(0) {
                '"' if (1..=hashes).all(|i| self.peek(i) == '#') => break,
                '\\' if has_escapes => {
                    self.advance();
                    self.advance();
                }
                _ if self.at >= self.rest.len() => break,
                _ => {
                    self.advance();
                }
            }
        }
        self.source.code.push('"');
        self.record(Prose::Literal, line, begin, self.at);
        self.source.code.push('"');
        self.at += 1 + hashes;
    }

    /// A character literal, or else a lifetime.
    fn character(&mut self) {
        let length = match (self.peek(1), self.peek(2)) {
            ('\\', _) => (3..).find(|&i| matches!(self.peek(i), '\'' | '\0')).unwrap() + 1,
            (_, '\'') => 3,
            _ => return self.keep(),
        };
        self.at += length;
        self.source.code.push(' ');
    }

    fn record(&mut self, kind: Prose, line: usize, begin: usize, end: usize) {
        let text: String = self.rest[begin..end].iter().collect();
        for (i, text) in text.split('\n').enumerate() {
            self.source.prose.push((line + i, kind, text.to_owned()));
        }
        self.source.code.extend(text.chars().filter(|c| *c == '\n'));
    }
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn a_file_is_split_into_code_comments_and_literals() {
    let text = "fn f<'a>() { // one\n  g('\"', '\\'', r#\"two \"# , b\"th\\\"ree\", br); } /* four\nfive */";
    let source = split(text);
    assert_eq!(source.code, "fn f<'a>() { \n  g( ,  , \"\" , \"\", br); } \n");
    let prose: Vec<_> = source.prose.iter().map(|(line, kind, text)| (*line, *kind, &**text)).collect();
    let expected = [
        (1, Prose::Comment, "// one"),
        (2, Prose::Literal, "two "),
        (2, Prose::Literal, "th\\\"ree"),
        (2, Prose::Comment, "/* four"),
        (3, Prose::Comment, "five */"),
    ];
    assert_eq!(prose, expected);
}
