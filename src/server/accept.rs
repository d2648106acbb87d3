//! The server's thread: it accepts connections, runs their handlers and carries out the close.
//!
//! Each server has its own thread, so a handler may be any future, `Send` or not, servers do not depend on
//! each other or on the executor of the test, and a handler that blocks affects its own server only.
//! Accepting and closing happen on this one thread, so no connection can be accepted after the close has
//! begun.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_executor::LocalExecutor;
use futures_lite::future::{or, poll_fn, yield_now};

use super::error::LeakCause;
use super::link::Link;
use super::shared::Shared;
use super::stream::TidyStream;
use crate::panic_guard::{GuardedFuture, catch, log_guarded};

/// The delay before accepting again after a failure, which most often means that descriptors have run
/// out.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// Serves until the server is closed. This is the body of the thread.
pub(super) fn serve<H>(shared: &Arc<Shared>, handler: H)
where
    H: AsyncFn(TidyStream) -> io::Result<()> + 'static,
{
    // Set even if the thread panics.
    let _done = shared.done.set_on_drop();
    let executor = LocalExecutor::new();
    let handler = Rc::new(handler);
    async_io::block_on(executor.run(async {
        or(shared.closing.wait(), accept(shared, &executor, &handler)).await;
        or(shared.quiet.wait(), shared.sleep_after_close(shared.grace)).await;
    }));
    shared.conclude(&LeakCause::Unfinished);
    // Drops the handlers that still run. The verdict is given, so their results no longer count.
    drop(executor);
    let _ = catch(|| drop(handler));
    shared.close_sockets();
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
                // Many clients that connect at once must not starve the handlers.
                yield_now().await;
            }
            // The client has disconnected before it was accepted: the server works.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                warn(format_args!("the server at {} cannot accept a connection: {error}", shared.address));
                shared.sleep(RETRY_DELAY).await;
            }
        }
    }
}

/// Runs the handler of one connection and records its result.
async fn handle<H>(shared: Arc<Shared>, handler: Rc<H>, link: Arc<Link>)
where
    H: AsyncFn(TidyStream) -> io::Result<()> + 'static,
{
    let (id, peer) = (link.id(), link.peer().clone());
    let outcome = GuardedFuture::new(async move { handler(TidyStream::new(link)).await }).await;
    let panic = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) if is_disconnect(&error) => {
            log_guarded(|| log::debug!(target: "childminder::server", "{peer} disconnected: {error}"));
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
    shared.handler_ended(id, panic);
}

/// Whether the error is the ordinary end of a connection, caused by the client or by the close of the server.
fn is_disconnect(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}

/// Logs a warning of the server.
pub(super) fn warn(message: std::fmt::Arguments<'_>) {
    log_guarded(|| log::warn!(target: "childminder::server", "{message}"));
}
