//! Subscriptions.

use childminder::testkit::{Script, Sim};
use childminder::{Exit, Notices, ProcessMonitor, Spec};
use futures_lite::StreamExt;

use super::{monitor, secs};

/// Reads all unread notices.
pub(super) fn drain(sim: &Sim, notices: &mut Notices) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(Some(notice)) = sim.block_on(futures_lite::future::poll_once(notices.next())) {
        texts.push(match notice {
            Ok(notice) => notice.to_string(),
            Err(lagged) => format!("missed {}", lagged.missed()),
        });
    }
    texts
}

#[test]
fn pm_31_a_subscriber_reads_every_notice() {
    let (sim, monitor) = monitor();
    let mut notices = monitor.notices();
    sim.script("web", Script::new().lives(secs(1.5)).exits(Exit::Code(3)));
    sim.script("web", Script::new().ignores_term());
    monitor.add_process("web", Spec::new("web")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(2.0));
    sim.block_on(monitor.stop_service()).unwrap();
    assert_eq!(
        drain(&sim, &mut notices),
        [
            "web was added",
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
fn a_slow_subscriber_learns_how_many_notices_it_missed() {
    let (sim, monitor) = monitor();
    let mut slow = monitor.notices();
    let gone = monitor.notices();
    drop(gone);
    sim.script("web", Script::new());
    monitor.add_process("web", Spec::new("web")).unwrap();
    // One for the addition, and three notices a round: sent TERM, stopped, started.
    for _ in 0..500 {
        monitor.start_process("web").unwrap();
        sim.run_until_idle();
        sim.block_on(monitor.stop_process("web").unwrap()).unwrap();
    }
    let texts = drain(&sim, &mut slow);
    assert_eq!(texts.len(), 1 + Notices::CAPACITY);
    assert_eq!(texts[0], format!("missed {}", 1501 - Notices::CAPACITY));
    assert!(texts[1].starts_with("web#159 stopped"), "the oldest are missing: {}", texts[1]);
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
