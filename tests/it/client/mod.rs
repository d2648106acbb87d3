//! The client service with its driver: scenarios in virtual time with a scripted server, and real sockets.

mod callbacks;
mod connections;
mod handles;
mod keep_alive;
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

use scripted::{Outcome, Server, Stream};

/// A service in a simulated world, with its driver. The trace contains every state.
pub(crate) struct Harness {
    sim: Sim,
    server: Server,
    service: ClientService<Stream>,
}

impl Harness {
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
        let builder = ClientService::builder(connector).policy(steady());
        let (service, driver) = change(builder, &sim, &server).build(sim.clone()).unwrap();
        sim.spawn(driver);
        let (mut states, trace) = (service.states(), sim.clone());
        sim.spawn(async move {
            // The first one is the current state.
            states.next().await;
            while let Some(state) = states.next().await {
                trace.note(describe(&state.expect("the subscriber reads in time")));
            }
        });
        Self { sim, server, service }
    }

    /// Starts the service, and runs until nothing more happens at this instant.
    fn start(&self) {
        self.service.start_service();
        self.sim.run_until_idle();
    }

    /// Stops the service, with a line in the trace when the ticket resolves.
    fn stop(&self, name: &str) {
        let (service, sim, name) = (self.service.clone(), self.sim.clone(), name.to_owned());
        self.sim.spawn(async move {
            service.stop_service().await.unwrap();
            sim.note(format_args!("{name} done"));
        });
        self.sim.run_until_idle();
    }

    /// Waits for a connection, with a line in the trace for the result.
    fn wait(&self, name: &str, failures: Option<u32>) {
        let (service, sim, name) = (self.service.clone(), self.sim.clone(), name.to_owned());
        self.sim.spawn(async move {
            match service.when_connected(failures).await {
                Ok(connection) => sim.note(format_args!("{name} gets {}", connection.number())),
                Err(error) => sim.note(format_args!("{name}: {error}")),
            }
        });
        self.sim.run_until_idle();
    }

    fn advance(&self, seconds: f64) {
        self.sim.advance(secs(seconds));
    }

    /// Compares the trace since the last call.
    #[track_caller]
    fn expect(&self, expected: &str) {
        self.sim.run_until_idle();
        let trace = self.sim.trace();
        self.sim.clear_trace();
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(trace.lines().collect::<Vec<_>>(), expected, "the trace is on the left");
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.sim.drop_futures();
    }
}

fn describe(state: &ClientState) -> String {
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

/// The default policy without jitter: 1.5 s, 2.25 s, 3.375 s …
fn steady() -> BackoffPolicy {
    BackoffPolicy { jitter: Duration::ZERO, ..BackoffPolicy::default() }
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}
