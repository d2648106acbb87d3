//! Random walks of the whole service, driver and all: commands, failures and time in any order. (The machine alone has
//! walks of its own, and many more.)

use childminder::Host;
use childminder::client::{ConnectError, Connection};
use fastrand::Rng;

use super::{Fate, Stream, Town, secs};

#[test]
fn every_future_resolves_and_nothing_stays_open_on_every_walk() {
    for seed in 0..2_000 {
        let walk = std::panic::catch_unwind(|| Walk::new(seed).go());
        assert!(walk.is_ok(), "the walk with seed {seed} has failed");
    }
}

struct Walk {
    town: Town,
    rng: Rng,
    waiters: Vec<childminder::client::WhenConnected<Stream>>,
    links: Vec<Connection<Stream>>,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let town = Town::with_server(|builder, sim, _| {
            let (prepare_sim, ping_sim) = (sim.clone(), sim.clone());
            let whim = move |link: &Connection<Stream>| Rng::with_seed(seed ^ (link.number() << 8)).u8(0..8);
            builder
                .close_grace(secs(2.0))
                .attempt_timeout(secs(5.0))
                .stable_after(secs(3.0))
                .prepare(move |link| whimsical(prepare_sim.clone(), whim(&link)))
                .keep_alive(secs(4.0), move |link| whimsical(ping_sim.clone(), whim(&link) / 2))
        });
        Self { town, rng: Rng::with_seed(seed), waiters: Vec::new(), links: Vec::new() }
    }

    fn go(mut self) {
        for _ in 0..64 {
            self.step();
            // The driver runs now and then, so that some calls come in between.
            if self.rng.u8(0..3) > 0 {
                self.town.sim.run_until_idle();
            }
        }
        let service = &self.town.service;
        let tickets = [service.stop_service(), service.stop_service()];
        for ticket in tickets {
            self.town.sim.block_on(ticket).unwrap();
        }
        assert_eq!(self.town.server.open(), 0);
        for waiter in self.waiters {
            // Stuck is a panic.
            let _ = self.town.sim.block_on(waiter);
        }
        assert!(self.links.iter().all(|link| !link.is_up()));
        let attempts = self.town.server.attempts();
        self.town.advance(1000.0);
        assert_eq!(self.town.server.attempts(), attempts, "an attempt after the stop");
    }

    fn step(&mut self) {
        let Self { town, rng, waiters, links } = self;
        let peers = town.server.peers();
        match rng.u8(0..16) {
            0..=2 => town.service.start_service(),
            3 => drop(town.service.stop_service()),
            4..=6 => waiters.push(town.service.when_connected(rng.bool().then(|| rng.u32(0..4)))),
            7 if !waiters.is_empty() => drop(waiters.swap_remove(rng.usize(..waiters.len()))),
            8 if !waiters.is_empty() && peers > 0 => {
                town.server.peer(peers).says("words");
                town.sim.run_until_idle();
                let waiter = waiters.swap_remove(rng.usize(..waiters.len()));
                links.extend(town.sim.block_on(futures_lite::future::or(
                    async { waiter.await.ok() },
                    async {
                        town.sim.sleep_until(town.sim.now() + secs(1.0)).await;
                        None
                    },
                )));
            }
            9 if peers > 0 => town.server.peer(rng.usize(1..=peers)).hangs_up(),
            10 if peers > 0 => town.server.peer(rng.usize(1..=peers)).breaks(),
            11 if peers > 0 => town.server.peer(peers).is_stubborn(),
            12 => links.iter().for_each(Connection::abort),
            13 => town.server.fates(&[match rng.u8(0..8) {
                0 => Fate::Ban,
                1 => Fate::Hang,
                2 => Fate::Panic,
                3..=5 => Fate::Refuse(rng.f64()),
                _ => Fate::Accept(rng.f64()),
            }]),
            _ => town.advance(rng.f64() * 3.0),
        }
    }
}

/// Succeeds, fails, panics, takes its time, or takes for ever.
async fn whimsical(sim: childminder::testkit::Sim, whim: u8) -> Result<(), ConnectError> {
    match whim {
        0..=3 => Ok(()),
        4 => Err(ConnectError::new("not in the mood")),
        5 => panic!("a bad mood"),
        6 => {
            sim.sleep_until(sim.now() + secs(1.0)).await;
            Ok(())
        }
        _ => std::future::pending().await,
    }
}
