//! What the requests of clients do.

use std::cell::Cell;
use std::collections::HashSet;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use async_channel::Sender;
use async_io::{Async, Timer};
use childminder::{Name, Phase, ProcessMonitor, Signal, Ticket};
use futures_lite::StreamExt;
use futures_lite::future::{or, pending, poll_once};

use super::protocol::{Command, Reply, WaitUntil};
use super::server::send;
use crate::up::stack::Stack;
use crate::up::state::{Overview, PAUSE, has_failed, is_settled};

/// The things that clients control.
#[derive(Clone, Debug)]
pub(crate) struct Controlled {
    pub(crate) stack: Rc<Stack>,
    /// Requests to stop everything. The result of the stop is sent back.
    pub(crate) down: Sender<Sender<Result<(), String>>>,
    /// The number of clients.
    pub(crate) clients: Rc<Cell<usize>>,
}

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client gets this message.
    Refused(String),
    /// The connection has failed.
    Client(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Client(error)
    }
}

fn refused(error: impl ToString) -> Failure {
    Failure::Refused(error.to_string())
}

/// Carries out a request. Replies before the last one are sent to `client`.
pub(crate) async fn act(
    controlled: &Controlled,
    command: Command,
    client: &Async<UnixStream>,
) -> Result<(), Failure> {
    let stack = &*controlled.stack;
    let monitor = &stack.monitor;
    let select = |names: &[String]| stack.select(names).map_err(Failure::Refused);
    match command {
        Command::Status { names } => {
            let processes = stack.statuses(&select(&names)?);
            send(client, &Reply::Status { processes }).await?;
        }
        Command::Logs { names, lines, follow } => {
            select(&names)?;
            logs(stack, &names, lines, follow, client).await?;
        }
        Command::Start { names, force } => {
            for name in select(&names)? {
                start(monitor, &name, force)?;
            }
        }
        Command::Stop { names } => {
            let hold = |name: &Name| monitor.hold_process(name).map_err(refused);
            all(select(&names)?.iter().map(hold).collect::<Result<_, _>>()?).await?;
        }
        Command::Restart { names } => {
            let names = select(&names)?;
            let tickets = names.iter().filter_map(|name| restart(monitor, name).transpose());
            all(tickets.collect::<Result<_, _>>()?).await?;
        }
        Command::Kill { names } => signal(stack, &select(&names)?, Signal::KILL)?,
        Command::Signal { signal: text, names } => {
            signal(stack, &select(&names)?, text.parse().map_err(refused)?)?;
        }
        Command::Wait { until, names, timeout_ms } => {
            wait(stack, &select(&names)?, until, timeout_ms).await?;
        }
        Command::Why { name } => {
            let names = select(std::slice::from_ref(&name))?;
            let (text, last_line) = stack.why(&names[0]);
            send(client, &Reply::Why { text, last_line }).await?;
        }
        Command::Reload { dry_run } => {
            let changes = stack.reload(dry_run).await.map_err(refused)?;
            send(client, &Reply::Changes(changes)).await?;
        }
        Command::Down => {
            let (sender, result) = async_channel::bounded(1);
            controlled.down.send(sender).await.map_err(|_| refused("everything is being stopped already"))?;
            let ended =
                result.recv().await.map_err(|_| refused("childminder ended before everything was down"))?;
            ended.map_err(Failure::Refused)?;
        }
    }
    Ok(())
}

async fn logs(
    stack: &Stack,
    names: &[String],
    lines: usize,
    follow: bool,
    client: &Async<UnixStream>,
) -> Result<(), Failure> {
    if !follow {
        for line in stack.history.recent(names, lines) {
            send(client, &Reply::Line((*line).clone())).await?;
        }
        return Ok(());
    }
    let (recent, following) = stack.history.follow(names, lines);
    for line in recent {
        send(client, &Reply::Line((*line).clone())).await?;
    }
    while let Ok(batch) = following.recv().await {
        if batch.dropped > 0 {
            send(client, &Reply::Dropped { lines: batch.dropped }).await?;
        }
        for line in batch.lines {
            send(client, &Reply::Line((*line).clone())).await?;
        }
    }
    Ok(())
}

/// Starts a process that is down. One that is blocked keeps waiting, unless it is forced.
fn start(monitor: &ProcessMonitor, name: &Name, force: bool) -> Result<(), Failure> {
    let Some(status) = monitor.status(name) else { return Ok(()) };
    if status.held {
        monitor.release_process(name).map_err(refused)?;
    }
    let is_down = matches!(status.phase, Phase::Completed | Phase::Failed | Phase::GaveUp | Phase::Waiting);
    if is_down || force && status.run.is_none() {
        monitor.start_process(name).map_err(refused)?;
    }
    Ok(())
}

/// Restarts a process. One that is down is started.
fn restart(monitor: &ProcessMonitor, name: &Name) -> Result<Option<Ticket>, Failure> {
    let status = monitor.status(name);
    if status.is_some_and(|status| status.run.is_some() && !status.held) {
        return monitor.stop_process(name).map(Some).map_err(refused);
    }
    start(monitor, name, false).map(|()| None)
}

/// Waits for all tickets, and returns the first error.
async fn all(tickets: Vec<Ticket>) -> Result<(), Failure> {
    let mut result = Ok(());
    for ticket in tickets {
        result = result.and(ticket.await.map_err(refused));
    }
    result
}

fn signal(stack: &Stack, names: &[Name], signal: Signal) -> Result<(), Failure> {
    let mut missed = Vec::new();
    for name in names {
        if !stack.monitor.signal_process(name, signal).map_err(refused)? {
            missed.push(name.as_str());
        }
    }
    match missed.as_slice() {
        [] => Ok(()),
        missed => Err(refused(format!("not running: {}", missed.join(", ")))),
    }
}

/// Waits until all processes are ready, or down. That they can never be ready is an error.
async fn wait(
    stack: &Stack,
    names: &[Name],
    until: WaitUntil,
    timeout_ms: Option<u64>,
) -> Result<(), Failure> {
    let names: HashSet<&Name> = names.iter().collect();
    let mut notices = stack.monitor.notices();
    let settled = async {
        loop {
            let overview = stack.overview();
            let mut of_interest = overview.statuses.iter().filter(|status| names.contains(&status.name));
            let is_over = match until {
                WaitUntil::Down => of_interest.all(|status| status.run.is_none()),
                WaitUntil::Ready => is_ready(&overview, &names)?,
            };
            if is_over {
                return Ok(());
            }
            let looked = stack.monitor.now();
            let ended = || "childminder has ended".to_owned();
            drop(notices.next().await.ok_or_else(ended)?);
            // Many processes that start at once must not be delayed by looks at all of them.
            let elapsed = stack.monitor.now().saturating_duration_since(looked);
            Timer::after(PAUSE.saturating_sub(elapsed)).await;
            while let Some(notice) = poll_once(notices.next()).await {
                drop(notice.ok_or_else(ended)?);
            }
        }
    };
    let limit = async {
        match timeout_ms {
            Some(timeout) => drop(Timer::after(Duration::from_millis(timeout)).await),
            None => pending().await,
        }
        let overview = stack.overview();
        let of_interest = overview.statuses.iter().filter(|status| names.contains(&status.name));
        let waited_for = of_interest.filter(|status| match until {
            WaitUntil::Ready => !is_settled(status),
            WaitUntil::Down => status.run.is_some(),
        });
        Err(format!("timeout; {}", overview.list(waited_for, Overview::describe).join("; ")))
    };
    or(settled, limit).await.map_err(Failure::Refused)
}

/// Whether these processes are all ready.
///
/// # Errors
///
/// The reason why they can never be.
fn is_ready(overview: &Overview, names: &HashSet<&Name>) -> Result<bool, String> {
    let mut obstacles = overview.obstacles();
    let mut is_ready = true;
    for status in overview.statuses.iter().filter(|status| names.contains(&status.name)) {
        if has_failed(status) {
            return Err(format!("{}: {}", status.name, overview.describe(status)));
        }
        if let Some((on, other)) = obstacles.find(status) {
            let state =
                other.map_or_else(|| "it does not exist".to_owned(), |other| overview.describe(other));
            return Err(format!("{} waits for {on}, which cannot be met: {state}", status.name));
        }
        is_ready &= is_settled(status);
    }
    Ok(is_ready)
}
