//! A spec as text.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use super::spec::Spec;

/// The command line, quoted for a shell.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Word(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", Word(arg)))
    }
}

/// The command line and what differs from the defaults; of the environment only the names, for a value may be
/// a secret .
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("command", &format_args!("{self}"))
            .field("env_clear", &self.env_clear)
            .field("env", &self.env.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

/// One word of a command line, quoted where a shell would need it.
struct Word<'a>(&'a OsStr);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(b);
        match self.0.to_str() {
            Some(word) if !word.is_empty() && word.bytes().all(|b| plain(&b)) => f.write_str(word),
            Some(word) if !word.contains(char::is_control) => write!(f, "'{}'", word.replace('\'', r"'\''")),
            _ => write!(f, "$'{}'", self.0.as_bytes().escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_77_values_of_the_environment_are_never_shown() {
        let spec = Spec::new("x").env("TOKEN", "canary");
        let shown = format!("{spec:?} {spec}");
        assert!(shown.contains("TOKEN") && !shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let spec = Spec::new("sh").args(["-c", "echo 'a b'; exit", "", "line\nbreak"]);
        assert_eq!(spec.to_string(), r"sh -c 'echo '\''a b'\''; exit' '' $'line\nbreak'");
    }
}
