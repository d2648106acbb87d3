//! An environment variable as it is written on the command line.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// `NAME=VALUE`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: OsString,
    pub(crate) value: OsString,
}

impl Variable {
    /// Splits at the first `=`. The value may be empty and may have more of them.
    ///
    /// # Errors
    ///
    /// [`VariableError`] when there is no `=`, nothing before it, or a NUL byte anywhere.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, VariableError> {
        let bytes = text.as_bytes();
        if bytes.contains(&0) {
            return Err(VariableError::Nul);
        }
        match bytes.iter().position(|byte| *byte == b'=') {
            None => Err(VariableError::NoValue),
            Some(0) => Err(VariableError::NoName),
            Some(equals) => Ok(Self {
                name: OsStr::from_bytes(&bytes[..equals]).to_owned(),
                value: OsStr::from_bytes(&bytes[equals + 1..]).to_owned(),
            }),
        }
    }
}

/// The name alone: a value may be a secret (F-77).
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Variable").field(&self.name).finish()
    }
}

/// Why a text is not a [`Variable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VariableError {
    /// There is no `=` in it.
    NoValue,
    /// It begins with `=`.
    NoName,
    /// There is a NUL byte in it, which no program can be given.
    Nul,
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoValue => "there is no '=' in it; say NAME=VALUE",
            Self::NoName => "there is no name before the '='; say NAME=VALUE",
            Self::Nul => "there is a NUL byte in it",
        })
    }
}

impl std::error::Error for VariableError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pmt_7_a_variable_is_split_at_its_first_equals_sign() {
        let parse = |text: &[u8]| Variable::parse(OsStr::from_bytes(text)).map(|v| (v.name, v.value));
        assert_eq!(parse(b"A=1"), Ok(("A".into(), "1".into())));
        assert_eq!(parse(b"A="), Ok(("A".into(), "".into())));
        assert_eq!(parse(b"A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(parse(b"A=\xff"), Ok(("A".into(), OsStr::from_bytes(b"\xff").into())));
        assert_eq!(parse(b"A"), Err(VariableError::NoValue));
        assert_eq!(parse(b""), Err(VariableError::NoValue));
        assert_eq!(parse(b"=1"), Err(VariableError::NoName));
        assert_eq!(parse(b"A=\0"), Err(VariableError::Nul));
    }

    #[test]
    fn f_77_a_value_is_not_shown() {
        let variable = Variable::parse(OsStr::new("TOKEN=hunter2")).unwrap();
        assert_eq!(format!("{variable:?}"), r#"Variable("TOKEN")"#);
    }
}
