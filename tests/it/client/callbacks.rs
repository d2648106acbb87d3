//! Calls of the service from its own callbacks: connector, preparation, policy, ping and waker.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use childminder::ClientService;
use childminder::client::ConnectError;

use super::{Harness, Outcome, Stream, secs};

type Handle = Arc<OnceLock<ClientService<Stream>>>;

/// Calls every method of a service, and ends with a start.
fn call_everything(service: &ClientService<Stream>) {
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

/// Makes the service available to its callbacks, which were created before it.
fn set_handle(handle: &Handle, harness: &Harness) {
    let _ = handle.set(harness.service.clone());
}

#[test]
fn cs_weak_4_a_preparation_may_stop_and_start_the_service() {
    let handle = Handle::default();
    let harness = Harness::with(|builder| {
        let handle = handle.clone();
        builder.prepare(move |link| {
            let handle = handle.clone();
            async move {
                if link.number() == 1 {
                    call_everything(handle.get().unwrap());
                }
                Ok::<_, ConnectError>(())
            }
        })
    });
    set_handle(&handle, &harness);
    harness.start();
    harness.wait("a", None);
    harness.expect(
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
    let harness = Harness::with(|builder| {
        let handle = handle.clone();
        builder.policy_fn(move |n| {
            let service = handle.get().unwrap();
            if n < 3 {
                call_everything(service);
            } else {
                drop(service.stop_service());
            }
            secs(1.0)
        })
    });
    set_handle(&handle, &harness);
    harness.server.outcomes(&[Outcome::Refuse(0.5); 9]);
    harness.start();
    harness.advance(60.0);
    assert_eq!((harness.server.attempts(), harness.server.open()), (3, 0));
    assert!(harness.sim.trace().ends_with("1.5 stopped\n"), "{}", harness.sim.trace());
}

#[test]
fn cs_weak_4_a_task_that_waited_may_stop_the_service_on_the_first_failure() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Refuse(0.0); 9]);
    let (service, sim) = (harness.service.clone(), harness.sim.clone());
    harness.sim.spawn(async move {
        let waiter = service.when_connected(Some(1));
        service.start_service();
        waiter.await.unwrap_err();
        sim.note("stopping");
        service.stop_service().await.unwrap();
        sim.note("stop done");
    });
    harness.advance(60.0);
    harness.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 waiting 1.5s: cannot connect: refused
         0.0 stopping
         0.0 stopped
         0.0 stop done",
    );
}

/// A waker that calls the service, as that of an executor that polls at once may do.
struct CallingWaker {
    handle: Handle,
    calls: Mutex<usize>,
}

impl Wake for CallingWaker {
    fn wake(self: Arc<Self>) {
        let mut calls = self.calls.lock().unwrap();
        if *calls == 0 {
            *calls += 1;
            call_everything(self.handle.get().unwrap());
        }
    }
}

#[test]
fn cs_weak_4_a_waker_may_call_the_service() {
    let harness = Harness::new();
    let handle = Handle::default();
    set_handle(&handle, &harness);
    let waker_state = Arc::new(CallingWaker { handle, calls: Mutex::default() });
    let waker = Waker::from(waker_state.clone());
    let mut waiter = harness.service.when_connected(None);
    let poll = Pin::new(&mut waiter).poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    harness.start();
    harness.wait("a", None);
    assert_eq!(*waker_state.calls.lock().unwrap(), 1);
    assert!(matches!(Pin::new(&mut waiter).poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(_))));
    assert!(harness.sim.trace().ends_with("0.0 a gets 2\n"), "{}", harness.sim.trace());
    assert_eq!(harness.server.open(), 1);
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
                call_everything(handle.get().unwrap());
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
    let harness = Harness::with(|builder| {
        let handle = handle.clone();
        builder.keep_alive(secs(10.0), move |link| {
            let handle = handle.clone();
            async move {
                assert!(link.number() != 2, "a bug in the ping");
                if link.number() == 1 {
                    call_everything(handle.get().unwrap());
                }
                Ok::<_, ConnectError>(())
            }
        })
    });
    set_handle(&handle, &harness);
    harness.start();
    harness.advance(60.0);
    harness.expect(
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
         20.0 waiting 1.5s: the ping failed: panicked: a bug in the ping
         21.5 attempt 3
         21.5 open 3
         21.5 connecting
         21.5 connected",
    );
}
