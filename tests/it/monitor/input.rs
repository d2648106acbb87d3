//! Standard inputs that the monitor writes to, in virtual time.

use childminder::host::TerminalSize;
use childminder::monitor::InputError;
use childminder::testkit::Script;
use childminder::{Exit, Spec, Stdin};

use super::{expect, monitor, secs};

fn piped(program: &str) -> Spec {
    Spec::new(program).stdin(Stdin::Piped)
}

#[test]
fn what_is_written_arrives_in_order_and_then_the_end() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new());
    monitor.add_process("web", piped("web")).unwrap();
    monitor.start_service().unwrap();
    sim.run_until_idle();
    let one = monitor.write_stdin("web", "one\n").unwrap();
    let two = monitor.write_stdin("web", "two\n").unwrap();
    monitor.close_stdin("web").unwrap();
    assert!(!one.is_done());
    sim.run_until_idle();
    assert!(one.is_done() && two.is_done());
    expect(
        &sim,
        r"0.0 spawn web#1
        0.0 input web#1 one\ntwo\n
        0.0 close web#1 stdin",
    );
    let error = monitor.write_stdin("web", "late").unwrap_err();
    assert_eq!(error.to_string(), "cannot write to web: its standard input has ended");
    monitor.close_stdin("web").unwrap();
}

#[test]
fn f_212_bytes_for_a_run_never_reach_the_next_one() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new().ignores_input().lives(secs(5.0)).exits(Exit::Code(1)));
    sim.script("web", Script::new());
    monitor.add_process("web", piped("web")).unwrap();
    let error = monitor.write_stdin("web", "early").unwrap_err();
    assert_eq!(error.to_string(), "cannot write to web: it does not run");
    monitor.start_service().unwrap();
    sim.run_until_idle();
    let unread = monitor.write_stdin("web", "for the first").unwrap();
    monitor.close_stdin("web").unwrap();
    sim.advance(secs(5.0));
    assert_eq!(sim.block_on(unread), Err(InputError::NotRunning("web".parse().unwrap())));
    // The second run has an open input of its own.
    monitor.write_stdin("web", "for the second").unwrap();
    sim.run_until_idle();
    expect(
        &sim,
        "0.0 spawn web#1
        5.0 exit web#1 code 1
        5.0 reap web#1
        5.0 spawn web#2
        5.0 input web#2 for the second",
    );
}

#[test]
fn f_213_a_process_that_does_not_read_delays_nothing() {
    let (sim, monitor) = monitor();
    sim.script("deaf", Script::new().ignores_input());
    sim.script("web", Script::new());
    for name in ["deaf", "web"] {
        monitor.add_process(name, piped(name)).unwrap();
    }
    monitor.start_service().unwrap();
    sim.run_until_idle();
    let chunk = vec![b'x'; 300_000];
    let accepted = (0..10).map_while(|_| monitor.write_stdin("deaf", &chunk).ok()).count();
    assert_eq!(accepted, 3, "1 MiB waits at most");
    let full = monitor.write_stdin("deaf", &chunk).unwrap_err();
    assert!(matches!(full, InputError::Full { waiting: 900_000, capacity: 1_048_576, .. }), "{full}");
    let heard = monitor.write_stdin("web", "hello").unwrap();
    let stopped = monitor.stop_service();
    sim.run_until_idle();
    assert!(heard.is_done() && stopped.is_done());
}

#[test]
fn a_terminal_is_resized_and_other_inputs_are_refused() {
    let (sim, monitor) = monitor();
    sim.script("top", Script::new());
    sim.script("web", Script::new());
    monitor.add_process("top", Spec::new("top").terminal(TerminalSize::default())).unwrap();
    monitor.add_process("web", Spec::new("web")).unwrap();
    monitor.start_service().unwrap();
    sim.run_until_idle();
    sim.clear_trace();
    monitor.resize_terminal("top", TerminalSize::new(50, 132)).unwrap();
    monitor.write_stdin("top", "q").unwrap();
    sim.run_until_idle();
    expect(
        &sim,
        "0.0 resize top#1 50x132
        0.0 input top#1 q",
    );
    let refused = [
        monitor.resize_terminal("top", TerminalSize::new(0, 80)).unwrap_err(),
        monitor.write_stdin("web", "x").map(drop).unwrap_err(),
        monitor.close_stdin("none").unwrap_err(),
    ];
    assert_eq!(
        refused.map(|error| error.to_string()),
        [
            "cannot resize the terminal of top: it has none, or the size is empty",
            "cannot write to web: its standard input is neither piped nor a terminal; use `Spec::stdin(Stdin::Piped)` \
             or `Spec::terminal`",
            "there is no process \"none\"",
        ]
    );
    drop(monitor.close());
    assert_eq!(monitor.write_stdin("top", "x").map(drop), Err(InputError::Closed));
}
