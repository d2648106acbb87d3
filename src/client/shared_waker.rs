//! One waker for all tasks that use a connection.
//!
//! A stream remembers one task per direction, and some streams, such as TLS, write when they are read. But a
//! connection has several users, and the driver watches it as well. So the stream is polled with the shared
//! waker only, which wakes all of them, and each finds out for itself whether it can proceed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crate::sync::{Lock, WakerCell};

/// Wakes all tasks that wait for one connection.
#[derive(Debug, Default)]
pub(super) struct SharedWaker {
    /// It was woken since the driver last checked.
    woken: AtomicBool,
    waiting: Lock<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    users: Vec<Waker>,
    driver: WakerCell,
}

impl SharedWaker {
    /// Adds the task of a user, before it polls the stream, so that no wake-up is lost. Returns whether it is
    /// new.
    pub(super) fn add_user(&self, user: &Waker) -> bool {
        let mut waiting = self.waiting.lock();
        let is_new = !waiting.users.iter().any(|other| other.will_wake(user));
        if is_new {
            waiting.users.push(user.clone());
        }
        is_new
    }

    /// Removes the task of a user that no longer waits.
    pub(super) fn remove_user(&self, user: &Waker) {
        let removed = {
            let mut waiting = self.waiting.lock();
            let index = waiting.users.iter().position(|other| other.will_wake(user));
            index.map(|index| waiting.users.swap_remove(index))
        };
        // Dropped without the lock: a waker is foreign code.
        drop(removed);
    }

    /// Registers the task of the driver.
    pub(super) fn register_driver(&self, driver: &Waker) {
        self.waiting.lock().driver.register(driver);
    }

    /// Returns whether it was woken since the last call.
    pub(super) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// Wakes all tasks, users first, so that they see the end of the connection before the service does.
    pub(super) fn wake_all(&self) {
        self.wake_users();
        self.wake_driver();
    }

    /// Wakes the driver.
    pub(super) fn wake_driver(&self) {
        self.woken.store(true, Ordering::Release);
        let driver = self.waiting.lock().driver.get();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Wakes the users.
    pub(super) fn wake_users(&self) {
        let users = std::mem::take(&mut self.waiting.lock().users);
        for user in users {
            user.wake();
        }
    }
}

impl Wake for SharedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        fn waker() -> (Arc<Self>, Waker) {
            let count = Arc::new(Self::default());
            (count.clone(), Waker::from(count))
        }

        fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn each_waiting_task_is_woken_once() {
        let (driver_count, driver) = Count::waker();
        let (users_count, user) = Count::waker();
        let waker = SharedWaker::default();
        waker.register_driver(&driver);
        assert!(waker.add_user(&user));
        assert!(!waker.add_user(&user), "the task waits for the other direction as well");
        assert!(!waker.take_woken());
        waker.wake_all();
        waker.wake_all();
        assert_eq!((driver_count.get(), users_count.get()), (2, 1));
        assert!(waker.take_woken() && !waker.take_woken());
    }

    #[test]
    fn a_removed_task_is_not_woken() {
        let (count, user) = Count::waker();
        let waker = SharedWaker::default();
        waker.add_user(&user);
        waker.remove_user(&user);
        waker.remove_user(&user);
        waker.wake_all();
        assert_eq!(count.get(), 0);
    }
}
