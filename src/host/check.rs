//! What can be checked in a spec before anything is started.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use super::Spec;
use super::requirement::{InvalidRequirement, RequirementProblem};

impl Spec {
    /// Checks the values of the spec. Every `add_process` does this. Whether the program exists is found out
    /// when it is started, or by [`Host::locate`](super::Host::locate).
    ///
    /// # Errors
    ///
    /// [`SpecError`] with the field: an empty program, a NUL byte, an environment variable without a name or
    /// with `=` in it, a number that is out of range or used twice, an unknown user or group, a soft limit
    /// above its hard limit, a setting that contradicts the terminal.
    pub fn check(&self) -> Result<(), SpecError> {
        let bad = |field, value: &OsStr, problem| {
            Err(SpecError { field, value: value.to_string_lossy().into_owned(), problem })
        };
        let has_nul = |text: &OsStr| text.as_bytes().contains(&0);
        if self.get_program().is_empty() {
            return bad("program", self.get_program(), SpecProblem::Empty);
        }
        if has_nul(self.get_program()) {
            return bad("program", self.get_program(), SpecProblem::Nul);
        }
        if let Some(arg) = self.get_args().find(|arg| has_nul(arg)) {
            return bad("args", arg, SpecProblem::Nul);
        }
        if let Some(word) = self.get_stop_command().find(|word| has_nul(word)) {
            return bad("stop_command", word, SpecProblem::Nul);
        }
        if self.get_stop_command().next().is_some_and(OsStr::is_empty) {
            return bad("stop_command", OsStr::new(""), SpecProblem::Empty);
        }
        for (key, value) in self.get_envs() {
            if key.is_empty() {
                return bad("env", key, SpecProblem::Empty);
            }
            if key.as_bytes().contains(&b'=') {
                return bad("env", key, SpecProblem::Equals);
            }
            // A value may be a secret: only the name is reported.
            if has_nul(key) || value.is_some_and(has_nul) {
                return bad("env", key, SpecProblem::Nul);
            }
        }
        let mut numbers = HashSet::new();
        for (number, _) in self.get_descriptors() {
            let value = number.to_string();
            if !(3..=255).contains(&number) {
                return bad("descriptor", value.as_ref(), SpecProblem::TooLarge);
            }
            if !numbers.insert(number) {
                return bad("descriptor", value.as_ref(), SpecProblem::Twice);
            }
        }
        for (field, path) in [("cwd", self.get_cwd()), ("stdin", self.get_stdin().path())] {
            match path {
                Some(path) if path.as_os_str().is_empty() => {
                    return bad(field, path.as_ref(), SpecProblem::Empty);
                }
                Some(path) if has_nul(path.as_ref()) => return bad(field, path.as_ref(), SpecProblem::Nul),
                _ => {}
            }
        }
        self.check_limits()?;
        self.check_attributes()?;
        self.check_terminal()?;
        if let Some(umask) = self.get_umask().filter(|umask| *umask > 0o777) {
            return bad("umask", format!("{umask:#o}").as_ref(), SpecProblem::TooLarge);
        }
        for (field, id) in [("uid", self.get_uid()), ("gid", self.get_gid())] {
            if id == Some(u32::MAX) {
                return bad(field, "4294967295".as_ref(), SpecProblem::TooLarge);
            }
        }
        for (field, lookup) in [("user", &self.user), ("group", &self.group)] {
            let Some(lookup) = lookup else { continue };
            if let Some(error) = lookup.error() {
                return bad(field, lookup.text.as_ref(), SpecProblem::Lookup(error.to_owned()));
            }
            if lookup.uid().is_none() && lookup.gid().is_none() {
                return bad(field, lookup.text.as_ref(), SpecProblem::Unknown);
            }
        }
        if let Some(user) = self.user.as_ref().filter(|_| self.get_gid().is_none()) {
            return bad("user", user.text.as_ref(), SpecProblem::NoGroup);
        }
        if let Some(error) = &self.after_error {
            return bad("after", error.name().as_ref(), SpecProblem::Name((**error).clone()));
        }
        if let Some(Err(error)) = self.get_policy().map(|policy| policy.check()) {
            return bad(error.field(), error.to_string().as_ref(), SpecProblem::Policy(error));
        }
        let Some(InvalidRequirement { field, value, problem }) = self.find_invalid_requirement() else {
            return Ok(());
        };
        bad(field, value.as_ref(), SpecProblem::Requirement(problem))
    }
}

/// An invalid value in a [`Spec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The field, named like the method that sets it.
    pub field: &'static str,
    /// The value; for `env` the name of the variable, never its value.
    pub value: String,
    /// The problem.
    pub problem: SpecProblem,
}

/// The problem of a value of a [`Spec`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecProblem {
    /// It is empty.
    Empty,
    /// It contains a NUL byte.
    Nul,
    /// The name of a variable contains `=`.
    Equals,
    /// The number is out of range.
    TooLarge,
    /// The number is used twice.
    Twice,
    /// The soft limit is above the hard limit.
    AboveHardLimit,
    /// The value contradicts another field.
    Conflict {
        /// The other field.
        with: &'static str,
    },
    /// There is no such user or group.
    Unknown,
    /// The user has no entry in the user database, and no group is given.
    NoGroup,
    /// The user database could not be read.
    Lookup(String),
    /// The name of a process is invalid.
    Name(crate::machine::NameError),
    /// The policy is invalid.
    Policy(crate::machine::PolicyError),
    /// The required readiness or health cannot be met.
    Requirement(RequirementProblem),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, problem } = self;
        match problem {
            SpecProblem::Empty if *field == "env" => write!(f, "env has a variable without a name"),
            SpecProblem::Empty => write!(f, "{field} is empty"),
            SpecProblem::Nul => write!(f, "{field} has a NUL byte in it: {value:?}"),
            SpecProblem::Equals => write!(f, "{field} has a name with '=' in it: {value:?}"),
            SpecProblem::TooLarge => write!(f, "{field} is out of range: {value}"),
            SpecProblem::AboveHardLimit => write!(f, "{field} is above its hard limit: {value}"),
            SpecProblem::Conflict { with } => write!(f, "{field} cannot be combined with {with}: {value}"),
            SpecProblem::Twice => write!(f, "{field} {value} is given twice"),
            SpecProblem::Unknown => write!(f, "{field} is unknown: {value:?}"),
            SpecProblem::NoGroup => {
                write!(f, "{field} {value} is not in the user database; set the group as well")
            }
            SpecProblem::Lookup(error) => write!(f, "cannot look up the {field} {value:?}: {error}"),
            SpecProblem::Name(error) => write!(f, "{field} is invalid: {error}"),
            SpecProblem::Policy(error) => write!(f, "{error}"),
            SpecProblem::Requirement(problem) => write!(f, "{field} ({value}) cannot be met: {problem}"),
        }
    }
}

impl std::error::Error for SpecError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Policy;

    #[test]
    fn f_7_pm_21_an_invalid_value_is_an_error_with_its_field() {
        let error = |spec: Spec| spec.check().unwrap_err().to_string();
        assert_eq!(error(Spec::new("")), "program is empty");
        assert_eq!(error(Spec::new("a\0b")), "program has a NUL byte in it: \"a\\0b\"");
        assert_eq!(error(Spec::new("x").arg("\0")), "args has a NUL byte in it: \"\\0\"");
        assert_eq!(error(Spec::new("x").env("", "1")), "env has a variable without a name");
        assert_eq!(error(Spec::new("x").env("A=B", "1")), "env has a name with '=' in it: \"A=B\"");
        assert_eq!(error(Spec::new("x").env("KEY", "se\0cret")), "env has a NUL byte in it: \"KEY\"");
        assert_eq!(error(Spec::new("x").cwd("")), "cwd is empty");
        assert_eq!(error(Spec::new("x").umask(0o1000)), "umask is out of range: 0o1000");
        assert_eq!(error(Spec::new("x").uid(u32::MAX)), "uid is out of range: 4294967295");
        let policy = Policy { min_restart_delay: std::time::Duration::ZERO, ..Policy::default() };
        assert!(error(Spec::new("x").policy(policy)).starts_with("min_restart_delay is zero"));
        assert!(Spec::new("x").arg("").env("A", "=").check().is_ok());
        let null = || std::fs::File::open("/dev/null").expect("there is one");
        assert_eq!(error(Spec::new("x").descriptor(2, null())), "descriptor is out of range: 2");
        assert_eq!(
            error(Spec::new("x").listener(null()).descriptor(3, null())),
            "descriptor 3 is given twice"
        );
        assert!(Spec::new("x").listener(null()).descriptor(4, null()).check().is_ok());
        assert_eq!(error(Spec::new("x").group("no such group")), "group is unknown: \"no such group\"");
        assert_eq!(
            error(Spec::new("x").user("4123456789")),
            "user 4123456789 is not in the user database; set the group as well"
        );
        assert!(Spec::new("x").user("4123456789").gid(7).check().is_ok());
    }
}
