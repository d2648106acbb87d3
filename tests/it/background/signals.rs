//! The handlers for INT and TERM, which are installed while a `Background` runs.

use childminder::Background;

use crate::support::{alone, status_field};

/// Returns whether INT and TERM have a handler.
fn handled() -> [bool; 2] {
    let caught = status_field(std::process::id(), "SigCgt").unwrap();
    let caught = u64::from_str_radix(&caught, 16).unwrap();
    [libc::SIGINT, libc::SIGTERM].map(|signal| caught & (1 << (signal - 1)) != 0)
}

#[test]
fn rx_12_handlers_are_restored_when_the_last_one_stops() {
    alone("background::signals::rx_12_handlers_are_restored_when_the_last_one_stops", || {
        assert_eq!(handled(), [false; 2]);
        let without = Background::builder().signals(false).start().unwrap();
        assert_eq!(handled(), [false; 2]);
        let first = Background::start().unwrap();
        assert_eq!(handled(), [true; 2]);
        let second = Background::start().unwrap();
        drop(first);
        assert_eq!(handled(), [true; 2]);
        second.stop().unwrap();
        assert_eq!(handled(), [false; 2]);
        second.reset().unwrap();
        assert_eq!(handled(), [true; 2]);
        drop(second);
        assert_eq!(handled(), [false; 2]);
        drop(without);
    });
}
