//! The watch in a world with virtual time: whole stories, the process minded by one task and the watch by another.

mod asking;
mod protocol;
mod real;
mod town;

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::host::Process;
use crate::machine::{Exit, Stream};
use crate::ready::verdict::{Cause, Failure, Ready};
use crate::testkit::{Script, Sim};

use town::Town;

const SECOND: Duration = Duration::from_secs(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A program in a town, and the watch over it.
struct Trial {
    sim: Sim,
    town: Arc<Town>,
    watch: Watch,
}

impl Trial {
    /// Two seconds is all the time that "web" has.
    fn new(script: Script, condition: Condition) -> Self {
        Self::in_town(Town::new(), script, condition)
    }

    fn in_town(town: Town, script: Script, condition: Condition) -> Self {
        condition.check().expect("a trial is about what can be met");
        let (sim, town) = (town.sim(), Arc::new(town));
        sim.script("web", script);
        let watch = Watch::new(town.clone(), condition, 2 * SECOND, None);
        Self { sim, town, watch }
    }

    /// Starts "web", and has it minded.
    fn start(&self) -> UntilReady {
        let until = self.watch.arm();
        let spec = self.watch.equip(Spec::new("web")).expect("there is nothing to equip");
        self.sim.spawn(mind(self.watch.host(), spec));
        until
    }

    /// The verdict, as a text.
    fn verdict(&self) -> String {
        let verdict = self.sim.block_on(self.start());
        tell(&verdict)
    }

    /// Nobody sleeps, and nobody asks.
    fn is_at_rest(&self) -> bool {
        self.town.under_way() == 0
    }
}

fn tell(verdict: &Result<Ready, Failure>) -> String {
    let (what, progress, took) = match verdict {
        Ok(Ready { progress, took, session: _ }) => ("ready".to_owned(), progress, took),
        Err(Failure { cause: Cause::SpawnFailed(error), progress, took }) => {
            (error.to_string(), progress, took)
        }
        Err(Failure { cause, progress, took }) => (format!("{cause:?}"), progress, took),
    };
    let lines = progress.iter().map(|progress| format!("  {progress}\n"));
    format!("{what} after {took:?}\n{}", lines.collect::<String>())
}

/// Does what a monitor does, as far as the watch sees it.
async fn mind(host: TapHost, spec: Spec) {
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
