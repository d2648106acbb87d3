//! The resources that the first `System` needs, and the errors when they are missing.

use std::fs::File;
use std::iter;

use childminder::{Exit, Spec, System};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{Census, Child, alone};

#[test]
fn f_9_a_lack_of_descriptors_is_an_error_of_the_first_system_and_not_a_panic() {
    alone(
        "sys::resources::f_9_a_lack_of_descriptors_is_an_error_of_the_first_system_and_not_a_panic",
        || {
            let limit = getrlimit(Resource::Nofile);
            setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).expect("a lower limit");
            let before = Census::take();
            for free in 0..6 {
                let mut hogs: Vec<_> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
                hogs.truncate(hogs.len() - free);
                let error = System::try_new().expect_err("too few descriptors");
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{free} free: {error}");
            }
            Census::take().assert_unchanged_since(&before);
            System::try_new().expect("enough descriptors");
            assert_eq!(Child::start(&Spec::new("true")).expect("it starts").exit(), Exit::Code(0));
        },
    );
}

#[test]
fn f_9_a_lack_of_threads_is_an_error_of_the_first_system_and_not_a_panic() {
    const NAME: &str =
        "sys::resources::f_9_a_lack_of_threads_is_an_error_of_the_first_system_and_not_a_panic";
    alone(NAME, || {
        let limit = getrlimit(Resource::As);
        // There is no room for the stack of another thread.
        setrlimit(Resource::As, Rlimit { current: Some(8 << 20), ..limit }).expect("a lower limit");
        let error = System::try_new().expect_err("no room for a stack");
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}");
        setrlimit(Resource::As, limit).expect("the former limit");
        System::try_new().expect("enough memory");
    });
}
