//! Monitors that are killed at random moments, with and without their guardians: nothing of what they started
//! survives.
//!
//! The environment variable `CHILDMINDER_STORM` sets the number of trials, which is small by default.

use std::process::Command;
use std::thread;
use std::time::Duration;

use async_io::{Timer, block_on};
use childminder::Spec;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Child, DoomedProcess, Scratch, required};

/// The variable with the directory for files of the killed process.
const DIRECTORY: &str = "CHILDMINDER_TEST_DIRECTORY";

/// The scripts whose processes the guardian must find. `WORD` is replaced by a word that the census finds.
const SCRIPTS: [&str; 7] = [
    // A single process, a group, and one that ignores TERM.
    "exec sleep 1000",
    "sleep 1000 & sleep 1000; : WORD",
    "trap '' TERM INT HUP; : WORD; sleep 1000; sleep 1000; :",
    // Daemons: with its environment, without it but with its parents, and without parents.
    "(setsid sh -c ': WORD; sleep 1000; :' &); exec sleep 1000",
    "env -i setsid sh -c ': WORD; sleep 1000; :' & wait",
    "setsid sh -c 'setsid sh -c \": WORD; sleep 1000; :\" & exit' & wait",
    // One that forks without pause.
    "while :; do sleep 0.01 & sleep 0.01; done; : WORD",
];

/// The scripts whose processes leave the group.
const DAEMONS: std::ops::Range<usize> = 3..6;

/// Starts and drops guarded processes until it is killed.
fn start_and_drop() {
    let threads: Vec<_> = (0..3_u64)
        .map(|seed| {
            thread::spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed ^ u64::from(std::process::id()));
                let mut children = Vec::new();
                loop {
                    let number = random.usize(..SCRIPTS.len());
                    let script = SCRIPTS[number].replace("WORD", &DoomedProcess::own_word());
                    let spec = Spec::new("sh").args(["-c", &script]).die_with_parent(true);
                    let child = Child::start(&spec).expect("it starts");
                    if DAEMONS.contains(&number) {
                        // A drop may spare the daemon, and then so does the guardian.
                        std::mem::forget(child);
                        continue;
                    }
                    children.push(child);
                    if children.len() > 4 {
                        children.swap_remove(random.usize(..children.len()));
                    }
                    thread::sleep(Duration::from_micros(random.u64(..10_000)));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("killed before"));
}

/// Returns the number of trials: the environment variable, or this default.
fn trials(default: usize) -> usize {
    std::env::var("CHILDMINDER_STORM").map_or(default, |count| count.parse().expect("a number"))
}

/// Kills as many processes that run `body`, each at a random moment after its first line, after `before` has
/// been called with the ids of its guardians.
fn storm(name: &str, count: usize, body: fn(), before: impl Fn(&[u32])) {
    let mut times = Vec::new();
    let mut scratch = None;
    for trial in 0..count {
        let prepare = |command: &mut Command| {
            command.env(DIRECTORY, scratch.get_or_insert_with(Scratch::new).path());
        };
        let mut doomed = DoomedProcess::prepared(name, prepare, |say| {
            say("go");
            body();
        });
        assert_eq!(doomed.line(), "go");
        let pauses = [0..30_000, 20_000..150_000, 100_000..400_000];
        let pause = fastrand::u64(pauses[fastrand::usize(..pauses.len())].clone());
        block_on(Timer::after(Duration::from_micros(pause)));
        let guardians = doomed.guardians();
        before(&guardians);
        times.push(doomed.kill_and_wait(Signal::KILL));
        if trial % 100 == 99 {
            println!("{name}: {} trials", trial + 1);
        }
    }
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    println!(
        "{count} trials; none left after {:?} (median), {:?} (99 %), {:?} (all)",
        at(50),
        at(99),
        at(100)
    );
}

fn send(pid: u32, signal: Signal) {
    // The guardian may have been replaced meanwhile.
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).expect("not 0"), signal);
}

#[test]
fn f_45_47_no_process_survives_a_monitor_that_is_killed_at_any_moment() {
    const NAME: &str = "sys::storm::f_45_47_no_process_survives_a_monitor_that_is_killed_at_any_moment";
    storm(NAME, trials(30), start_and_drop, |_| {});
}

#[test]
fn f_45_47_no_process_survives_a_monitor_whose_guardian_is_killed_first() {
    const NAME: &str = "sys::storm::f_45_47_no_process_survives_a_monitor_whose_guardian_is_killed_first";
    // The other guardian must act.
    storm(NAME, trials(10), start_and_drop, |guardians| {
        if !guardians.is_empty() {
            send(guardians[fastrand::usize(..guardians.len())], Signal::KILL);
        }
    });
}

#[test]
fn f_45_47_no_process_survives_a_monitor_whose_guardian_is_stopped_first() {
    const NAME: &str = "sys::storm::f_45_47_no_process_survives_a_monitor_whose_guardian_is_stopped_first";
    let stopped = std::sync::Mutex::new(None::<u32>);
    storm(NAME, trials(5), start_and_drop, |guardians| {
        let mut stopped = stopped.lock().expect("no panic");
        stopped.take().into_iter().for_each(|pid| send(pid, Signal::KILL));
        if !guardians.is_empty() {
            let pid = guardians[fastrand::usize(..guardians.len())];
            send(pid, Signal::STOP);
            // It continues when its partner has done the work, and ends then.
            thread::spawn(move || {
                block_on(Timer::after(Duration::from_secs(3)));
                send(pid, Signal::CONT);
            });
        }
    });
}

/// A redis that makes itself a daemon overwrites its environment.
#[test]
fn f_45_no_redis_daemon_survives_a_monitor_that_is_killed() {
    const NAME: &str = "sys::storm::f_45_no_redis_daemon_survives_a_monitor_that_is_killed";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    storm(
        NAME,
        trials(5),
        || {
            let directory = std::env::var(DIRECTORY).expect("set");
            let word = DoomedProcess::own_word();
            let script = format!(
                "mkdir -p {directory}/{word} && redis-server --port 0 --unixsocket {directory}/{word}/s \
                 --daemonize yes --dir {directory}/{word} --logfile {directory}/{word}/log --save '' && exec sleep 1000"
            );
            let child = Child::start(&Spec::new("sh").args(["-c", &script]).die_with_parent(true));
            thread::sleep(Duration::from_secs(1000));
            drop(child);
        },
        |_| {},
    );
}
