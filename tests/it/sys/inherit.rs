//! What a child inherits from the program that started it, and what it does not inherit.

use std::io::Write;
use std::os::fd::AsRawFd;

use childminder::machine::Stream;
use childminder::{Exit, Signal, Spec, Stdin};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::support::{Child, alone, run, status_field};

/// By `posix_spawn`; with steps of our own; the same with a guardian; and by fork, if we may set groups.
fn every_way(spec: &Spec) -> Vec<Spec> {
    let spec = || spec.clone();
    let mut ways = vec![spec(), spec().umask(0o22), spec().die_with_parent(true)];
    ways.extend(rustix::process::geteuid().is_root().then(|| spec().groups([])));
    ways
}

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script])
}

#[test]
fn f_15_a_child_gets_three_descriptors_although_the_monitor_has_none() {
    alone("sys::inherit::f_15_a_child_gets_three_descriptors_although_the_monitor_has_none", || {
        let say = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 10).expect("a copy");
        let script = "echo out; echo err >&2; cat; ls /proc/$$/fd; :";
        // Assertions come after the descriptors are restored.
        let mut seen = Vec::new();
        for closed in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 1, 2]] {
            with_closed(closed, || {
                // With the first one closed, this is descriptor 0 of this process.
                let null = std::fs::File::open("/dev/null").expect("there is one");
                let null = Stdin::descriptor(null);
                for stdin in [null, Stdin::Null, Stdin::Inherit, Stdin::File("/dev/null".into())] {
                    for spec in every_way(&sh(script).stdin(stdin)) {
                        seen.push(run(&spec));
                    }
                    seen.extend(
                        Child::start(&Spec::new("/none").umask(0))
                            .is_ok()
                            .then(|| (Exit::Lost, String::new(), String::new())),
                    );
                }
            });
        }
        drop(say);
        for outcome in seen {
            assert_eq!(outcome, (Exit::Code(0), "out\n0\n1\n2\n".into(), "err\n".into()));
        }
    });
}

/// Runs `body` while some of the first three descriptors are closed, and restores them.
#[expect(unsafe_code, reason = "these descriptors have no owner")]
fn with_closed(closed: &[i32], body: impl FnOnce()) {
    // SAFETY: no other code runs in this process, and the descriptors are restored afterwards.
    let copies: Vec<_> = closed
        .iter()
        .map(|fd| unsafe {
            let copy = libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, 100);
            libc::close(*fd);
            copy
        })
        .collect();
    body();
    for (fd, copy) in closed.iter().zip(copies) {
        // SAFETY: as above.
        unsafe {
            libc::dup2(copy, *fd);
            libc::close(copy);
        }
    }
}

#[test]
fn f_71_a_child_has_three_descriptors() {
    alone("sys::inherit::f_71_a_child_has_three_descriptors", || {
        let leaky = std::fs::File::open("/dev/null").expect("open");
        fcntl_setfd(&leaky, FdFlags::empty()).expect("inheritable");
        let high = rustix::io::fcntl_dupfd_cloexec(&leaky, 900).expect("a high one");
        fcntl_setfd(&high, FdFlags::empty()).expect("inheritable");
        assert!(high.as_raw_fd() >= 900);
        for spec in every_way(&sh("ls /proc/$$/fd; :").cwd("/")) {
            assert_eq!(run(&spec).1, "0\n1\n2\n");
        }
    });
}

#[test]
fn f_71_a_kernel_that_cannot_close_them_at_once_closes_them_one_by_one() {
    const NAME: &str = "sys::inherit::f_71_a_kernel_that_cannot_close_them_at_once_closes_them_one_by_one";
    crate::support::alone_with_fault("close_range:error=ENOSYS", NAME, || {
        let leaky = std::fs::File::open("/dev/null").expect("open");
        fcntl_setfd(&leaky, FdFlags::empty()).expect("inheritable");
        for spec in every_way(&sh("ls /proc/$$/fd; :")) {
            assert_eq!(run(&spec).1, "0\n1\n2\n");
        }
    });
}

/// Signals 32 and 33, which no program can use: the C library keeps them for its threads, and its
/// `posix_spawn` ignores them in every child.
const OF_THE_C_LIBRARY: u64 = 0b11 << 31;

#[test]
#[expect(unsafe_code, reason = "an embedding program may have any mask and dispositions")]
fn f_72_no_signal_is_blocked_or_ignored() {
    alone("sys::inherit::f_72_no_signal_is_blocked_or_ignored", || {
        for signal in [libc::SIGHUP, libc::SIGUSR2, libc::SIGPIPE, libc::SIGTERM, 40, 64] {
            // SAFETY: this disposition calls no handler.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
        let mut mask = std::mem::MaybeUninit::uninit();
        // SAFETY: filled before it is read.
        unsafe {
            libc::sigfillset(mask.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, mask.as_ptr(), std::ptr::null_mut());
        }
        for spec in every_way(&Spec::new("sleep").arg("100")) {
            let mut child = Child::start(&spec).expect("it starts");
            for field in ["SigBlk", "SigIgn", "SigCgt"] {
                let set = status_field(child.id(), field).expect("alive");
                let set = u64::from_str_radix(&set, 16).expect("hexadecimal") & !OF_THE_C_LIBRARY;
                assert_eq!(set, 0, "{field}");
            }
            child.signal(Signal::TERM);
            assert_eq!(child.exit(), Exit::Signal { signal: Signal::TERM, core: false });
        }
        let own = std::fs::read_to_string("/proc/thread-self/status").expect("/proc");
        assert!(!own.contains("SigBlk:\t0000000000000000"), "the mask of the monitor has changed");
    });
}

#[test]
fn f_73_a_reader_of_standard_input_sees_end_of_file_at_once() {
    for spec in every_way(&Spec::new("cat")) {
        assert_eq!(run(&spec), (Exit::Code(0), String::new(), String::new()));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("input");
    std::fs::write(&file, "from a file").expect("write");
    assert_eq!(run(&Spec::new("cat").stdin(Stdin::File(file.clone()))).1, "from a file");
    std::fs::remove_file(&file).expect("remove");
    let error = Child::start(&Spec::new("cat").stdin(Stdin::File(file.clone()))).expect_err("missing");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot open {} for the standard input: No such file or directory (os error 2)",
            file.display()
        )
    );
}

#[test]
fn a_child_reads_from_a_pipe_that_we_hold_until_we_close_it() {
    for spec in every_way(&Spec::new("cat")) {
        let (theirs, mut ours) = std::io::pipe().expect("pipe");
        let mut child = Child::start(&spec.stdin(Stdin::descriptor(theirs))).expect("it starts");
        for word in ["one", "two"] {
            writeln!(ours, "{word}").expect("it reads");
            assert_eq!(child.line(), word);
        }
        drop(ours);
        assert_eq!((child.read_to_end(Stream::Stdout), child.exit()), (String::new(), Exit::Code(0)));
    }
}

#[test]
fn the_next_child_reads_on_where_the_one_before_has_stopped() {
    for spec in every_way(&sh("read line; echo $line")) {
        let (theirs, mut ours) = std::io::pipe().expect("pipe");
        let spec = spec.stdin(Stdin::descriptor(theirs));
        writeln!(ours, "one\ntwo").expect("the spec has the other end");
        drop(ours);
        let outputs = [&spec, &spec, &spec].map(|spec| run(spec).1);
        assert_eq!(outputs, ["one\n", "two\n", "\n"]);
    }
}

#[test]
fn f_74_pm_47_a_child_leads_a_group_of_its_own_in_the_session_of_the_monitor() {
    for spec in every_way(&Spec::new("sleep").arg("100")) {
        let child = Child::start(&spec).expect("it starts");
        assert_eq!(status_field(child.id(), "NSpgid").expect("alive"), child.id().to_string());
        assert_eq!(status_field(child.id(), "NSsid"), status_field(std::process::id(), "NSsid"));
    }
    for spec in every_way(&Spec::new("sleep").arg("100").own_group(false)) {
        let child = Child::start(&spec).expect("it starts");
        assert_eq!(status_field(child.id(), "NSpgid"), status_field(std::process::id(), "NSpgid"));
    }
}

#[test]
fn the_pipes_of_a_child_block_and_ours_do_not() {
    let mut child = Child::start(&sh("grep flags /proc/$$/fdinfo/1")).expect("it starts");
    let flags = child.read_to_end(Stream::Stdout);
    let flags = u32::from_str_radix(flags.trim_start_matches("flags:").trim(), 8).expect("octal");
    assert_eq!(flags & libc::O_NONBLOCK.unsigned_abs(), 0);
}
