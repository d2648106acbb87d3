//! The ten weaknesses of the original, mended.

use std::time::Duration;

use childminder::client::{ConnectError, ConnectWaitError};

use super::{Fate, Town, secs};
use crate::support::recorded;

/// A service whose preparations never end.
fn never_prepared() -> Town {
    Town::with(|builder| builder.prepare(|_| std::future::pending::<Result<(), ConnectError>>()))
}

#[test]
fn cs_weak_1_a_connection_lost_while_it_is_prepared_is_a_failed_attempt() {
    let town = never_prepared();
    town.wait("a", Some(2));
    town.start();
    town.server.peer(1).hangs_up();
    town.sim.run_until_idle();
    assert_eq!(town.server.open(), 0);
    town.advance(1.5);
    town.server.peer(2).breaks();
    town.expect(
        "0.0 attempt 1
         0.0 open 1
         0.0 connecting
         0.0 drop 1
         0.0 waiting 1.5s: the peer has ended the connection
         1.5 attempt 2
         1.5 open 2
         1.5 connecting
         1.5 drop 2
         1.5 waiting 2.25s: the connection broke: connection reset
         1.5 a: not connected after failure 2: the connection broke: connection reset",
    );
}

#[test]
fn cs_weak_2_a_connection_that_is_rejected_is_closed_and_its_end_is_nobody_elses() {
    let town = Town::with(|builder| {
        builder.prepare(|link| async move {
            if link.number() == 1 { Err(ConnectError::new("not this one")) } else { Ok(()) }
        })
    });
    town.start();
    assert_eq!(town.server.open(), 0);
    town.advance(1.5);
    let link = town.sim.block_on(town.service.when_connected(None)).unwrap();
    town.sim.clear_trace();
    town.server.peer(1).hangs_up();
    town.server.peer(1).breaks();
    town.advance(60.0);
    town.expect("");
    assert!(link.is_up() && town.server.open() == 1);
}

#[test]
fn cs_weak_3_a_stop_while_it_is_prepared_closes_the_connection() {
    let town = never_prepared();
    town.wait("a", None);
    town.start();
    town.sim.clear_trace();
    town.stop("stop");
    town.expect(
        "0.0 shut 1
         0.0 drop 1
         0.0 closing
         0.0 stopped
         0.0 a: not connected: the client service is stopped
         0.0 stop done",
    );
}

#[test]
fn cs_weak_5_a_policy_that_panics_does_not_end_the_retrying() {
    let town =
        Town::with(|builder| builder.policy_fn(|n| if n == 2 { panic!("no more ideas") } else { secs(0.5) }));
    town.server.fates(&[Fate::Refuse(0.0); 3]);
    let records = recorded(|| {
        town.start();
        town.advance(70.0);
    });
    town.expect(
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
            &"childminder::client ERROR the retry policy has panicked, so the wait is 60s: no more ideas"
                .to_owned()
        ),
        "{records:#?}"
    );
}

#[test]
fn cs_weak_6_cs_17_a_stop_ends_the_wait_for_the_first_start() {
    let town = Town::new();
    town.wait("a", None);
    town.advance(60.0);
    town.expect("");
    town.stop("stop");
    town.expect("60.0 a: not connected: the client service is stopped\n 60.0 stop done");
    // And a start satisfies it.
    let town = Town::new();
    town.wait("a", None);
    town.start();
    town.expect("0.0 attempt 1\n 0.0 open 1\n 0.0 connecting\n 0.0 connected\n 0.0 a gets 1");
}

#[test]
fn cs_weak_7_cs_20_each_retry_is_logged_with_its_number_target_delay_and_reason() {
    let town = Town::with(|builder| builder.target("tcp:db:5432"));
    town.server.fates(&[Fate::Refuse(0.0), Fate::Panic, Fate::Accept(0.0), Fate::Ban]);
    let records = recorded(|| {
        town.start();
        town.advance(10.0);
        town.server.peer(1).hangs_up();
        town.advance(10.0);
    });
    assert_eq!(
        records,
        [
            "childminder::client INFO tcp:db:5432: cannot connect: refused; attempt 2 in 1.5s failures=1",
            "childminder::client INFO tcp:db:5432: cannot connect: a panic: the connector is broken; \
             attempt 3 in 2.25s failures=2",
            "childminder::client INFO tcp:db:5432: the peer has ended the connection; attempt 2 in 1.5s failures=1",
            "childminder::client ERROR tcp:db:5432: cannot connect: banned; given up after failure 2 failures=2",
        ]
    );
}

#[test]
fn cs_weak_8_a_peer_that_does_not_hang_up_is_left_after_the_grace() {
    let town = Town::with(|builder| builder.close_grace(secs(3.0)));
    town.start();
    town.server.peer(1).is_stubborn();
    town.sim.clear_trace();
    town.stop("first");
    town.advance(2.0);
    // The deadline does not move.
    town.stop("second");
    town.server.peer(1).says("but I have so much to say");
    town.advance(60.0);
    town.expect("0.0 shut 1\n 0.0 closing\n 3.0 drop 1\n 3.0 stopped\n 3.0 first done\n 3.0 second done");
}

#[test]
fn cs_weak_9_a_server_that_accepts_and_hangs_up_is_tried_less_and_less_often_if_wanted() {
    let waits = |stable_after: Duration| {
        let town = Town::with(|builder| builder.stable_after(stable_after));
        town.start();
        for n in 1..=4 {
            town.server.peer(n).hangs_up();
            town.advance(60.0);
        }
        let trace = town.sim.trace();
        let waits = trace.lines().filter_map(|line| line.split_once("waiting ")?.1.split_once(':'));
        waits.map(|(wait, _)| wait.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(waits(Duration::ZERO), ["1.5s"; 4], "as the original");
    // The first lives for no time, each of the others for the rest of a minute.
    assert_eq!(waits(secs(59.0)), ["1.5s", "2.25s", "3.375s", "5.0625s"]);
    assert_eq!(waits(secs(50.0)), ["1.5s", "1.5s", "1.5s", "1.5s"]);
}

/// #8993: nobody awaits the stop, and no waiter is lost. #8899 and #9116: a start before the old connection has ended.
/// #9476, the power that overflowed, is a test of the policy.
#[test]
fn cs_weak_10_old_mistakes_are_not_made_again() {
    let town = Town::new();
    town.server.fates(&[Fate::Hang]);
    town.wait("a", None);
    town.start();
    drop(town.service.stop_service());
    drop(town.service.stop_service());
    town.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 cancel 1
         0.0 stopped
         0.0 a: not connected: the client service is stopped",
    );
    town.start();
    town.server.peer(1).is_stubborn();
    town.sim.clear_trace();
    drop(town.service.stop_service());
    town.start();
    town.wait("b", Some(1));
    town.advance(60.0);
    town.expect(
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
fn a_failure_for_good_ends_the_retrying_until_the_next_start() {
    let town = Town::new();
    town.server.fates(&[Fate::Refuse(0.0), Fate::Ban]);
    town.wait("a", None);
    town.start();
    town.advance(100.0);
    town.wait("b", None);
    town.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 waiting 1.5s: cannot connect: refused
         1.5 attempt 2
         1.5 connecting
         1.5 given up: cannot connect: banned
         1.5 a: not connected, and given up: cannot connect: banned
         100.0 b: not connected, and given up: cannot connect: banned",
    );
    town.start();
    town.expect("100.0 attempt 3\n 100.0 open 1\n 100.0 connecting\n 100.0 connected");
}

#[test]
fn cs_23_what_takes_too_long_is_cancelled_be_it_the_connector_or_the_preparation() {
    let town = Town::with(|builder| {
        let builder = builder.attempt_timeout(secs(4.0));
        builder.prepare(|_| std::future::pending::<Result<(), ConnectError>>())
    });
    town.server.fates(&[Fate::Hang, Fate::Accept(3.0)]);
    town.start();
    town.advance(13.0);
    town.expect(
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
fn cs_22_a_waiter_that_is_dropped_is_no_loss_to_others() {
    let town = Town::new();
    town.server.fates(&[Fate::Accept(1.0)]);
    town.start();
    town.sim.clear_trace();
    let dropped = town.service.when_connected(Some(1));
    town.wait("a", Some(1));
    drop(dropped);
    town.advance(1.0);
    town.expect("1.0 open 1\n 1.0 connected\n 1.0 a gets 1");
}

#[test]
fn cs_21_the_count_of_failures_survives_a_stop() {
    let town = Town::new();
    town.server.fates(&[Fate::Refuse(0.0); 2]);
    town.start();
    town.stop("stop");
    town.sim.clear_trace();
    town.start();
    town.expect("0.0 attempt 2\n 0.0 connecting\n 0.0 waiting 2.25s: cannot connect: refused");
}

#[test]
fn who_waits_is_told_when_the_driver_goes() {
    let town = Town::new();
    town.server.fates(&[Fate::Hang]);
    town.start();
    let waiter = town.service.when_connected(None);
    town.sim.drop_futures();
    assert!(matches!(town.sim.block_on(waiter), Err(ConnectWaitError::Closed)));
    assert!(town.sim.trace().contains("cancel 1"));
    // From then on nothing happens, and everything is answered.
    town.service.start_service();
    assert!(town.service.stop_service().is_done());
    assert!(matches!(town.sim.block_on(town.service.when_connected(None)), Err(ConnectWaitError::Closed)));
    assert_eq!(town.server.attempts(), 1);
}

#[test]
fn when_the_last_handle_goes_the_connection_does_too() {
    let town = Town::new();
    town.start();
    let waiter = town.service.when_connected(None);
    let link = town.sim.block_on(waiter).unwrap();
    let Town { sim, server, service } = &town;
    let other = service.clone();
    drop(other);
    sim.run_until_idle();
    assert!(link.is_up() && server.open() == 1);
}
