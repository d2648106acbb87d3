//! Handles, drivers and threads, and what is stopped when each is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use childminder::host::{ProbeFuture, ProbeTarget, Process, SleepFuture};
use childminder::monitor::CommandError;
use childminder::output::CallbackSink;
use childminder::{Host, Phase, ProcessMonitor, SpawnError, Spec, System};
use futures_lite::future::{block_on, poll_once};

use super::{builder, sh};
use crate::support::{Census, alone, eventually, is_alive};

fn wait_for_pid(monitor: &ProcessMonitor, name: &str) -> u32 {
    let mut pid = None;
    eventually(&format!("{name} is started"), || {
        pid = monitor.status(name).and_then(|status| status.pid);
        pid.is_some()
    });
    pid.unwrap()
}

#[test]
fn f_50_dropping_a_background_monitor_leaves_nothing() {
    alone("real::handles::f_50_dropping_a_background_monitor_leaves_nothing", || {
        let mut before = None;
        for _ in 0..5 {
            let monitor = builder().background(System::new()).unwrap();
            monitor.add_process("calm", sh("exec sleep 1000")).unwrap();
            monitor
                .add_process("deaf", sh("trap '' TERM; sleep 1000 & while :; do sleep 0.05; done"))
                .unwrap();
            monitor.add_process("crash", sh("exit 1")).unwrap();
            monitor.start_service().unwrap();
            let pids = ["calm", "deaf"].map(|name| wait_for_pid(&monitor, name));
            drop(monitor);
            assert!(pids.iter().all(|pid| !is_alive(*pid)));
            // This process is a subreaper and has adopted the killed members.
            while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
            // The output thread is not joined, since it may be blocked in a sink; here it ends by itself.
            let limit = before.as_ref().map_or(usize::MAX, Census::threads);
            eventually("the output thread ends", || Census::take().threads() <= limit);
            before.get_or_insert_with(Census::take);
        }
        // The descriptors of the event loop stay after the first monitor.
        let before = before.expect("five rounds");
        Census::take().assert_unchanged_since(&before);
    });
}

#[test]
fn only_sinks_that_may_block_need_a_thread() {
    alone("real::handles::only_sinks_that_may_block_need_a_thread", || {
        let callback = || builder().sink(CallbackSink::new(|_, _| {})).tail(1);
        for (builder, expected) in
            [(builder().tail(1), false), (callback().inline(), false), (callback(), true)]
        {
            let monitor = builder.background(System::new()).unwrap();
            monitor.add_process("talk", sh("echo hello; exec sleep 1000")).unwrap();
            monitor.start_service().unwrap();
            eventually("the line arrives", || monitor.tail("talk", 1) == ["hello"]);
            assert_eq!(Census::take().has_thread("childminder-out"), expected);
        }
    });
}

#[test]
fn f_7_bad_input_leaves_no_process_descriptor_or_thread() {
    alone("real::handles::f_7_bad_input_leaves_no_process_descriptor_or_thread", || {
        let monitor = builder().background(System::new()).unwrap();
        monitor.start_service().unwrap();
        // A first process shows that the driver's thread has its descriptors.
        monitor.add_process("calm", sh("exec sleep 1000")).unwrap();
        wait_for_pid(&monitor, "calm");
        monitor.remove_process("calm").unwrap().wait().unwrap();
        let before = Census::take();
        for (name, spec) in [
            ("", Spec::new("true")),
            ("a/b", Spec::new("true")),
            ("a", Spec::new("")),
            ("a", Spec::new("tr\0ue")),
            ("a", Spec::new("true").arg("\0")),
            ("a", Spec::new("true").env("A=B", "")),
            ("a", Spec::new("true").env("", "")),
            ("a", Spec::new("true").cwd("")),
            ("a", Spec::new("true").umask(0o7777)),
            ("a", Spec::new("true").uid(u32::MAX)),
        ] {
            monitor.add_process(name, spec.clone()).expect_err(&format!("{name:?} {spec:?}"));
        }
        monitor.stop_process("a").expect_err("there is none");
        Census::take().assert_unchanged_since(&before);
    });
}

#[test]
fn f_50_a_panic_stops_the_children_while_unwinding() {
    let mut pid = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let monitor = builder().background(System::new()).unwrap();
        monitor.add_process("calm", sh("exec sleep 1000")).unwrap();
        monitor.start_service().unwrap();
        pid = wait_for_pid(&monitor, "calm");
        panic!("a test fails");
    }));
    assert!(result.is_err() && !is_alive(pid));
}

/// The real system, which panics when a program named `bug` is started.
#[derive(Debug)]
struct Buggy(System);

impl Host for Buggy {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        self.0.sleep_until(at)
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        assert!(spec.get_program() != "bug", "the driver's thread panics");
        self.0.spawn(spec)
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        self.0.probe(target, owner)
    }
}

#[test]
fn f_49_a_driver_that_panics_kills_the_children_and_fails_every_wait() {
    let monitor = builder().background(Buggy(System::new())).unwrap();
    monitor.add_process("deaf", sh("trap '' TERM; while :; do sleep 0.05; done")).unwrap();
    monitor.start_service().unwrap();
    let pid = wait_for_pid(&monitor, "deaf");
    let mut notices = monitor.notices();
    let stopped = monitor.hold_process("deaf").unwrap();
    // The panic may come before or after this call returns.
    let _ = monitor.add_process("bug", Spec::new("bug"));
    stopped.wait().unwrap();
    while notices.wait().is_some() {}
    assert!(!is_alive(pid));
    assert!(matches!(monitor.start_process("deaf"), Err(CommandError::Closed)));
}

#[test]
fn f_51_a_runtime_that_ends_first_kills_the_children() {
    alone("real::handles::f_51_a_runtime_that_ends_first_kills_the_children", || {
        let (monitor, driver) = builder().build(System::new()).unwrap();
        monitor.add_process("calm", sh("exec sleep 1000")).unwrap();
        monitor.start_service().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.spawn(driver);
        let pid = wait_for_pid(&monitor, "calm");
        let stopped = monitor.stop_process("calm").unwrap();
        drop(runtime);
        assert!(!is_alive(pid));
        stopped.wait().unwrap();
        assert!(monitor.add_process("more", Spec::new("true")).is_err());
    });
}

#[test]
fn f_32_51_a_driver_polled_once_and_dropped_leaves_nothing() {
    alone("real::handles::f_32_51_a_driver_polled_once_and_dropped_leaves_nothing", || {
        let (monitor, mut driver) = builder().build(System::new()).unwrap();
        monitor.add_process("calm", sh("exec sleep 1000")).unwrap();
        monitor.start_service().unwrap();
        block_on(poll_once(&mut driver));
        let pid = monitor.status("calm").unwrap().pid.unwrap();
        drop(driver);
        assert!(!is_alive(pid));
    });
}

#[test]
fn f_40_twenty_threads_restart_at_once() {
    let monitor = builder().background(System::new()).unwrap();
    monitor.add_process("calm", sh("exec sleep 1000")).unwrap();
    monitor.start_service().unwrap();
    let first = wait_for_pid(&monitor, "calm");
    let barrier = std::sync::Barrier::new(20);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                barrier.wait();
                monitor.stop_process("calm").unwrap().wait().unwrap();
                // Each ticket belongs to a run that its call has stopped.
                assert!(!is_alive(first));
            });
        }
    });
    monitor.stop_service().wait().unwrap();
    assert_eq!(monitor.status("calm").unwrap().phase, Phase::Down);
}

#[test]
fn notices_reach_a_thread_that_waits_for_them() {
    let monitor = builder().background(System::new()).unwrap();
    let mut notices = monitor.notices();
    let listener = std::thread::spawn(move || {
        let mut heard = Vec::new();
        while let Some(Ok(notice)) = notices.wait() {
            heard.push(notice.to_string().split(' ').nth(1).unwrap().to_owned());
        }
        heard
    });
    monitor.add_process("calm", sh("exec sleep 1000")).unwrap();
    monitor.start_service().unwrap();
    wait_for_pid(&monitor, "calm");
    drop(monitor);
    assert_eq!(listener.join().unwrap(), ["was", "started,", "sent", "stopped"]);
}
