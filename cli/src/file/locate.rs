//! Finds the file: the one that is named, or the nearest one in this directory and those above.

use std::env;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The names of a file, in order of preference.
const NAMES: [&str; 2] = ["childminder.toml", "Procfile"];

/// Returns the file to use: `named`, or the first one found in the current directory or one above it.
///
/// # Errors
///
/// [`NotFound`] if there is none, or no current directory.
pub(crate) fn find(named: Option<&Path>) -> Result<PathBuf, NotFound> {
    find_from(named, &env::current_dir().map_err(NotFound::Directory)?)
}

/// In one directory, `childminder.toml` is preferred to a `Procfile`.
fn find_from(named: Option<&Path>, dir: &Path) -> Result<PathBuf, NotFound> {
    if let Some(path) = named {
        return Ok(dir.join(path));
    }
    let files = dir.ancestors().flat_map(|dir| NAMES.map(|name| dir.join(name)));
    files.into_iter().find(|path| path.is_file()).ok_or_else(|| NotFound::File(dir.to_owned()))
}

/// Whether a file has the format of a Procfile: by its name, such as `Procfile` or `Procfile.dev`.
pub(crate) fn is_procfile(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("Procfile") || name.ends_with(".procfile")
}

/// The error returned if there is no file.
#[derive(Debug)]
pub(crate) enum NotFound {
    /// The current directory cannot be used.
    Directory(io::Error),
    /// Neither this directory nor one above it has a file.
    File(PathBuf),
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => {
                write!(f, "cannot find this directory: {error}; change into one that exists")
            }
            Self::File(dir) => {
                let dir = dir.display();
                write!(
                    f,
                    "there is no childminder.toml or Procfile in {dir} or above; name the file, or see `childminder help file`"
                )
            }
        }
    }
}

impl std::error::Error for NotFound {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory(error) => Some(error),
            Self::File(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn f_255_the_nearest_file_is_found_and_toml_is_preferred() {
        let root = TempDir::new().unwrap();
        let below = root.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let write = |path: &str| {
            let path = root.path().join(path);
            fs::write(&path, "").unwrap();
            path
        };
        let procfile = write("Procfile");
        let find = |named: Option<&str>| find_from(named.map(Path::new), &below).unwrap();
        assert_eq!(find(None), procfile);
        let toml = write("childminder.toml");
        assert_eq!(find(None), toml);
        let nearer = write("a/Procfile");
        assert_eq!(find(None), nearer);
        assert_eq!(find(Some("x.toml")), below.join("x.toml"));
        assert!(is_procfile(Path::new("x/Procfile.dev")) && !is_procfile(Path::new("x.toml")));
    }
}
