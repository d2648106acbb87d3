//! The files of a journal, and the thread that writes them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::JournalProblem;
use super::queue::{Chunk, Queue};
use crate::panic_guard::log_guarded;

/// The segments of a journal: the current file, which is locked, and the one before it.
#[derive(Debug)]
pub(super) struct Segments {
    path: PathBuf,
    file: File,
    /// The length of the file up to its last complete line.
    length: u64,
}

/// Returns the path of the segment before the current one: `.1` is appended.
pub(super) fn previous(path: &Path) -> PathBuf {
    let mut previous = path.as_os_str().to_owned();
    previous.push(".1");
    previous.into()
}

impl Segments {
    /// Creates the file. One that is there becomes the previous segment.
    pub(super) fn create(path: &Path) -> Result<Self, JournalProblem> {
        let create = |error| JournalProblem::Create(Arc::new(error));
        let length = match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                let kind = "there is something else than a regular file in its place";
                return Err(create(io::Error::new(io::ErrorKind::AlreadyExists, kind)));
            }
            metadata => metadata.map_or(0, |metadata| metadata.len()),
        };
        let current = lock_existing(path)?;
        let previous = previous(path);
        // A recorder that begins a new segment has moved its file, and has not created the next one yet.
        let _previous = lock_existing(&previous)?;
        if length > 0 {
            fs::rename(path, previous).map_err(create)?;
        }
        // An empty file is used itself.
        drop(current);
        let file = open(path).map_err(create)?;
        lock(&file)?;
        Ok(Self { path: path.to_owned(), file, length: 0 })
    }

    fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        if chunk.begins_segment && self.length > 0 {
            self.begin()?;
        }
        self.file.write_all(&chunk.text).inspect_err(|_| {
            // Nothing may be left of a line that was written in part. Without this the next line would be
            // damaged, and a reader says so.
            let _ = self.file.set_len(self.length);
        })?;
        self.length += chunk.text.len() as u64;
        Ok(())
    }

    /// Begins a new file. The current one becomes the previous segment.
    fn begin(&mut self) -> io::Result<()> {
        let taken = || io::Error::new(io::ErrorKind::AlreadyExists, "another file has taken its place");
        let ours = self.file.metadata()?;
        match fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (ours.dev(), ours.ino()) => {
                fs::rename(&self.path, previous(&self.path))?;
            }
            Ok(_) => return Err(taken()),
            // An earlier attempt has moved it, and could not create the new file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = open(&self.path)?;
        lock(&file).map_err(|_| taken())?;
        (self.file, self.length) = (file, 0);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Command lines and output may be private. What is appended goes to the end, also after a cut.
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)
}

/// Locks a file against other recorders, until it is closed, which the kernel does for a program that has
/// crashed.
fn lock(file: &File) -> Result<(), JournalProblem> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(JournalProblem::InUse),
        // Some file systems have no locks.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Locks a regular file that may be there. One that cannot be opened is not locked.
fn lock_existing(path: &Path) -> Result<Option<File>, JournalProblem> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let file = is_file.then(|| File::open(path).ok()).flatten();
    file.map(|file| lock(&file).map(|()| file)).transpose()
}

/// Starts the thread that writes what comes out of `queue`.
pub(super) fn start(mut segments: Segments, queue: Arc<Queue>) -> io::Result<()> {
    let body = move || write(&queue, &segments.path.clone(), move |chunk| segments.write(chunk));
    thread::Builder::new().name("childminder-journal".to_owned()).spawn(body).map(drop)
}

/// Writes until the queue is closed and empty. The first failure in a row is logged, and so is the first
/// success after it.
fn write(queue: &Queue, path: &Path, mut write: impl FnMut(&Chunk) -> io::Result<()>) {
    let mut lost = None;
    while let Some(chunk) = queue.next() {
        match write(&chunk) {
            Ok(()) => {
                if lost.take().is_some() {
                    log_guarded(|| {
                        log::warn!(
                            "the journal {path:?} is written again; it says how many entries are missing"
                        );
                    });
                }
                queue.written(&chunk);
            }
            Err(error) => {
                if lost.replace(()).is_none() {
                    log_guarded(|| {
                        log::error!(
                            "cannot write the journal {path:?}: {error}; the processes are supervised as before, and \
                             the next attempt is made in a second"
                        );
                    });
                }
                queue.failed(&chunk);
            }
        }
    }
    // Only when the file is closed may another recorder use it.
    drop(write);
    queue.end();
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::journal::queue::{Checkpoint, Wanted};
    use crate::journal::{Header, Journal, Record, format};
    use crate::machine::Machine;
    use crate::machine::json::Text;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Returns the checkpoint of a machine without processes.
    fn checkpoint(begin: Instant) -> Checkpoint {
        let mut body = Text::new(begin);
        let program = |_: &_, _: &_| unreachable!("there are no processes");
        format::checkpoint(Duration::ZERO, &Machine::<u64>::new(), program, &mut body);
        Checkpoint::Written(body)
    }

    #[test]
    fn f_313_a_journal_goes_on_with_a_checkpoint_when_the_disk_has_room_again() {
        #[expect(clippy::disallowed_methods, reason = "times need an origin")]
        let begin = Instant::now();
        let queue = Arc::new(Queue::new(u64::MAX, u64::MAX).retry(Duration::from_millis(1)));
        let (is_full, text) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (attempts, attempted) = mpsc::channel();
        let thread = thread::spawn({
            let (queue, is_full, text) = (queue.clone(), is_full.clone(), text.clone());
            move || {
                write(&queue, Path::new("test"), move |chunk| {
                    let result = if is_full.load(Ordering::SeqCst) {
                        Err(io::ErrorKind::StorageFull.into())
                    } else {
                        text.lock().unwrap().extend_from_slice(&chunk.text);
                        Ok(())
                    };
                    attempts.send(result.is_ok()).unwrap();
                    result
                });
            }
        });
        let body = |write: &dyn Fn(&mut Text)| {
            let mut body = Text::new(begin);
            write(&mut body);
            body
        };
        let lost = body(&|body| format::lost(7, body));
        queue.push(&body(&|body| format::header(&Header::new(None, 0, 0), body)).text);
        assert_eq!(attempted.recv_timeout(PATIENCE), Ok(true));
        is_full.store(true, Ordering::SeqCst);
        queue.push(&lost.text);
        assert_eq!(attempted.recv_timeout(PATIENCE), Ok(false));
        let begun = begin.elapsed();
        while queue.wanted() != Wanted::Checkpoint {
            assert!(begin.elapsed() - begun < PATIENCE, "no new attempt");
            thread::yield_now();
        }
        queue.push(&lost.text);
        is_full.store(false, Ordering::SeqCst);
        queue.go_on(begin, checkpoint(begin));
        assert_eq!(queue.wanted(), Wanted::Nothing);
        queue.close(&body(&|body| format::end(Duration::ZERO, body)));
        thread.join().unwrap();
        let journal = Journal::parse(&text.lock().unwrap()).unwrap_or_else(|error| panic!("{error}"));
        let records: Vec<&Record> = journal.entries().iter().map(|entry| &entry.record).collect();
        assert!(
            matches!(records[..], [Record::Lost { entries: 2 }, Record::Checkpoint(_), Record::End]),
            "{records:?}"
        );
    }

    #[test]
    fn f_313_a_segment_whose_beginning_could_not_be_written_begins_again() {
        #[expect(clippy::disallowed_methods, reason = "times need an origin")]
        let begin = Instant::now();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("night.journal");
        let mut segments = Segments::create(&path).unwrap();
        let queue = Arc::new(Queue::new(u64::MAX, u64::MAX).retry(Duration::from_millis(1)));
        let (attempts, attempted) = mpsc::channel();
        let thread = thread::spawn({
            let (queue, path, mut failures) = (queue.clone(), path.clone(), 1);
            move || {
                write(&queue, &path.clone(), move |chunk| {
                    let result = if chunk.begins_segment && failures > 0 {
                        failures -= 1;
                        // As if the file had been moved, and a new one could not be created.
                        fs::rename(&path, previous(&path)).unwrap();
                        Err(io::ErrorKind::StorageFull.into())
                    } else {
                        segments.write(chunk)
                    };
                    attempts.send(result.is_ok()).unwrap();
                    result
                });
            }
        });
        let body = |write: &dyn Fn(&mut Text)| {
            let mut body = Text::new(begin);
            write(&mut body);
            body
        };
        let header = |segment| body(&|body| format::header(&Header::new(None, 0, segment), body));
        queue.push(&header(0).text);
        queue.push(&body(&|body| format::decided("spawn web#1", body)).text);
        assert_eq!(attempted.recv_timeout(PATIENCE), Ok(true));
        queue.begin_segment(&header(1), checkpoint(begin));
        while attempted.recv_timeout(PATIENCE).unwrap() {}
        let begun = begin.elapsed();
        while queue.wanted() != Wanted::Segment(1) {
            assert!(begin.elapsed() - begun < PATIENCE, "no new attempt");
            thread::yield_now();
        }
        queue.begin_segment(&header(1), checkpoint(begin));
        queue.close(&body(&|body| format::end(Duration::ZERO, body)));
        thread.join().unwrap();
        let journal = Journal::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let records: Vec<&Record> = journal.entries().iter().map(|entry| &entry.record).collect();
        assert!(
            matches!(
                records[..],
                [Record::Decision(_), Record::Lost { entries: 2 }, Record::Checkpoint(_), Record::End]
            ),
            "both segments: {records:?}"
        );
    }

    #[test]
    fn f_313_a_full_queue_drops_entries_and_never_waits() {
        #[expect(clippy::disallowed_methods, reason = "times need an origin")]
        let begin = Instant::now();
        // Nothing takes from this queue.
        let queue = Queue::new(u64::MAX, u64::MAX);
        let mut body = Text::new(begin);
        format::decided("x".repeat(1 << 20), &mut body);
        (0..100).for_each(|_| queue.push(&body.text));
        assert_eq!(queue.wanted(), Wanted::Nothing);
        let mut bytes = 0;
        while queue.wanted() == Wanted::Nothing {
            let chunk = queue.next().unwrap();
            assert_eq!(queue.wanted(), Wanted::Nothing, "what is being written has memory, too");
            bytes += chunk.text.len();
            queue.written(&chunk);
        }
        assert!((4 << 20..6 << 20).contains(&bytes), "{bytes} bytes were waiting");
        assert_eq!(queue.wanted(), Wanted::Checkpoint);
    }

    #[test]
    fn f_313_nothing_is_lost_because_of_a_checkpoint_that_is_larger_than_the_queue() {
        #[expect(clippy::disallowed_methods, reason = "times need an origin")]
        let begin = Instant::now();
        let queue = Queue::new(1, 1);
        let body = |text: &str| {
            let mut body = Text::new(begin);
            format::decided(text, &mut body);
            body
        };
        (0..64).for_each(|_| queue.push(&body("reap #1").text));
        assert_eq!(queue.wanted(), Wanted::Segment(1));
        let large = body(&"x".repeat(10 << 20));
        queue.begin_segment(&body("header"), Checkpoint::Unwritten(Box::new(move || large)));
        let push = || queue.push(&body(&"y".repeat(1 << 20)).text);
        push();
        // Its size is not known yet.
        assert_eq!(queue.wanted(), Wanted::Nothing);
        let before = queue.next().unwrap();
        let with_checkpoint = queue.next().unwrap();
        assert_eq!((before.entries, with_checkpoint.entries, with_checkpoint.begins_segment), (64, 2, true));
        push();
        assert_eq!(queue.wanted(), Wanted::Nothing, "the next checkpoint is due after 40 MiB");
        queue.written(&before);
        queue.written(&with_checkpoint);
        let after = queue.next().unwrap();
        assert_eq!(after.entries, 2, "nothing is lost");
        let lines = String::from_utf8([with_checkpoint.text, after.text].concat()).unwrap();
        let numbers: Vec<&str> = lines.lines().map(|line| line.split([':', ',']).nth(1).unwrap()).collect();
        assert_eq!(numbers, ["64", "65", "66", "67"]);
    }
}
