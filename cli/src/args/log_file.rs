//! The options for a log file.

use std::path::PathBuf;

use childminder::output::{FileSink, FileSinkError, Rotation};

use crate::values::size;

/// The log file.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "The log file")]
pub(crate) struct LogFile {
    /// Appends the output of the program to this file instead of writing it to stdout, and rotates it. The
    /// file may be moved or removed at any time
    #[arg(long, value_name = "F")]
    pub(crate) log_file: Option<PathBuf>,

    /// The size at which the log file is rotated, such as 500K, or 'unlimited' [default: 10M]
    #[arg(long, value_name = "SIZE", value_parser = max_size, requires = "log_file")]
    pub(crate) log_max_size: Option<u64>,

    /// The number of old log files, F.1 and so on, that are kept [default: 5]
    #[arg(long, value_name = "N", requires = "log_file")]
    pub(crate) log_keep: Option<u32>,
}

impl LogFile {
    /// Opens the file, if there is to be one.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or rotated.
    pub(crate) fn open(&self) -> Result<Option<FileSink>, FileSinkError> {
        let Some(path) = &self.log_file else { return Ok(None) };
        let mut rotation = Rotation::default();
        if let Some(bytes) = self.log_max_size {
            rotation = rotation.max_size(bytes);
        }
        if let Some(files) = self.log_keep {
            rotation = rotation.keep(files);
        }
        FileSink::open(path, rotation).map(Some)
    }
}

fn max_size(text: &str) -> Result<u64, String> {
    match text {
        "unlimited" => Ok(u64::MAX),
        _ => size::parse(text)?
            .checked_sub(1)
            .map(|size| size + 1)
            .ok_or_else(|| "the size is zero".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_not_zero() {
        assert_eq!(max_size("2K"), Ok(2048));
        assert_eq!(max_size("unlimited"), Ok(u64::MAX));
        assert!(max_size("0").is_err());
    }
}
