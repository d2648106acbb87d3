//! The error for a program that is not installed.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// A program that is not installed, with the packages that contain it.
///
/// ```
/// use childminder::service::MissingProgram;
///
/// let packages = [("Debian and Ubuntu", "apt install exim4-daemon-light")];
/// let missing = MissingProgram::new("exim4", ["/usr/sbin"], packages);
/// assert!(missing.to_string().contains("on Debian and Ubuntu: apt install exim4-daemon-light"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProgram {
    program: String,
    directories: Vec<PathBuf>,
    packages: Vec<(String, String)>,
}

impl MissingProgram {
    /// Creates the error for a program that was looked up in PATH and in these directories. `packages` has,
    /// for each system, the command that installs it.
    pub fn new<P: Into<PathBuf>, S: Into<String>, C: Into<String>>(
        program: impl Into<String>,
        directories: impl IntoIterator<Item = P>,
        packages: impl IntoIterator<Item = (S, C)>,
    ) -> Self {
        Self {
            program: program.into(),
            directories: directories.into_iter().map(Into::into).collect(),
            packages: packages.into_iter().map(|(system, command)| (system.into(), command.into())).collect(),
        }
    }

    /// Returns the name of the program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Returns the directories that were searched after those in PATH.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Returns the command that installs the program, for each system.
    pub fn packages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.packages.iter().map(|(system, command)| (system.as_str(), command.as_str()))
    }
}

impl fmt::Display for MissingProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directories: Vec<_> = self.directories.iter().map(|path| path.display().to_string()).collect();
        write!(f, "{} is in no directory of PATH and in none of {}", self.program, directories.join(", "))?;
        if !self.packages.is_empty() {
            f.write_str("; install it")?;
        }
        for (index, (system, command)) in self.packages.iter().enumerate() {
            write!(f, "{} on {system}: {command}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Error for MissingProgram {}
