//! Signals to a process and its group, and dropping a process, which leaves nothing.

use std::thread;

use childminder::machine::Stream;
use childminder::{Exit, Signal, Spec};
use rustix::process::{Pid, WaitOptions, kill_process, wait};

use crate::support::{Census, Child, PORTABLE, alone, eventually, is_alive, status_field};

#[test]
fn f_24_f_25_kill_reaches_members_that_ignore_term_with_and_without_the_leader() {
    let script = "trap 'exit 0' TERM; (trap '' TERM; echo $(exec sh -c 'echo $PPID'); sleep 100) & wait";
    let mut child = Child::shell(script);
    let stubborn: u32 = child.line().parse().expect("a process id");
    child.signal(Signal::TERM);
    assert_eq!(child.exit(), Exit::Code(0));
    assert!(child.0.remaining().contains(&stubborn));
    child.signal(Signal::KILL);
    child.wait_for_the_group();
    assert!(!is_alive(stubborn));
}

#[test]
fn f_26_term_and_cont_end_a_stopped_process() {
    let mut child = Child::shell("trap 'echo bye; exit 0' TERM; echo ready; kill -STOP $$; sleep 100 & wait");
    assert_eq!(child.line(), "ready");
    eventually("it is stopped", || status_field(child.id(), "State").expect("alive").starts_with('T'));
    child.signal(Signal::TERM);
    assert!(
        status_field(child.id(), "State").expect("alive").starts_with('T'),
        "TERM alone must not end a stopped process"
    );
    child.signal(Signal::CONT);
    assert_eq!(child.exit(), Exit::Code(0));
    assert_eq!(child.line(), "bye");
}

#[test]
fn f_46_a_child_outlives_the_thread_that_started_it() {
    let mut child = thread::spawn(|| Child::shell("read line; echo alive")).join().expect("no panic");
    assert_eq!(child.line(), "alive");
    let mut child = thread::spawn(|| Child::shell("sleep 100")).join().expect("no panic");
    assert!(is_alive(child.id()));
    child.signal(Signal::KILL);
    assert_eq!(child.exit(), Exit::Signal { signal: Signal::KILL, core: false });
}

#[test]
fn f_50_a_process_that_is_dropped_leaves_nothing() {
    alone("sys::stop::f_50_a_process_that_is_dropped_leaves_nothing", || {
        drop(Child::shell("exit 0"));
        let before = Census::take();
        let forked =
            |script: &str| Child::start(&Spec::new("sh").args(["-c", script]).umask(0o22)).expect("sh");
        for start in [Child::shell as fn(&str) -> Child, forked] {
            // Running, with a grandchild that ignores TERM.
            let mut child = start("trap '' TERM; sleep 100 & echo $!; wait");
            let grandchild: u32 = child.line().parse().expect("a process id");
            assert_gone(child, grandchild);
            // Dead, and the exit is not polled yet.
            let mut child = start("sleep 100 & echo $!");
            let grandchild: u32 = child.line().parse().expect("a process id");
            child.exit();
            assert_gone(child, grandchild);
            // Dead and reaped, its group alive.
            let mut child = start("sleep 100 & echo $!");
            let grandchild: u32 = child.line().parse().expect("a process id");
            child.exit();
            assert_eq!(child.0.remaining(), [grandchild]);
            assert_gone(child, grandchild);
        }
        // In the group of the monitor only the process itself is killed.
        let child = Child::start(&Spec::new("sleep").arg("100").own_group(false)).expect("it starts");
        let id = child.id();
        drop(child);
        assert_eq!(status_field(id, "State"), None);
        // During a panic.
        let child = Child::shell("sleep 100");
        let id = child.id();
        let panicked = thread::spawn(move || {
            let _child = child;
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert_eq!(status_field(id, "State"), None);
        reap_the_adopted();
        Census::take().assert_unchanged_since(&before);
    });
}

/// Drops a child and asserts that it is reaped and its grandchild is dead.
fn assert_gone(child: Child, grandchild: u32) {
    let id = child.id();
    drop(child);
    assert_eq!(status_field(id, "State"), None, "a zombie remains");
    eventually("the grandchild is dead", || !is_alive(grandchild));
}

/// Reaps adopted grandchildren, in a test that runs in its own process.
fn reap_the_adopted() {
    while wait(WaitOptions::empty()).is_ok() {}
}

#[test]
fn f_51_starts_and_drops_work_without_and_inside_a_runtime() {
    let life = || {
        let mut child = Child::shell("echo hello; exit 5");
        assert_eq!(child.read_to_end(Stream::Stdout), "hello\n");
        assert_eq!(child.exit(), Exit::Code(5));
        Child::shell("sleep 100")
    };
    // Without a runtime; inside a runtime without drivers; and a drop after the end of that runtime.
    drop(life());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("tokio");
    drop(runtime.block_on(async { life() }));
    let child = runtime.block_on(async { life() });
    drop(runtime);
    let id = child.id();
    drop(child);
    assert_eq!(status_field(id, "State"), None);
    drop(smol::block_on(async { life() }));
    drop(async_std::task::block_on(async { life() }));
}

#[test]
fn pm_38_a_signal_reaches_the_whole_group_or_only_the_process_that_has_none() {
    let script = "sleep 100 & echo $!; wait";
    let mut child = Child::shell(script);
    let grandchild: u32 = child.line().parse().expect("a process id");
    child.signal(Signal::TERM);
    assert_eq!(child.exit(), Exit::Signal { signal: Signal::TERM, core: false });
    child.wait_for_the_group();
    assert!(!is_alive(grandchild));

    let mut child = Child::start(&Spec::new("sh").args(["-c", script]).own_group(false)).expect("sh");
    let grandchild: u32 = child.line().parse().expect("a process id");
    assert_eq!(status_field(grandchild, "NSpgid"), status_field(std::process::id(), "NSpgid"));
    child.signal(Signal::TERM);
    assert_eq!(child.exit(), Exit::Signal { signal: Signal::TERM, core: false });
    assert!(child.0.remaining().is_empty(), "a process without its own group has no members");
    assert!(is_alive(grandchild), "a member of the monitor's group was killed");
    child.signal(Signal::TERM);
    let grandchild = Pid::from_raw(grandchild.try_into().expect("a number")).expect("not 0");
    kill_process(grandchild, rustix::process::Signal::KILL).expect("we started it");
}

#[test]
fn a_leader_is_reaped_as_soon_as_the_members_are_listed() {
    let mut child = Child::shell("exit 0");
    child.exit();
    let state = status_field(child.id(), "State");
    assert_eq!(
        state.is_some_and(|state| state.starts_with('Z')),
        !PORTABLE,
        "whether the exit was seen without reaping"
    );
    assert!(child.0.remaining().is_empty());
    assert_eq!(status_field(child.id(), "State"), None);
}

#[test]
fn a_process_costs_three_descriptors_and_releases_each_as_early_as_possible() {
    alone("sys::stop::a_process_costs_three_descriptors_and_releases_each_as_early_as_possible", || {
        drop(Child::shell("exit 0"));
        let before = Census::take();
        let more = || Census::take().descriptors() - before.descriptors();
        let mut child = Child::shell("exec sleep 100 >&- 2>&-");
        assert_eq!(more(), if PORTABLE { 2 } else { 3 });
        child.read_to_end(Stream::Stdout);
        child.read_to_end(Stream::Stderr);
        assert_eq!(more(), if PORTABLE { 0 } else { 1 });
        drop(child);
        Census::take().assert_unchanged_since(&before);
    });
}
