//! The signals that end the program: TERM, INT, QUIT and HUP.
//!
//! QUIT is among them because dying of it, as programs do by default, would leave the children alone. HUP is what a
//! terminal sends that goes away; whoever was started under `nohup` has it ignored already, and then it stays so.

use std::fs;
use std::io;
use std::time::Duration;

use async_io::Timer;
use async_signal::{Signal, Signals};
use futures_lite::StreamExt;
use futures_lite::future::or;

/// How long the same signal once more is its echo.
const ECHO: Duration = Duration::from_millis(200);

/// The requests to end, one after the other.
#[derive(Debug)]
pub(crate) struct StopSignals(Signals);

impl StopSignals {
    /// From now on none of these signals ends the process by itself. To be called before the first start, or a signal
    /// in between would leave a child behind (F-52).
    ///
    /// # Errors
    ///
    /// The system's, when it has no descriptors to give.
    pub(crate) fn install() -> io::Result<Self> {
        let mut signals = vec![Signal::Term, Signal::Int, Signal::Quit];
        if !is_ignored(Signal::Hup) {
            signals.push(Signal::Hup);
        }
        Signals::new(signals).map(Self)
    }

    /// The name of the next signal.
    pub(crate) async fn next(&mut self) -> &'static str {
        match self.0.next().await {
            Some(Ok(Signal::Term)) => "TERM",
            Some(Ok(Signal::Int)) => "INT",
            Some(Ok(Signal::Quit)) => "QUIT",
            Some(Ok(Signal::Hup)) => "HUP",
            Some(Ok(other)) => unreachable!("nobody asked for {other:?}"),
            // A monitor that no signal can end would have to be killed, and its children would stay: better end now.
            Some(Err(error)) => {
                log::error!("cannot hear signals any more: {error}");
                "an end"
            }
            None => std::future::pending().await,
        }
    }
}

impl StopSignals {
    /// The name of the next signal that is not the echo of `first`, which has just come: `timeout`, and some shells and
    /// tools that pass signals on, send it to the process and to its group as well, so it comes twice at once. Nobody
    /// is in such a hurry.
    pub(crate) async fn next_after(&mut self, first: &'static str) -> &'static str {
        let mut echo = Timer::after(ECHO);
        loop {
            let next = or(async { Some(self.next().await) }, async {
                (&mut echo).await;
                None
            });
            match next.await {
                Some(name) if name == first => {}
                Some(name) => return name,
                None => return self.next().await,
            }
        }
    }
}

/// Whether the process was started with this signal ignored. Where there is no `/proc`: no.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ignored & (1 << (signal as i32 - 1)) != 0
}
