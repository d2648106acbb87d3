//! Descriptors that a child is given besides the first three.

use std::fs::File;
use std::io::{Seek, Write};
use std::iter;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use childminder::machine::SpawnStep;
use childminder::{Exit, Spec, Stdin};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{Census, Child, alone, run};

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script])
}

/// Returns a file that contains `text`.
fn file(text: &str) -> OwnedFd {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(text.as_bytes()).expect("write");
    file.rewind().expect("rewind");
    file.into()
}

fn listener() -> OwnedFd {
    TcpListener::bind("127.0.0.1:0").expect("a port").into()
}

/// Returns the name of a descriptor in `/proc`.
fn name_of(fd: impl AsFd) -> String {
    format!("socket:[{}]", rustix::fs::fstat(fd).expect("open").st_ino)
}

#[test]
fn f_71_a_child_has_three_descriptors_and_those_it_was_given() {
    alone("sys::descriptors::f_71_a_child_has_three_descriptors_and_those_it_was_given", || {
        let leaky = File::open("/dev/null").expect("open");
        rustix::io::fcntl_setfd(&leaky, rustix::io::FdFlags::empty()).expect("inheritable");
        let list = || sh("ls /proc/$$/fd; :");
        drop(run(&list().die_with_parent(true)));
        let before = Census::take();
        {
            let spec = list().descriptor(4, file("")).descriptor(20, file("")).listener(listener());
            for spec in [spec.clone(), spec.clone().die_with_parent(true), spec.cwd("/").umask(0o22)] {
                for _ in 0..3 {
                    assert_eq!(run(&spec).1, "0\n1\n2\n20\n3\n4\n");
                }
            }
        }
        Census::take().assert_unchanged_since(&before);
    });
}

#[test]
fn each_descriptor_gets_its_number_even_if_it_was_in_use() {
    // These numbers include those of the descriptors themselves, of the input and the pipes, of the
    // directory, and of the socket to the guardian; so a naive order of copies would overwrite one of
    // them.
    let numbers = || 3..60;
    let all = || iter::once(0).chain(numbers());
    let script: String = all().map(|number| format!("cat <&{number}; ")).collect();
    let expected: String = all().map(|number| format!("{number};")).collect();
    // Some shells accept only one digit here; `cat` takes a path.
    let script = script.replace("cat <&", "cat /proc/self/fd/");
    let spec = sh(&script).cwd("/").stdin(Stdin::descriptor(file("0;")));
    let spec =
        numbers().rev().fold(spec, |spec, number| spec.descriptor(number, file(&format!("{number};"))));
    for spec in [spec.clone(), spec.die_with_parent(true)] {
        for _ in 0..2 {
            assert_eq!(run(&spec), (Exit::Code(0), expected.clone(), String::new()));
        }
    }
}

#[test]
fn a_failed_start_is_reported_even_if_its_descriptors_were_in_use() {
    let dir = tempfile::tempdir().expect("a directory");
    for die in [false, true] {
        let spec = (3..60).fold(Spec::new(dir.path()), |spec, number| spec.descriptor(number, file("")));
        let error = Child::start(&spec.die_with_parent(die)).expect_err("a directory");
        assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Exec, Some(libc::EACCES)));
    }
}

#[test]
fn a_number_beyond_the_limit_is_an_error_that_names_it() {
    alone("sys::descriptors::a_number_beyond_the_limit_is_an_error_that_names_it", || {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(50), ..limit }).expect("a lower limit");
        let error = Child::start(&Spec::new("true").descriptor(60, file(""))).expect_err("too high");
        assert_eq!(error.step(), SpawnStep::Descriptor);
        assert_eq!(error.to_string(), "cannot give it descriptor 60: Invalid argument (os error 22)");
    });
}

#[test]
fn a_listener_is_handed_over_by_the_convention_of_listen_fds() {
    let (one, two) = (listener(), listener());
    let expected = [&one, &two].map(name_of).join("\n");
    let script = "echo $LISTEN_FDS; [ $LISTEN_PID = $$ ] && echo it is me; echo $LISTEN_FDNAMES
        readlink /proc/$$/fd/3 /proc/$$/fd/4";
    let spec = sh(script).listener(one).listener(two).descriptor(9, file(""));
    // The variables LISTEN_FDS and LISTEN_PID override those of the spec; LISTEN_FDNAMES is left to the spec.
    let spec = spec.env("LISTEN_FDS", "7").env("LISTEN_PID", "1").env("LISTEN_FDNAMES", "web:admin");
    for spec in [spec.clone(), spec.clone().die_with_parent(true)] {
        let (exit, out, err) = run(&spec);
        assert_eq!((exit, err), (Exit::Code(0), String::new()));
        assert_eq!(out, format!("2\nit is me\nweb:admin\n{expected}\n"));
    }
    // It listens all the time, so a connection made between two runs is not refused, and the next run can
    // accept it.
    assert_eq!(run(&spec.env_clear().env("PATH", "/usr/bin:/bin")).1.lines().next(), Some("2"));
}

#[test]
#[expect(unsafe_code, reason = "the environment that a service manager sets")]
fn a_child_does_not_inherit_the_listener_variables_of_the_monitor() {
    alone("sys::descriptors::a_child_does_not_inherit_the_listener_variables_of_the_monitor", || {
        let own = std::process::id().to_string();
        for (name, value) in [("LISTEN_FDS", "3"), ("LISTEN_PID", &*own), ("LISTEN_FDNAMES", "a:b:c")] {
            // SAFETY: no other thread reads the environment of a process that runs one test.
            unsafe { std::env::set_var(name, value) };
        }
        let script = "echo $LISTEN_FDS ${LISTEN_FDNAMES-unset}; [ $LISTEN_PID = $$ ] && echo it is me; :";
        assert_eq!(run(&sh(script).listener(listener())).1, "1 unset\nit is me\n");
        // For a child without listeners, `LISTEN_PID` names another process.
        assert_eq!(run(&sh(script)).1, "3 a:b:c\n");
    });
}
