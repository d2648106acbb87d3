//! What makes a spec valid: everything that can be said before anything is started.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use super::Spec;

impl Spec {
    /// Tells whether the spec can work at all; whether the program exists is for the start to find out. Every
    /// `add_process` asks this.
    ///
    /// # Errors
    ///
    /// [`SpecError`] naming the field: an empty program, a NUL byte anywhere, an environment variable without a name
    /// or with `=` in it (F-7, PM-21).
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
            // A value may be a secret: only its name is told.
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
        if let Some(umask) = self.get_umask().filter(|umask| *umask > 0o777) {
            return bad("umask", format!("{umask:#o}").as_ref(), SpecProblem::TooLarge);
        }
        for (field, id) in [("uid", self.get_uid()), ("gid", self.get_gid())] {
            if id == Some(u32::MAX) {
                return bad(field, "4294967295".as_ref(), SpecProblem::TooLarge);
            }
        }
        match self.get_policy().map_or(Ok(()), |policy| policy.check()) {
            Ok(()) => Ok(()),
            Err(error) => bad(error.field(), error.to_string().as_ref(), SpecProblem::Policy(error)),
        }
    }
}

/// Why a [`Spec`] cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The field as the builder spells it.
    pub field: &'static str,
    /// What was given; for `env` the name of the variable, never its value.
    pub value: String,
    /// What is wrong with it.
    pub problem: SpecProblem,
}

/// What can be wrong with a field of a [`Spec`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecProblem {
    /// Nothing was given.
    Empty,
    /// There is a NUL byte in it, which no program can be given.
    Nul,
    /// The name of a variable has `=` in it.
    Equals,
    /// The number is beyond what the system takes.
    TooLarge,
    /// The number is given to two things.
    Twice,
    /// Its policy is not valid.
    Policy(crate::machine::PolicyError),
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
            SpecProblem::Twice => write!(f, "{field} {value} is given twice"),
            SpecProblem::Policy(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SpecError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Policy;

    #[test]
    fn f_7_pm_21_garbage_is_refused_with_the_name_of_its_field() {
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
    }
}
