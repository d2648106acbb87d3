//! The words that programs have for how urgent a line is.

use log::Level;

/// What is known everywhere, in any case. Beyond Python's words, with their first letters, these are the ones of syslog
/// and of the servers that people test against.
const WORDS: [(&str, Level); 19] = [
    ("emerg", Level::Error),
    ("alert", Level::Error),
    ("panic", Level::Error),
    ("fatal", Level::Error),
    ("critical", Level::Error),
    ("crit", Level::Error),
    ("c", Level::Error),
    ("error", Level::Error),
    ("err", Level::Error),
    ("e", Level::Error),
    ("warning", Level::Warn),
    ("warn", Level::Warn),
    ("w", Level::Warn),
    ("notice", Level::Info),
    ("info", Level::Info),
    ("i", Level::Info),
    ("debug", Level::Debug),
    ("d", Level::Debug),
    ("trace", Level::Trace),
];

/// The words of one program: the known ones, and its own before them.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    own: Vec<(String, Level)>,
}

impl Levels {
    /// Adds a word. Of several for the same word the last counts.
    pub(super) fn add(&mut self, word: String, level: Level) {
        self.own.insert(0, (word, level));
    }

    /// What this word means, if that is known.
    pub(super) fn find(&self, word: &str) -> Option<Level> {
        let own = self.own.iter().map(|(word, level)| (&**word, *level));
        let mut all = own.chain(WORDS);
        all.find_map(|(known, level)| known.eq_ignore_ascii_case(word).then_some(level))
    }
}
