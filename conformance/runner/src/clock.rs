//! The clock of the measurements.

use std::fs;

use crate::error::{Doing as _, Error};

/// The time of a shell script, to which it is a file: `/proc/uptime`, with a resolution of 10 ms.
const UPTIME: &str = "/proc/uptime";

/// Returns the seconds since this machine was booted.
pub(crate) fn now() -> Result<f64, Error> {
    let text = fs::read_to_string(UPTIME).doing(|| format!("read `{UPTIME}`, which Linux has"))?;
    let first = text.split(' ').next().and_then(|seconds| seconds.parse().ok());
    Ok(first.expect("the kernel writes a number"))
}
