//! The bell of a connection: one waker for all who use it.
//!
//! A stream remembers one task for each direction, and some, such as TLS, write when they are read. But a connection has
//! several users, and the driver, which watches over it. So the stream is only ever polled with the bell, and the bell
//! wakes everybody: those who waited find out by themselves whether there is anything for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Wakes all who wait for one connection.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// The driver has not looked since it rang.
    rung: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    users: Vec<Waker>,
    driver: Option<Waker>,
}

impl Bell {
    /// Lets a user wait; called before it polls, so that nothing is missed. Says whether it did not wait already.
    pub(super) fn enter(&self, user: &Waker) -> bool {
        let mut waiting = self.lock();
        let new = !waiting.users.iter().any(|other| other.will_wake(user));
        if new {
            waiting.users.push(user.clone());
        }
        new
    }

    /// The user has what it wanted, and waits for nothing else.
    pub(super) fn leave(&self, user: &Waker) {
        let left = {
            let mut waiting = self.lock();
            let place = waiting.users.iter().position(|other| other.will_wake(user));
            place.map(|place| waiting.users.swap_remove(place))
        };
        // Its waker is not ours.
        drop(left);
    }

    /// From now on wakes `driver`.
    pub(super) fn register(&self, driver: &Waker) {
        let mut waiting = self.lock();
        match &mut waiting.driver {
            Some(registered) => registered.clone_from(driver),
            none => *none = Some(driver.clone()),
        }
    }

    /// Whether it has rung since this was asked last.
    pub(super) fn has_rung(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }

    /// Wakes everybody, users first: they see the end of the connection before the service does (CS-19).
    pub(super) fn ring(&self) {
        self.wake_users();
        self.call_driver();
    }

    /// Wakes the driver only.
    pub(super) fn call_driver(&self) {
        self.rung.store(true, Ordering::Release);
        let driver = self.lock().driver.clone();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Wakes the users only.
    pub(super) fn wake_users(&self) {
        let users = std::mem::take(&mut self.lock().users);
        for user in users {
            user.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
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
    fn everybody_who_waits_is_woken_once() {
        let (driver_count, driver) = Count::waker();
        let (users_count, users) = Count::waker();
        let bell = Bell::default();
        bell.register(&driver);
        assert!(bell.enter(&users));
        assert!(!bell.enter(&users), "a second direction of one task");
        assert!(!bell.has_rung());
        bell.ring();
        bell.ring();
        assert_eq!((driver_count.get(), users_count.get()), (2, 1));
        assert!(bell.has_rung() && !bell.has_rung());
    }

    #[test]
    fn who_has_left_is_not_woken() {
        let (count, user) = Count::waker();
        let bell = Bell::default();
        bell.enter(&user);
        bell.leave(&user);
        bell.leave(&user);
        bell.ring();
        assert_eq!(count.get(), 0);
    }
}
