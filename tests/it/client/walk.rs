//! Random walks of the service with its driver: commands, failures and time in any order. The state machine
//! alone has longer walks of its own.

use childminder::Host;
use childminder::client::{ConnectError, Connection};
use fastrand::Rng;

use super::{Harness, Outcome, Stream, secs};

#[test]
fn every_future_resolves_and_nothing_stays_open_on_every_walk() {
    for seed in 0..2_000 {
        let walk = std::panic::catch_unwind(|| Walk::new(seed).go());
        assert!(walk.is_ok(), "the walk with seed {seed} failed");
    }
}

struct Walk {
    harness: Harness,
    rng: Rng,
    waiters: Vec<childminder::client::WhenConnected<Stream>>,
    links: Vec<Connection<Stream>>,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let harness = Harness::with_server(|builder, sim, _| {
            let (prepare_sim, ping_sim) = (sim.clone(), sim.clone());
            let chance =
                move |link: &Connection<Stream>| Rng::with_seed(seed ^ (link.number() << 8)).u8(0..8);
            builder
                .close_grace(secs(2.0))
                .attempt_timeout(secs(5.0))
                .stable_after(secs(3.0))
                .prepare(move |link| by_chance(prepare_sim.clone(), chance(&link)))
                .keep_alive(secs(4.0), move |link| by_chance(ping_sim.clone(), chance(&link) / 2))
        });
        Self { harness, rng: Rng::with_seed(seed), waiters: Vec::new(), links: Vec::new() }
    }

    fn go(mut self) {
        for _ in 0..64 {
            self.step();
            // The driver does not run after every step, so that several commands may precede it.
            if self.rng.u8(0..3) > 0 {
                self.harness.sim.run_until_idle();
            }
        }
        let service = &self.harness.service;
        let tickets = [service.stop_service(), service.stop_service()];
        for ticket in tickets {
            self.harness.sim.block_on(ticket).unwrap();
        }
        assert_eq!(self.harness.server.open(), 0);
        for waiter in self.waiters {
            // A wait without end is a panic of the simulation.
            let _ = self.harness.sim.block_on(waiter);
        }
        assert!(self.links.iter().all(|link| !link.is_up()));
        let attempts = self.harness.server.attempts();
        self.harness.advance(1000.0);
        assert_eq!(self.harness.server.attempts(), attempts, "an attempt after the stop");
    }

    fn step(&mut self) {
        let Self { harness, rng, waiters, links } = self;
        let peers = harness.server.peers();
        match rng.u8(0..16) {
            0..=2 => harness.service.start_service(),
            3 => drop(harness.service.stop_service()),
            4..=6 => waiters.push(harness.service.when_connected(rng.bool().then(|| rng.u32(0..4)))),
            7 if !waiters.is_empty() => drop(waiters.swap_remove(rng.usize(..waiters.len()))),
            8 if !waiters.is_empty() && peers > 0 => {
                harness.server.peer(peers).send("words");
                harness.sim.run_until_idle();
                let waiter = waiters.swap_remove(rng.usize(..waiters.len()));
                links.extend(harness.sim.block_on(futures_lite::future::or(
                    async { waiter.await.ok() },
                    async {
                        harness.sim.sleep_until(harness.sim.now() + secs(1.0)).await;
                        None
                    },
                )));
            }
            9 if peers > 0 => harness.server.peer(rng.usize(1..=peers)).close(),
            10 if peers > 0 => harness.server.peer(rng.usize(1..=peers)).reset(),
            11 if peers > 0 => harness.server.peer(peers).stay_open(),
            12 => links.iter().for_each(Connection::abort),
            13 => harness.server.outcomes(&[match rng.u8(0..8) {
                0 => Outcome::FailForever,
                1 => Outcome::Hang,
                2 => Outcome::Panic,
                3..=5 => Outcome::Refuse(rng.f64()),
                _ => Outcome::Accept(rng.f64()),
            }]),
            _ => harness.advance(rng.f64() * 3.0),
        }
    }
}

/// Succeeds at once or late, fails, panics, or never ends.
async fn by_chance(sim: childminder::testkit::Sim, whim: u8) -> Result<(), ConnectError> {
    match whim {
        0..=3 => Ok(()),
        4 => Err(ConnectError::new("by chance")),
        5 => panic!("by chance"),
        6 => {
            sim.sleep_until(sim.now() + secs(1.0)).await;
            Ok(())
        }
        _ => std::future::pending().await,
    }
}
