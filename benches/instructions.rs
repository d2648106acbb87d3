//! The work of which `.ci/instructions` counts the instructions, with `valgrind --tool=callgrind`.
//!
//! Times differ from run to run and from machine to machine; on a busy machine they say little. The number of
//! instructions of our own code hardly differs, so a change that costs a few percent is seen. Everything here
//! is on one thread, without the operating system: a host of this program answers at once. What the kernel
//! does is measured by the other benchmark.
//!
//! ```text
//! instructions restart     1,000 restarts of a program that exits at once, through the driver of a monitor
//! instructions line        1,000 lines of 100 bytes, each read and written by itself
//! instructions lines       10,000 lines of 100 bytes in reads of 64 KiB
//! instructions step        100,000 steps of the machine, with 100 programs that exit at once
//! ```
//!
//! Only what happens in the functions `counted_…` is counted.

use std::env;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use childminder::host::{ProbeFuture, ProbeTarget, Process, SleepFuture};
use childminder::machine::{Containment, Definition, Event, Machine, Output, SignalTarget, Stream};
use childminder::output::Batch;
use childminder::{
    Exit, Host, MonitorBuilder, MonitorDriver, Policy, ProcessMonitor, Signal, Sink, SpawnError, Spec,
};

const RESTARTS: u64 = 1000;
const SINGLE_LINES: u64 = 1000;
const LINES: usize = 10_000;
const STEPS: usize = 100_000;

fn main() -> ExitCode {
    let subject = env::args().nth(1).unwrap_or_default();
    match &*subject {
        "restart" => restart(),
        "line" => line(),
        "lines" => lines(),
        "step" => step(),
        // `cargo bench` and `cargo test --benches` run this as well.
        _ => {}
    }
    ExitCode::SUCCESS
}

/// A host whose processes do as the subject of the measurement wants.
#[derive(Clone, Debug)]
struct Bare {
    kind: Kind,
    has_threads: bool,
    /// The number of starts.
    started: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Exits at once.
    Mayfly,
    /// Writes a line each time that it is polled.
    Ticker,
    /// Writes this many lines as fast as they are read.
    Writer(usize),
}

impl Bare {
    fn new(kind: Kind, has_threads: bool) -> Self {
        Self { kind, has_threads, started: Arc::default() }
    }

    fn starts(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }
}

/// Returns the only time that there is. A clock that is read would differ from run to run.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "time that does not pass needs an origin")]
    *EPOCH.get_or_init(Instant::now)
}

impl Host for Bare {
    fn now(&self) -> Instant {
        epoch()
    }

    fn sleep_until(&self, _: Instant) -> SleepFuture {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, _: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        self.started.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Child { kind: self.kind, has_line: false }))
    }

    fn probe(&self, _: &ProbeTarget, _: Option<u32>) -> ProbeFuture {
        Box::pin(std::future::pending())
    }

    fn has_threads(&self) -> bool {
        self.has_threads
    }
}

#[derive(Debug)]
struct Child {
    kind: Kind,
    has_line: bool,
}

/// A line of 100 bytes.
const LINE: &[u8; 100] =
    b"2026-11-30T00:00:00Z INFO request served: method=GET path=/index.html status=200 bytes=512 time=1ms\n";

impl Process for Child {
    fn id(&self) -> u32 {
        1
    }

    fn poll_exit(&mut self, _: &mut Context<'_>) -> Poll<Exit> {
        match self.kind {
            Kind::Mayfly => Poll::Ready(Exit::Code(0)),
            Kind::Ticker | Kind::Writer(_) => Poll::Pending,
        }
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match (&mut self.kind, stream) {
            (Kind::Mayfly, _) | (_, Stream::Stderr) => Poll::Ready(Ok(0)),
            (Kind::Ticker, Stream::Stdout) => {
                self.has_line = !self.has_line;
                if self.has_line {
                    buf[..LINE.len()].copy_from_slice(LINE);
                    return Poll::Ready(Ok(LINE.len()));
                }
                // The next line comes at once.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (Kind::Writer(0), Stream::Stdout) => Poll::Pending,
            (Kind::Writer(left), Stream::Stdout) => {
                let count = (buf.len() / LINE.len()).min(*left);
                *left -= count;
                buf.chunks_exact_mut(LINE.len()).take(count).for_each(|place| place.copy_from_slice(LINE));
                Poll::Ready(Ok(count * LINE.len()))
            }
        }
    }

    fn signal(&mut self, _: SignalTarget, _: Signal) -> io::Result<()> {
        Ok(())
    }

    fn remaining(&mut self) -> Vec<u32> {
        Vec::new()
    }
}

/// Renders the lines like a writer, and counts them.
struct Renderer {
    waiting: Vec<u8>,
    lines: Arc<AtomicU64>,
}

impl Sink for Renderer {
    fn lines(&mut self, batch: &Batch<'_>) {
        batch.render(&mut self.waiting);
        self.lines.fetch_add(batch.lines().count() as u64, Ordering::Relaxed);
    }

    fn flush(&mut self) {
        black_box(&self.waiting);
        self.waiting.clear();
    }

    fn room(&mut self) -> usize {
        usize::MAX
    }
}

/// Creates a monitor with one process, which it has not started.
fn monitor(host: Bare, builder: MonitorBuilder) -> (ProcessMonitor, MonitorDriver) {
    let (monitor, driver) = builder.build(host).expect("the policy is valid");
    monitor.add_process("child", Spec::new("child")).expect("the name is valid");
    monitor.start_service().expect("there are no dependencies");
    (monitor, driver)
}

fn poll(driver: &mut MonitorDriver) {
    let _ = Pin::new(driver).poll(&mut Context::from_waker(Waker::noop()));
}

fn restart() {
    let host = Bare::new(Kind::Mayfly, true);
    let policy = Policy { threshold: Duration::ZERO, ..Policy::default() };
    let (_monitor, mut driver) = monitor(host.clone(), ProcessMonitor::builder().policy(policy));
    poll(&mut driver);
    counted_restart(&mut driver, &host, host.starts() + RESTARTS);
}

#[inline(never)]
fn counted_restart(driver: &mut MonitorDriver, host: &Bare, until: u64) {
    while host.starts() < until {
        poll(driver);
    }
}

/// Sets up a monitor whose sink counts the lines.
fn with_lines(host: Bare) -> (ProcessMonitor, MonitorDriver, Arc<AtomicU64>) {
    let lines = Arc::new(AtomicU64::new(0));
    let sink = Renderer { waiting: Vec::with_capacity(1 << 20), lines: lines.clone() };
    let (monitor, driver) = monitor(host, ProcessMonitor::builder().sink(sink));
    (monitor, driver, lines)
}

fn line() {
    let (_monitor, mut driver, lines) = with_lines(Bare::new(Kind::Ticker, true));
    poll(&mut driver);
    counted_lines(&mut driver, &lines, lines.load(Ordering::Relaxed) + SINGLE_LINES);
}

fn lines() {
    let (_monitor, mut driver, lines) = with_lines(Bare::new(Kind::Writer(LINES), false));
    counted_lines(&mut driver, &lines, LINES as u64);
}

#[inline(never)]
fn counted_lines(driver: &mut MonitorDriver, lines: &AtomicU64, until: u64) {
    while lines.load(Ordering::Relaxed) < until {
        poll(driver);
    }
}

fn step() {
    let policy = Policy { threshold: Duration::ZERO, ..Policy::default() };
    let mut machine = Machine::new();
    for number in 0..100 {
        let name = number.to_string().parse().expect("a name");
        let definition = Definition { policy, ..Definition::new(()) };
        machine.add_process(name, definition, epoch()).expect("it is new");
    }
    machine.start_service(epoch()).expect("there are no dependencies");
    counted_step(&mut machine);
}

#[inline(never)]
fn counted_step(machine: &mut Machine<()>) {
    let mut pending = std::collections::VecDeque::new();
    for step in 0..STEPS {
        let now = epoch() + Duration::from_micros(step as u64);
        match pending.pop_front() {
            Some(event) => machine.handle_event(event, now),
            None => machine.handle_timeout(now),
        }
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Spawn { run, .. } => pending.extend([
                    Event::Started { run, pid: 1, containment: Containment::Group },
                    Event::Closed { run },
                    Event::Exited { run, exit: Exit::Code(1), remaining: Vec::new() },
                ]),
                Output::ListFamily { run } => {
                    pending.push_back(Event::Family { run, remaining: Vec::new() });
                }
                other => drop(black_box(other)),
            }
        }
    }
}
