//! The watch in virtual time: one task drives the process, another one waits for its readiness.

mod probing;
mod protocol;
mod real;
mod servers;

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use futures_lite::future::or;

use super::*;
use crate::host::Process;
use crate::host::health::{Failure, FailureCause, Ready};
use crate::machine::{Exit, Stream};
use crate::ready::{AddressInUse, check_free};
use crate::testkit::{Script, Sim};

use servers::SimWithServers;

const SECOND: Duration = Duration::from_secs(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A simulated program with servers around it, and the watch over the program.
struct Trial {
    sim: Sim,
    host: Arc<SimWithServers>,
    watch: Watch,
}

impl Trial {
    /// Creates a trial of the program "web", which has two seconds to become ready.
    fn new(script: Script, condition: Condition) -> Self {
        Self::with_servers(SimWithServers::new(), script, condition)
    }

    fn with_servers(host: SimWithServers, script: Script, condition: Condition) -> Self {
        condition.check().expect("the condition can be met");
        let (sim, host) = (host.sim(), Arc::new(host));
        sim.script("web", script);
        let watch = Watch::new(host.clone(), condition, 2 * SECOND, None);
        Self { sim, host, watch }
    }

    /// Starts "web" and a task that drives it.
    fn start(&self) -> UntilReady {
        let until = self.watch.arm();
        let spec = self.watch.equip(Spec::new("web")).expect("the condition needs no notification channel");
        self.sim.spawn(drive(self.watch.host(), spec));
        until
    }

    /// Returns the verdict as text.
    fn verdict(&self) -> String {
        let verdict = self.sim.block_on(self.start());
        describe(&verdict)
    }

    /// Returns whether no sleep and no probe is in progress.
    fn is_at_rest(&self) -> bool {
        self.host.in_progress() == 0
    }
}

fn describe(verdict: &Result<Ready, Failure>) -> String {
    let (what, progress, took) = match verdict {
        Ok(Ready { progress, took, .. }) => ("ready".to_owned(), progress, took),
        Err(Failure { cause: FailureCause::SpawnFailed(error), progress, took, .. }) => {
            (error.to_string(), progress, took)
        }
        Err(Failure { cause, progress, took, .. }) => (format!("{cause:?}"), progress, took),
    };
    let lines = progress.iter().map(|progress| format!("  {progress}\n"));
    format!("{what} after {took:?}\n{}", lines.collect::<String>())
}

/// Drives a process like a monitor: reads its output until it exits.
async fn drive(host: TapHost, spec: Spec) {
    if let Ok(mut process) = host.spawn(&spec) {
        poll_fn(|cx| {
            Stream::BOTH.iter().for_each(|stream| read(&mut *process, *stream, cx));
            process.poll_exit(cx).map(drop)
        })
        .await;
        Stream::BOTH
            .iter()
            .for_each(|stream| read(&mut *process, *stream, &mut Context::from_waker(Waker::noop())));
    }
}

fn read(process: &mut dyn Process, stream: Stream, cx: &mut Context<'_>) {
    let mut buf = [0; 16];
    while let Poll::Ready(Ok(1..)) = process.poll_read(stream, cx, &mut buf) {}
}
