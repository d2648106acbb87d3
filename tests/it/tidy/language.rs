//! The language of comments, documents and messages.

use super::source::{self, Prose};

const CONTRIBUTING: &str = "CONTRIBUTING.md";

/// The heading in CONTRIBUTING.md of the table of banned words and phrases.
const TABLE: &str = "### Banned words";

/// The name of the unprivileged account of Unix systems, which may be a literal by itself.
const ACCOUNT: &str = "nobody";

/// This file quotes what it looks for.
const THIS: &str = "tests/it/tidy/language.rs";

/// A doc comment begins with a verb phrase or a noun phrase, not with one of these.
const RIDDLES: [&str; 9] = ["What", "Who", "How", "Where", "As", "So", "The same", "Of", "Is"];

/// The systems whose behaviours have ids. Ids belong into the names of tests, `docs/behaviours.md` and the
/// changelog.
const ID_PREFIXES: [&str; 11] = ["pm", "lp", "pmt", "sv", "rx", "pj", "pl", "td", "cs", "f", "r2"];

const COMMENT_WIDTH: usize = 110;

#[test]
fn prose_uses_no_banned_word() {
    let banned = banned();
    let mut findings = Findings::default();
    for path in source::rust_files().into_iter().filter(|path| path != THIS) {
        let source = source::split(&source::read(&path));
        for kind in [Prose::Comment, Prose::Literal] {
            let lines = source.prose.iter().filter(|(_, this, text)| *this == kind && text != ACCOUNT);
            findings.search(&banned, &path, lines.map(|(line, _, text)| (*line, &**text)));
        }
        findings.search(&banned, &path, source.code.lines().enumerate().map(|(i, line)| (i + 1, line)));
    }
    for path in source::markdown_files() {
        let text = source::read(&path);
        let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
        findings.search(
            &banned,
            &path,
            lines.filter(|(_, line)| !(path == CONTRIBUTING && line.starts_with("| "))),
        );
    }
    findings.check("banned words");
}

#[test]
fn doc_comments_begin_with_a_phrase_that_stands_alone() {
    let mut findings = Findings::default();
    for path in source::rust_files() {
        let text = source::read(&path);
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        for (i, line) in lines.iter().enumerate() {
            let Some(first) = line.strip_prefix("/// ") else { continue };
            let goes_on = i > 0 && lines[i - 1].starts_with("///");
            let riddle = RIDDLES.iter().find(|riddle| {
                let rest = first.strip_prefix(**riddle);
                rest.is_some_and(|rest| rest.starts_with([' ', ',', '.']))
            });
            if let (false, Some(riddle)) = (goes_on, riddle) {
                findings.add(&path, i + 1, &format!("a doc comment begins with \"{riddle}\""));
            }
        }
    }
    findings.check("first lines of doc comments");
}

#[test]
fn behaviour_ids_are_in_test_names_only() {
    let mut findings = Findings::default();
    for path in source::rust_files() {
        let source = source::split(&source::read(&path));
        for (line, kind, text) in &source.prose {
            // A literal may be the path of a test, which carries the id with underscores.
            if *kind == Prose::Comment {
                for word in words(text).into_iter().filter(|word| is_id(word)) {
                    findings.add(&path, *line, &word);
                }
            }
        }
    }
    for path in source::markdown_files() {
        if !matches!(&*path, "CHANGELOG.md" | "docs/behaviours.md") {
            for (i, line) in source::read(&path).lines().enumerate() {
                for word in words(line).into_iter().filter(|word| is_id(word)) {
                    findings.add(&path, i + 1, &word);
                }
            }
        }
    }
    findings.check("ids in comments");
}

#[test]
fn comments_are_at_most_110_columns_wide() {
    let mut findings = Findings::default();
    for path in source::rust_files() {
        for (i, line) in source::read(&path).lines().enumerate() {
            // An address cannot be broken.
            if line.trim_start().starts_with("//")
                && line.chars().count() > COMMENT_WIDTH
                && !line.contains("://")
            {
                findings.add(&path, i + 1, "too wide");
            }
        }
    }
    findings.check("width of comments");
}

/// The findings of a check.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, path: &str, line: usize, what: &str) {
        self.0.push(format!("{path}:{line}: {what}"));
    }

    /// Searches consecutive lines for banned phrases, which may be broken over lines.
    fn search<'a>(
        &mut self,
        banned: &[Vec<String>],
        path: &str,
        lines: impl Iterator<Item = (usize, &'a str)>,
    ) {
        let mut all: Vec<(usize, String)> = Vec::new();
        let mut last = 0;
        for (line, text) in lines {
            if line > last + 1 {
                all.push((line, ".".to_owned()));
            }
            last = line;
            all.extend(words(text).into_iter().map(|word| (line, word)));
        }
        for phrase in banned {
            for window in all.windows(phrase.len()) {
                if window.iter().map(|(_, word)| word).eq(phrase) {
                    self.add(path, window[0].0, &phrase.join(" "));
                }
            }
        }
    }

    fn check(self, what: &str) {
        assert!(self.0.is_empty(), "{what}:\n{}", self.0.join("\n"));
    }
}

/// Reads the banned phrases from CONTRIBUTING.md, each as its words. A full stop is the limit of a sentence.
fn banned() -> Vec<Vec<String>> {
    let text = source::read(CONTRIBUTING);
    let (_, table) = text.split_once(TABLE).unwrap_or_else(|| panic!("{CONTRIBUTING} has no \"{TABLE}\""));
    let rows = table.lines().skip_while(|line| !line.starts_with("| --- ")).skip(1);
    let cells = rows.map_while(|row| row.strip_prefix("| ")?.split(" | ").next());
    let phrases = cells.flat_map(|cell| cell.split(", "));
    phrases
        .map(|phrase| phrase.split(' ').map(|word| word.trim_matches('`').to_lowercase()).collect())
        .collect()
}

/// Splits a line into words in lower case; the end of a sentence is a word of its own.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let line = line.trim_start().trim_start_matches(['/', '!', '*', '#', '-', '>']);
    for c in line.chars().chain([' ']) {
        let joins = matches!(c, '-' | '\'') && !word.is_empty();
        if c.is_alphanumeric() || joins {
            word.extend(c.to_lowercase());
            continue;
        }
        let done = std::mem::take(&mut word);
        let done = done.trim_end_matches(['-', '\'']);
        if !done.is_empty() {
            words.push(done.to_owned());
        }
        if matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '`' | '"') {
            words.push(".".to_owned());
        }
    }
    words
}

fn is_id(word: &str) -> bool {
    let Some((prefix, number)) = word.split_once('-') else { return false };
    ID_PREFIXES.contains(&prefix) && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

#[test]
fn a_banned_phrase_is_found_across_lines_and_not_across_sentences() {
    let banned = banned();
    assert!(banned.len() > 30, "{banned:?}");
    let search = |text: &str| {
        let mut findings = Findings::default();
        findings.search(&banned, "src/a.rs", text.lines().enumerate());
        findings.0
    };
    assert_eq!(search("/// It ends at\n/// its end."), ["src/a.rs:0: at its end"]);
    assert_eq!(search("/// It is. The same."), ["src/a.rs:0: . the same ."]);
    assert_eq!(search("/// Look at. Its end."), Vec::<String>::new());
    assert_eq!(search("fn heeds_nothing()"), ["src/a.rs:0: heeds"]);
    assert!(is_id("pmt-6") && is_id("f-17") && !is_id("utf-8") && !is_id("f-x") && !is_id("f-"));
}
