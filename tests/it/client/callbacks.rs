//! Calls from inside whatever the service calls: connector, preparation, policy, ping, waker (CS, weakness 4).

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use childminder::ClientService;
use childminder::client::ConnectError;

use super::{Fate, Stream, Town, secs};

type Handle = Arc<OnceLock<ClientService<Stream>>>;

/// Does everything there is to do to a service, and ends with a start.
fn meddle(service: &ClientService<Stream>) {
    let waiter = service.when_connected(Some(1));
    drop(service.stop_service());
    drop(service.when_connected(None));
    service.start_service();
    drop(service.stop_service());
    let _ = service.state();
    let _ = service.states();
    service.start_service();
    drop(waiter);
}

/// A service that somebody can call who was made before it.
fn known(handle: &Handle, town: &Town) {
    let _ = handle.set(town.service.clone());
}

#[test]
fn cs_weak_4_a_preparation_may_stop_and_start_the_service() {
    let handle = Handle::default();
    let town = Town::with(|builder| {
        let handle = handle.clone();
        builder.prepare(move |link| {
            let handle = handle.clone();
            async move {
                if link.number() == 1 {
                    meddle(handle.get().unwrap());
                }
                Ok::<_, ConnectError>(())
            }
        })
    });
    known(&handle, &town);
    town.start();
    town.wait("a", None);
    town.expect(
        "0.0 attempt 1
         0.0 open 1
         0.0 shut 1
         0.0 drop 1
         0.0 attempt 2
         0.0 open 2
         0.0 connecting
         0.0 closing
         0.0 connecting
         0.0 connected
         0.0 a gets 2",
    );
}

#[test]
fn cs_weak_4_a_policy_may_stop_the_service_for_good() {
    let handle = Handle::default();
    let town = Town::with(|builder| {
        let handle = handle.clone();
        builder.policy_fn(move |n| {
            let service = handle.get().unwrap();
            if n < 3 {
                meddle(service);
            } else {
                drop(service.stop_service());
            }
            secs(1.0)
        })
    });
    known(&handle, &town);
    town.server.fates(&[Fate::Refuse(0.5); 9]);
    town.start();
    town.advance(60.0);
    assert_eq!((town.server.attempts(), town.server.open()), (3, 0));
    assert!(town.sim.trace().ends_with("1.5 stopped\n"), "{}", town.sim.trace());
}

#[test]
fn cs_weak_4_who_has_waited_may_stop_the_service_on_the_first_failure() {
    let town = Town::new();
    town.server.fates(&[Fate::Refuse(0.0); 9]);
    let (service, sim) = (town.service.clone(), town.sim.clone());
    town.sim.spawn(async move {
        let waiter = service.when_connected(Some(1));
        service.start_service();
        waiter.await.unwrap_err();
        sim.note("stops it");
        service.stop_service().await.unwrap();
        sim.note("has stopped it");
    });
    town.advance(60.0);
    town.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 waiting 1.5s: cannot connect: refused
         0.0 stops it
         0.0 stopped
         0.0 has stopped it",
    );
}

/// A waker that calls the service: some executors poll at once.
struct Meddler {
    handle: Handle,
    calls: Mutex<usize>,
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        let mut calls = self.calls.lock().unwrap();
        if *calls == 0 {
            *calls += 1;
            meddle(self.handle.get().unwrap());
        }
    }
}

#[test]
fn cs_weak_4_a_waker_may_call_the_service() {
    let town = Town::new();
    let handle = Handle::default();
    known(&handle, &town);
    let meddler = Arc::new(Meddler { handle, calls: Mutex::default() });
    let waker = Waker::from(meddler.clone());
    let mut waiter = town.service.when_connected(None);
    let poll = Pin::new(&mut waiter).poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    town.start();
    town.wait("a", None);
    assert_eq!(*meddler.calls.lock().unwrap(), 1);
    assert!(matches!(Pin::new(&mut waiter).poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(_))));
    assert!(town.sim.trace().ends_with("0.0 a gets 2\n"), "{}", town.sim.trace());
    assert_eq!(town.server.open(), 1);
}

#[test]
fn cs_weak_4_a_connector_may_stop_the_service() {
    let sim = childminder::testkit::Sim::new();
    let server = super::Server::new(&sim);
    let handle = Handle::default();
    let connector = {
        let (handle, server) = (handle.clone(), server.clone());
        move || {
            if server.attempts() < 3 {
                meddle(handle.get().unwrap());
            }
            server.clone().connect()
        }
    };
    let (service, driver) = ClientService::new(sim.clone(), connector);
    let _ = handle.set(service.clone());
    sim.spawn(driver);
    service.start_service();
    sim.run_until_idle();
    sim.block_on(service.when_connected(None)).unwrap();
    assert_eq!(server.open(), 1);
    sim.drop_futures();
}

#[test]
fn a_ping_may_call_the_service_and_a_panic_in_it_is_a_loss() {
    let handle = Handle::default();
    let town = Town::with(|builder| {
        let handle = handle.clone();
        builder.keep_alive(secs(10.0), move |link| {
            let handle = handle.clone();
            async move {
                assert!(link.number() != 2, "the ping is broken");
                if link.number() == 1 {
                    meddle(handle.get().unwrap());
                }
                Ok::<_, ConnectError>(())
            }
        })
    });
    known(&handle, &town);
    town.start();
    town.advance(60.0);
    town.expect(
        "0.0 attempt 1
         0.0 open 1
         0.0 connecting
         0.0 connected
         10.0 shut 1
         10.0 drop 1
         10.0 attempt 2
         10.0 open 2
         10.0 closing
         10.0 connecting
         10.0 connected
         20.0 drop 2
         20.0 waiting 1.5s: the ping has failed: a panic: the ping is broken
         21.5 attempt 3
         21.5 open 3
         21.5 connecting
         21.5 connected",
    );
}
