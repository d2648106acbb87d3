//! The simulated world: virtual time, scripts, and the trace.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use childminder::host::Process;
use childminder::machine::{SignalTarget, SpawnStep, Stream};
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Host, Signal, Spec};
use futures_lite::future::{or, pending, poll_once, yield_now};

pub(crate) mod rehearse;
mod serving;

const KILLED: Exit = Exit::Signal { signal: Signal::KILL, core: false };
const TERMINATED: Exit = Exit::Signal { signal: Signal::TERM, core: false };

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

/// Creates a world in which `web` follows `script`, and starts it.
fn start(script: Script) -> (Sim, Box<dyn Process>) {
    let sim = Sim::new();
    sim.script("web", script);
    let web = Host::spawn(&sim, &Spec::new("web")).expect("the script lets it start");
    (sim, web)
}

async fn exit(process: &mut dyn Process) -> Exit {
    poll_fn(|cx| process.poll_exit(cx)).await
}

/// Returns the content of the stream, with a mark at every pause.
async fn read_all(process: &mut dyn Process, stream: Stream) -> String {
    let (mut text, mut buf) = (String::new(), [0; 4]);
    loop {
        let read = poll_fn(|cx| {
            let poll = process.poll_read(stream, cx, &mut buf);
            if poll.is_pending() {
                text.push('|');
            }
            poll
        });
        match read.await.expect("reading does not fail here") {
            0 => return text,
            n => text.push_str(std::str::from_utf8(&buf[..n]).expect("ASCII")),
        }
    }
}

/// Returns the message of the panic of `act`.
fn panic_of(act: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(act)).expect_err("no panic");
    *payload.downcast::<String>().expect("a formatted message")
}

async fn sleep(sim: &Sim, duration: Duration) {
    sim.sleep_until(sim.now() + duration).await;
}

#[test]
fn time_steps_to_each_wake_up_and_jumps_over_none() {
    let sim = Sim::new();
    for (name, period) in [("a", 2.0), ("b", 3.0)] {
        let world = sim.clone();
        sim.spawn(async move {
            let epoch = world.now();
            loop {
                sleep(&world, secs(period)).await;
                assert_eq!(world.now() - epoch, world.elapsed());
                world.note(name);
            }
        });
    }
    sim.advance(secs(6.5));
    // Both are due at 6.0: `b` was scheduled at 3.0, `a` at 4.0.
    assert_eq!(sim.trace(), "2.0 a\n3.0 b\n4.0 a\n6.0 b\n6.0 a\n");
    assert_eq!(sim.elapsed(), secs(6.5));
    sim.drop_futures();
}

#[test]
fn run_until_idle_does_what_is_due_without_moving_the_time() {
    let (sim, mut web) = start(Script::new().exits(Exit::Code(3)));
    assert_eq!(sim.trace(), "0.0 spawn web#1\n");
    sim.run_until_idle();
    assert_eq!(sim.trace(), "0.0 spawn web#1\n0.0 exit web#1 code 3\n");
    assert_eq!((sim.block_on(exit(&mut *web)), sim.elapsed()), (Exit::Code(3), Duration::ZERO));
}

#[test]
fn block_on_stops_the_clock_as_soon_as_its_future_is_ready() {
    let sim = Sim::new();
    let world = sim.clone();
    sim.spawn(async move {
        sleep(&world, secs(10.0)).await;
        world.note("never seen");
    });
    let answer = sim.block_on(async {
        sleep(&sim, secs(1.25)).await;
        // A sleep until a time in the past is ready at once.
        assert_eq!(poll_once(sim.sleep_until(sim.now() - secs(1.0))).await, Some(()));
        42
    });
    assert_eq!((answer, sim.elapsed(), sim.trace().as_str()), (42, secs(1.25), ""));
    sim.drop_futures();
}

#[test]
fn block_on_panics_with_the_trace_when_nothing_can_wake_it() {
    let sim = Sim::new();
    sim.script("web", Script::new().lives(secs(12.5)));
    sim.script("db", Script::new().lives(secs(99.0)));
    // Dead processes and dropped sleeps have no wake-ups: time does not move to 99 s.
    drop(Host::spawn(&sim, &Spec::new("db")).expect("it starts"));
    sim.block_on(or(sleep(&sim, secs(50.0)), async {}));
    let _web = Host::spawn(&sim, &Spec::new("web")).expect("it starts");
    let message = panic_of(|| sim.block_on(pending()));
    assert_eq!(message, format!("stuck at 12.5 s, nothing is scheduled\n{}", sim.trace()));
    assert!(message.ends_with("0.0 spawn web#2\n12.5 exit web#2 code 0\n"), "{message}");
}

#[test]
fn a_future_that_always_wakes_itself_is_detected() {
    let sim = Sim::new();
    sim.spawn(async {
        loop {
            yield_now().await;
        }
    });
    let message = panic_of(|| sim.advance(secs(1.0)));
    assert!(message.starts_with("more than 1000000 steps at 0.0 s: the time cannot move on\n"), "{message}");
    sim.drop_futures();
    // A future that wakes itself a few times does not starve the others.
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    sim.spawn(async move {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    sim.block_on(async {
        while seen.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
    });
}

#[test]
fn ten_thousand_timers_each_see_their_own_time() {
    let sim = Sim::new();
    let seen = Arc::new(AtomicUsize::new(0));
    for i in 0..10_000 {
        let (world, seen) = (sim.clone(), Arc::clone(&seen));
        sim.spawn(async move {
            let due = Duration::from_millis((i * 7919) % 10_000);
            sleep(&world, due).await;
            assert_eq!(world.elapsed(), due);
            seen.fetch_add(1, Ordering::Relaxed);
        });
    }
    sim.advance(Duration::from_millis(9_998));
    assert_eq!(seen.load(Ordering::Relaxed), 9_999);
    sim.advance(Duration::from_millis(1));
    assert_eq!(seen.load(Ordering::Relaxed), 10_000);
}

#[test]
fn f_68_an_exit_at_the_deadline_comes_before_the_timer() {
    let (sim, mut web) = start(Script::new().lives(secs(5.0)));
    let world = sim.clone();
    // The sleep is scheduled before the process, but the exit comes first.
    let first = sim.block_on(or(
        async {
            sleep(&world, secs(5.0)).await;
            "timer"
        },
        async {
            exit(&mut *web).await;
            "exit"
        },
    ));
    assert_eq!((first, sim.elapsed()), ("exit", secs(5.0)));
}

#[test]
fn term_ends_a_process_at_once_by_default() {
    let (sim, mut web) = start(Script::new());
    sim.advance(secs(2.0));
    web.signal(SignalTarget::Group, Signal::TERM).expect("signals always work here");
    web.signal(SignalTarget::Group, Signal::CONT).expect("signals always work here");
    assert_eq!(sim.block_on(exit(&mut *web)), TERMINATED);
    drop(web);
    let expected = "0.0 spawn web#1\n2.0 signal web#1 TERM\n2.0 signal web#1 CONT\n2.0 exit web#1 signal TERM\n\
                    2.0 reap web#1\n";
    assert_eq!(sim.trace(), expected);
}

#[test]
fn a_second_term_does_not_delay_the_exit() {
    let (sim, mut web) = start(Script::new().exits_after_term(secs(3.0)).exits_on_term(Exit::Code(0)));
    web.signal(SignalTarget::Group, Signal::TERM).expect("signals always work here");
    sim.advance(secs(2.0));
    web.signal(SignalTarget::Group, Signal::TERM).expect("signals always work here");
    assert_eq!((sim.block_on(exit(&mut *web)), sim.elapsed()), (Exit::Code(0), secs(3.0)));
}

#[test]
fn a_process_that_ignores_term_exits_on_kill() {
    let (sim, mut web) = start(Script::new().ignores_term());
    for signal in [Signal::TERM, Signal::HUP] {
        web.signal(SignalTarget::Group, signal).expect("signals always work here");
    }
    sim.advance(secs(7.0));
    web.signal(SignalTarget::Group, Signal::KILL).expect("signals always work here");
    assert_eq!((sim.block_on(exit(&mut *web)), sim.elapsed()), (KILLED, secs(7.0)));
    drop(web);
    let expected = "0.0 spawn web#1\n0.0 signal web#1 TERM\n0.0 signal web#1 HUP\n7.0 signal web#1 KILL\n\
                    7.0 exit web#1 signal KILL\n7.0 reap web#1\n";
    assert_eq!(sim.trace(), expected);
}

#[test]
fn a_process_with_term_and_kill_exits_once() {
    let (sim, mut web) = start(Script::new());
    web.signal(SignalTarget::Group, Signal::TERM).expect("signals always work here");
    web.signal(SignalTarget::Group, Signal::KILL).expect("signals always work here");
    sim.advance(secs(1.0));
    assert_eq!(sim.block_on(exit(&mut *web)), TERMINATED);
    let _next = Host::spawn(&sim, &Spec::new("web")).expect("it starts");
    assert_eq!((sim.max_live("web"), sim.trace().matches("exit").count()), (1, 1));
}

#[test]
fn a_process_exits_on_the_stop_signal_of_its_spec() {
    let sim = Sim::new();
    sim.script("web", Script::new());
    let mut web = Host::spawn(&sim, &Spec::new("web").stop_signal(Signal::INT)).expect("it starts");
    web.signal(SignalTarget::Group, Signal::TERM).expect("signals always work here");
    sim.advance(secs(1.0));
    web.signal(SignalTarget::Group, Signal::INT).expect("signals always work here");
    let interrupted = Exit::Signal { signal: Signal::INT, core: false };
    assert_eq!((sim.block_on(exit(&mut *web)), sim.elapsed()), (interrupted, secs(1.0)));
}

#[test]
fn kill_of_an_unkillable_process_takes_effect_later() {
    let (sim, mut web) = start(Script::new().ignores_term().unkillable(secs(30.0)));
    web.signal(SignalTarget::Group, Signal::KILL).expect("signals always work here");
    for _ in 0..2 {
        sim.advance(secs(10.0));
        web.signal(SignalTarget::Group, Signal::KILL).expect("signals always work here");
    }
    assert_eq!((sim.block_on(exit(&mut *web)), sim.elapsed()), (KILLED, secs(30.0)));
    drop(web);
    sim.advance(secs(60.0));
    assert!(sim.trace().ends_with("30.0 reap web#1\n"), "the second KILL has no effect: {}", sim.trace());
}

#[test]
fn an_unkillable_process_that_was_dropped_is_reaped_when_it_exits() {
    let (sim, web) = start(Script::new().unkillable(secs(30.0)));
    drop(web);
    assert_eq!(sim.live(), 1);
    sim.advance(secs(60.0));
    let expected = "0.0 spawn web#1\n0.0 signal web#1 KILL\n30.0 exit web#1 signal KILL\n30.0 reap web#1\n";
    assert_eq!((sim.live(), sim.trace().as_str()), (0, expected));
}

#[test]
fn output_is_written_at_its_time_and_ends_with_the_process() {
    let script = Script::new()
        .prints(secs(1.0), Stream::Stdout, "hello ")
        .prints(secs(2.0), Stream::Stdout, "world")
        .prints(secs(2.0), Stream::Stderr, "oh")
        .prints(secs(2.5), Stream::Stdout, "too late")
        .lives(secs(2.0));
    let (sim, mut web) = start(script);
    assert_eq!(sim.block_on(read_all(&mut *web, Stream::Stdout)), "|hello |world|");
    assert_eq!(sim.block_on(read_all(&mut *web, Stream::Stderr)), "oh");
    assert_eq!(sim.block_on(read_all(&mut *web, Stream::Stderr)), "");
    sim.advance(secs(1.0));
    assert_eq!(sim.trace(), "0.0 spawn web#1\n2.0 exit web#1 code 0\n");
}

#[test]
fn leaked_output_stays_open_until_its_holder_exits() {
    let (sim, mut web) = start(Script::new().lives(secs(1.0)).leaks_output(secs(4.0)));
    assert_eq!((sim.block_on(exit(&mut *web)), web.remaining()), (Exit::Code(0), vec![]));
    assert_eq!((sim.block_on(read_all(&mut *web, Stream::Stdout)), sim.elapsed()), ("|".into(), secs(5.0)));
}

#[test]
fn a_leak_is_forgotten_with_its_process() {
    let (sim, mut web) = start(Script::new().exits(Exit::Code(0)).leaks_output(secs(4.0)));
    sim.block_on(exit(&mut *web));
    drop(web);
    assert!(panic_of(|| sim.block_on(pending())).starts_with("stuck at 0.0 s"));
}

#[test]
fn a_permanent_leak_does_not_prevent_reaping() {
    let (sim, mut web) = start(Script::new().exits(Exit::Code(0)).leaks_output(Duration::MAX));
    sim.block_on(exit(&mut *web));
    assert!(
        panic_of(|| drop(sim.block_on(read_all(&mut *web, Stream::Stdout)))).starts_with("stuck at 0.0 s")
    );
    drop(web);
    assert_eq!(sim.trace(), "0.0 spawn web#1\n0.0 exit web#1 code 0\n0.0 reap web#1\n");
}

#[test]
fn remaining_members_ignore_term_and_exit_on_kill() {
    let (sim, mut web) = start(Script::new().leaves_behind(2));
    web.signal(SignalTarget::Group, Signal::TERM).expect("signals always work here");
    sim.block_on(exit(&mut *web));
    assert_eq!((web.id(), web.remaining()), (101, vec![102, 103]));
    web.signal(SignalTarget::Group, Signal::TERM).expect("signals always work here");
    sim.advance(secs(5.0));
    assert_eq!((web.remaining(), sim.trace().matches("exit").count()), (vec![102, 103], 1));
    web.signal(SignalTarget::Group, Signal::KILL).expect("signals always work here");
    // They hold the streams open until they exit.
    assert_eq!((sim.block_on(read_all(&mut *web, Stream::Stdout)), web.remaining()), ("|".into(), vec![]));
    let next = Host::spawn(&sim, &Spec::new("web")).expect("it starts");
    assert_eq!((next.id(), sim.max_live("web")), (104, 1));
}

#[test]
fn a_run_lasts_until_the_last_of_its_group_is_dead() {
    let (sim, mut web) = start(Script::new().exits(Exit::Code(1)).leaves_behind(1));
    sim.block_on(exit(&mut *web));
    let too_early = Host::spawn(&sim, &Spec::new("web")).expect("it starts");
    assert_eq!((sim.max_live("web"), sim.max_live("db"), sim.live()), (2, 0, 2));
    drop((web, too_early));
    let expected = "0.0 spawn web#1\n0.0 exit web#1 code 1\n0.0 spawn web#2\n0.0 signal web#1 KILL\n\
                    0.0 reap web#1\n0.0 signal web#2 KILL\n0.0 exit web#2 signal KILL\n0.0 reap web#2\n";
    assert_eq!((sim.live(), sim.trace().as_str()), (0, expected));
}

#[test]
fn remaining_members_of_a_shared_group_are_not_found() {
    let sim = Sim::new();
    sim.script("web", Script::new().leaves_behind(1));
    let mut web = Host::spawn(&sim, &Spec::new("web").own_group(false)).expect("it starts");
    web.signal(SignalTarget::Group, Signal::KILL).expect("signals always work here");
    assert_eq!((sim.block_on(exit(&mut *web)), web.remaining()), (KILLED, vec![]));
    let ended =
        sim.block_on(poll_fn(|cx| Poll::Ready(web.poll_read(Stream::Stdout, cx, &mut [0]).is_ready())));
    assert!(!ended, "the members hold the streams open");
}

#[test]
fn a_failed_start_is_counted_and_in_the_trace() {
    let sim = Sim::new();
    sim.script("web", Script::fails(SpawnStep::Pipe, 24));
    let error = |name| Host::spawn(&sim, &Spec::new(name)).expect_err("it fails");
    assert!(error("web").is_resource());
    assert_eq!((error("missing").step(), error("missing").raw_os_error()), (SpawnStep::Find, Some(2)));
    let reasons = [24, 2].map(std::io::Error::from_raw_os_error);
    let lines = [
        format!("0.0 fail web#1 cannot make the pipes for its output: {}", reasons[0]),
        format!("0.0 fail missing#2 cannot find the program missing: {}", reasons[1]),
        format!("0.0 fail missing#3 cannot find the program missing: {}", reasons[1]),
    ];
    assert_eq!(sim.trace().lines().collect::<Vec<_>>(), lines);
    assert_eq!((sim.live(), sim.max_live("missing")), (0, 0));
}

#[test]
fn pl_3_a_program_is_located_if_it_has_a_script() {
    let sim = Sim::new();
    sim.script("web", Script::new());
    assert_eq!(sim.locate(&Spec::new("web")).expect("it has a script"), Path::new("web"));
    let missing = sim.locate(&Spec::new("none")).expect_err("it has no script").to_string();
    assert_eq!(sim.trace(), "", "locating is not in the trace");
    assert_eq!(missing, Host::spawn(&sim, &Spec::new("none")).expect_err("it has no script").to_string());
}

#[test]
fn scripts_are_used_in_order_and_the_last_one_is_repeated() {
    let sim = Sim::new();
    let code = |code| Script::new().exits(Exit::Code(code));
    let run = || {
        let mut web = Host::spawn(&sim, &Spec::new("web").arg("-v")).expect("it starts");
        sim.block_on(exit(&mut *web))
    };
    sim.script("web", code(1));
    sim.script("web", code(2));
    assert_eq!([run(), run(), run()], [Exit::Code(1), Exit::Code(2), Exit::Code(2)]);
    sim.script("web", code(3));
    assert_eq!([run(), run()], [Exit::Code(3), Exit::Code(3)]);
}

#[test]
fn a_crash_can_come_from_outside() {
    let (sim, mut web) = start(Script::new().lives(secs(9.0)).leaves_behind(1));
    sim.advance(secs(0.001));
    sim.kill_from_outside("web", Exit::Lost);
    assert_eq!((sim.block_on(exit(&mut *web)), web.remaining()), (Exit::Lost, vec![102]));
    sim.clear_trace();
    sim.note("marker");
    let message = panic_of(|| sim.kill_from_outside("web", Exit::Lost));
    assert_eq!(message, "no process of web is alive\n0.001 marker\n");
    sim.advance(secs(20.0));
    assert_eq!(sim.trace(), "0.001 marker\n");
}

#[test]
fn a_future_may_start_others_and_all_can_be_dropped() {
    let sim = Sim::new();
    sim.script("web", Script::new());
    let world = sim.clone();
    sim.spawn(async move {
        let inner = world.clone();
        world.spawn(async move {
            let _web = Host::spawn(&inner, &Spec::new("web")).expect("it starts");
            pending::<()>().await;
        });
    });
    sim.run_until_idle();
    assert_eq!(sim.live(), 1);
    sim.drop_futures();
    assert_eq!(sim.live(), 0);
    assert!(!sim.has_threads());
    fn is_shareable<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    is_shareable(&sim);
}

/// Sends random signals at random times to up to three processes with random scripts. Returns the trace.
fn walk(seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let sim = Sim::new();
    let mut processes: Vec<Box<dyn Process>> = Vec::new();
    for _ in 0..60 {
        let some = |random: &mut fastrand::Rng| secs(f64::from(random.u8(0..4)));
        match random.u8(0..6) {
            0 if processes.len() < 3 => {
                let mut script =
                    Script::new().leaves_behind(random.usize(0..2)).leaks_output(some(&mut random));
                for _ in 0..2 {
                    script = match random.u8(0..5) {
                        0 => script.lives(some(&mut random)),
                        1 => script.ignores_term(),
                        2 => script.exits_after_term(some(&mut random)),
                        3 => script.unkillable(some(&mut random)),
                        _ => script.prints(some(&mut random), Stream::Stdout, "line\n"),
                    };
                }
                sim.script("web", script);
                let spec = Spec::new("web").own_group(random.bool());
                processes.push(Host::spawn(&sim, &spec).expect("it starts"));
            }
            1 => drop(processes.pop()),
            2 => sim.run_until_idle(),
            3 => sim.advance(some(&mut random)),
            _ => {
                let signal =
                    random.choice([Signal::TERM, Signal::CONT, Signal::KILL]).expect("there are three");
                if let Some(process) = random.choice(&mut processes) {
                    process.signal(SignalTarget::Group, signal).expect("signals always work here");
                }
            }
        }
    }
    drop(processes);
    sim.advance(secs(10.0));
    sim.note(format_args!("{} live after seed {seed}", sim.live()));
    sim.trace()
}

#[test]
fn random_walks_are_consistent_and_repeatable() {
    for seed in 0..500 {
        let trace = walk(seed);
        assert_eq!(trace, walk(seed));
        assert!(trace.ends_with(&format!(" 0 live after seed {seed}\n")), "{trace}");
        let count = |word: &str| trace.lines().filter(|line| line.split(' ').nth(1) == Some(word)).count();
        assert_eq!([count("exit"), count("reap")], [count("spawn"); 2], "{trace}");
    }
}
