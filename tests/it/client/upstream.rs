//! The thirty-one tests of Twisted's `ClientServiceTests`, written afresh.

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{Fate, Town, secs};
use crate::support::recorded;

#[test]
fn start_service_cs_1() {
    let town = Town::new();
    town.expect("");
    town.start();
    town.expect("0.0 attempt 1\n 0.0 open 1\n 0.0 connecting\n 0.0 connected");
}

#[test]
fn start_twice_cs_2() {
    let town = Town::new();
    town.server.fates(&[Fate::Hang]);
    let records = recorded(|| {
        town.start();
        town.start();
    });
    assert_eq!(
        records,
        [
            "childminder::client WARN the server: duplicate ClientService::start_service; it is started already"
        ]
    );
    assert_eq!(town.server.attempts(), 1);
}

#[test]
fn client_connected_cs_3() {
    let town = Town::new();
    town.server.fates(&[Fate::Accept(1.0)]);
    town.start();
    let first = town.service.when_connected(None);
    let second = town.service.when_connected(Some(1));
    let (first, second) = (town.sim.block_on(first).unwrap(), town.sim.block_on(second).unwrap());
    assert!(first == second && first.is_up());
}

#[test]
fn when_connected_later_cs_3() {
    let town = Town::new();
    town.start();
    let link = town.sim.block_on(town.service.when_connected(None)).unwrap();
    assert!(town.sim.block_on(town.service.when_connected(None)).unwrap() == link);
    town.server.peer(1).hangs_up();
    town.sim.run_until_idle();
    let next = town.sim.block_on(town.service.when_connected(None)).unwrap();
    assert!(next != link && !link.is_up());
    assert_eq!(town.sim.elapsed(), secs(1.5));
}

#[test]
fn client_connection_failed_cs_4() {
    let town = Town::new();
    town.server.fates(&[Fate::Refuse(0.0), Fate::Refuse(1.0)]);
    town.start();
    town.wait("a", None);
    town.advance(10.0);
    town.expect(
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
    let town = Town::new();
    town.server.fates(&[Fate::Refuse(0.1); 3]);
    town.start();
    for (name, failures) in
        [("none", None), ("zero", Some(0)), ("one", Some(1)), ("two", Some(2)), ("three", Some(3))]
    {
        town.wait(name, failures);
    }
    town.sim.clear_trace();
    town.advance(2.0);
    town.wait("late one", Some(1));
    town.advance(10.0);
    town.wait("with a connection", Some(1));
    town.expect(
        "0.1 waiting 1.5s: cannot connect: refused
         0.1 zero: not connected after failure 1: cannot connect: refused
         0.1 one: not connected after failure 1: cannot connect: refused
         1.6 attempt 2
         1.6 connecting
         1.7 waiting 2.25s: cannot connect: refused
         1.7 two: not connected after failure 2: cannot connect: refused
         3.95 attempt 3
         3.95 connecting
         4.05 waiting 3.375s: cannot connect: refused
         4.05 three: not connected after failure 3: cannot connect: refused
         4.05 late one: not connected after failure 3: cannot connect: refused
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
    let town = Town::new();
    town.server.fates(&[Fate::Refuse(0.0)]);
    town.start();
    town.advance(5000.0);
    town.sim.clear_trace();
    town.server.peer(1).hangs_up();
    town.advance(2.0);
    town.expect(
        "5000.0 drop 1
         5000.0 waiting 1.5s: the peer has ended the connection
         5001.5 attempt 3
         5001.5 open 2
         5001.5 connecting
         5001.5 connected",
    );
}

/// A connector that refuses what it has got is one whose attempt has failed.
#[test]
fn client_connection_refused_cs_6() {
    let town = Town::new();
    town.server.fates(&[Fate::Refuse(0.0)]);
    town.start();
    town.wait("a", Some(2));
    town.advance(1.5);
    town.expect(
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
    let town = Town::new();
    town.start();
    town.sim.clear_trace();
    town.stop("stop");
    town.expect("0.0 shut 1\n 0.0 drop 1\n 0.0 closing\n 0.0 stopped\n 0.0 stop done");
    assert_eq!(town.server.open(), 0);
}

#[test]
fn client_connection_lost_while_stopping_cs_8() {
    let town = Town::new();
    town.start();
    town.server.peer(1).is_stubborn();
    town.sim.clear_trace();
    town.stop("stop");
    town.advance(1.0);
    town.expect("0.0 shut 1\n 0.0 closing");
    town.server.peer(1).breaks();
    town.advance(60.0);
    town.expect("1.0 drop 1\n 1.0 stopped\n 1.0 stop done");
}

#[test]
fn stop_service_while_connecting_cs_9() {
    let town = Town::new();
    town.server.fates(&[Fate::Hang]);
    town.start();
    town.stop("stop");
    town.advance(60.0);
    town.expect("0.0 attempt 1\n 0.0 connecting\n 0.0 cancel 1\n 0.0 stopped\n 0.0 stop done");
}

#[test]
fn stop_service_while_retrying_cs_9() {
    let town = Town::new();
    town.server.fates(&[Fate::Refuse(0.0), Fate::Hang]);
    town.start();
    town.advance(2.0);
    town.sim.clear_trace();
    town.stop("stop");
    town.advance(60.0);
    town.expect("2.0 cancel 2\n 2.0 stopped\n 2.0 stop done");
}

#[test]
fn retry_cancelled_cs_10() {
    let town = Town::new();
    town.server.fates(&[Fate::Refuse(0.0)]);
    town.start();
    town.sim.clear_trace();
    town.advance(1.0);
    town.stop("stop");
    town.advance(60.0);
    town.expect("1.0 stopped\n 1.0 stop done");
}

#[test]
fn stop_service_before_start_service_cs_11() {
    let town = Town::new();
    town.stop("stop");
    town.expect("0.0 stop done");
}

#[test]
fn stop_service_on_stopped_service_cs_11() {
    let town = Town::new();
    town.start();
    town.stop("first");
    town.sim.clear_trace();
    town.stop("second");
    town.expect("0.0 second done");
}

#[test]
fn stop_service_while_disconnecting_cs_12() {
    let town = Town::new();
    town.start();
    town.server.peer(1).is_stubborn();
    town.sim.clear_trace();
    town.stop("first");
    town.advance(1.0);
    town.stop("second");
    town.server.peer(1).hangs_up();
    town.expect("0.0 shut 1\n 0.0 closing\n 1.0 drop 1\n 1.0 stopped\n 1.0 first done\n 1.0 second done");
}

#[test]
fn when_connected_stop_service_cs_13() {
    let town = Town::new();
    town.server.fates(&[Fate::Hang]);
    town.wait("early", None);
    town.start();
    town.wait("late", Some(1));
    town.sim.clear_trace();
    town.stop("stop");
    let refused = "not connected: the client service is stopped";
    town.expect(&format!(
        "0.0 cancel 1\n 0.0 stopped\n 0.0 early: {refused}\n 0.0 late: {refused}\n 0.0 stop done"
    ));
}

#[test]
fn when_connected_errbacks_on_stop_service_cs_13() {
    let town = Town::new();
    town.start();
    town.stop("stop");
    town.sim.clear_trace();
    town.wait("a", None);
    town.expect("0.0 a: not connected: the client service is stopped");
}

#[test]
fn start_service_waits_for_disconnect_cs_14() {
    let town = Town::new();
    town.start();
    town.server.peer(1).is_stubborn();
    town.sim.clear_trace();
    town.stop("stop");
    town.start();
    town.wait("a", None);
    town.advance(1.0);
    town.expect("0.0 shut 1\n 0.0 closing");
    town.server.peer(1).hangs_up();
    town.expect(
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
    let town = Town::new();
    town.start();
    let old = town.sim.block_on(town.service.when_connected(None)).unwrap();
    let stop = town.service.stop_service();
    town.service.start_service();
    let new = town.service.when_connected(None);
    town.sim.block_on(stop).unwrap();
    assert!(town.sim.block_on(new).unwrap() != old);
    assert_eq!(town.server.open(), 1);
}

#[test]
fn stop_service_while_restarting_cs_15() {
    let town = Town::new();
    town.start();
    town.server.peer(1).is_stubborn();
    town.sim.clear_trace();
    town.stop("first");
    town.start();
    town.wait("a", None);
    town.stop("second");
    town.server.peer(1).hangs_up();
    town.expect(
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
    let town = Town::new();
    town.start();
    town.stop("stop");
    town.sim.clear_trace();
    town.start();
    town.wait("a", None);
    town.expect("0.0 attempt 2\n 0.0 open 2\n 0.0 connecting\n 0.0 connected\n 0.0 a gets 2");
}

/// A service whose preparation takes `seconds` and tells the trace.
fn preparing(seconds: f64) -> Town {
    Town::with_server(|builder, sim, _| {
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
    let town = preparing(0.0);
    town.start();
    town.expect("0.0 attempt 1\n 0.0 open 1\n 0.0 prepare 1\n 0.0 connecting\n 0.0 connected");
}

#[test]
fn prepare_connection_called_after_connection_made_cs_18() {
    let town = preparing(0.0);
    town.server.fates(&[Fate::Refuse(0.0), Fate::Accept(1.0)]);
    town.start();
    town.advance(2.0);
    town.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 waiting 1.5s: cannot connect: refused
         1.5 attempt 2
         1.5 connecting",
    );
    town.advance(1.0);
    town.expect("2.5 open 1\n 2.5 prepare 2\n 2.5 connected");
}

#[test]
fn prepare_connection_called_on_reconnect_cs_18() {
    let town = preparing(0.0);
    town.start();
    town.server.peer(1).hangs_up();
    town.sim.run_until_idle();
    town.sim.clear_trace();
    town.advance(1.5);
    town.expect("1.5 attempt 2\n 1.5 open 2\n 1.5 prepare 2\n 1.5 connecting\n 1.5 connected");
}

/// Preparation and waiters have the same link; there is no wrapper.
#[test]
fn prepare_connection_called_with_protocol_cs_18() {
    let town = Town::with(|builder| {
        builder.prepare(|mut link| async move {
            link.write_all(b"user").await?;
            let mut answer = [0; 2];
            link.read_exact(&mut answer).await?;
            if answer == *b"ok" { Ok(()) } else { Err(childminder::client::ConnectError::new("not ok")) }
        })
    });
    town.start();
    town.wait("a", None);
    assert_eq!(town.server.peer(1).heard(), "user");
    town.sim.clear_trace();
    town.server.peer(1).says("ok");
    town.expect("0.0 connected\n 0.0 a gets 1");
}

#[test]
fn prepare_connection_return_value_ignored_cs_18() {
    let town = preparing(0.0);
    town.start();
    assert_eq!(town.sim.block_on(town.service.when_connected(None)).unwrap().number(), 1);
}

#[test]
fn prepare_connection_returning_a_deferred_cs_18() {
    let town = preparing(2.0);
    town.start();
    town.wait("a", Some(1));
    town.advance(5.0);
    town.expect("0.0 attempt 1\n 0.0 open 1\n 0.0 prepare 1\n 0.0 connecting\n 2.0 connected\n 2.0 a gets 1");
}

#[test]
fn prepare_connection_throws_cs_18() {
    for panics in [false, true] {
        let town = Town::with(|builder| {
            builder.prepare(move |_| async move {
                assert!(!panics, "the preparation is broken");
                Err::<(), _>(childminder::client::ConnectError::new("the preparation is broken"))
            })
        });
        town.wait("a", Some(1));
        town.start();
        let reason = if panics { "a panic: the preparation is broken" } else { "the preparation is broken" };
        town.expect(&format!(
            "0.0 attempt 1
             0.0 open 1
             0.0 drop 1
             0.0 connecting
             0.0 waiting 1.5s: cannot prepare the connection: {reason}
             0.0 a: not connected after failure 1: cannot prepare the connection: {reason}"
        ));
    }
}

/// What wraps a connection, the link, forwards everything.
#[test]
fn interfaces_for_transport_cs_19() {
    let town = Town::new();
    town.start();
    let mut link = town.sim.block_on(town.service.when_connected(None)).unwrap();
    let peer = town.server.peer(1);
    peer.says("hello");
    let mut words = [0; 5];
    town.sim.block_on(link.read_exact(&mut words)).unwrap();
    assert_eq!(&words, b"hello");
    town.sim.block_on(link.write_all(b"a")).unwrap();
    let parts = [std::io::IoSlice::new(b"b"), std::io::IoSlice::new(b"c")];
    town.sim.block_on((&link).write_vectored(&parts)).unwrap();
    town.sim.block_on(link.flush()).unwrap();
    assert!(peer.heard().starts_with("ab"), "{}", peer.heard());
    // The user sees the end before the service does.
    let sim = town.sim.clone();
    town.sim.spawn(async move {
        let length = link.read(&mut [0]).await.unwrap();
        sim.note(format_args!("reads {length}"));
    });
    town.sim.run_until_idle();
    town.sim.clear_trace();
    peer.hangs_up();
    town.expect("0.0 reads 0\n 0.0 drop 1\n 0.0 waiting 1.5s: the peer has ended the connection");
}

/// A connector has no hooks to be called; it lives as long as the service, and is dropped with it.
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
