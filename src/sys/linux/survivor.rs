//! The reason why a process is still alive after KILL.

use std::fs;

use rustix::process::geteuid;

use crate::machine::{Escaped, SurvivalReason, SurvivingProcess};

use super::process_table;

/// The longest command line that is reported.
const LONGEST: usize = 200;

/// Describes those of `pids` that are alive.
pub(super) fn describe(pids: &[u32]) -> Vec<SurvivingProcess> {
    let is_alive =
        |pid: &u32| process_table::read(*pid).is_ok_and(|entry| entry.is_some_and(|one| one.alive));
    let alive = pids.iter().copied().filter(is_alive);
    alive.map(|pid| SurvivingProcess::new(pid, command(pid), reason(pid))).collect()
}

fn command(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = words.strip_suffix(b"\0").unwrap_or(&words);
    let text = match words {
        [] => match fs::read(format!("/proc/{pid}/comm")) {
            Ok(name) => format!("[{}]", String::from_utf8_lossy(name.trim_ascii_end())),
            Err(_) => return String::new(),
        },
        words => String::from_utf8_lossy(words).replace('\0', " "),
    };
    let text = Escaped(&text).to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn reason(pid: u32) -> SurvivalReason {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        return SurvivalReason::OutOfReach;
    };
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let own = geteuid();
    let has_pending_kill = |name| {
        let set = field(name).and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        set.is_some_and(|set| set & (1 << (libc::SIGKILL - 1)) != 0)
    };
    let mut users = field("Uid").unwrap_or_default().split_ascii_whitespace();
    if field("State").is_some_and(|state| state.trim_start().starts_with('D')) {
        SurvivalReason::KernelWait
    } else if has_pending_kill("SigPnd") || has_pending_kill("ShdPnd") {
        SurvivalReason::KillPending
    } else if !own.is_root() && !users.any(|user| user.parse() == Ok(own.as_raw())) {
        SurvivalReason::OtherUser
    } else {
        SurvivalReason::OutOfReach
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_described_by_its_command() {
        use std::process::{Command, Stdio};

        let mut command = Command::new("sleep");
        let mut child =
            command.arg("1000").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("sleep");
        // It takes a moment until it has executed its program.
        let found = (0..100_000)
            .map(|_| describe(&[child.id(), u32::MAX]))
            .find(|found| found[0].command == "sleep 1000");
        assert_eq!(found.expect("it has a command line")[0].reason, SurvivalReason::OutOfReach);
        child.kill().expect("it is ours");
        child.wait().expect("wait");
        assert_eq!(describe(&[child.id()]), []);
    }
}
