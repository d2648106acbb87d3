//! Subscriptions to the events of a monitor.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::Stream;

use crate::machine::Notice;
use crate::sync::{Lagged, Subscription};

/// A subscription to the [notices](Notice) of a monitor, from
/// [`ProcessMonitor::notices`](crate::ProcessMonitor::notices).
///
/// It contains the notices published after the subscription, in order, and ends when the driver of the
/// monitor has ended. It holds up to [`Notices::CAPACITY`] unread notices. The monitor never waits for a
/// subscriber: if more are published, the oldest are dropped, and the next item is [`Lagged`] with their
/// number.
///
/// This is a [`Stream`] for asynchronous code. On a thread use [`wait`](Self::wait) or [`iter`](Self::iter).
///
/// ```
/// use childminder::machine::NoticeKind;
/// use childminder::{ProcessMonitor, Spec, System};
///
/// let monitor = ProcessMonitor::background(System::new())?;
/// let mut notices = monitor.notices();
/// monitor.add_process("true", Spec::new("true"))?;
/// monitor.start_process("true")?;
/// for notice in notices.iter() {
///     if let NoticeKind::Exited { exit, .. } = notice?.kind {
///         assert!(exit.is_success());
///         break;
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Notices(pub(super) Subscription<Notice>);

impl Notices {
    /// The number of unread notices that a subscription holds: 1024.
    pub const CAPACITY: usize = 1024;

    /// Blocks this thread until there is a notice, and returns it; `None` when the driver has ended.
    pub fn wait(&mut self) -> Option<Result<Notice, Lagged>> {
        self.0.wait()
    }

    /// Returns an iterator over the notices, which blocks this thread until there is one.
    pub fn iter(&mut self) -> impl Iterator<Item = Result<Notice, Lagged>> + use<'_> {
        std::iter::from_fn(|| self.wait())
    }
}

impl Stream for Notices {
    type Item = Result<Notice, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx)
    }
}
