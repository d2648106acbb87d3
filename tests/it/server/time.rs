//! The times of a close, measured in virtual time. Sockets and threads are real.

use std::sync::mpsc;
use std::time::Duration;

use childminder::TidyServer;
use childminder::server::LeakCause;
use childminder::testkit::Sim;
use futures_lite::future::{block_on, poll_once};

use super::{hang, kinds, rest, wait, wait_for_connections};
use crate::support::PATIENCE;

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn the_grace_period_ends_at_its_instant_and_not_before() {
    for kind in kinds() {
        let sim = Sim::new();
        let server = kind.grace(HOUR).host(sim.clone()).listen(hang).unwrap();
        let client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        // Time that passes before the close does not count.
        sim.advance(2 * HOUR);
        let mut closing = server.close();
        sim.advance(HOUR - MILLISECOND);
        // A second close waits for the same instant.
        let mut second = server.close();
        assert!(block_on(poll_once(&mut closing)).is_none());
        assert!(block_on(poll_once(&mut second)).is_none());
        assert_eq!(server.connections(), 1, "the handler still runs");
        sim.advance(MILLISECOND);
        let leak = wait(closing).unwrap_err();
        assert_eq!(leak.grace(), HOUR);
        assert_eq!(leak.connections().len(), 1);
        assert_eq!(leak.connections()[0].cause, LeakCause::Unfinished);
        assert_eq!(wait(second), Err(leak));
        assert_eq!(wait(rest(&client)).unwrap(), "");
    }
}

#[test]
fn a_handler_that_ends_within_the_grace_period_costs_no_virtual_time() {
    for kind in kinds() {
        let sim = Sim::new();
        let server = kind.grace(HOUR).host(sim.clone()).listen(super::read_only).unwrap();
        let _client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        assert_eq!(wait(server.close()), Ok(()));
        assert_eq!(sim.elapsed(), Duration::ZERO);
    }
}

#[test]
fn a_blocked_thread_is_given_up_five_seconds_after_the_grace_period() {
    let sim = Sim::new();
    let (block, blocked) = mpsc::channel::<()>();
    let (entered, is_blocked) = mpsc::channel();
    let server = TidyServer::unix().grace(HOUR).host(sim.clone()).listen(async move |_held| {
        entered.send(()).unwrap();
        let _ = blocked.recv();
        Ok(())
    });
    let server = server.unwrap();
    let _client = wait(server.connect()).unwrap();
    is_blocked.recv_timeout(PATIENCE).unwrap();
    let mut closing = server.close();
    sim.advance(HOUR + Duration::from_secs(5) - MILLISECOND);
    assert!(block_on(poll_once(&mut closing)).is_none());
    sim.advance(MILLISECOND);
    let leak = wait(closing).unwrap_err();
    assert_eq!(leak.connections()[0].cause, LeakCause::Blocked);
    drop(block);
}
