//! The client service, handle and driver: whole stories in virtual time with a scripted server, and real sockets.

mod callbacks;
mod links;
mod real;
mod scripted;
mod upstream;
mod walk;
mod weaknesses;

use std::time::Duration;

use childminder::ClientService;
use childminder::backoff::BackoffPolicy;
use childminder::client::{ClientBuilder, ClientState};
use childminder::testkit::Sim;
use futures_lite::StreamExt;

use scripted::{Fate, Server, Stream};

/// A service in a world of its own, with its driver running in it and every state in the trace.
struct Town {
    sim: Sim,
    server: Server,
    service: ClientService<Stream>,
}

impl Town {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(change: impl FnOnce(ClientBuilder<Stream>) -> ClientBuilder<Stream>) -> Self {
        Self::with_server(|builder, _, _| change(builder))
    }

    fn with_server(
        change: impl FnOnce(ClientBuilder<Stream>, &Sim, &Server) -> ClientBuilder<Stream>,
    ) -> Self {
        let sim = Sim::new();
        let server = Server::new(&sim);
        let connector = {
            let server = server.clone();
            move || server.clone().connect()
        };
        let builder = ClientService::builder(connector).policy(steady()).unwrap();
        let (service, driver) = change(builder, &sim, &server).build(sim.clone());
        sim.spawn(driver);
        let (mut states, scribe) = (service.states(), sim.clone());
        sim.spawn(async move {
            // The first is how it is now.
            states.next().await;
            while let Some(state) = states.next().await {
                scribe.note(word(&state.expect("it reads in time")));
            }
        });
        Self { sim, server, service }
    }

    /// Starts it, and waits until nothing more happens in this instant.
    fn start(&self) {
        self.service.start_service();
        self.sim.run_until_idle();
    }

    /// Stops it, with a line in the trace when that is done.
    fn stop(&self, name: &str) {
        let (service, sim, name) = (self.service.clone(), self.sim.clone(), name.to_owned());
        self.sim.spawn(async move {
            service.stop_service().await.unwrap();
            sim.note(format_args!("{name} done"));
        });
        self.sim.run_until_idle();
    }

    /// Waits for a connection, with a line in the trace when that is over.
    fn wait(&self, name: &str, failures: Option<u32>) {
        let (service, sim, name) = (self.service.clone(), self.sim.clone(), name.to_owned());
        self.sim.spawn(async move {
            match service.when_connected(failures).await {
                Ok(link) => sim.note(format_args!("{name} gets {}", link.number())),
                Err(error) => sim.note(format_args!("{name}: {error}")),
            }
        });
        self.sim.run_until_idle();
    }

    fn advance(&self, seconds: f64) {
        self.sim.advance(secs(seconds));
    }

    /// Compares all that has happened since the last call.
    #[track_caller]
    fn expect(&self, story: &str) {
        self.sim.run_until_idle();
        let trace = self.sim.trace();
        self.sim.clear_trace();
        let expected: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(trace.lines().collect::<Vec<_>>(), expected, "what happened is on the left");
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.sim.drop_futures();
    }
}

fn word(state: &ClientState) -> String {
    match state {
        ClientState::Waiting { since, until, reason } => {
            format!("waiting {:?}: {reason}", until.duration_since(*since))
        }
        ClientState::GivenUp { reason } => format!("given up: {reason}"),
        ClientState::Stopped => "stopped".to_owned(),
        ClientState::Connecting => "connecting".to_owned(),
        ClientState::Connected { .. } => "connected".to_owned(),
        ClientState::Closing => "closing".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The default without jitter: 1.5 s, 2.25 s, 3.375 s …
fn steady() -> BackoffPolicy {
    BackoffPolicy { jitter: Duration::ZERO, ..BackoffPolicy::default() }
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}
