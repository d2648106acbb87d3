//! The lines at the bottom of a terminal that show what is waited for, while processes start and stop.
//!
//! A terminal can be stopped (Ctrl-S), and then a write to it blocks. So a thread of its own draws and writes
//! messages: the thread that supervises only hands over what to show, and never waits for it.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::stderr::Stderr;

/// The number of updates that may wait for the terminal.
const WAITING: usize = 1024;
/// The time that the terminal has for the last messages.
const PATIENCE: Duration = Duration::from_secs(1);

/// The progress on the standard error. Clones are the same. Without a terminal nothing is shown.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Option<Thread>);

#[derive(Clone, Debug)]
struct Thread {
    screen: MultiProgress,
    updates: SyncSender<Update>,
}

#[derive(Debug)]
enum Update {
    Show(Vec<String>),
    Message(Vec<u8>),
    /// Answered when everything before it is on the screen.
    Finish(SyncSender<()>),
}

impl Progress {
    /// Creates a progress display, which is empty until something is shown.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create the thread.
    pub(crate) fn new(on_terminal: bool) -> io::Result<Self> {
        if !on_terminal {
            return Ok(Self(None));
        }
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let (updates, receiver) = sync_channel(WAITING);
        let bars = Bars { screen: screen.clone(), lines: Vec::new() };
        thread::Builder::new().name("progress".to_owned()).spawn(move || bars.run(&receiver))?;
        Ok(Self(Some(Thread { screen, updates })))
    }

    /// Whether there is a terminal to show something on.
    pub(crate) fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Replaces what is shown. An empty list removes it.
    pub(crate) fn show(&self, texts: Vec<String>) {
        // If the terminal does not keep up, there will be a later update.
        self.0.iter().for_each(|thread| drop(thread.updates.try_send(Update::Show(texts.clone()))));
    }

    /// Removes what is shown, and waits a little until the last messages are written.
    pub(crate) fn finish(&self) {
        let Some(thread) = &self.0 else { return };
        let (sender, finished) = sync_channel(1);
        self.show(Vec::new());
        if thread.updates.try_send(Update::Finish(sender)).is_ok() {
            let _ = finished.recv_timeout(PATIENCE);
        }
    }

    /// Returns a writer for messages, which never blocks for long.
    pub(crate) fn messages(&self) -> Box<dyn Write + Send> {
        match &self.0 {
            Some(thread) => Box::new(Messages { updates: thread.updates.clone() }),
            None => Box::new(Stderr::new(io::stderr())),
        }
    }

    /// Returns a writer that removes the progress for each write, so that lines do not mix. It may block.
    pub(crate) fn around<W>(&self, writer: W) -> Around<W> {
        Around { screen: self.0.as_ref().map(|thread| thread.screen.clone()), writer }
    }
}

/// The lines on the terminal.
struct Bars {
    screen: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Bars {
    fn run(mut self, updates: &Receiver<Update>) {
        let mut stderr = Stderr::new(io::stderr());
        while let Ok(update) = updates.recv() {
            match update {
                Update::Show(texts) => self.show(texts),
                // There is nowhere to report an error to.
                Update::Message(message) => drop(self.screen.suspend(|| stderr.write_all(&message))),
                Update::Finish(sender) => drop(sender.send(())),
            }
        }
    }

    fn show(&mut self, texts: Vec<String>) {
        while self.lines.len() > texts.len() {
            let last = self.lines.pop().expect("there is one");
            last.finish_and_clear();
            self.screen.remove(&last);
        }
        while self.lines.len() < texts.len() {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("a valid template");
            self.lines.push(self.screen.add(ProgressBar::new_spinner().with_style(style)));
        }
        for (line, text) in self.lines.iter().zip(texts) {
            line.set_message(text);
            line.tick();
        }
    }
}

/// A writer of messages to the thread that draws.
struct Messages {
    updates: SyncSender<Update>,
}

impl Write for Messages {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        // A terminal that does not keep up misses messages, but delays nothing.
        let _ = self.updates.try_send(Update::Message(message.to_vec()));
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer to the terminal on which the progress may be.
#[derive(Debug)]
pub(crate) struct Around<W> {
    screen: Option<MultiProgress>,
    writer: W,
}

impl<W: Write> Write for Around<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.screen {
            Some(screen) => screen.suspend(|| self.writer.write(bytes)),
            None => self.writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
