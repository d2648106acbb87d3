//! The environment of the program: `--env`, and the variables of `--user`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// A variable with its value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: OsString,
    pub(crate) value: OsString,
}

impl Variable {
    /// Parses the arguments of `--env`: `K=V`, split at the first `=`, or `K`, which is passed on from this
    /// environment.
    ///
    /// # Errors
    ///
    /// [`VariableError`] with the position of the argument. It shows no part of the text, which may be a
    /// secret.
    pub(crate) fn parse_all(texts: &[OsString]) -> Result<Vec<Self>, VariableError> {
        let parse = |(index, text): (usize, &OsString)| {
            Self::parse(text, |name| env::var_os(name))
                .map_err(|problem| VariableError { position: index + 1, problem })
        };
        texts.iter().enumerate().map(parse).collect()
    }

    fn parse(text: &OsStr, inherited: impl FnOnce(&OsStr) -> Option<OsString>) -> Result<Self, Problem> {
        let bytes = text.as_bytes();
        if bytes.contains(&0) {
            return Err(Problem::Nul);
        }
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let name = OsStr::from_bytes(&bytes[..equals.unwrap_or(bytes.len())]);
        if name.is_empty() {
            return Err(Problem::NoName);
        }
        let value = match equals {
            Some(equals) => OsStr::from_bytes(&bytes[equals + 1..]).to_owned(),
            None => inherited(name).ok_or(Problem::Unset)?,
        };
        Ok(Self { name: name.to_owned(), value })
    }
}

/// Shows the name alone, because a value may be a secret.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Variable").field(&self.name).finish()
    }
}

/// The error returned for an invalid argument of `--env`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VariableError {
    /// The number of the argument, from 1.
    position: usize,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    /// There is neither a value nor a variable of this name in the environment.
    Unset,
    NoName,
    Nul,
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Unset => "there is no `=`, and no variable of this name to pass on; write NAME=VALUE",
            Problem::NoName => "there is no name before the `=`; write NAME=VALUE",
            Problem::Nul => "a variable cannot contain a NUL byte",
        };
        write!(f, "invalid --env (number {}): {problem}", self.position)
    }
}

impl std::error::Error for VariableError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pmt_7_a_variable_is_split_at_its_first_equals_sign() {
        let parse = |text: &[u8]| {
            let inherited = |name: &OsStr| (name == "HERE").then(|| "inherited".into());
            Variable::parse(OsStr::from_bytes(text), inherited).map(|v| (v.name, v.value))
        };
        assert_eq!(parse(b"A=1"), Ok(("A".into(), "1".into())));
        assert_eq!(parse(b"A="), Ok(("A".into(), "".into())));
        assert_eq!(parse(b"A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(parse(b"A=\xff"), Ok(("A".into(), OsStr::from_bytes(b"\xff").into())));
        assert_eq!(parse(b"HERE"), Ok(("HERE".into(), "inherited".into())));
        assert_eq!(parse(b"A"), Err(Problem::Unset));
        assert_eq!(parse(b""), Err(Problem::NoName));
        assert_eq!(parse(b"=1"), Err(Problem::NoName));
        assert_eq!(parse(b"A=\0"), Err(Problem::Nul));
    }

    #[test]
    fn f_77_r2_14_no_value_is_shown() {
        let variables = Variable::parse_all(&["TOKEN=hunter2".into()]).unwrap();
        assert_eq!(format!("{variables:?}"), r#"[Variable("TOKEN")]"#);
        for secret in ["hunter2", "=hunter2"] {
            let error = Variable::parse_all(&["A=1".into(), secret.into()]).unwrap_err().to_string();
            assert!(error.starts_with("invalid --env (number 2): ") && !error.contains("hunter2"), "{error}");
        }
    }
}
