//! A process that always has output: no real one prints that fast all the time.

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use childminder::host::{ProbeFuture, ProbeTarget, Process, SleepFuture};
use childminder::machine::{SignalTarget, Stream};
use childminder::plan::{JournalEntry, JournalEvent};
use childminder::{Exit, Host, Plan, Signal, SpawnError, Spec, System};
use futures_lite::future::block_on;

use super::harness::fails;
use crate::support::alone;

/// The real clock, and a scripted process.
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
        Ok(Box::new(Chatter { is_killed: false, driver: None }))
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        self.0.probe(target, owner)
    }
}

#[derive(Debug)]
struct Chatter {
    is_killed: bool,
    driver: Option<Waker>,
}

impl Process for Chatter {
    /// No real process has this id.
    fn id(&self) -> u32 {
        u32::MAX
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        if self.is_killed {
            return Poll::Ready(Exit::Signal { signal: Signal::KILL, core: false });
        }
        self.driver = Some(cx.waker().clone());
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
        self.driver.take().into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn remaining(&mut self) -> Vec<u32> {
        Vec::new()
    }
}

/// There is an event at every moment, and time must pass all the same. The logger discards everything, so
/// that it does not slow down the output.
#[test]
fn pl_14_endless_output_does_not_delay_the_timeout() {
    alone("plan::chatter::pl_14_endless_output_does_not_delay_the_timeout", || {
        log::set_max_level(log::LevelFilter::Error);
        let mut plan = Plan::on(Chatty(System::new()), "chatter").unwrap();
        let chatter = plan.spawn("chatter").unwrap();
        plan.wait_for_output(chatter, "sense").unwrap().within(Duration::from_millis(20)).unwrap();
        let failed = block_on(fails(&plan));
        assert_eq!(failed.reason(), "timed out after 20ms while waiting for chatter");
        let failure = |entry: &&JournalEntry| matches!(entry.event, JournalEvent::Failed { .. });
        let at = failed.journal().entries().iter().find(failure).expect("a failure").at;
        assert!(at < Duration::from_secs(5), "the clock was not read for {at:?}");
    });
}
