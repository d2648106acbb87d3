//! The thread of a server: it accepts, runs the handlers, and brings them to their end.
//!
//! Every server has one of its own. So a handler may be any future, `Send` or not; servers do not depend on each other,
//! nor on what drives the test; and a handler that blocks its thread harms nobody else. Accepting and ending happen on the
//! same thread, so there is no connection that is accepted behind the back of the end.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_executor::LocalExecutor;
use async_io::Timer;
use futures_lite::future::{or, poll_fn, yield_now};

use super::leak::LeakCause;
use super::link::Link;
use super::shared::Shared;
use super::stream::TidyStream;
use crate::panic_guard::{GuardedFuture, catch, log_guarded};

/// How long nobody is accepted after that has failed, most likely because descriptors have run out.
const PAUSE: Duration = Duration::from_millis(20);

/// The body of the thread.
pub(super) fn keep<H>(shared: &Arc<Shared>, handler: H)
where
    H: AsyncFn(TidyStream) -> io::Result<()> + 'static,
{
    let _done = RingDone(shared.clone());
    let executor = LocalExecutor::new();
    let handler = Rc::new(handler);
    async_io::block_on(executor.run(async {
        or(shared.asked.rung(), accept(shared, &executor, &handler)).await;
        let too_late = async {
            Timer::after(shared.grace).await;
        };
        or(shared.quiet.rung(), too_late).await;
    }));
    shared.conclude(&LeakCause::Unfinished);
    // Handlers that still run are dropped here. Whatever else they would say is not heard any more.
    drop(executor);
    let _ = catch(|| drop(handler));
    shared.clear();
}

/// The thread is at its end, even by a panic.
struct RingDone(Arc<Shared>);

impl Drop for RingDone {
    fn drop(&mut self) {
        self.0.done.ring();
    }
}

async fn accept<H>(shared: &Arc<Shared>, executor: &LocalExecutor<'static>, handler: &Rc<H>)
where
    H: AsyncFn(TidyStream) -> io::Result<()> + 'static,
{
    loop {
        match poll_fn(|cx| shared.poll_accept(cx)).await {
            Ok((socket, peer)) => {
                if let Some(link) = Link::accept(shared, socket, peer) {
                    executor.spawn(handle(shared.clone(), handler.clone(), link)).detach();
                }
                // A crowd that comes in must not keep those waiting who are in.
                yield_now().await;
            }
            // The client has gone already: it is not the server that is broken.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                warn(format_args!("the server at {} cannot accept: {error}", shared.address));
                Timer::after(PAUSE).await;
            }
        }
    }
}

/// One connection, from beginning to end.
async fn handle<H>(shared: Arc<Shared>, handler: Rc<H>, link: Arc<Link>)
where
    H: AsyncFn(TidyStream) -> io::Result<()> + 'static,
{
    let (id, peer) = (link.id(), link.peer().clone());
    let outcome = GuardedFuture::new(async move { handler(TidyStream::new(link)).await }).await;
    let panic = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) if is_hang_up(&error) => {
            log_guarded(|| log::debug!(target: "childminder::server", "{peer} hung up: {error}"));
            None
        }
        Ok(Err(error)) => {
            warn(format_args!("the handler of {peer} failed: {error}"));
            None
        }
        Err(message) => {
            warn(format_args!("the handler of {peer} panicked: {message}"));
            Some(message)
        }
    };
    shared.handled(id, panic);
}

/// Whether it is the other end that caused this error, or the end of the server. That is how connections go.
fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}

pub(super) fn warn(message: std::fmt::Arguments<'_>) {
    log_guarded(|| log::warn!(target: "childminder::server", "{message}"));
}
