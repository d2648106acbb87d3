//! A process that has always something to say: no real one is that quick all of the time.

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use childminder::host::{ProbeFuture, ProbeTarget, Process, SleepFuture};
use childminder::journal::{JournalEntry, JournalEvent};
use childminder::machine::{SignalTarget, Stream};
use childminder::{Exit, Host, Plan, Signal, SpawnError, Spec, System};
use futures_lite::future::block_on;

use super::stage::fails;
use crate::support::alone;

/// The real clock, and a process that is none.
#[derive(Debug)]
struct Chatty(System);

impl Host for Chatty {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        self.0.sleep_until(at)
    }

    fn spawn(&self, _: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        Ok(Box::new(Chatter { is_killed: false, minder: None }))
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        self.0.probe(target, owner)
    }
}

#[derive(Debug)]
struct Chatter {
    is_killed: bool,
    minder: Option<Waker>,
}

impl Process for Chatter {
    /// Nobody's.
    fn id(&self) -> u32 {
        u32::MAX
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        if self.is_killed {
            return Poll::Ready(Exit::Signal { signal: Signal::KILL, core: false });
        }
        self.minder = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_read(&mut self, _: Stream, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.is_killed {
            return Poll::Ready(Ok(0));
        }
        buf[..2].copy_from_slice(b"a\n");
        Poll::Ready(Ok(2))
    }

    fn signal(&mut self, _: SignalTarget, signal: Signal) -> io::Result<()> {
        self.is_killed = signal == Signal::KILL;
        self.minder.take().into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn remaining(&mut self) -> Vec<u32> {
        Vec::new()
    }
}

/// There is news at every moment, and time passes all the same. The logger takes nothing, so that it does not stop the
/// flood.
#[test]
fn pl_14_output_without_an_end_does_not_stop_the_time() {
    alone("plan::chatter::pl_14_output_without_an_end_does_not_stop_the_time", || {
        log::set_max_level(log::LevelFilter::Error);
        let mut plan = Plan::on(Chatty(System::new()), "chatter").unwrap();
        let chatter = plan.spawn("chatter").unwrap();
        plan.wait_for_output(chatter, "sense").unwrap().within(Duration::from_millis(20)).unwrap();
        let failed = block_on(fails(&plan));
        assert_eq!(failed.reason(), "timed out after 20ms while waiting for chatter");
        let failure = |entry: &&JournalEntry| matches!(entry.event, JournalEvent::Failed { .. });
        let at = failed.journal().entries().iter().find(failure).expect("it failed").at;
        assert!(at < Duration::from_secs(5), "nobody looked at the clock for {at:?}");
    });
}
