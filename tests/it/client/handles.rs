//! Handles: weak ones, closing, and waits that can never end because the driver is not polled.

use std::sync::{Arc, OnceLock};

use childminder::client::{ClientBuilder, ClientState, ConnectWaitError, WeakClient};
use childminder::testkit::Sim;
use childminder::{ClientService, backoff};

use super::scripted::Stream;
use super::{Harness, Outcome, Server, secs};

fn builder(sim: &Sim) -> ClientBuilder<Stream> {
    let server = Server::new(sim);
    ClientService::builder(move || server.clone().connect())
}

#[test]
fn a_weak_handle_does_not_keep_the_service_alive() {
    let sim = Sim::new();
    // The callback outlives every strong handle, because the driver owns it.
    let weak: Arc<OnceLock<WeakClient<Stream>>> = Arc::default();
    let (service, driver) = builder(&sim)
        .prepare({
            let weak = weak.clone();
            move |_| {
                let service = weak.get().and_then(WeakClient::upgrade);
                async move { service.map(|_| ()).ok_or_else(|| std::io::Error::other("no handle")) }
            }
        })
        .build(sim.clone())
        .unwrap();
    let _ = weak.set(service.downgrade());
    let ended = sim.clone();
    sim.spawn(async move {
        driver.await;
        ended.note("the driver has ended");
    });
    service.start_service();
    let connection = sim.block_on(service.when_connected(None)).unwrap();
    let other = weak.get().unwrap().upgrade().unwrap();
    drop(service);
    sim.run_until_idle();
    assert!(connection.is_up(), "there is another handle");
    drop(other);
    sim.run_until_idle();
    assert!(!connection.is_up());
    assert!(sim.trace().ends_with("the driver has ended\n"), "{}", sim.trace());
    assert!(weak.get().unwrap().upgrade().is_none());
}

#[test]
fn close_ends_the_driver_although_there_are_handles() {
    let harness = Harness::new();
    harness.start();
    harness.server.peer(1).stay_open();
    let other = harness.service.clone();
    harness.sim.clear_trace();
    let (closing, sim) = (harness.service.close(), harness.sim.clone());
    assert!(!closing.is_done());
    harness.sim.spawn(async move {
        closing.await.unwrap();
        sim.note("closed");
    });
    harness.wait("a", None);
    // A start after the close has no effect, also while the connection is still being closed.
    other.start_service();
    harness.advance(60.0);
    harness.expect(
        "0.0 shut 1
         0.0 a: not connected: the client service is closed
         0.0 closing
         5.0 drop 1
         5.0 stopped
         5.0 closed",
    );
    other.start_service();
    harness.wait("b", None);
    harness.expect("60.0 b: not connected: the client service is closed");
    assert!(other.stop_service().is_done() && other.close().is_done());
    assert!(matches!(other.state(), ClientState::Stopped));
    let mut states = other.states();
    assert!(states.wait().is_none(), "the subscription has ended");
}

#[test]
fn waiters_from_before_the_close_fail() {
    let harness = Harness::new();
    harness.server.outcomes(&[Outcome::Hang]);
    harness.wait("a", None);
    harness.start();
    drop(harness.service.close());
    harness.expect(
        "0.0 attempt 1
         0.0 connecting
         0.0 cancel 1
         0.0 stopped
         0.0 a: not connected: the client service is stopped",
    );
}

#[test]
fn f_131_a_wait_fails_if_the_driver_is_not_polled() {
    let sim = Sim::new();
    let (service, driver) = builder(&sim).build(sim.clone()).unwrap();
    service.start_service();
    let error = sim.block_on(service.when_connected(None)).unwrap_err();
    assert!(matches!(error, ConnectWaitError::NotDriven(_)), "{error}");
    assert!(
        error.to_string().starts_with("not connected: the driver has not been polled for 5s; "),
        "{error}"
    );
    assert_eq!(sim.elapsed(), secs(5.0));
    assert!(sim.block_on(service.stop_service()).is_err());
    assert!(sim.block_on(service.close()).is_err());
    assert_eq!(sim.elapsed(), secs(15.0));
    // A driver that is polled in time is not affected, although there is nothing to do for an hour.
    let (service, driver) = {
        drop((service, driver));
        builder(&sim).build(sim.clone()).unwrap()
    };
    sim.spawn(driver);
    let waiter = service.when_connected(None);
    let late = service.clone();
    let hour = childminder::Host::sleep_until(&sim, childminder::Host::now(&sim) + secs(3600.0));
    sim.spawn(async move {
        hour.await;
        late.start_service();
    });
    assert!(sim.block_on(waiter).is_ok());
    assert!(matches!(service.state(), ClientState::Connected { .. }));
    sim.drop_futures();
}

#[test]
fn f_131_blocking_the_thread_that_polls_the_driver_fails_at_once() {
    let sim = Sim::new();
    let service: Arc<OnceLock<ClientService<Stream>>> = Arc::default();
    let handle = service.clone();
    let server = Server::new(&sim);
    server.outcomes(&[Outcome::Refuse(0.0)]);
    let (client, driver) = ClientService::builder(move || server.clone().connect())
        .policy_fn(move |_| {
            let service = handle.get().unwrap();
            let error = service.when_connected(None).wait().unwrap_err();
            assert!(matches!(error, ConnectWaitError::NotDriven(_)), "{error}");
            assert!(service.stop_service().wait().is_err());
            secs(7.0)
        })
        .build(sim.clone())
        .unwrap();
    let _ = service.set(client.clone());
    sim.spawn(driver);
    client.start_service();
    // A panic of the policy would schedule the next attempt in 60 s, and the stop leaves none.
    sim.run_until_idle();
    assert!(matches!(client.state(), ClientState::Stopped), "{:?}", client.state());
    sim.drop_futures();
}

#[test]
fn an_invalid_policy_is_an_error_when_the_service_is_created() {
    let invalid =
        backoff::BackoffPolicy { growth: backoff::Growth::Factor(0.5), ..backoff::BackoffPolicy::default() };
    let sim = Sim::new();
    let error = builder(&sim).policy(invalid).build(sim.clone()).unwrap_err();
    assert_eq!(error, invalid.check().unwrap_err());
    let error = builder(&sim).policy(invalid).background(sim.clone()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.get_ref().is_some_and(|inner| inner.is::<backoff::BackoffError>()));
    // A function replaces the policy.
    let function = builder(&sim)
        .policy(backoff::BackoffPolicy { growth: backoff::Growth::Factor(0.5), ..steady() })
        .policy_fn(|_| secs(1.0));
    assert!(function.build(sim).is_ok());
}

fn steady() -> backoff::BackoffPolicy {
    super::steady()
}
