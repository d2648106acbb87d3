//! Subscriptions: hearing what the monitor tells.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_channel::{Receiver, Sender, TrySendError};
use futures_lite::{Stream, StreamExt};

use crate::machine::Notice;

/// What the monitor tells, from the moment of subscription until the monitor is over.
///
/// A subscription holds up to [`Notices::CAPACITY`] notices. Whoever is slower than that misses some, and is told how
/// many; the monitor never waits for a subscriber.
///
/// It is a [`Stream`], with [`next`](StreamExt::next) for asynchronous code and [`wait`](Self::wait) for the other.
#[derive(Clone, Debug)]
pub struct Notices(Pin<Box<Receiver<Heard>>>);

/// What a subscriber hears.
#[derive(Clone, Debug)]
pub enum Heard {
    /// Something happened.
    Notice(Notice),
    /// So many notices did not fit.
    Missed(u64),
}

impl Notices {
    /// How many notices wait for a slow subscriber: 1024.
    pub const CAPACITY: usize = 1024;

    /// Waits for the next one on this thread. `None`: the monitor is over.
    pub fn wait(&mut self) -> Option<Heard> {
        self.0.recv_blocking().ok()
    }
}

impl Stream for Notices {
    type Item = Heard;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Heard>> {
        self.0.poll_next(cx)
    }
}

/// All subscribers of a monitor.
#[derive(Clone, Debug, Default)]
pub(super) struct Ears(Arc<Mutex<Option<Vec<Ear>>>>);

#[derive(Debug)]
struct Ear {
    sender: Sender<Heard>,
    missed: u64,
}

impl Ears {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }

    pub(super) fn subscribe(&self) -> Notices {
        let (sender, receiver) = async_channel::bounded(Notices::CAPACITY);
        if let Some(ears) = &mut *self.lock() {
            ears.push(Ear { sender, missed: 0 });
        }
        Notices(Box::pin(receiver))
    }

    pub(super) fn tell(&self, notice: &Notice) {
        if let Some(ears) = &mut *self.lock() {
            ears.retain_mut(|ear| ear.tell(notice));
        }
    }

    /// Nothing more will be told.
    pub(super) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Ear>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear {
    /// Returns whether anybody listens.
    fn tell(&mut self, notice: &Notice) -> bool {
        if self.missed > 0 {
            match self.sender.try_send(Heard::Missed(self.missed)) {
                Ok(()) => self.missed = 0,
                Err(TrySendError::Full(_)) => {
                    self.missed += 1;
                    return true;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        match self.sender.try_send(Heard::Notice(notice.clone())) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed += 1;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}
