//! The ten weaknesses of the original, corrected.

use std::time::Duration;

use childminder::client::{ConnectError, ConnectWaitError};

use super::{Harness, Outcome, secs};
use crate::support::recorded;

/// Returns a service whose preparations never end.
fn never_prepared() -> Harness {
    Harness::with(|builder| builder.prepare(|_| std::future::pending::<Result<(), ConnectError>>()))
}

#[test]
fn cs_weak_1_a_connection_lost_while_it_is_prepared_is_a_failed_attempt() {
    let harness = never_prepared();
    harness.wait("a", Some(2));
    harness.start();
    harness.server.peer(1).close();
    harness.sim.run_until_idle();
    assert_eq!(harness.server.open(), 0);
    harness.advance(1.5);
    harness.server.peer(2).reset();
    harness.expect(
        "0.0 attempt 1
         0.0 open 1
         0.0 connecting
         0.0 drop 1
         0.0 waiting 1.5s: the peer closed the connection
         1.5 attempt 2
         1.5 open 2
         1.5 connecting
         1.5 drop 2
         1.5 waiting 2.25s: the connection failed: connection reset
         1.5 a: not connected after 2 failures: the connection failed: connection reset",
    );
}

#[test]
fn cs_weak_2_a_rejected_connection_is_closed_and_its_end_does_not_affect_the_next() {
    let harness = Harness::with(|builder| {
        builder.prepare(|link| async move {
            if link.number() == 1 { Err(ConnectError::new("not this one")) } else { Ok(()) }
        })
    });
    harness.start();
    assert_eq!(harness.server.open(), 0);
    harness.advance(1.5);
    let link = harness.sim.block_on(harness.service.when_connected(None)).unwrap();
    harness.sim.clear_trace();
    harness.server.peer(1).close();
    harness.server.peer(1).reset();
    harness.advance(60.0);
    harness.expect("");
    assert!(link.is_up() && harness.server.open() == 1);
}

#[test]
fn cs_weak_3_a_stop_during_the_preparation_closes_the_connection() {
    let harness = never_prepared();
    harness.wait("a", None);
    harness.start();
    harness.sim.clear_trace();
    harness.stop("stop");
    harness.expect(
        "0.0 shut 1
         0.0 drop 1
         0.0 closing
         0.0 stopped
         0.0 a: not connected: the client service is stopped
         0.0 stop done",
    );
}

#[test]
fn cs_weak_5_a_policy_that_panics_does_not_end_the_retries() {
    let harness = Harness::with(|builder| {
        builder.policy_fn(|n| if n == 2 { panic!("no more ideas") } else { secs(0.5) })
    });
    harness.server.outcomes(&[Outcome::Refuse(0.0); 3]);
    let records = recorded(|| {
        harness.start();
        harness.advance(70.0);
    });
    harness.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 waiting 500ms: cannot connect: refused
         0.5 attempt 2
         0.5 connecting
         0.5 waiting 60s: cannot connect: refused
         60.5 attempt 3
         60.5 connecting
         60.5 waiting 500ms: cannot connect: refused
         61.0 attempt 4
         61.0 open 1
         61.0 connecting
         61.0 connected",
    );
    assert!(
        records.contains(
            &"childminder::client ERROR the retry policy panicked, so the next attempt is in 60s: no more ideas"
                .to_owned()
        ),
        "{records:#?}"
    );
}

#[test]
fn cs_weak_6_cs_17_a_stop_ends_the_wait_for_the_first_start() {
    let harness = Harness::new();
    harness.wait("a", None);
    harness.advance(60.0);
    harness.expect("");
    harness.stop("stop");
    harness.expect("60.0 a: not connected: the client service is stopped\n 60.0 stop done");
    // A start ends it as well.
    let harness = Harness::new();
    harness.wait("a", None);
    harness.start();
    harness.expect("0.0 attempt 1\n 0.0 open 1\n 0.0 connecting\n 0.0 connected\n 0.0 a gets 1");
}

#[test]
fn cs_weak_7_cs_20_each_retry_is_logged_with_its_number_target_delay_and_reason() {
    let harness = Harness::with(|builder| builder.target("tcp:db:5432"));
    harness.server.outcomes(&[
        Outcome::Refuse(0.0),
        Outcome::Panic,
        Outcome::Accept(0.0),
        Outcome::FailForever,
    ]);
    let records = recorded(|| {
        harness.start();
        harness.advance(10.0);
        harness.server.peer(1).close();
        harness.advance(10.0);
    });
    assert_eq!(
        records,
        [
            "childminder::client INFO tcp:db:5432: cannot connect: refused; attempt 2 in 1.5s failures=1",
            "childminder::client INFO tcp:db:5432: cannot connect: panicked: the connector is broken; \
             attempt 3 in 2.25s failures=2",
            "childminder::client INFO tcp:db:5432: the peer closed the connection; attempt 2 in 1.5s failures=1",
            "childminder::client ERROR tcp:db:5432: cannot connect: banned; not trying again after failure 2 failures=2",
        ]
    );
}

#[test]
fn cs_weak_8_a_connection_whose_peer_does_not_close_it_is_dropped_after_the_grace_period() {
    let harness = Harness::with(|builder| builder.close_grace(secs(3.0)));
    harness.start();
    harness.server.peer(1).stay_open();
    harness.sim.clear_trace();
    harness.stop("first");
    harness.advance(2.0);
    // The deadline does not move.
    harness.stop("second");
    harness.server.peer(1).send("more data");
    harness.advance(60.0);
    harness.expect("0.0 shut 1\n 0.0 closing\n 3.0 drop 1\n 3.0 stopped\n 3.0 first done\n 3.0 second done");
}

#[test]
fn cs_weak_9_stable_after_slows_down_attempts_to_a_server_that_accepts_and_closes() {
    let waits = |stable_after: Duration| {
        let harness = Harness::with(|builder| builder.stable_after(stable_after));
        harness.start();
        for n in 1..=4 {
            harness.server.peer(n).close();
            harness.advance(60.0);
        }
        let trace = harness.sim.trace();
        let waits = trace.lines().filter_map(|line| line.split_once("waiting ")?.1.split_once(':'));
        waits.map(|(wait, _)| wait.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(waits(Duration::ZERO), ["1.5s"; 4], "as in the original");
    // The first connection is up for no time, each of the others for the rest of a minute.
    assert_eq!(waits(secs(59.0)), ["1.5s", "2.25s", "3.375s", "5.0625s"]);
    assert_eq!(waits(secs(50.0)), ["1.5s", "1.5s", "1.5s", "1.5s"]);
}

/// Issue 8993: the stop is not awaited, and no waiter is lost. 8899 and 9116: a start before the old
/// connection has ended. (9476, the power that overflowed, is a test of the policy.)
#[test]
fn cs_weak_10_old_bugs_of_the_original_do_not_recur() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Hang]);
    harness.wait("a", None);
    harness.start();
    drop(harness.service.stop_service());
    drop(harness.service.stop_service());
    harness.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 cancel 1
         0.0 stopped
         0.0 a: not connected: the client service is stopped",
    );
    harness.start();
    harness.server.peer(1).stay_open();
    harness.sim.clear_trace();
    drop(harness.service.stop_service());
    harness.start();
    harness.wait("b", Some(1));
    harness.advance(60.0);
    harness.expect(
        "0.0 shut 1
         0.0 closing
         5.0 drop 1
         5.0 attempt 3
         5.0 open 2
         5.0 connecting
         5.0 connected
         5.0 b gets 3",
    );
}

#[test]
fn a_permanent_failure_ends_the_retries_until_the_next_start() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Refuse(0.0), Outcome::FailForever]);
    harness.wait("a", None);
    harness.start();
    harness.advance(100.0);
    harness.wait("b", None);
    harness.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 waiting 1.5s: cannot connect: refused
         1.5 attempt 2
         1.5 connecting
         1.5 given up: cannot connect: banned
         1.5 a: not connected, and not trying again: cannot connect: banned
         100.0 b: not connected, and not trying again: cannot connect: banned",
    );
    harness.start();
    harness.expect("100.0 attempt 3\n 100.0 open 1\n 100.0 connecting\n 100.0 connected");
}

#[test]
fn cs_23_a_connector_or_a_preparation_that_exceeds_the_timeout_is_cancelled() {
    let harness = Harness::with(|builder| {
        let builder = builder.attempt_timeout(secs(4.0));
        builder.prepare(|_| std::future::pending::<Result<(), ConnectError>>())
    });
    harness.server.outcomes(&[Outcome::Hang, Outcome::Accept(3.0)]);
    harness.start();
    harness.advance(13.0);
    harness.expect(
        "0.0 attempt 1
         0.0 connecting
         4.0 cancel 1
         4.0 waiting 1.5s: not connected within 4s
         5.5 attempt 2
         5.5 connecting
         8.5 open 1
         12.5 drop 1
         12.5 waiting 2.25s: not connected within 4s",
    );
}

#[test]
fn cs_22_a_waiter_that_is_dropped_does_not_affect_others() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Accept(1.0)]);
    harness.start();
    harness.sim.clear_trace();
    let dropped = harness.service.when_connected(Some(1));
    harness.wait("a", Some(1));
    drop(dropped);
    harness.advance(1.0);
    harness.expect("1.0 open 1\n 1.0 connected\n 1.0 a gets 1");
}

#[test]
fn cs_21_the_count_of_failures_survives_a_stop() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Refuse(0.0); 2]);
    harness.start();
    harness.stop("stop");
    harness.sim.clear_trace();
    harness.start();
    harness.expect("0.0 attempt 2\n 0.0 connecting\n 0.0 waiting 2.25s: cannot connect: refused");
}

#[test]
fn waiters_fail_when_the_driver_is_dropped() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Hang]);
    harness.start();
    let waiter = harness.service.when_connected(None);
    harness.sim.drop_futures();
    assert!(matches!(harness.sim.block_on(waiter), Err(ConnectWaitError::Closed)));
    assert!(harness.sim.trace().contains("cancel 1"));
    // From then on commands do nothing, and waits end at once.
    harness.service.start_service();
    assert!(harness.service.stop_service().is_done());
    assert!(matches!(
        harness.sim.block_on(harness.service.when_connected(None)),
        Err(ConnectWaitError::Closed)
    ));
    assert_eq!(harness.server.attempts(), 1);
}

#[test]
fn the_connection_is_kept_while_there_is_a_handle() {
    let harness = Harness::new();
    harness.start();
    let waiter = harness.service.when_connected(None);
    let link = harness.sim.block_on(waiter).unwrap();
    let Harness { sim, server, service } = &harness;
    let other = service.clone();
    drop(other);
    sim.run_until_idle();
    assert!(link.is_up() && server.open() == 1);
}
