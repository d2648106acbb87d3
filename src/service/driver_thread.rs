//! The thread that runs the drivers of all services of this process.
//!
//! A driver needs a thread, but little of it. So the first service starts one thread, which stays; starting a
//! thread for each service would take longer than to find out that a server listens. A driver also waits for
//! the readiness of its process: between the start and the verdict no other thread is involved.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::mpsc;
use std::thread::{self, ThreadId};

use async_executor::Executor;
use futures_lite::FutureExt;

use crate::drive::WaitForDriver;
use crate::host::Host;
use crate::sync::Lock;
use crate::sys::System;

/// The executor of the thread.
static EXECUTOR: Executor<'static> = Executor::new();

/// The thread, once it was started.
static THREAD: Lock<Option<ThreadId>> = Lock::new(None);

/// The thread that runs the drivers of all services.
#[derive(Clone, Copy)]
pub(super) struct DriverThread(ThreadId);

impl DriverThread {
    /// Returns the thread, which is started the first time.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create a thread.
    pub(super) fn get(system: &System) -> io::Result<Self> {
        let mut thread = THREAD.lock();
        if let Some(id) = *thread {
            return Ok(Self(id));
        }
        let system = system.clone();
        let body = move || system.drive(pin!(EXECUTOR.run(pending())));
        let started = thread::Builder::new().name("childminder-fixtures".to_owned()).spawn(body)?;
        Ok(Self(*thread.insert(started.thread().id())))
    }

    /// Runs the driver of a service. Returns the wait for its end.
    pub(super) fn run_driver(self, driver: impl Future<Output = ()> + Send + 'static) -> WaitForDriver {
        let (running, ended) = mpsc::channel::<Infallible>();
        let body = async move {
            // Our own bug must not end the other services. The panic is printed, and the processes of this
            // driver are killed when it is dropped.
            let _ = AssertUnwindSafe(driver).catch_unwind().await;
            drop(running);
        };
        EXECUTOR.spawn(body).detach();
        let ended = Lock::new(ended);
        Box::new(move || {
            if thread::current().id() != self.0 {
                let _ = ended.lock().recv();
            }
        })
    }
}

impl fmt::Debug for DriverThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DriverThread").field(&self.0).finish()
    }
}
