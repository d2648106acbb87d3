//! Subscriptions.

use childminder::testkit::{Script, Sim};
use childminder::{Exit, Notices, ProcessMonitor, Spec};
use futures_lite::StreamExt;

use super::{monitor, secs};

/// Everything that waits for a subscriber.
fn drain(sim: &Sim, notices: &mut Notices) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(Some(news)) = sim.block_on(futures_lite::future::poll_once(notices.next())) {
        heard.push(match news {
            Ok(notice) => notice.to_string(),
            Err(lagged) => format!("missed {}", lagged.missed()),
        });
    }
    heard
}

#[test]
fn pm_31_a_subscriber_hears_everything_that_happens() {
    let (sim, monitor) = monitor();
    let mut notices = monitor.notices();
    sim.script("web", Script::new().lives(secs(1.5)).exits(Exit::Code(3)));
    sim.script("web", Script::new().ignores_term());
    monitor.add_process("web", Spec::new("web")).unwrap();
    monitor.start_service();
    sim.advance(secs(2.0));
    sim.block_on(monitor.stop_service()).unwrap();
    assert_eq!(
        drain(&sim, &mut notices),
        [
            "web#1 started, pid 101",
            "web#1 exited with code 3 after 1.5 s",
            "web#1 starts again at once",
            "web#2 started, pid 102",
            "web#2 sent TERM, KILL in 5.0 s",
            "web#2 killed",
            "web#2 stopped with signal KILL after 5.5 s",
        ]
    );
}

#[test]
fn a_slow_subscriber_is_told_how_many_it_missed_and_slows_nobody() {
    let (sim, monitor) = monitor();
    let mut slow = monitor.notices();
    let gone = monitor.notices();
    drop(gone);
    sim.script("web", Script::new());
    monitor.add_process("web", Spec::new("web")).unwrap();
    // Three notices a round: sent TERM, stopped, started.
    for _ in 0..500 {
        monitor.start_process("web").unwrap();
        sim.run_until_idle();
        sim.block_on(monitor.stop_process("web").unwrap()).unwrap();
    }
    let heard = drain(&sim, &mut slow);
    assert_eq!(heard.len(), 1 + Notices::CAPACITY);
    assert_eq!(heard[0], format!("missed {}", 1500 - Notices::CAPACITY));
    assert!(heard[1].starts_with("web#159 stopped"), "the oldest are missing: {}", heard[1]);
    monitor.start_process("web").unwrap();
    sim.run_until_idle();
    assert_eq!(drain(&sim, &mut slow), ["web#501 started, pid 601"]);
}

#[test]
fn a_subscription_ends_with_the_monitor() {
    let (monitor, driver) = ProcessMonitor::new(Sim::new());
    let mut notices = monitor.notices();
    drop(driver);
    assert!(notices.wait().is_none());
    assert!(monitor.notices().wait().is_none(), "one taken afterwards, too");
}
