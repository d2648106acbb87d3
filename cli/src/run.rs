//! Running an order: the monitor, the signals, and the end.

use std::fmt;
use std::io::{self, IsTerminal};

use async_io::block_on;
use childminder::output::WriterSink;
use childminder::{MonitorDriver, ProcessMonitor, StopError};
use futures_lite::future::{or, pending};

use crate::order::Order;
use crate::signals::StopSignals;
use crate::stdout::Stdout;

/// Minds the process until a signal asks for the end, and returns when it is gone with all that it started (PMT-9).
///
/// The first signal stops it in order, within its kill time; a second one kills it at once. More change nothing: the
/// end is near by then, at most [`Policy::KILL_GRACE`](childminder::Policy::KILL_GRACE) away.
///
/// # Errors
///
/// [`RunError`] when it could not be minded at all, or when something survived.
pub(crate) fn run(Order { name, spec, system }: Order) -> Result<(), RunError> {
    let mut signals = StopSignals::install().map_err(RunError::Signals)?;
    let stdout = Stdout::open().map_err(RunError::Stdout)?;
    let builder = ProcessMonitor::builder();
    // Messages never wait for long (`stderr.rs`), so it is stdout that decides.
    let builder = if stdout.never_waits() { builder.inline() } else { builder };
    let (monitor, driver) =
        builder.sink(WriterSink::new(stdout)).build(system).expect("the default policy is valid");
    monitor.add_process(&name, spec).expect("an order was checked, and there is no other process");
    if io::stderr().is_terminal() {
        log::info!("minding {name}; Ctrl-C stops it");
    }
    monitor.start_service();
    block_on(mind(monitor, driver, &mut signals)).map_err(RunError::Survivors)
}

/// Drives the monitor to its end. This is all that the program does, so one thread and a plain `block_on` are enough.
async fn mind(
    monitor: ProcessMonitor,
    mut driver: MonitorDriver,
    signals: &mut StopSignals,
) -> Result<(), StopError> {
    let driven = async {
        (&mut driver).await;
        // It ends only when the last handle has gone, and there is one.
        pending().await
    };
    or(stopped(&monitor, signals), driven).await?;
    drop(monitor);
    // What was written last is on its way to stdout. With survivors there would be no end to wait for.
    driver.await;
    Ok(())
}

/// Resolves when the process is gone, after somebody has asked for that.
async fn stopped(monitor: &ProcessMonitor, signals: &mut StopSignals) -> Result<(), StopError> {
    // First the deed, then the word: nobody may be there to read it.
    let first = signals.next().await;
    let stopped = monitor.stop_service();
    log::info!("got {first}, stopping; a second signal kills at once");
    let hurried = async {
        let second = signals.next_after(first).await;
        let killed = monitor.kill_service();
        log::warn!("got {second}, killing");
        killed.await
    };
    or(stopped, hurried).await
}

/// Why a run did not end well.
#[derive(Debug)]
pub(crate) enum RunError {
    /// Signals could not be watched, so nothing was started.
    Signals(io::Error),
    /// Standard output could not be used, so nothing was started.
    Stdout(io::Error),
    /// Something outlived KILL.
    Survivors(StopError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signals(error) => write!(f, "cannot watch for signals: {error}"),
            Self::Stdout(error) => write!(f, "cannot use the standard output: {error}"),
            Self::Survivors(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Signals(error) | Self::Stdout(error) => Some(error),
            Self::Survivors(error) => Some(error),
        }
    }
}
