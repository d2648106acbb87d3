//! The thirty-one tests of Twisted's `ClientServiceTests`, written anew.

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{Harness, Outcome, secs};
use crate::support::recorded;

#[test]
fn start_service_cs_1() {
    let harness = Harness::new();
    harness.expect("");
    harness.start();
    harness.expect("0.0 attempt 1\n 0.0 open 1\n 0.0 connecting\n 0.0 connected");
}

#[test]
fn start_twice_cs_2() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Hang]);
    let records = recorded(|| {
        harness.start();
        harness.start();
    });
    assert_eq!(
        records,
        [
            "childminder::client WARN the server: duplicate ClientService::start_service; it is started already"
        ]
    );
    assert_eq!(harness.server.attempts(), 1);
}

#[test]
fn client_connected_cs_3() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Accept(1.0)]);
    harness.start();
    let first = harness.service.when_connected(None);
    let second = harness.service.when_connected(Some(1));
    let (first, second) = (harness.sim.block_on(first).unwrap(), harness.sim.block_on(second).unwrap());
    assert!(first == second && first.is_up());
}

#[test]
fn when_connected_later_cs_3() {
    let harness = Harness::new();
    harness.start();
    let link = harness.sim.block_on(harness.service.when_connected(None)).unwrap();
    assert!(harness.sim.block_on(harness.service.when_connected(None)).unwrap() == link);
    harness.server.peer(1).close();
    harness.sim.run_until_idle();
    let next = harness.sim.block_on(harness.service.when_connected(None)).unwrap();
    assert!(next != link && !link.is_up());
    assert_eq!(harness.sim.elapsed(), secs(1.5));
}

#[test]
fn client_connection_failed_cs_4() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Refuse(0.0), Outcome::Refuse(1.0)]);
    harness.start();
    harness.wait("a", None);
    harness.advance(10.0);
    harness.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 waiting 1.5s: cannot connect: refused
         1.5 attempt 2
         1.5 connecting
         2.5 waiting 2.25s: cannot connect: refused
         4.75 attempt 3
         4.75 open 1
         4.75 connecting
         4.75 connected
         4.75 a gets 3",
    );
}

#[test]
fn when_connected_fails_cs_7() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Refuse(0.1); 3]);
    harness.start();
    for (name, failures) in
        [("none", None), ("zero", Some(0)), ("one", Some(1)), ("two", Some(2)), ("three", Some(3))]
    {
        harness.wait(name, failures);
    }
    harness.sim.clear_trace();
    harness.advance(2.0);
    harness.wait("late one", Some(1));
    harness.advance(10.0);
    harness.wait("with a connection", Some(1));
    harness.expect(
        "0.1 waiting 1.5s: cannot connect: refused
         0.1 zero: not connected after 1 failure: cannot connect: refused
         0.1 one: not connected after 1 failure: cannot connect: refused
         1.6 attempt 2
         1.6 connecting
         1.7 waiting 2.25s: cannot connect: refused
         1.7 two: not connected after 2 failures: cannot connect: refused
         3.95 attempt 3
         3.95 connecting
         4.05 waiting 3.375s: cannot connect: refused
         4.05 three: not connected after 3 failures: cannot connect: refused
         4.05 late one: not connected after 3 failures: cannot connect: refused
         7.425 attempt 4
         7.425 open 1
         7.425 connecting
         7.425 connected
         7.425 none gets 4
         12.0 with a connection gets 4",
    );
}

#[test]
fn client_connection_lost_cs_5() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Refuse(0.0)]);
    harness.start();
    harness.advance(5000.0);
    harness.sim.clear_trace();
    harness.server.peer(1).close();
    harness.advance(2.0);
    harness.expect(
        "5000.0 drop 1
         5000.0 waiting 1.5s: the peer closed the connection
         5001.5 attempt 3
         5001.5 open 2
         5001.5 connecting
         5001.5 connected",
    );
}

/// A connector that rejects its connection has failed.
#[test]
fn client_connection_refused_cs_6() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Refuse(0.0)]);
    harness.start();
    harness.wait("a", Some(2));
    harness.advance(1.5);
    harness.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 waiting 1.5s: cannot connect: refused
         1.5 attempt 2
         1.5 open 1
         1.5 connecting
         1.5 connected
         1.5 a gets 2",
    );
}

#[test]
fn stop_service_while_connected_cs_8() {
    let harness = Harness::new();
    harness.start();
    harness.sim.clear_trace();
    harness.stop("stop");
    harness.expect("0.0 shut 1\n 0.0 drop 1\n 0.0 closing\n 0.0 stopped\n 0.0 stop done");
    assert_eq!(harness.server.open(), 0);
}

#[test]
fn client_connection_lost_while_stopping_cs_8() {
    let harness = Harness::new();
    harness.start();
    harness.server.peer(1).stay_open();
    harness.sim.clear_trace();
    harness.stop("stop");
    harness.advance(1.0);
    harness.expect("0.0 shut 1\n 0.0 closing");
    harness.server.peer(1).reset();
    harness.advance(60.0);
    harness.expect("1.0 drop 1\n 1.0 stopped\n 1.0 stop done");
}

#[test]
fn stop_service_while_connecting_cs_9() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Hang]);
    harness.start();
    harness.stop("stop");
    harness.advance(60.0);
    harness.expect("0.0 attempt 1\n 0.0 connecting\n 0.0 cancel 1\n 0.0 stopped\n 0.0 stop done");
}

#[test]
fn stop_service_while_retrying_cs_9() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Refuse(0.0), Outcome::Hang]);
    harness.start();
    harness.advance(2.0);
    harness.sim.clear_trace();
    harness.stop("stop");
    harness.advance(60.0);
    harness.expect("2.0 cancel 2\n 2.0 stopped\n 2.0 stop done");
}

#[test]
fn retry_cancelled_cs_10() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Refuse(0.0)]);
    harness.start();
    harness.sim.clear_trace();
    harness.advance(1.0);
    harness.stop("stop");
    harness.advance(60.0);
    harness.expect("1.0 stopped\n 1.0 stop done");
}

#[test]
fn stop_service_before_start_service_cs_11() {
    let harness = Harness::new();
    harness.stop("stop");
    harness.expect("0.0 stop done");
}

#[test]
fn stop_service_on_stopped_service_cs_11() {
    let harness = Harness::new();
    harness.start();
    harness.stop("first");
    harness.sim.clear_trace();
    harness.stop("second");
    harness.expect("0.0 second done");
}

#[test]
fn stop_service_while_disconnecting_cs_12() {
    let harness = Harness::new();
    harness.start();
    harness.server.peer(1).stay_open();
    harness.sim.clear_trace();
    harness.stop("first");
    harness.advance(1.0);
    harness.stop("second");
    harness.server.peer(1).close();
    harness.expect("0.0 shut 1\n 0.0 closing\n 1.0 drop 1\n 1.0 stopped\n 1.0 first done\n 1.0 second done");
}

#[test]
fn when_connected_stop_service_cs_13() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Hang]);
    harness.wait("early", None);
    harness.start();
    harness.wait("late", Some(1));
    harness.sim.clear_trace();
    harness.stop("stop");
    let refused = "not connected: the client service is stopped";
    harness.expect(&format!(
        "0.0 cancel 1\n 0.0 stopped\n 0.0 early: {refused}\n 0.0 late: {refused}\n 0.0 stop done"
    ));
}

#[test]
fn when_connected_errbacks_on_stop_service_cs_13() {
    let harness = Harness::new();
    harness.start();
    harness.stop("stop");
    harness.sim.clear_trace();
    harness.wait("a", None);
    harness.expect("0.0 a: not connected: the client service is stopped");
}

#[test]
fn start_service_waits_for_disconnect_cs_14() {
    let harness = Harness::new();
    harness.start();
    harness.server.peer(1).stay_open();
    harness.sim.clear_trace();
    harness.stop("stop");
    harness.start();
    harness.wait("a", None);
    harness.advance(1.0);
    harness.expect("0.0 shut 1\n 0.0 closing");
    harness.server.peer(1).close();
    harness.expect(
        "1.0 drop 1
         1.0 attempt 2
         1.0 open 2
         1.0 stop done
         1.0 connecting
         1.0 connected
         1.0 a gets 2",
    );
}

#[test]
fn start_service_while_stopping_cs_14() {
    let harness = Harness::new();
    harness.start();
    let old = harness.sim.block_on(harness.service.when_connected(None)).unwrap();
    let stop = harness.service.stop_service();
    harness.service.start_service();
    let new = harness.service.when_connected(None);
    harness.sim.block_on(stop).unwrap();
    assert!(harness.sim.block_on(new).unwrap() != old);
    assert_eq!(harness.server.open(), 1);
}

#[test]
fn stop_service_while_restarting_cs_15() {
    let harness = Harness::new();
    harness.start();
    harness.server.peer(1).stay_open();
    harness.sim.clear_trace();
    harness.stop("first");
    harness.start();
    harness.wait("a", None);
    harness.stop("second");
    harness.server.peer(1).close();
    harness.expect(
        "0.0 shut 1
         0.0 closing
         0.0 drop 1
         0.0 stopped
         0.0 a: not connected: the client service is stopped
         0.0 first done
         0.0 second done",
    );
}

#[test]
fn start_service_while_stopped_cs_16() {
    let harness = Harness::new();
    harness.start();
    harness.stop("stop");
    harness.sim.clear_trace();
    harness.start();
    harness.wait("a", None);
    harness.expect("0.0 attempt 2\n 0.0 open 2\n 0.0 connecting\n 0.0 connected\n 0.0 a gets 2");
}

/// Returns a service whose preparation takes `seconds` and is recorded in the trace.
fn preparing(seconds: f64) -> Harness {
    Harness::with_server(|builder, sim, _| {
        let sim = sim.clone();
        builder.prepare(move |link| {
            let sim = sim.clone();
            async move {
                sim.note(format_args!("prepare {}", link.number()));
                childminder::Host::sleep_until(&sim, childminder::Host::now(&sim) + secs(seconds)).await;
                Ok::<_, childminder::client::ConnectError>("ignored")
            }
        })
    })
}

#[test]
fn prepare_connection_called_when_service_starts_cs_18() {
    let harness = preparing(0.0);
    harness.start();
    harness.expect("0.0 attempt 1\n 0.0 open 1\n 0.0 prepare 1\n 0.0 connecting\n 0.0 connected");
}

#[test]
fn prepare_connection_called_after_connection_made_cs_18() {
    let harness = preparing(0.0);
    harness.server.outcomes(&[Outcome::Refuse(0.0), Outcome::Accept(1.0)]);
    harness.start();
    harness.advance(2.0);
    harness.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 waiting 1.5s: cannot connect: refused
         1.5 attempt 2
         1.5 connecting",
    );
    harness.advance(1.0);
    harness.expect("2.5 open 1\n 2.5 prepare 2\n 2.5 connected");
}

#[test]
fn prepare_connection_called_on_reconnect_cs_18() {
    let harness = preparing(0.0);
    harness.start();
    harness.server.peer(1).close();
    harness.sim.run_until_idle();
    harness.sim.clear_trace();
    harness.advance(1.5);
    harness.expect("1.5 attempt 2\n 1.5 open 2\n 1.5 prepare 2\n 1.5 connecting\n 1.5 connected");
}

/// Preparation and waiters receive the same connection, without a wrapper.
#[test]
fn prepare_connection_called_with_protocol_cs_18() {
    let harness = Harness::with(|builder| {
        builder.prepare(|mut link| async move {
            link.write_all(b"user").await?;
            let mut answer = [0; 2];
            link.read_exact(&mut answer).await?;
            if answer == *b"ok" { Ok(()) } else { Err(childminder::client::ConnectError::new("not ok")) }
        })
    });
    harness.start();
    harness.wait("a", None);
    assert_eq!(harness.server.peer(1).received(), "user");
    harness.sim.clear_trace();
    harness.server.peer(1).send("ok");
    harness.expect("0.0 connected\n 0.0 a gets 1");
}

#[test]
fn prepare_connection_return_value_ignored_cs_18() {
    let harness = preparing(0.0);
    harness.start();
    assert_eq!(harness.sim.block_on(harness.service.when_connected(None)).unwrap().number(), 1);
}

#[test]
fn prepare_connection_returning_a_deferred_cs_18() {
    let harness = preparing(2.0);
    harness.start();
    harness.wait("a", Some(1));
    harness.advance(5.0);
    harness
        .expect("0.0 attempt 1\n 0.0 open 1\n 0.0 prepare 1\n 0.0 connecting\n 2.0 connected\n 2.0 a gets 1");
}

#[test]
fn prepare_connection_throws_cs_18() {
    for panics in [false, true] {
        let harness = Harness::with(|builder| {
            builder.prepare(move |_| async move {
                assert!(!panics, "the preparation is broken");
                Err::<(), _>(childminder::client::ConnectError::new("the preparation is broken"))
            })
        });
        harness.wait("a", Some(1));
        harness.start();
        let reason = if panics { "panicked: the preparation is broken" } else { "the preparation is broken" };
        harness.expect(&format!(
            "0.0 attempt 1
             0.0 open 1
             0.0 drop 1
             0.0 connecting
             0.0 waiting 1.5s: cannot prepare the connection: {reason}
             0.0 a: not connected after 1 failure: cannot prepare the connection: {reason}"
        ));
    }
}

/// A connection forwards every operation to its stream.
#[test]
fn interfaces_for_transport_cs_19() {
    let harness = Harness::new();
    harness.start();
    let mut link = harness.sim.block_on(harness.service.when_connected(None)).unwrap();
    let peer = harness.server.peer(1);
    peer.send("hello");
    let mut words = [0; 5];
    harness.sim.block_on(link.read_exact(&mut words)).unwrap();
    assert_eq!(&words, b"hello");
    harness.sim.block_on(link.write_all(b"a")).unwrap();
    let parts = [std::io::IoSlice::new(b"b"), std::io::IoSlice::new(b"c")];
    harness.sim.block_on((&link).write_vectored(&parts)).unwrap();
    harness.sim.block_on(link.flush()).unwrap();
    assert!(peer.received().starts_with("ab"), "{}", peer.received());
    // The user notices the end before the service does.
    let sim = harness.sim.clone();
    harness.sim.spawn(async move {
        let length = link.read(&mut [0]).await.unwrap();
        sim.note(format_args!("reads {length}"));
    });
    harness.sim.run_until_idle();
    harness.sim.clear_trace();
    peer.close();
    harness.expect("0.0 reads 0\n 0.0 drop 1\n 0.0 waiting 1.5s: the peer closed the connection");
}

/// A connector has no start and stop hooks. It is dropped together with the service.
#[test]
fn start_stop_factory_cs_19() {
    let sim = childminder::testkit::Sim::new();
    let server = super::Server::new(&sim);
    let alive = std::sync::Arc::new(());
    let connector = {
        let (alive, server) = (alive.clone(), server.clone());
        move || {
            let _ = &alive;
            server.clone().connect()
        }
    };
    let (service, driver) = childminder::ClientService::new(sim.clone(), connector);
    sim.spawn(driver);
    service.start_service();
    sim.run_until_idle();
    assert_eq!((server.open(), std::sync::Arc::strong_count(&alive)), (1, 2));
    drop(service);
    sim.run_until_idle();
    assert_eq!((server.open(), std::sync::Arc::strong_count(&alive)), (0, 1));
}
