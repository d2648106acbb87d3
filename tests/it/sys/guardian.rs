//! Children that die with their parent, however it dies.

use std::fs::File;
use std::iter;
use std::thread;
use std::time::{Duration, Instant};

use async_io::{Timer, block_on};
use childminder::machine::SpawnStep;
use childminder::{Exit, Host, Signal, Spec, Stdin, System};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process, setrlimit};

use crate::support::{Census, Child, PATIENCE, Victim, alone, guardians, is_alive, status_field};

/// A shell script that dies with its parent.
fn guarded(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script]).die_with_parent(true)
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().expect("a number")).expect("not 0");
    kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
}

/// Waits for the end of a process that is no child of ours, or of one that is and becomes a zombie.
fn wait_for_the_end_of(pid: u32) {
    let deadline = Instant::now() + PATIENCE;
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "{pid} lives on");
        block_on(Timer::after(Duration::from_millis(2)));
    }
}

#[test]
fn f_45_nobody_outlives_a_parent_that_is_killed() {
    const NAME: &str = "sys::guardian::f_45_nobody_outlives_a_parent_that_is_killed";
    const DAEMON: &str =
        "setsid sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 1000\" & exit' & wait; exec sleep 1000";
    use rustix::process::Signal;
    for signal in [Signal::KILL, Signal::TERM, Signal::INT, Signal::ABORT] {
        let mut victim = Victim::start(NAME, |say| {
            let scripts = [
                ("echo; exec sleep 1000", 5),
                ("trap '' TERM INT HUP; echo; sleep 1000; sleep 1000", 3),
                (DAEMON, 2),
            ];
            let mut children = Vec::new();
            for (script, count) in scripts {
                for _ in 0..count {
                    let mut child = Child::start(&guarded(script)).expect("it starts");
                    child.line();
                    children.push(child);
                }
            }
            say("all are there");
            std::mem::forget(children);
        });
        assert_eq!(victim.line(), "all are there");
        // Ten children, two daemons, and the guardian, with whoever belongs to them.
        victim.family(13);
        victim.kill_and_look(signal);
    }
}

#[test]
fn f_45_a_daemon_that_forgot_its_environment_is_found_by_its_family() {
    const NAME: &str = "sys::guardian::f_45_a_daemon_that_forgot_its_environment_is_found_by_its_family";
    let mut victim = Victim::start(NAME, |say| {
        let script = "env -i setsid sh -c 'echo $$; exec sleep 1000' & wait";
        let mut child = Child::start(&guarded(script)).expect("it starts");
        say(&child.line());
        std::mem::forget(child);
    });
    let daemon = victim.line().parse().expect("a process id");
    assert!(is_alive(daemon));
    victim.kill_and_look(rustix::process::Signal::KILL);
    wait_for_the_end_of(daemon);
}

#[test]
fn f_45_a_child_that_is_a_parent_itself_takes_its_own_along() {
    const NAME: &str = "sys::guardian::f_45_a_child_that_is_a_parent_itself_takes_its_own_along";
    const INNER: &str = "CHILDMINDER_TEST_INNER";
    let mut victim = Victim::start(NAME, |say| {
        if std::env::var_os(INNER).is_some() {
            std::mem::forget(Child::start(&guarded("exec sleep 1000")).expect("it starts"));
            return say("the inner one is there");
        }
        let binary = std::env::current_exe().expect("the test binary");
        let spec = Spec::new(binary).args(["--exact", NAME, "--nocapture", "--test-threads=1"]);
        let spec = spec.env(INNER, "1").stdin(Stdin::Inherit).die_with_parent(true);
        let mut child = Child::start(&spec).expect("it starts");
        while !child.line().ends_with("the inner one is there") {}
        say("both are there");
        std::mem::forget(child);
    });
    assert_eq!(victim.line(), "both are there");
    let family = victim.family(3);
    assert_eq!(family.len(), 3, "the inner one, its child, and the outer guardian: {family:#?}");
    victim.kill_and_look(rustix::process::Signal::KILL);
}

#[test]
fn f_45_who_was_not_to_die_lives_on() {
    const NAME: &str = "sys::guardian::f_45_who_was_not_to_die_lives_on";
    let mut victim = Victim::start(NAME, |say| {
        // All three are in the group of the victim; only one of them is to die with it.
        let free = Spec::new("sleep").arg("1000").env_remove(Victim::MARK).own_group(false);
        let children = [free.clone(), free.clone().umask(0o22), free.die_with_parent(true)]
            .map(|spec| Child::start(&spec).expect("it starts"));
        let ids = children.each_ref().map(|child| child.id().to_string());
        say(&ids.join(" "));
        std::mem::forget(children);
    });
    let ids: Vec<u32> = victim.line().split(' ').map(|id| id.parse().expect("a process id")).collect();
    victim.kill_and_look(rustix::process::Signal::KILL);
    wait_for_the_end_of(ids[2]);
    for id in &ids[..2] {
        assert!(is_alive(*id), "{id} was not to die");
        kill(*id);
    }
}

#[test]
fn f_46_a_child_that_dies_with_its_parent_outlives_the_thread_that_started_it() {
    let spec = guarded("read line; echo alive; exec sleep 1000");
    let mut child = thread::spawn(move || Child::start(&spec).expect("it starts")).join().expect("no panic");
    assert_eq!(child.line(), "alive");
    assert!(is_alive(child.id()));
    child.signal(Signal::KILL);
    assert_eq!(child.exit(), Exit::Signal { signal: Signal::KILL, core: false });
}

#[test]
fn f_47_a_parent_that_is_killed_while_it_starts_children_leaves_none() {
    const NAME: &str = "sys::guardian::f_47_a_parent_that_is_killed_while_it_starts_children_leaves_none";
    const TRIALS: u32 = 100;
    let mut longest = Duration::ZERO;
    for _ in 0..TRIALS {
        let mut victim = Victim::start(NAME, |say| {
            // Of the one kind, nobody has the marker of the guardian in their environment: they are on its list, or live.
            let own = format!("{}={}", Victim::MARK, std::env::var(Victim::MARK).expect("a victim"));
            let forgetful = Spec::new("env").args(["-i", &own, "sleep", "1000"]);
            let specs = [forgetful, Spec::new("sleep").arg("1000")].map(|spec| spec.die_with_parent(true));
            say("go");
            for spec in specs.iter().cycle().take(50) {
                std::mem::forget(Child::start(spec).expect("it starts"));
            }
        });
        assert_eq!(victim.line(), "go");
        block_on(Timer::after(Duration::from_micros(fastrand::u64(0..20_000))));
        longest = longest.max(victim.kill_and_look(rustix::process::Signal::KILL));
    }
    println!("{TRIALS} parents killed; the last of a family lived for {longest:?}");
}

#[test]
fn f_45_a_guardian_that_was_killed_has_a_successor_who_knows_of_everybody() {
    const NAME: &str =
        "sys::guardian::f_45_a_guardian_that_was_killed_has_a_successor_who_knows_of_everybody";
    let mut victim = Victim::start(NAME, |say| {
        let start = || Child::start(&guarded("exec env -i sleep 1000")).expect("it starts");
        let before = start();
        let guardian = guardians()[0];
        kill(guardian);
        wait_for_the_end_of(guardian);
        let after = start();
        assert_eq!(status_field(guardian, "State"), None, "reaped");
        assert_eq!(guardians().len(), 1);
        say(&format!("{} {}", before.id(), after.id()));
        std::mem::forget([before, after]);
    });
    let ids = victim.line();
    victim.kill_and_look(rustix::process::Signal::KILL);
    ids.split(' ').for_each(|id| wait_for_the_end_of(id.parse().expect("a process id")));
}

#[test]
fn f_50_a_guarded_process_that_is_dropped_leaves_nothing_but_the_guardian() {
    alone("sys::guardian::f_50_a_guarded_process_that_is_dropped_leaves_nothing_but_the_guardian", || {
        drop(Child::start(&guarded("exit")).expect("it starts"));
        let guardian = guardians();
        assert_eq!(guardian.len(), 1);
        let before = Census::take();
        for _ in 0..3 {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    thread::spawn(|| drop(Child::start(&guarded("exec sleep 1000")).expect("it starts")))
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
            Child::start(&Spec::new("/none").die_with_parent(true)).expect_err("missing");
        }
        Census::take().assert_unchanged_since(&before);
        assert_eq!(guardians(), guardian, "one for all of them");
        // Found dead, it is reaped, though nothing new is started.
        let child = Child::start(&guarded("exec sleep 1000")).expect("it starts");
        kill(guardian[0]);
        wait_for_the_end_of(guardian[0]);
        drop(child);
        assert_eq!(status_field(guardian[0], "State"), None);
    });
}

#[test]
fn f_9_45_with_any_number_of_free_descriptors_a_guarded_start_works_or_leaves_nothing() {
    const NAME: &str =
        "sys::guardian::f_9_45_with_any_number_of_free_descriptors_a_guarded_start_works_or_leaves_nothing";
    alone(NAME, || {
        let system = System::new();
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(100), ..limit }).expect("a lower limit");
        let before = Census::take();
        let mut started = Vec::new();
        for free in 0..20 {
            let mut hogs: Vec<_> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
            hogs.truncate(hogs.len() - free);
            match system.spawn(&guarded("exec sleep 1000")) {
                Ok(child) => {
                    drop(child);
                    started.push(free);
                }
                Err(error) => assert!(error.is_resource(), "{free} free: {error}"),
            }
            drop(hogs);
            // The next one is to start a guardian, too.
            for guardian in guardians() {
                kill(guardian);
                wait_for_the_end_of(guardian);
            }
        }
        assert!(started.contains(&19) && !started.contains(&5), "{started:?}");
        drop(system.spawn(&guarded("exec sleep 1000")).expect("it starts"));
        assert_eq!(Census::take().descriptors(), before.descriptors() + 1, "the one to the guardian");
    });
}

#[test]
fn a_guarded_start_that_fails_says_why_as_any_other() {
    let error = Child::start(&Spec::new("/none").die_with_parent(true)).expect_err("missing");
    assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Find, Some(libc::ENOENT)));
}
