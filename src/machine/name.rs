//! Process names and run ids.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU32;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a process in a monitor.
///
/// A name has 1 to 64 of the characters `A-Z a-z 0-9 . _ @ : -`, and does not begin with a dot or a dash. So
/// it can be used in a log line, a file name or a command line without being mistaken for something else. It
/// is cheap to clone.
///
/// ```
/// use childminder::Name;
///
/// let name: Name = "web-1".parse()?;
/// assert_eq!(name, "web-1");
/// assert!("web 1".parse::<Name>().is_err());
/// # Ok::<(), childminder::machine::NameError>(())
/// ```
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Clone for Name {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Leaves the counts of references alone if both are the same already.
    fn clone_from(&mut self, source: &Self) {
        if !Arc::ptr_eq(&self.0, &source.0) {
            *self = source.clone();
        }
    }
}

impl Name {
    /// The maximum length, in characters.
    pub const MAX: usize = 64;

    /// Creates a name from a string.
    ///
    /// # Errors
    ///
    /// [`NameError`] if it is empty, too long, or has a character that is not allowed in its place.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let problem = match name.chars().next() {
            None => Some(Problem::Empty),
            Some(first @ ('.' | '-')) => Some(Problem::First(first)),
            Some(_) => name
                .chars()
                .find(|c| !c.is_ascii_alphanumeric() && !"._@:-".contains(*c))
                .map(Problem::Character)
                .or_else(|| (name.len() > Self::MAX).then_some(Problem::TooLong(name.len()))),
        };
        match problem {
            Some(problem) => Err(NameError { name: name.to_owned(), problem }),
            None => Ok(Self(name.into())),
        }
    }

    /// Creates a valid name from the path of a program: its last part, with `_` for each character that is
    /// not allowed.
    ///
    /// ```
    /// use childminder::Name;
    ///
    /// assert_eq!(Name::from_program("/usr/bin/python3"), "python3");
    /// assert_eq!(Name::from_program("./my server"), "my_server");
    /// ```
    pub fn from_program(program: &str) -> Self {
        let base = program.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
        let mut name: String = base
            .trim_start_matches(['.', '-'])
            .chars()
            .take(Self::MAX)
            .map(|c| if c.is_ascii_alphanumeric() || "._@:-".contains(c) { c } else { '_' })
            .collect();
        if name.is_empty() {
            name.push_str("process");
        }
        Self(name.into())
    }

    /// Returns the name as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// The id of one run of one process, from its start to its end.
///
/// An id is used once in a monitor, so an event of an old run cannot be mistaken for one of its successor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId {
    /// The number of the run in its monitor, from 1.
    number: u64,
    /// The index of its process in the machine's table, plus one.
    slot: NonZeroU32,
}

impl RunId {
    pub(super) fn new(number: u64, slot: usize) -> Self {
        let slot = u32::try_from(slot + 1).ok().and_then(NonZeroU32::new);
        Self { number, slot: slot.expect("fewer than four billion processes") }
    }

    /// Creates an id that no monitor knows: for a [`LoggingProtocol`](crate::output::LoggingProtocol) of your
    /// own, or to test a [`Sink`](crate::Sink).
    pub fn unmanaged(number: u64) -> Self {
        Self { number, slot: NonZeroU32::MAX }
    }

    pub(super) fn slot(self) -> usize {
        self.slot.get() as usize - 1
    }

    /// Returns the number that is displayed after the `#`. The runs of one monitor are numbered from 1,
    /// across all its processes.
    pub fn number(self) -> u64 {
        self.number
    }
}

/// A map by run.
pub(crate) type RunMap<V> = HashMap<RunId, V, BuildHasherDefault<RunHasher>>;

/// A set of runs.
pub(crate) type RunSet = HashSet<RunId, BuildHasherDefault<RunHasher>>;

/// A hasher for ids of runs. These are numbers that the machine gives, so no input can make them collide, and
/// a product with an odd constant spreads them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RunHasher(u64);

impl Hasher for RunHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(32) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // A table uses the lowest bits and the highest ones.
        self.0 ^ self.0 >> 32
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error for a text that is not a valid [`Name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    name: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Empty,
    First(char),
    Character(char),
    TooLong(usize),
}

impl NameError {
    /// Returns the text as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.problem {
            Problem::Empty => write!(f, "the name is empty"),
            Problem::First(first) => write!(f, "the name {name:?} starts with {first:?}"),
            Problem::Character(c) => write!(
                f,
                "the name {name:?} has {c:?} in it; letters, digits and any of . _ @ : - are allowed"
            ),
            Problem::TooLong(length) => {
                write!(f, "the name {name:?} is {length} characters long; at most {} are allowed", Name::MAX)
            }
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn f_63_79_names_that_could_be_mistaken_are_refused() {
        let long = "x".repeat(65);
        for bad in
            ["", ".", "..", ".x", "-x", "a/b", "../x", "a b", "con\n", "a\0", "[x]", "ä", "\u{1b}[31m", &long]
        {
            let error = Name::new(bad).expect_err(bad).to_string();
            assert!(error.starts_with("the name"), "{error}");
            assert!(!error.contains(['\n', '\0', '\u{1b}']), "{error:?}");
        }
        for good in ["a", "web-1", "db.main", "user@host:80", "_", &long[..64]] {
            assert_eq!(&*Name::new(good).expect(good), good);
        }
    }

    #[test]
    fn consecutive_runs_have_different_hashes_in_the_bits_that_a_table_uses() {
        let hash = |number| BuildHasherDefault::<RunHasher>::default().hash_one(RunId::new(number, 7));
        let lowest: HashSet<u64> = (0..1024).map(|number| hash(number) % 1024).collect();
        let highest: HashSet<u64> = (0..1024).map(|number| hash(number) >> 57).collect();
        assert!(lowest.len() > 512, "{} of 1024 places are used", lowest.len());
        assert_eq!(highest.len(), 128);
    }

    #[test]
    fn a_name_made_from_a_program_is_always_valid() {
        for program in ["", "/", "...", "/usr/bin/python3", "a b\n", &"ü".repeat(100), "--", "dir/"] {
            let name = Name::from_program(program);
            assert!(Name::new(&name).is_ok(), "{program:?} became {name:?}");
        }
    }
}
