//! The process that keeps a service for others.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::meeting::{self, Meeting};
use super::reply::{Access, Reply};
use crate::service::builder::Service;
use crate::service::running::RunningService;

/// The time for which a service without users is kept while the test runner is alive: a runner needs a moment
/// between two tests.
const LINGER: Duration = Duration::from_secs(1);

/// The time for which the failure of a start is kept, so that not every test waits for another one.
const FAILURE_LINGER: Duration = Duration::from_secs(60);

/// The interval at which it is checked that the service is alive.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Keeps the service until its last user is gone, and ends this process.
pub(super) fn run(name: &'static str, create: fn() -> Service, meeting: &Meeting) -> ! {
    let code = match Keeper::new(name, create, meeting).and_then(|mut keeper| keeper.run()) {
        Ok(()) => 0,
        Err(error) => {
            // The standard error is the log of the keeper, which the first user reads.
            let _ = writeln!(io::stderr(), "cannot keep service {name}: {error}");
            1
        }
    };
    process::exit(code)
}

struct Keeper<'a> {
    name: &'static str,
    meeting: &'a Meeting,
    listener: UnixListener,
    users: Vec<UnixStream>,
    /// Becomes readable when the start has ended.
    started: UnixStream,
    start: Receiver<Result<RunningService, String>>,
    service: Option<RunningService>,
    /// The reply to every user, when the start has ended.
    reply: Option<Vec<u8>>,
    /// Becomes readable when the test runner ends.
    runner: Option<OwnedFd>,
}

/// An event that the keeper waits for.
enum Event {
    User,
    Started,
    Left(usize),
    RunnerEnded,
    Timeout,
}

impl<'a> Keeper<'a> {
    /// Listens, and begins the start of the service. The process that has started this one holds the lock.
    fn new(name: &'static str, create: fn() -> Service, meeting: &'a Meeting) -> io::Result<Self> {
        let _ = std::fs::remove_file(meeting.socket());
        let listener = UnixListener::bind(meeting.socket())?;
        listener.set_nonblocking(true)?;
        let output = File::create(meeting.output())?;
        let mut first = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        first.write_all(b"L")?;
        let (mut done, started) = UnixStream::pair()?;
        let (sender, start) = mpsc::channel();
        thread::Builder::new().name("childminder-kee".to_owned()).spawn(move || {
            let mut service = create();
            for variable in meeting::VARIABLES {
                service = service.env_remove(variable);
            }
            service.recipe.output_file = Some(output.into());
            let _ = sender.send(service.start().map_err(|error| error.to_string()));
            let _ = done.write_all(b"S");
        })?;
        Ok(Self {
            name,
            meeting,
            listener,
            users: vec![first],
            started,
            start,
            service: None,
            reply: None,
            runner: Meeting::runner().and_then(observe_process),
        })
    }

    /// Serves users until there are none.
    fn run(&mut self) -> io::Result<()> {
        loop {
            match self.next_event()? {
                Event::User => self.accept(),
                Event::Started => self.finish_start(),
                Event::Left(index) => drop(self.users.swap_remove(index)),
                Event::RunnerEnded => self.runner = None,
                Event::Timeout if self.users.is_empty() && self.try_close()? => return Ok(()),
                Event::Timeout => {
                    if self.has_died() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn next_event(&self) -> io::Result<Event> {
        let is_idle = self.users.is_empty() && self.reply.is_some();
        let timeout = match (is_idle, &self.runner) {
            (true, Some(_)) if self.service.is_none() => FAILURE_LINGER,
            (true, Some(_)) => LINGER,
            // No test of this run can come.
            (true, None) => Duration::ZERO,
            (false, _) => CHECK_INTERVAL,
        };
        let mut fds = vec![readable(self.listener.as_fd())];
        // Without users the end of the runner is an event, and otherwise of no interest.
        fds.push(match &self.runner {
            Some(runner) if is_idle => readable(runner.as_fd()),
            _ => PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::empty()),
        });
        fds.push(match self.reply {
            None => readable(self.started.as_fd()),
            Some(_) => PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::empty()),
        });
        fds.extend(self.users.iter().map(|user| readable(user.as_fd())));
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        // A signal may have a handler, such as CHLD when a step has ended.
        retry_on_intr(|| poll(&mut fds, Some(&timeout)))?;
        let ready = fds.iter().position(|fd| !fd.revents().is_empty());
        Ok(match ready {
            None => Event::Timeout,
            Some(0) => Event::User,
            Some(1) => Event::RunnerEnded,
            Some(2) => Event::Started,
            // A user sends nothing, so this is its end.
            Some(index) => Event::Left(index - 3),
        })
    }

    /// Accepts every user that has connected.
    fn accept(&mut self) {
        while let Ok((mut user, _)) = self.listener.accept() {
            let is_blocking = user.set_nonblocking(false).is_ok();
            if is_blocking && self.reply.iter().all(|reply| user.write_all(reply).is_ok()) {
                self.users.push(user);
            }
        }
    }

    /// Sends the result of the start to all users.
    fn finish_start(&mut self) {
        let mut byte = [0];
        let _ = self.started.read(&mut byte);
        let reply = match self.start.recv() {
            Ok(Ok(service)) => {
                let access = Access::new(service.pid(), service.resources());
                self.service = Some(service);
                Reply::Ready(access)
            }
            Ok(Err(report)) => Reply::Ended(report),
            Err(_) => Reply::Ended(format!("the function that creates service {} panicked", self.name)),
        };
        let reply = reply.to_bytes();
        self.users.retain_mut(|user| user.write_all(&reply).is_ok());
        self.reply = Some(reply);
    }

    /// Ends the service if no user is there or about to come. Returns whether that is done.
    fn try_close(&mut self) -> io::Result<bool> {
        if self.reply.is_none() {
            return Ok(false);
        }
        let lock = self.meeting.lock()?;
        // Users that have connected holding the lock are in the queue now.
        self.accept();
        if !self.users.is_empty() {
            return Ok(false);
        }
        self.meeting.remove();
        drop(lock);
        if let Some(service) = self.service.take() {
            service.stop().map_err(io::Error::other)?;
        }
        Ok(true)
    }

    /// Returns whether the service has died, and reports that to all users.
    fn has_died(&mut self) -> bool {
        let Some(Err(died)) = self.service.as_ref().map(RunningService::reset) else { return false };
        let Ok(_lock) = self.meeting.lock() else { return true };
        self.accept();
        let report = Reply::Ended(died.to_string()).to_bytes();
        self.users.iter_mut().for_each(|user| drop(user.write_all(&report)));
        self.meeting.remove();
        // The exit hook does the rest.
        self.service.take();
        true
    }
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, PollFlags::IN)
}

/// Returns a descriptor that becomes readable when this process ends, unless it is gone already.
#[cfg(target_os = "linux")]
fn observe_process(pid: i32) -> Option<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

/// Elsewhere the end of the test runner is not observed, so a service is not kept without users.
#[cfg(not(target_os = "linux"))]
fn observe_process(_: i32) -> Option<OwnedFd> {
    None
}
