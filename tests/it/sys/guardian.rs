//! Processes that die with the monitor, however it dies, and the guardians that see to it.

use std::fs::File;
use std::iter;
use std::thread;
use std::time::{Duration, Instant};

use async_io::{Timer, block_on};
use childminder::machine::SpawnStep;
use childminder::{Exit, Host, Signal, Spec, Stdin, System};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process, setrlimit, test_kill_process};

use crate::support::{
    Census, Child, DoomedProcess, Scratch, alone, eventually, guardians, is_alive, status_field,
};

/// A shell script that dies with its parent.
fn guarded(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script]).die_with_parent(true)
}

fn send(pid: u32, signal: rustix::process::Signal) {
    kill_process(id_of(pid), signal).expect("it is there");
}

/// Kills guardians in such a way that none can make a partner meanwhile.
fn kill_at_once(pids: &[u32]) {
    for signal in [rustix::process::Signal::STOP, rustix::process::Signal::KILL] {
        pids.iter().for_each(|pid| send(*pid, signal));
    }
}

fn id_of(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().expect("a number")).expect("not 0")
}

fn kill(pid: u32) {
    send(pid, rustix::process::Signal::KILL);
}

/// Waits until a process is gone, or a zombie.
fn wait_for_the_end_of(pid: u32) {
    eventually(&format!("{pid} has ended"), || !is_alive(pid));
}

/// Waits until there are a guardian and a standby, none of which is one of `former`, and returns them.
fn new_guardians(former: &[u32]) -> [u32; 2] {
    let found = || match guardians().as_slice() {
        [guardian, standby] if guardian.len() == 1 && standby.len() == 1 => Some([guardian[0], standby[0]]),
        _ => None,
    };
    let are_new = || found().filter(|pair| !pair.iter().any(|pid| former.contains(pid)));
    eventually("a guardian and a standby", || are_new().is_some());
    are_new().expect("they were there a moment ago")
}

#[test]
fn f_45_no_process_outlives_a_monitor_that_is_killed() {
    const NAME: &str = "sys::guardian::f_45_no_process_outlives_a_monitor_that_is_killed";
    const DAEMON: &str =
        "setsid sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 1000\" & exit' & wait; exec sleep 1000";
    use rustix::process::Signal;
    for signal in [Signal::KILL, Signal::TERM, Signal::INT, Signal::ABORT] {
        let mut doomed = DoomedProcess::start(NAME, |say| {
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
            say("ready");
            std::mem::forget(children);
        });
        assert_eq!(doomed.line(), "ready");
        // Ten children and two daemons.
        doomed.family(12);
        doomed.kill_and_wait(signal);
    }
}

#[test]
fn f_45_a_daemon_with_another_environment_is_found_by_its_parents() {
    const NAME: &str = "sys::guardian::f_45_a_daemon_with_another_environment_is_found_by_its_parents";
    let mut doomed = DoomedProcess::start(NAME, |say| {
        let script = "env -i setsid sh -c 'echo $$; exec sleep 1000' & wait";
        let mut child = Child::start(&guarded(script)).expect("it starts");
        say(&child.line());
        std::mem::forget(child);
    });
    let daemon = doomed.line().parse().expect("a process id");
    assert!(is_alive(daemon));
    doomed.kill_and_wait(rustix::process::Signal::KILL);
    wait_for_the_end_of(daemon);
}

#[test]
fn f_45_a_process_is_asked_to_end_by_its_stop_signal_before_it_is_killed() {
    const NAME: &str = "sys::guardian::f_45_a_process_is_asked_to_end_by_its_stop_signal_before_it_is_killed";
    let mut scratch = None;
    let prepare = |command: &mut std::process::Command| {
        command.env("NOTES", scratch.insert(Scratch::new()).path());
    };
    let mut doomed = DoomedProcess::prepared(NAME, prepare, |say| {
        // The pipe of stderr has no reader then, and a shell that reports a signal there would die of
        // SIGPIPE.
        let script = |signal: &str| {
            let note = format!("trap 'echo > $NOTES/{signal}; exit' {signal}");
            guarded(&format!("exec 2>/dev/null; {note}; echo; sleep 1000; :"))
        };
        let daemon = "exec 2>/dev/null; setsid sh -c 'trap \"echo > $NOTES/DAEMON; exit\" TERM; echo; sleep 1000; :' & wait";
        let specs = [script("TERM"), script("INT").stop_signal(Signal::INT), guarded(daemon)];
        let children = specs.map(|spec| {
            let mut child = Child::start(&spec).expect("it starts");
            child.line();
            child
        });
        say("ready");
        std::mem::forget(children);
    });
    assert_eq!(doomed.line(), "ready");
    doomed.kill_and_wait(rustix::process::Signal::KILL);
    for name in ["TERM", "INT", "DAEMON"] {
        let note = scratch.as_ref().expect("prepared").path().join(name);
        assert!(note.exists(), "{name} was not asked to end");
    }
}

#[test]
fn f_45_a_monitor_below_another_one_takes_its_children_along() {
    const NAME: &str = "sys::guardian::f_45_a_monitor_below_another_one_takes_its_children_along";
    const INNER: &str = "CHILDMINDER_TEST_INNER";
    let mut doomed = DoomedProcess::start(NAME, |say| {
        if std::env::var_os(INNER).is_some() {
            // A daemon without the mark of either monitor, and without parents.
            let script = "(env -i setsid sh -c 'exec sleep 1000 >&- 2>&-' &); exec sleep 1000";
            std::mem::forget(Child::start(&guarded(script)).expect("it starts"));
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
    assert_eq!(doomed.line(), "both are there");
    let family = doomed.family(2);
    assert_eq!(family.len(), 2, "the inner one and its child: {family:#?}");
    doomed.kill_and_wait(rustix::process::Signal::KILL);
}

#[test]
fn f_45_processes_that_are_not_guarded_live_on() {
    const NAME: &str = "sys::guardian::f_45_processes_that_are_not_guarded_live_on";
    let mut doomed = DoomedProcess::start(NAME, |say| {
        // All three are in the group of the monitor; only one of them is to die with it.
        let free = Spec::new("sleep").arg("1000").env_remove(DoomedProcess::MARK).own_group(false);
        let children = [free.clone(), free.clone().umask(0o22), free.die_with_parent(true)]
            .map(|spec| Child::start(&spec).expect("it starts"));
        let ids = children.each_ref().map(|child| child.id().to_string());
        say(&ids.join(" "));
        std::mem::forget(children);
    });
    let ids: Vec<u32> = doomed.line().split(' ').map(|id| id.parse().expect("a process id")).collect();
    doomed.kill_and_wait(rustix::process::Signal::KILL);
    wait_for_the_end_of(ids[2]);
    for id in &ids[..2] {
        assert!(is_alive(*id), "{id} was not to die");
        kill(*id);
    }
}

/// A script that leaves a daemon behind which has left its group and its parents, prepared by `prefix`; the
/// daemon prints its process id.
fn daemon(prefix: &str) -> String {
    format!("({prefix} setsid sh -c 'echo $$; exec sleep 1000 >&- 2>&-' &); exec sleep 1000")
}

#[test]
fn f_45_exempt_daemons_live_on() {
    const NAME: &str = "sys::guardian::f_45_exempt_daemons_live_on";
    let mut doomed = DoomedProcess::start(NAME, |say| {
        let other = format!("env -u {}", DoomedProcess::MARK);
        let specs = [
            guarded(&daemon("")),
            guarded(&daemon(&format!("{other} CHILDMINDER_RUN="))),
            // In its group, the program is not exempt.
            guarded(&daemon(&other)).spare("tmux").spare("sleep"),
        ];
        let children = specs.map(|spec| {
            let mut child = Child::start(&spec).expect("it starts");
            say(&child.line());
            child
        });
        std::mem::forget(children);
    });
    let [marked, exempt, spared] = [(); 3].map(|()| doomed.line().parse().expect("a process id"));
    doomed.kill_and_wait(rustix::process::Signal::KILL);
    wait_for_the_end_of(marked);
    for pid in [exempt, spared] {
        assert!(is_alive(pid));
        kill(pid);
    }
}

#[test]
fn f_45_a_daemon_of_a_run_that_was_stopped_in_order_lives_on() {
    const NAME: &str = "sys::guardian::f_45_a_daemon_of_a_run_that_was_stopped_in_order_lives_on";
    let mut doomed = DoomedProcess::start(NAME, |say| {
        let mut stopped = Child::start(&guarded(&daemon(&format!("env -u {}", DoomedProcess::MARK))));
        let daemon = stopped.as_mut().expect("it starts").line();
        let other = Child::start(&guarded("exec sleep 1000")).expect("it starts");
        drop(stopped);
        say(&daemon);
        std::mem::forget(other);
    });
    let daemon: u32 = doomed.line().parse().expect("a process id");
    // What a stop spares, on a tier that spares it, the guardian spares, too.
    let was_spared = is_alive(daemon);
    doomed.kill_and_wait(rustix::process::Signal::KILL);
    assert_eq!(is_alive(daemon), was_spared);
    if was_spared {
        kill(daemon);
    }
}

#[test]
fn f_45_the_environment_of_the_monitor_does_not_matter() {
    const NAME: &str = "sys::guardian::f_45_the_environment_of_the_monitor_does_not_matter";
    let prepare = |command: &mut std::process::Command| {
        command.env("PATH", "/nonexistent").env("IFS", "/").env("LD_LIBRARY_PATH", "/nonexistent");
    };
    let mut doomed = DoomedProcess::prepared(NAME, prepare, |say| {
        let script =
            "(/usr/bin/setsid /bin/sh -c 'echo $$; exec /bin/sleep 1000 >&- 2>&-' &); exec /bin/sleep 1000";
        let mut child = Child::start(&Spec::new("/bin/sh").args(["-c", script]).die_with_parent(true))
            .expect("it starts");
        say(&child.line());
        std::mem::forget(child);
    });
    let daemon = doomed.line().parse().expect("a process id");
    doomed.kill_and_wait(rustix::process::Signal::KILL);
    wait_for_the_end_of(daemon);
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
fn f_47_a_monitor_that_is_killed_while_it_starts_children_leaves_none() {
    const NAME: &str = "sys::guardian::f_47_a_monitor_that_is_killed_while_it_starts_children_leaves_none";
    const TRIALS: u32 = 100;
    let mut longest = Duration::ZERO;
    for _ in 0..TRIALS {
        let mut doomed = DoomedProcess::start(NAME, |say| {
            // One of the two has no mark in its environment: it is found only by its registration.
            let own =
                format!("{}={}", DoomedProcess::MARK, std::env::var(DoomedProcess::MARK).expect("doomed"));
            let unmarked = Spec::new("env").args(["-i", &own, "sleep", "1000"]);
            let specs = [unmarked, Spec::new("sleep").arg("1000")].map(|spec| spec.die_with_parent(true));
            say("go");
            for spec in specs.iter().cycle().take(50) {
                std::mem::forget(Child::start(spec).expect("it starts"));
            }
        });
        assert_eq!(doomed.line(), "go");
        block_on(Timer::after(Duration::from_micros(fastrand::u64(0..20_000))));
        longest = longest.max(doomed.kill_and_wait(rustix::process::Signal::KILL));
    }
    println!("{TRIALS} monitors killed; the last descendant lived for {longest:?}");
}

#[test]
fn f_45_a_guardian_that_is_killed_is_replaced_at_once() {
    const NAME: &str = "sys::guardian::f_45_a_guardian_that_is_killed_is_replaced_at_once";
    for count in [1, 2] {
        let mut doomed = DoomedProcess::start(NAME, |say| {
            let child = Child::start(&guarded("exec env -i sleep 1000")).expect("it starts");
            let former = new_guardians(&[]);
            let count =
                std::io::stdin().lines().next().expect("a line").expect("text").parse().expect("a count");
            kill_at_once(&former[..count]);
            // Without another start; one that is not killed becomes the guardian.
            let begin = Instant::now();
            let present = new_guardians(&former[..count]);
            assert_eq!(present.contains(&former[1]), count == 1);
            assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
            say(&child.id().to_string());
            std::mem::forget(child);
        });
        doomed.write_line(&count.to_string());
        let child = doomed.line().parse().expect("a process id");
        doomed.kill_and_wait(rustix::process::Signal::KILL);
        wait_for_the_end_of(child);
    }
}

#[test]
fn f_45_a_guardian_that_is_killed_together_with_its_monitor_has_a_standby() {
    const NAME: &str =
        "sys::guardian::f_45_a_guardian_that_is_killed_together_with_its_monitor_has_a_standby";
    for (victim, signal) in [
        (0, rustix::process::Signal::KILL),
        (1, rustix::process::Signal::KILL),
        (0, rustix::process::Signal::STOP),
    ] {
        let mut doomed = DoomedProcess::start(NAME, |say| {
            let child = Child::start(&guarded("exec env -i sleep 1000")).expect("it starts");
            let pair = new_guardians(&[]);
            say(&format!("{} {} {}", child.id(), pair[0], pair[1]));
            std::mem::forget(child);
        });
        let ids: Vec<u32> = doomed.line().split(' ').map(|id| id.parse().expect("an id")).collect();
        let guardian = ids[1 + victim];
        send(guardian, signal);
        doomed.kill(rustix::process::Signal::KILL);
        wait_for_the_end_of(ids[0]);
        if signal == rustix::process::Signal::STOP {
            assert!(is_alive(guardian), "stopped");
            send(guardian, rustix::process::Signal::CONT);
        }
        doomed.wait_for_the_end();
    }
}

#[test]
fn f_47_guardians_that_are_stopped_delay_no_start() {
    alone("sys::guardian::f_47_guardians_that_are_stopped_delay_no_start", || {
        let child = Child::start(&guarded("exec sleep 1000")).expect("it starts");
        let pair = new_guardians(&[]);
        pair.into_iter().for_each(|pid| send(pid, rustix::process::Signal::STOP));
        let begin = Instant::now();
        for _ in 0..50 {
            drop(Child::start(&guarded("exec sleep 1000")).expect("it starts"));
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        pair.into_iter().for_each(|pid| send(pid, rustix::process::Signal::CONT));
        drop(child);
    });
}

#[test]
fn f_50_a_guarded_process_that_is_dropped_leaves_nothing_but_the_guardians() {
    alone("sys::guardian::f_50_a_guarded_process_that_is_dropped_leaves_nothing_but_the_guardians", || {
        drop(Child::start(&guarded("exit")).expect("it starts"));
        let pair = new_guardians(&[]);
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
        assert_eq!(new_guardians(&[]), pair, "one pair for all of them");
        // This process adopts orphans, so it has to reap guardians that were killed.
        let child = Child::start(&guarded("exec sleep 1000")).expect("it starts");
        kill_at_once(&pair);
        new_guardians(&pair);
        for pid in pair {
            eventually("it is reaped", || status_field(pid, "State").is_none());
        }
        drop(child);
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
            // With no descriptor left, guardians that die cannot be replaced before the next start.
            eventually("both or none", || guardians()[0].len() == guardians()[1].len());
            let former = guardians().concat();
            let mut hogs: Vec<_> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
            kill_at_once(&former);
            let is_gone = |pid: &u32| test_kill_process(id_of(*pid)).is_err();
            eventually("they are reaped", || former.iter().all(is_gone));
            hogs.truncate(hogs.len() - free);
            match system.spawn(&guarded("exec sleep 1000")) {
                Ok(child) => {
                    drop(child);
                    started.push(free);
                }
                Err(error) => assert!(error.is_resource(), "{free} free: {error}"),
            }
            drop(hogs);
        }
        assert!(started.contains(&19) && !started.contains(&5), "{started:?}");
        drop(system.spawn(&guarded("exec sleep 1000")).expect("it starts"));
        new_guardians(&[]);
        assert_eq!(Census::take().descriptors(), before.descriptors() + 1, "the one to the guardians");
    });
}

#[test]
fn a_guarded_start_that_fails_says_why_as_any_other() {
    let error = Child::start(&Spec::new("/none").die_with_parent(true)).expect_err("missing");
    assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Find, Some(libc::ENOENT)));
}

#[test]
fn f_45_a_guardian_keeps_nothing_of_a_large_monitor() {
    alone("sys::guardian::f_45_a_guardian_keeps_nothing_of_a_large_monitor", || {
        const SIZE: usize = 256 << 20;
        // Written to, so that it is there.
        let memory = vec![1_u8; SIZE];
        let file = File::open("/dev/null").expect("it opens");
        let begin = Instant::now();
        let child = Child::start(&guarded("exec sleep 1000")).expect("it starts");
        println!("the first guarded start took {:?}", begin.elapsed());
        for pid in new_guardians(&[]) {
            eventually("it has given back its memory", || kilobytes(pid) < 4096);
            let descriptors = || std::fs::read_dir(format!("/proc/{pid}/fd")).expect("/proc").count();
            eventually("it has only the first three, the monitor, and its partner", || descriptors() == 5);
            let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).expect("/proc");
            assert_eq!(
                std::fs::read_link(format!("/proc/{pid}/cwd")).expect("/proc"),
                std::path::Path::new("/")
            );
            assert!(!String::from_utf8_lossy(&read("environ")).contains('='), "an environment");
        }
        drop((child, file, memory));
    });
}

/// The memory of a process that belongs to no file.
fn kilobytes(pid: u32) -> u64 {
    let own = status_field(pid, "RssAnon").expect("it is there");
    own.trim_end_matches(" kB").trim().parse().expect("a number")
}
