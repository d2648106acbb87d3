//! Changes to all texts of a spec at once, for callers that fill in placeholders.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::Spec;

/// The part of a spec that a text belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SpecText<'a> {
    Program,
    /// An argument, by its number from 1.
    Argument(usize),
    /// The value of a variable.
    Variable(&'a OsStr),
    Directory,
    /// A word of the stop command, by its number from 1.
    StopCommand(usize),
}

impl fmt::Display for SpecText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("the program"),
            Self::Argument(number) => write!(f, "argument {number}"),
            Self::Variable(name) => write!(f, "the variable {}", name.display()),
            Self::Directory => f.write_str("the working directory"),
            Self::StopCommand(number) => write!(f, "word {number} of the stop command"),
        }
    }
}

impl Spec {
    /// Replaces every text by what `map` makes of it. The first error is returned.
    pub(crate) fn try_map_texts<E>(
        mut self,
        map: impl Fn(SpecText<'_>, &OsStr) -> Result<OsString, E>,
    ) -> Result<Self, E> {
        self.program = map(SpecText::Program, &self.program)?;
        for (index, arg) in self.args.iter_mut().enumerate() {
            *arg = map(SpecText::Argument(index + 1), arg)?;
        }
        for (name, value) in self.env.iter_mut() {
            if let Some(value) = value {
                *value = map(SpecText::Variable(name), value)?;
            }
        }
        if let Some(dir) = &mut self.cwd {
            *dir = PathBuf::from(map(SpecText::Directory, dir.as_os_str())?);
        }
        for (index, word) in self.stop_command.iter_mut().enumerate() {
            *word = map(SpecText::StopCommand(index + 1), word)?;
        }
        Ok(self)
    }

    /// Takes the user, the environment, the working directory and the file mode creation mask from `other`
    /// where this spec does not set them.
    #[must_use]
    pub(crate) fn with_defaults_of(mut self, other: &Self) -> Self {
        let has_account = self.user.is_some() || self.uid.is_some();
        if !has_account {
            self.user.clone_from(&other.user);
            self.uid = other.uid;
            self.group = self.group.or_else(|| other.group.clone());
            self.gid = self.gid.or(other.gid);
            self.groups = self.groups.or_else(|| other.groups.clone());
        }
        self.env_clear |= other.env_clear;
        for (name, value) in other.env.iter() {
            self.env.insert_missing(name.clone(), value.clone());
        }
        self.cwd = self.cwd.or_else(|| other.cwd.clone());
        self.umask = self.umask.or(other.umask);
        self
    }
}
