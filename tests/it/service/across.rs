//! A service that several processes share, however they end.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use childminder::service::CrossProcessService;
use childminder::{Service, SharedService};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{PATIENCE, Scratch, eventually, is_alive, status_field};

/// Set in the processes that use a service, with what they are to do.
const USER: &str = "CHILDMINDER_TEST_USER";

/// Stands for the variable of nextest, so that the processes of one test belong to one run.
const RUN: &str = "NEXTEST_RUN_ID";

/// Prints each line that is written to its pipe, and has a child of its own.
static ECHO: CrossProcessService = SharedService::across_processes("echo", || {
    let script = "mkfifo {dir}/in; exec 3<>{dir}/in; sleep 1000 & echo child $!; echo open; \
                  while read -r line <&3; do echo got $line; done";
    let service = Service::new("sh").args(["-c", script]).name("echo").scratch().reserve_port("spare");
    service.url("echo:{port:spare}").capture(r"child (\d+)").expect_output("open\n")
});

static FAILING: CrossProcessService = SharedService::across_processes("failing", || {
    Service::new("sh").args(["-c", "echo no such database >&2; exit 7"]).scratch()
});

/// A process that uses a service until its input ends or it is killed.
struct User {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl User {
    fn start(name: &str, what: &str, scratch: &Scratch) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(USER, what)
            .env(RUN, scratch.path())
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Self { process, stdin, stdout }
    }

    /// Returns what the process prints after `key`.
    fn value(&mut self, key: &str) -> String {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                let mut error = String::new();
                self.process.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("no {key}: {error}");
            }
            if let Some((_, value)) = line.trim_end().split_once(&format!("{key}=")) {
                return value.to_owned();
            }
        }
    }

    fn ask(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn pid_of_service(&mut self) -> u32 {
        self.value("pid").parse().unwrap()
    }

    /// Ends the process in order, and returns its standard error.
    fn end(mut self) -> String {
        drop(self.stdin);
        let mut error = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert!(self.process.wait().unwrap().success(), "{error}");
        error
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Waits until the process is gone.
fn wait_for_end(pid: u32) {
    eventually(&format!("{pid} has ended"), || !is_alive(pid));
}

/// Waits until the service has printed this line.
fn wait_for_output(scratch: &Scratch, line: &str) {
    let dirs = || fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().path().join("output.log"));
    eventually(&format!("the service has printed {line}"), || {
        dirs().any(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(line)))
    });
}

/// Waits until no file of a run is left.
fn wait_until_empty(scratch: &Scratch) {
    eventually("no file is left", || fs::read_dir(scratch.path()).unwrap().next().is_none());
}

/// Returns the keeper of a service: its parent.
fn keeper_of(pid: u32) -> u32 {
    status_field(pid, "PPid").unwrap().parse().unwrap()
}

/// In the process of a user: uses the service until the input ends. Returns `false` in any other process.
fn is_user() -> bool {
    let Ok(what) = env::var(USER) else { return false };
    let one_line = |text: String| text.replace('\n', "|");
    let mut lines = std::io::stdin().lines();
    if what == "failing" {
        println!("error={}", one_line(FAILING.get().unwrap_err().to_string()));
        assert!(lines.next().is_none());
        return true;
    }
    let guard = ECHO.get().unwrap();
    println!("pid={}", guard.pid());
    println!("url={} {:?}", guard.url().unwrap(), guard.named_port("spare").unwrap());
    println!("child={}", guard.captured()[0]);
    for line in lines {
        match line.unwrap().as_str() {
            "again" => match ECHO.get() {
                Ok(guard) => println!("again={}", guard.pid()),
                Err(error) => println!("again={}", one_line(error.to_string())),
            },
            text => fs::write(guard.dir().unwrap().join("in"), format!("{text}\n")).unwrap(),
        }
    }
    true
}

#[test]
fn f_241_processes_share_one_service_which_ends_after_the_last_of_them() {
    const NAME: &str = "service::across::f_241_processes_share_one_service_which_ends_after_the_last_of_them";
    if is_user() {
        return;
    }
    let scratch = Scratch::new();
    let mut users: Vec<User> = (0..4).map(|_| User::start(NAME, "echo", &scratch)).collect();
    let pids: Vec<u32> = users.iter_mut().map(User::pid_of_service).collect();
    assert!(pids.iter().all(|pid| *pid == pids[0] && is_alive(*pid)), "{pids:?}");
    let url = users[0].value("url");
    let (address, port) = url.split_once(' ').unwrap();
    assert_eq!(address, format!("echo:{port}"));
    let child: u32 = users[0].value("child").parse().unwrap();
    let keeper = keeper_of(pids[0]);
    // Another run has a service of its own.
    let other_run = Scratch::new();
    let mut other = User::start(NAME, "echo", &other_run);
    assert_ne!(other.pid_of_service(), pids[0]);
    other.end();
    let last = users.pop().unwrap();
    users.into_iter().for_each(|user| drop(user.end()));
    assert!(is_alive(pids[0]), "one process uses it");
    last.end();
    [pids[0], child, keeper].into_iter().for_each(wait_for_end);
    wait_until_empty(&scratch);
    wait_until_empty(&other_run);
}

#[test]
fn f_242_a_service_ends_when_all_its_users_are_killed() {
    const NAME: &str = "service::across::f_242_a_service_ends_when_all_its_users_are_killed";
    if is_user() {
        return;
    }
    let scratch = Scratch::new();
    let mut users: Vec<User> = (0..3).map(|_| User::start(NAME, "echo", &scratch)).collect();
    let pids: Vec<u32> = users.iter_mut().map(User::pid_of_service).collect();
    let child = users[0].value("child").parse().unwrap();
    let keeper = keeper_of(pids[0]);
    users.into_iter().for_each(User::kill);
    [pids[0], child, keeper].into_iter().for_each(wait_for_end);
    wait_until_empty(&scratch);
}

#[test]
fn f_243_a_killed_keeper_takes_the_service_along_and_is_replaced() {
    const NAME: &str = "service::across::f_243_a_killed_keeper_takes_the_service_along_and_is_replaced";
    if is_user() {
        return;
    }
    let scratch = Scratch::new();
    let mut user = User::start(NAME, "echo", &scratch);
    let first = user.pid_of_service();
    let child = user.value("child").parse().unwrap();
    let keeper = i32::try_from(keeper_of(first)).unwrap();
    kill_process(Pid::from_raw(keeper).unwrap(), Signal::KILL).unwrap();
    [first, child].into_iter().for_each(wait_for_end);
    user.ask("again");
    assert_eq!(user.value("again"), "service echo died: its keeper was killed");
    user.ask("again");
    let second: u32 = user.value("again").parse().unwrap();
    assert!(second != first && is_alive(second));
    // A service that dies is reported in the same way, with its output.
    kill_process(Pid::from_raw(i32::try_from(second).unwrap()).unwrap(), Signal::KILL).unwrap();
    let begin = Instant::now();
    let report = loop {
        user.ask("again");
        let report = user.value("again");
        if report.parse::<u32>().is_err() {
            break report;
        }
        assert!(begin.elapsed() < PATIENCE, "the death is not reported");
    };
    assert!(report.contains("it exited with signal KILL|  its last lines:"), "{report}");
    user.end();
    wait_until_empty(&scratch);
}

#[test]
fn f_244_a_failed_start_is_reported_to_every_process() {
    const NAME: &str = "service::across::f_244_a_failed_start_is_reported_to_every_process";
    if is_user() {
        return;
    }
    let scratch = Scratch::new();
    let mut users: Vec<User> = (0..3).map(|_| User::start(NAME, "failing", &scratch)).collect();
    for user in &mut users {
        let error = user.value("error");
        assert!(error.starts_with("service sh is not ready: it exited with code 7"), "{error}");
        assert!(error.ends_with("|    no such database"), "{error}");
    }
    users.into_iter().for_each(|user| drop(user.end()));
    // The failure is kept for later tests as long as their runner is alive, which is this process.
}

#[test]
fn f_238_each_process_shows_the_output_during_its_own_time() {
    const NAME: &str = "service::across::f_238_each_process_shows_the_output_during_its_own_time";
    if is_user() {
        return;
    }
    let scratch = Scratch::new();
    let mut first = User::start(NAME, "echo", &scratch);
    first.pid_of_service();
    first.ask("hello");
    wait_for_output(&scratch, "[echo] got hello\n");
    let mut second = User::start(NAME, "echo", &scratch);
    second.pid_of_service();
    second.ask("goodbye");
    wait_for_output(&scratch, "[echo] got goodbye\n");
    let (first, second) = (first.end(), second.end());
    for line in ["[echo] open\n", "[echo] got hello\n", "[echo] got goodbye\n"] {
        assert!(first.contains(line), "{line} is missing in\n{first}");
    }
    assert!(second.contains("output of echo during this test:\n[echo] got goodbye\n"), "{second}");
    wait_until_empty(&scratch);
}
