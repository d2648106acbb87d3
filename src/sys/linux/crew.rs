//! The creation of several processes by two threads.
//!
//! The thread that creates a process waits until that has executed its program. This takes longer than all
//! the rest of a start, so meanwhile a second thread creates the next one. What belongs to the event loop is
//! done by the first thread, before and after.
//!
//! A program inherits the affinity, the priority and the like from the thread that has created its process,
//! and `PR_SET_PDEATHSIG` refers to the end of that thread. Therefore the second thread is a child of the
//! first one, with the same properties, and lives as long as that does.

use std::cell::OnceCell;
use std::mem;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::host::{Process, Spec};
use crate::machine::SpawnError;
use crate::sync::Lock;

use super::super::launch::Launch;
use super::super::report::ChildError;
use super::clone::{self, Created};
use super::event_loop;
use super::process::Prepared;
use super::tier::Tier;

/// With fewer processes it takes longer to wake the second thread than it saves.
const WORTHWHILE: usize = 4;

/// Starts several processes, until that time. `None` if it is better to start them one after the other.
pub(super) fn start_all(
    specs: &[Arc<Spec>],
    tier: &Tier,
    until: Option<Instant>,
) -> Option<Vec<Result<Box<dyn Process>, SpawnError>>> {
    // A change of user affects this whole process for a moment.
    let switches = |spec: &Arc<Spec>| spec.get_uid().is_some() || spec.get_gid().is_some();
    if specs.len() < WORTHWHILE || !has_processors() || specs.iter().any(switches) {
        return None;
    }
    let mut prepared = Vec::with_capacity(specs.len());
    for spec in specs {
        if !prepared.is_empty() && is_over(until) {
            break;
        }
        let launch = Launch::prepare(spec);
        prepared.push(
            launch
                .and_then(|(launch, streams)| Prepared::new(launch, streams, tier))
                .map(Prepared::into_owned),
        );
    }
    let batch = Arc::new(Batch::new(prepared, until));
    wake_second_thread(&batch);
    batch.work();
    let held = |place| match place {
        Place::Failed(error) => Some(Err(error)),
        Place::Prepared(_) => None,
        Place::Created(prepared, created) => Some(prepared.hold(created, tier)),
        Place::Taken => unreachable!("each place is taken once"),
    };
    Some(batch.finish().map_while(held).collect())
}

/// Processes that are created together.
#[derive(Debug)]
struct Batch {
    places: Box<[Lock<Place>]>,
    /// The next place to be worked on.
    next: AtomicUsize,
    /// The number of places that have been worked on.
    done: AtomicUsize,
    until: Option<Instant>,
    ignored_signals: Option<u64>,
    first_thread: Thread,
}

/// One process of a batch.
#[derive(Debug)]
enum Place {
    Failed(SpawnError),
    Prepared(Box<Prepared<'static>>),
    Created(Box<Prepared<'static>>, Result<Created, ChildError>),
    Taken,
}

impl Batch {
    fn new(prepared: Vec<Result<Prepared<'static>, SpawnError>>, until: Option<Instant>) -> Self {
        let place = |prepared| match prepared {
            Ok(prepared) => Lock::new(Place::Prepared(Box::new(prepared))),
            Err(error) => Lock::new(Place::Failed(error)),
        };
        Self {
            places: prepared.into_iter().map(place).collect(),
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            until,
            ignored_signals: clone::ignored_signals(),
            first_thread: thread::current(),
        }
    }

    /// Creates one process after the other, until there are none left or the time is over.
    fn work(&self) {
        while self.next.load(Ordering::Relaxed) == 0 || !is_over(self.until) {
            let Some(place) = self.places.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return };
            let _begun = Begun(self);
            let mut place = place.lock();
            *place = match mem::replace(&mut *place, Place::Taken) {
                Place::Prepared(prepared) => {
                    let created = prepared.create(self.ignored_signals);
                    Place::Created(prepared, created)
                }
                other => other,
            };
        }
    }

    /// Waits for what the second thread is working on, and takes everything out.
    fn finish(&self) -> impl Iterator<Item = Place> {
        let count = self.places.len();
        let begun = self.next.swap(count, Ordering::Relaxed).min(count);
        while self.done.load(Ordering::Acquire) < begun {
            thread::park();
        }
        self.places.iter().map(|place| mem::replace(&mut *place.lock(), Place::Taken))
    }
}

/// A place that is worked on until this is dropped.
struct Begun<'a>(&'a Batch);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.done.fetch_add(1, Ordering::Release);
        self.0.first_thread.unpark();
    }
}

fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|at| at <= event_loop::now())
}

/// Returns whether two threads can run at the same time.
fn has_processors() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| thread::available_parallelism().is_ok_and(|count| count > NonZero::<usize>::MIN))
}

/// Has the second thread of this thread work on a batch, too. It is started when it is needed first. If it
/// cannot be, or if this process is a forked copy without it, this thread does everything.
fn wake_second_thread(batch: &Arc<Batch>) {
    thread_local! {
        static SECOND: OnceCell<Option<Sender<Arc<Batch>>>> = const { OnceCell::new() };
    }
    SECOND.with(|second| {
        if let Some(second) = second.get_or_init(start_second_thread) {
            let _ = second.send(batch.clone());
        }
    });
}

/// Starts a thread that works on batches until the sender is dropped.
fn start_second_thread() -> Option<Sender<Arc<Batch>>> {
    let (sender, batches) = mpsc::channel::<Arc<Batch>>();
    let work = move || batches.into_iter().for_each(|batch| batch.work());
    thread::Builder::new().name("childminder-2".to_owned()).spawn(work).ok()?;
    Some(sender)
}
