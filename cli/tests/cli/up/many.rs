//! `up` with many processes: memory, and clients that look at all of them.

use std::fs;

use super::Project;
use crate::supervisor::Supervisor;

/// The memory that a process may take, with everything that is known about it.
const PER_PROCESS: u64 = 8 * 1024;

fn sleeps(count: usize) -> String {
    let process = |number| format!("[process.p{number}]\ncommand = \"sleep 100{number}\"\n");
    (0..count).map(process).collect()
}

/// Returns the memory of a process in bytes, without that of files.
fn memory(up: &Supervisor) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", up.pid())).expect("Linux 4.14");
    let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).expect("its memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

#[test]
fn f_291_a_process_takes_at_most_8_kib_also_after_looks_at_it_and_a_reload() {
    let measure = |count: usize| {
        let project = Project::new(&sleeps(count));
        let mut up = project.up(&[]);
        up.err.wait_for(&format!("all {count} are ready"));
        assert_eq!(project.status().len(), count);
        project.ctl(&["logs"], 0);
        // Every process has another policy.
        project.write("childminder.toml", &format!("[defaults]\nkill-time = 7\n{}", sleeps(count)));
        project.ctl(&["reload"], 0);
        let memory = memory(&up);
        assert_eq!(up.stop().status, 0);
        memory
    };
    let (few, many) = (100, 600);
    let each = measure(many).saturating_sub(measure(few)) / (many - few) as u64;
    assert!(each <= PER_PROCESS, "{each} bytes for each process");
}

#[test]
fn f_287_many_blocked_processes_start_while_clients_wait_for_them() {
    let mut file = String::new();
    for number in 0..300 {
        file += &format!("[process.p{number}]\ncommand = [\"sh\", \"-c\", \"echo up; exec sleep 1000\"]\n");
        file += "ready = { output = \"up\" }\n";
        if number % 50 > 0 {
            file += &format!("after = \"p{}\"\n", number - 1);
        }
    }
    let project = Project::new(&file);
    let mut up = project.up(&[]);
    up.err.wait_for("started, pid");
    let waits: Vec<Supervisor> =
        (0..10).map(|_| Supervisor::start(&mut project.command(&["wait"]))).collect();
    up.err.wait_for("all 300 are ready");
    for wait in waits {
        assert_eq!(wait.end().status, 0);
    }
    assert_eq!(up.stop().status, 0);
}
