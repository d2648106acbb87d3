//! A thousand starts, and a kill that falls due meanwhile.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use childminder::host::{ProbeFuture, ProbeTarget, Process, SleepFuture};
use childminder::machine::{SignalTarget, Stream};
use childminder::{Exit, Host, ProcessMonitor, Signal, SpawnError, Spec};

const START: Duration = Duration::from_micros(310);

/// A world in which only starts take time.
#[derive(Clone, Debug)]
struct SlowStarts {
    epoch: Instant,
    nanos: Arc<AtomicU64>,
    starts: Arc<AtomicU64>,
    killed: Arc<Mutex<Vec<Instant>>>,
}

impl SlowStarts {
    fn pass(&self, time: Duration) {
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }
}

impl Host for SlowStarts {
    fn now(&self) -> Instant {
        self.epoch + Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        let host = self.clone();
        Box::pin(std::future::poll_fn(
            move |_| if host.now() >= at { Poll::Ready(()) } else { Poll::Pending },
        ))
    }

    fn spawn(&self, _: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        self.pass(START);
        self.starts.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Deaf(self.clone())))
    }

    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        Ok(spec.get_program().into())
    }

    fn probe(&self, _: &ProbeTarget, _: Option<u32>) -> ProbeFuture {
        unreachable!("nothing is probed")
    }

    fn has_threads(&self) -> bool {
        false
    }
}

/// A process that never ends.
#[derive(Debug)]
struct Deaf(SlowStarts);

impl Process for Deaf {
    fn id(&self) -> u32 {
        7
    }

    fn poll_exit(&mut self, _: &mut Context<'_>) -> Poll<Exit> {
        Poll::Pending
    }

    fn poll_read(&mut self, _: Stream, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn signal(&mut self, _: SignalTarget, signal: Signal) -> io::Result<()> {
        if signal == Signal::KILL {
            self.0.killed.lock().unwrap().push(self.0.now());
        }
        Ok(())
    }

    fn remaining(&mut self) -> Vec<u32> {
        Vec::new()
    }
}

#[test]
fn f_24_a_kill_deadline_is_met_within_a_millisecond_during_a_thousand_starts() {
    let host = SlowStarts {
        epoch: Instant::now(),
        nanos: Arc::default(),
        starts: Arc::default(),
        killed: Arc::default(),
    };
    let (monitor, driver) = ProcessMonitor::new(host.clone());
    let mut driver = pin!(driver);
    let mut cx = Context::from_waker(Waker::noop());
    monitor.add_process("deaf", ["deaf"]).unwrap();
    monitor.start_process("deaf").unwrap();
    assert!(driver.as_mut().poll(&mut cx).is_pending());
    let _ticket = monitor.stop_process("deaf").unwrap();
    assert!(driver.as_mut().poll(&mut cx).is_pending());
    let deadline = host.now() + Duration::from_secs(5);
    host.pass(Duration::from_secs(5) - Duration::from_millis(100));
    for i in 0..1000 {
        monitor.add_process(&format!("p{i}"), ["p"]).unwrap();
    }
    monitor.start_service().unwrap();
    let mut polls = 0;
    while host.starts.load(Ordering::Relaxed) < 1001 {
        assert!(driver.as_mut().poll(&mut cx).is_pending());
        polls += 1;
    }
    let killed = host.killed.lock().unwrap()[0];
    assert!(
        killed >= deadline && killed - deadline <= Duration::from_millis(1),
        "{:?} late",
        killed - deadline
    );
    assert!(polls <= 2, "a thousand starts took {polls} polls");
}
