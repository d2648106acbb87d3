//! Faults that belong to no single room: shortages, races around `exec`, storms, and a monitor that is
//! suspended.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::iter;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use childminder::machine::{Containment, Definition, Event, Machine, NoticeKind, Output, RunId, SpawnStep};
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Host, Policy, ProcessMonitor, Signal, Spec, System};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{
    Census, Child, PATIENCE, PORTABLE, Scratch, alone, alone_under, alone_with_fault, drop_privileges,
    eventually, is_alive, run, skip,
};

#[test]
fn f_6_a_program_that_is_open_for_writing_is_a_shortage_that_passes() {
    let scratch = Scratch::new();
    let program = scratch.path().join("program");
    fs::copy("/bin/true", &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let writer = fs::OpenOptions::new().append(true).open(&program).unwrap();
    let error = Child::start(&Spec::new(&program)).expect_err("the file is busy");
    assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Exec, Some(libc::ETXTBSY)));
    assert!(error.is_resource(), "{error}");
    drop(writer);
    // A child that another test starts at this moment holds a copy of the descriptor until it executes its
    // program.
    let begin = Instant::now();
    let mut child = loop {
        match Child::start(&Spec::new(&program)) {
            Ok(child) => break child,
            Err(error) => assert!(error.is_resource() && begin.elapsed() < PATIENCE, "{error}"),
        }
    };
    assert!(child.exit().is_success());
    fs::remove_file(program).unwrap();
}

#[test]
fn f_10_without_a_free_descriptor_output_exits_and_stops_go_on() {
    alone("faults::f_10_without_a_free_descriptor_output_exits_and_stops_go_on", || {
        let monitor = ProcessMonitor::builder().tail(10).background(System::new()).unwrap();
        let script = "trap 'echo end; exit 0' TERM; echo up; while :; do sleep 0.01; done";
        let policy = Policy { threshold: Duration::ZERO, ..Policy::default() };
        for name in ["one", "two"] {
            monitor.add_process(name, Spec::new("sh").args(["-c", script]).policy(policy)).unwrap();
        }
        let mut notices = monitor.notices();
        monitor.start_service().unwrap();
        eventually("both are up", || ["one", "two"].iter().all(|name| monitor.tail(name, 1) == ["up"]));
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(200), ..limit }).unwrap();
        let hogs: Vec<_> = iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();

        // A restart needs descriptors: its exit is seen, its output is whole, and the start is tried again
        // later.
        let ticket = monitor.stop_process("one").unwrap();
        ticket.wait().unwrap();
        assert_eq!(monitor.tail("one", 1), ["end"]);
        let failed =
            iter::from_fn(|| notices.wait()).map(Result::unwrap).find_map(|notice| match notice.kind {
                NoticeKind::SpawnFailed { error } => Some(error),
                _ => None,
            });
        assert!(failed.as_ref().is_some_and(|error| error.is_resource()), "{failed:?}");

        monitor.stop_service().wait().unwrap();
        assert_eq!(monitor.tail("two", 1), ["end"]);
        drop(hogs);
        drop(monitor);
        Census::settled();
    });
}

#[test]
fn f_11_without_memory_for_a_process_a_start_fails_and_is_tried_again() {
    const NAME: &str = "faults::f_11_without_memory_for_a_process_a_start_fails_and_is_tried_again";
    // The first clones are the threads of the test, of the event loop and of the monitor.
    alone_with_fault("clone3,clone,fork,vfork:error=ENOMEM:when=9..10", NAME, || {
        let system = System::new();
        let before = Census::take();
        let mut refused = 0;
        for _ in 0..15 {
            if let Err(error) = system.spawn(&Spec::new("sleep").arg("100")) {
                assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Fork, Some(libc::ENOMEM)));
                assert!(error.is_resource());
                refused += 1;
            }
        }
        assert_eq!(refused, 2);
        Census::take().assert_unchanged_since(&before);
    });
}

#[test]
#[expect(unsafe_code, reason = "no safe function changes a signal disposition")]
fn f_13_a_terminal_stop_during_a_start_does_not_stop_the_child() {
    alone("faults::f_13_a_terminal_stop_during_a_start_does_not_stop_the_child", || {
        // SAFETY: this disposition calls no handler.
        unsafe { libc::signal(libc::SIGTSTP, libc::SIG_IGN) };
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        // Ctrl-Z reaches the whole group, and so a child that has not left it yet.
        let terminal = thread::spawn(move || {
            while !is_done.load(Ordering::Relaxed) {
                let group = rustix::process::getpgrp();
                rustix::process::kill_process_group(group, rustix::process::Signal::TSTP).unwrap();
            }
        });
        for _ in 0..500 {
            assert!(Child::start(&Spec::new("true")).unwrap().exit().is_success());
        }
        done.store(true, Ordering::Relaxed);
        terminal.join().unwrap();
    });
}

#[test]
fn f_14_starts_succeed_while_other_threads_allocate_and_change_the_environment() {
    alone("faults::f_14_starts_succeed_while_other_threads_allocate_and_change_the_environment", || {
        let done = Arc::new(AtomicBool::new(false));
        let hammers: Vec<_> = (0..4)
            .map(|i| {
                let done = Arc::clone(&done);
                thread::spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let words: Vec<String> = (0..100).map(|n| format!("{i} {n}")).collect();
                        assert_eq!(words.len(), 100);
                        let _ = std::env::var_os("PATH");
                        let _ = fs::metadata("/");
                    }
                })
            })
            .collect();
        for number in 0..200 {
            let text = number.to_string();
            let (exit, out, _) = run(&Spec::new("echo").arg(&text).env("NUMBER", &text));
            assert!(exit.is_success() && out == format!("{text}\n"), "{exit:?} {out}");
        }
        done.store(true, Ordering::Relaxed);
        for hammer in hammers {
            hammer.join().unwrap();
        }
    });
}

#[test]
fn f_21_a_process_that_got_the_id_of_a_dead_one_is_never_signalled() {
    const NAME: &str = "faults::f_21_a_process_that_got_the_id_of_a_dead_one_is_never_signalled";
    const NAMESPACE: [&str; 4] = ["unshare", "--pid", "--fork", "--mount-proc"];
    if PORTABLE {
        return skip(NAME, "without pidfds a signal goes to an id");
    }
    let is_inner = std::process::id() < 10;
    let can_unshare = || Command::new(NAMESPACE[0]).args(&NAMESPACE[1..]).arg("true").status();
    if !is_inner && !can_unshare().is_ok_and(|status| status.success()) {
        return skip(NAME, "no new PID namespace is available");
    }
    alone_under(&NAMESPACE, NAME, || {
        let mut child = Child::start(&Spec::new("true")).unwrap();
        let id = child.id();
        assert!(child.exit().is_success());
        // The zombie keeps the id, so the next process must not get it.
        let next = |id: u32| {
            fs::write("/proc/sys/kernel/ns_last_pid", (id - 1).to_string()).unwrap();
            Command::new("sleep").arg("100").spawn().unwrap()
        };
        let mut other = next(id);
        assert_ne!(other.id(), id);
        child.signal(Signal::KILL);
        assert!(is_alive(other.id()));
        drop(child);
        // Now the id is free, and dropped handles no longer matter.
        let mut successor = next(id);
        assert_eq!(successor.id(), id, "the id is not reused");
        assert!(is_alive(successor.id()));
        for process in [&mut other, &mut successor] {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    });
}

#[test]
fn f_29_a_stop_ends_a_process_that_keeps_forking() {
    const MARK: &str = "CHILDMINDER_TEST_FORKS";
    let mark = format!("{MARK}={}", std::process::id());
    let policy = Policy { kill_time: Duration::from_millis(100), ..Policy::default() };
    let script = "trap '' TERM; while :; do sleep 30 & done";
    let forks = Spec::new("sh").args(["-c", script]).env(MARK, std::process::id().to_string()).policy(policy);
    let monitor = ProcessMonitor::background(System::new()).unwrap();
    monitor.add_process("forks", forks).unwrap();
    monitor.start_service().unwrap();
    eventually("it forks", || marked(&mark).len() > 20);
    monitor.stop_service().wait().unwrap();
    assert_eq!(marked(&mark), Vec::<u32>::new());
}

#[test]
fn f_64_output_is_whole_through_pipes_that_hold_one_page() {
    const NAME: &str = "faults::f_64_output_is_whole_through_pipes_that_hold_one_page";
    if !rustix::process::geteuid().is_root() && std::env::var_os("TMPDIR").is_none() {
        return skip(NAME, "only root may raise the limit of descriptors first");
    }
    alone(NAME, || {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        drop_privileges();
        // After 16,384 pages an unprivileged user gets small pipes.
        let hogs: Vec<_> = iter::repeat_with(io::pipe).take(1_200).map_while(Result::ok).collect();
        let (probe, _writer) = io::pipe().unwrap();
        if rustix::pipe::fcntl_getpipe_size(&probe).unwrap() > 8192 {
            return skip(NAME, "this system does not shrink pipes");
        }
        let (exit, out, _) = run(&Spec::new("seq").arg("50000"));
        assert!(exit.is_success());
        assert_eq!(out.lines().count(), 50_000);
        assert_eq!(out.lines().last(), Some("50000"));
        drop(hogs);
    });
}

#[test]
fn f_66_after_a_suspension_each_overdue_timer_acts_once_and_in_order() {
    let now = Instant::now();
    let mut machine = Machine::new();
    for name in ["flaky", "stubborn"] {
        machine.add_process(name.parse().unwrap(), Definition::new(()), now).unwrap();
    }
    machine.start_service(now).unwrap();
    let mut runs = BTreeMap::new();
    for output in iter::from_fn(|| machine.poll_output()).collect::<Vec<_>>() {
        if let Output::Spawn { run, name, .. } = output {
            runs.insert(name.as_str().to_owned(), run);
            machine.handle_event(started(run), now);
        }
    }
    // "flaky" waits for a restart, "stubborn" for its KILL, when the monitor is suspended for an hour.
    let run = runs["flaky"];
    machine.handle_event(Event::Closed { run }, now);
    machine.handle_event(Event::Exited { run, exit: Exit::Code(1), remaining: Vec::new() }, now);
    machine.stop_process("stubborn", now).unwrap();
    while machine.poll_output().is_some() {}
    let later = now + Duration::from_secs(3600);
    machine.handle_timeout(later);
    let mut acts = Vec::new();
    while let Some(output) = machine.poll_output() {
        match output {
            Output::Signal { signal, .. } => acts.push(format!("{signal}")),
            Output::Spawn { name, .. } => acts.push(format!("start {name}")),
            _ => {}
        }
    }
    // The restart was due after 1 s, and KILL after 5 s.
    assert_eq!(acts, ["start flaky", "KILL"]);
    machine.handle_timeout(later);
    assert!(machine.poll_output().is_none(), "a timer acted twice");
}

#[test]
fn f_69_ten_thousand_processes_that_die_together_start_again_in_order_and_once() {
    const COUNT: usize = 10_000;
    let mut now = Instant::now();
    let mut machine = Machine::new();
    for number in 0..COUNT {
        machine.add_process(number.to_string().parse().unwrap(), Definition::new(()), now).unwrap();
    }
    machine.start_service(now).unwrap();
    for (delay, next_delay) in [(0, 1), (1, 2), (2, 4)] {
        now += Duration::from_secs(delay);
        machine.handle_timeout(now);
        let mut started_runs = Vec::new();
        let mut names = Vec::new();
        while let Some(output) = machine.poll_output() {
            if let Output::Spawn { run, name, .. } = output {
                started_runs.push(run);
                names.push(name.as_str().parse::<usize>().unwrap());
            }
        }
        assert!(names.into_iter().eq(0..COUNT), "not every process was started once and in order");
        for run in started_runs {
            machine.handle_event(started(run), now);
            machine.handle_event(Event::Closed { run }, now);
            machine.handle_event(Event::Exited { run, exit: Exit::Code(1), remaining: Vec::new() }, now);
        }
        let next = loop {
            match machine.poll_output() {
                Some(Output::Spawn { .. }) => panic!("a start without a delay"),
                Some(_) => {}
                None => break machine.poll_timeout(),
            }
        };
        assert_eq!(next, Some(now + Duration::from_secs(next_delay)));
    }
}

#[test]
fn f_70_a_shortage_is_retried_forever_at_the_maximum_delay() {
    let sim = Sim::new();
    for _ in 0..40 {
        sim.script("server", Script::fails(SpawnStep::Fork, libc::EAGAIN));
    }
    sim.script("server", Script::new());
    let policy = Policy { max_restart_delay: Duration::from_secs(8), ..Policy::default() };
    let (monitor, driver) = ProcessMonitor::new(sim.clone());
    sim.spawn(driver);
    monitor.add_process("server", Spec::new("server").policy(policy)).unwrap();
    monitor.start_service().unwrap();
    // 1 + 2 + 4 s, then 8 s before each further attempt.
    sim.advance(Duration::from_secs(7 + 37 * 8));
    let trace = sim.trace();
    assert_eq!(trace.lines().filter(|line| line.contains(" fail server#")).count(), 40, "{trace}");
    assert!(trace.ends_with("303.0 spawn server#41\n"), "{trace}");
}

#[test]
fn f_75_limits_and_priority_are_inherited_and_the_umask_is_as_set() {
    let script = "ulimit -n; ulimit -c; umask; cut -d' ' -f19 /proc/self/stat";
    let ours = Command::new("sh").args(["-c", script]).output().unwrap();
    let ours = String::from_utf8(ours.stdout).unwrap();
    let shell = || Spec::new("sh").args(["-c", script]);
    let (_, inherited, _) = run(&shell());
    assert_eq!(inherited, ours);
    let (_, changed, _) = run(&shell().umask(0o027));
    let mut expected: Vec<&str> = ours.lines().collect();
    expected[2] = "0027";
    assert_eq!(changed.lines().collect::<Vec<_>>(), expected);
}

fn started(run: RunId) -> Event {
    Event::Started { run, pid: 1, containment: Containment::Group }
}

/// Returns the living processes with this variable in their environment.
fn marked(variable: &str) -> Vec<u32> {
    let ids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let has_mark = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|word| word == variable.as_bytes())
    };
    ids.filter(has_mark).filter(|pid| is_alive(*pid)).collect()
}
