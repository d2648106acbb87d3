//! Exits: each one is seen once, with its status, under all circumstances.

use std::iter;
use std::task::{Context, Poll, Waker};

use childminder::machine::{Containment, Stream};
use childminder::{Exit, Host, Signal, Spec, System};
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::support::{Child, PORTABLE, alone, alone_with_fault, is_alive, run, skip, status_field};

#[test]
fn f_16_output_is_whole_though_its_writer_is_gone() {
    for count in [0, 1, 60_000] {
        let mut child = Child::shell(&format!("head -c {count} /dev/zero | tr '\\0' x; printf e >&2"));
        assert_eq!(child.exit(), Exit::Code(0));
        assert_eq!(child.read_to_end(Stream::Stdout), "x".repeat(count));
        assert_eq!(child.read_to_end(Stream::Stderr), "e");
        // Further reads return end-of-file again.
        assert_eq!(child.read_to_end(Stream::Stdout), "");
    }
}

#[test]
fn f_16_more_than_a_pipe_holds_arrives_in_order() {
    let mut child = Child::shell("seq 1 300000");
    let text = child.read_to_end(Stream::Stdout);
    assert!(text.lines().map(str::parse).eq((1..=300_000).map(Ok::<u32, _>)));
    assert_eq!(child.exit(), Exit::Code(0));
}

#[test]
fn f_17_pm_22_an_exit_is_seen_though_a_grandchild_holds_the_pipes() {
    let mut child = Child::shell("sleep 100 & echo $!; exit 3");
    let grandchild: u32 = child.line().parse().expect("a process id");
    assert_eq!(child.exit(), Exit::Code(3));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(child.0.poll_read(Stream::Stdout, &mut cx, &mut [0; 8]).is_pending());
    assert_eq!(child.0.remaining(), [grandchild]);
    assert!(is_alive(grandchild));
    child.signal(Signal::KILL);
    assert_eq!(child.read_to_end(Stream::Stdout), "");
    child.wait_for_the_group();
    assert!(!is_alive(grandchild));
}

#[test]
fn f_18_no_exit_of_a_burst_is_lost() {
    // All of them wait for end-of-file of one pipe, and exit together.
    let (gate, write) = std::io::pipe().expect("pipe");
    let gate = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&gate));
    let spec = |code: usize| {
        let stdin = childminder::Stdin::File((&gate).into());
        Spec::new("sh").args(["-c", &format!("read line; exit {code}")]).stdin(stdin)
    };
    let mut children: Vec<_> = (0..100).map(|code| Child::start(&spec(code)).expect("it starts")).collect();
    drop(write);
    for (code, child) in (0..).zip(&mut children) {
        assert_eq!(child.exit(), Exit::Code(code));
        assert_eq!(child.exit(), Exit::Code(code), "once ready, always ready");
    }
}

#[test]
fn f_18_an_interrupted_wait_is_repeated() {
    const NAME: &str = "sys::exit::f_18_an_interrupted_wait_is_repeated";
    if PORTABLE {
        return skip(NAME, "std waits without blocking, which cannot be interrupted");
    }
    alone_with_fault("waitid,wait4:error=EINTR:when=2..3", NAME, || {
        for code in 0..3 {
            assert_eq!(Child::shell(&format!("exit {code}")).exit(), Exit::Code(code));
        }
    });
}

#[test]
fn f_19_a_status_that_other_code_collected_is_reported_as_lost() {
    alone("sys::exit::f_19_a_status_that_other_code_collected_is_reported_as_lost", || {
        let mut child = Child::shell("exit 3");
        let pid = Pid::from_raw(child.id().try_into().expect("a number")).expect("not 0");
        waitpid(Some(pid), WaitOptions::empty()).expect("a child of this process");
        assert_eq!(child.exit(), Exit::Lost);
        assert!(child.0.remaining().is_empty());
        child.signal(Signal::KILL);
        // Even if its group is alive.
        let mut child = Child::shell("sleep 100 >&- 2>&- & exit 3");
        let pid = Pid::from_raw(child.id().try_into().expect("a number")).expect("not 0");
        waitpid(Some(pid), WaitOptions::empty()).expect("a child of this process");
        assert_eq!(child.exit(), Exit::Lost);
        assert_eq!(child.0.remaining().len(), 1);
        child.signal(Signal::KILL);
        child.wait_for_the_group();
    });
}

#[test]
#[expect(unsafe_code, reason = "an embedding program may have this disposition")]
fn f_19_exits_are_seen_although_sigchld_is_ignored() {
    const NAME: &str = "sys::exit::f_19_exits_are_seen_although_sigchld_is_ignored";
    if PORTABLE {
        return skip(NAME, "this back end needs SIGCHLD");
    }
    alone(NAME, || {
        // SAFETY: this disposition calls no handler.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        for umask in [None, Some(0o22)] {
            for _ in 0..20 {
                // Such a short process may exit before there is a handle.
                let spec = Spec::new("true");
                let spec = umask.into_iter().fold(spec, Spec::umask);
                let mut child = Child::start(&spec).expect("it starts");
                assert_eq!(child.exit(), Exit::Lost);
                assert!(child.0.remaining().is_empty());
            }
        }
        let mut child = Child::shell("sleep 100 >&- 2>&- & exit 0");
        assert_eq!(child.exit(), Exit::Lost);
        assert_eq!(child.0.remaining().len(), 1);
        drop(child);
        let error = Child::start(&Spec::new("/none").umask(0o22)).expect_err("missing");
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    });
}

#[test]
fn f_22_after_its_last_member_a_group_is_never_signalled_again() {
    let mut child = Child::shell("sleep 100 >&- 2>&- & exit 0");
    assert_eq!(child.exit(), Exit::Code(0));
    let left = child.0.remaining();
    assert_eq!(left.len(), 1);
    assert_eq!(status_field(left[0], "NSpgid").expect("alive"), child.id().to_string());
    child.signal(Signal::KILL);
    child.wait_for_the_group();
    // The number is free, and another process may get it. A further signal is not sent and is not an error.
    for _ in 0..3 {
        child.signal(Signal::KILL);
        assert!(child.0.remaining().is_empty());
    }
}

#[test]
fn f_20_an_unreaped_zombie_counts_as_dead() {
    alone("sys::exit::f_20_an_unreaped_zombie_counts_as_dead", || {
        let group_only =
            System::builder().exactly(Containment::Group).build().expect("it is always available");
        let start = |system: &System| {
            let spec = Spec::new("sh").args(["-c", "sleep 100 >&- 2>&- & exit 0"]);
            let mut child = Child(system.spawn(&spec).expect("sh starts"));
            assert_eq!(child.exit(), Exit::Code(0));
            child
        };
        // Its parent is dead. This process has adopted it, and does not reap it, like a slow init.
        let mut child = start(&group_only);
        let left = child.0.remaining();
        child.signal(Signal::KILL);
        child.wait_for_the_group();
        assert!(status_field(left[0], "State").expect("not collected").starts_with('Z'));
        child.signal(Signal::KILL);
        drop(child);
        assert!(status_field(left[0], "State").is_some(), "a search for the group reaps no members");

        // A search for the family does.
        if !PORTABLE {
            let mut child = start(&System::new());
            let left = child.0.remaining();
            child.signal(Signal::KILL);
            child.wait_for_the_group();
            assert_eq!(status_field(left[0], "State"), None, "it is reaped");
        }
    });
}

#[test]
fn f_22_on_an_old_kernel_the_zombie_stays_while_the_group_is_polled() {
    const NAME: &str = "sys::exit::f_22_on_an_old_kernel_the_zombie_stays_while_the_group_is_polled";
    if PORTABLE {
        return skip(NAME, "this back end has no pidfds");
    }
    alone_with_fault("pidfd_send_signal:error=EINVAL", NAME, || {
        let mut child = Child::shell("sleep 100 >&- 2>&- & exit 4");
        assert_eq!(child.exit(), Exit::Code(4));
        assert_eq!(child.0.remaining().len(), 1);
        assert!(status_field(child.id(), "State").expect("unreaped").starts_with('Z'));
        child.signal(Signal::KILL);
        child.wait_for_the_group();
        let id = child.id();
        drop(child);
        assert_eq!(status_field(id, "State"), None, "the leader is not reaped");
    });
}

#[test]
fn f_23_every_kind_of_exit_is_reported() {
    for code in [0, 1, 2, 77, 126, 127, 128, 137, 143, 254, 255] {
        assert_eq!(run(&Spec::new("sh").args(["-c", &format!("exit {code}")])).0, Exit::Code(code));
    }
    let by = |signal, core| Exit::Signal { signal, core };
    let names = [Signal::HUP, Signal::INT, Signal::KILL, Signal::USR1, Signal::TERM];
    let last = Signal::from_number(64).expect("the last one");
    for signal in names.into_iter().chain(iter::once(last)) {
        // Not through a shell, whose own handlers have races.
        let mut child = Child::start(&Spec::new("sleep").arg("100")).expect("it starts");
        child.signal(signal);
        assert_eq!(child.exit(), by(signal, false));
    }
    // A core dump is reported, if the system allows one.
    for (limit, core) in [("0", false), ("unlimited", true)] {
        let dir = tempfile::tempdir().expect("a directory");
        let script = format!("ulimit -c {limit} && kill -ABRT $$");
        let (exit, _, err) = run(&Spec::new("sh").args(["-c", &script]).cwd(dir.path()));
        match exit {
            Exit::Signal { signal: Signal::ABRT, core: dumped } if !core => assert!(!dumped),
            Exit::Signal { signal: Signal::ABRT, core: true } => {}
            other => skip(
                "sys::exit::f_23_every_kind_of_exit_is_reported",
                &format!("no core dump: {other}, {err}"),
            ),
        }
    }
}

#[test]
fn poll_exit_is_pending_while_it_runs() {
    let mut child = Child::shell("sleep 100");
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        assert_eq!(child.0.poll_exit(&mut cx), Poll::Pending);
    }
}
