//! Something that happens once, and that any number may wait for.

use std::convert::Infallible;

use async_channel::{Receiver, Sender};

/// Rung once. Whoever listens hears it, before and after.
#[derive(Debug)]
pub(super) struct Bell {
    /// The channel carries nothing; what counts is that it is closed.
    rope: Sender<Infallible>,
    sound: Receiver<Infallible>,
}

impl Bell {
    pub(super) fn new() -> Self {
        let (rope, sound) = async_channel::bounded(1);
        Self { rope, sound }
    }

    /// Rings it; true for the first who does.
    pub(super) fn ring(&self) -> bool {
        self.rope.close()
    }

    pub(super) fn has_rung(&self) -> bool {
        self.rope.is_closed()
    }

    /// Resolves when it has rung.
    pub(super) fn rung(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let sound = self.sound.clone();
        async move {
            let _ = sound.recv().await;
        }
    }
}
