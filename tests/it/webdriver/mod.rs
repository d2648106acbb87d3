//! Browsers: with a fake driver, which records every request, and with a real Chromium.

mod chromium;
mod fake;
mod fixture;
mod timeline;
mod trouble;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Returns the processes with `dir` in their environment or their arguments.
fn processes_of(dir: &Path) -> Vec<u32> {
    let names = |pid: u32, file: &str| {
        let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let dir = dir.as_os_str().as_bytes();
        text.windows(dir.len()).any(|part| part == dir)
    };
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| names(*pid, "environ") || names(*pid, "cmdline")).collect()
}
