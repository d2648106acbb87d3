//! What a start must not do: wait, depend on recent system calls, or fail for a program that can be executed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use childminder::machine::{SignalTarget, SpawnStep, Stream};
use childminder::{Exit, Host, Signal, Spec, Stdin, System};

use crate::support::{Child, PORTABLE, alone, alone_with_fault, eventually, run, skip};

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script])
}

#[test]
fn f_98_a_fifo_without_a_writer_does_not_delay_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let fifo = dir.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
    assert!(made.success());
    let mut child =
        Child::start(&sh("read line; echo $line").stdin(Stdin::File(fifo.clone()))).expect("it starts");
    fs::write(&fifo, "hello\n").expect("it has a reader");
    assert_eq!((child.line(), child.exit()), ("hello".into(), Exit::Code(0)));
}

#[test]
fn f_99_a_kernel_without_clone3_or_close_range_starts_processes_as_well() {
    const NAME: &str = "sys::start::f_99_a_kernel_without_clone3_or_close_range_starts_processes_as_well";
    alone_with_fault("clone3,close_range,unshare:error=ENOSYS", NAME, || {
        let system = System::with_strongest_containment().expect("a system");
        let mut child = Child(system.spawn(&sh("ls /proc/$$/fd; :")).expect("it starts"));
        assert_eq!((child.read_to_end(Stream::Stdout), child.exit()), ("0\n1\n2\n".into(), Exit::Code(0)));
    });
}

#[test]
fn f_100_with_thousands_of_descriptors_a_child_gets_its_own_and_no_other() {
    alone("sys::start::f_100_with_thousands_of_descriptors_a_child_gets_its_own_and_no_other", || {
        let system = System::new();
        let many: Vec<_> = (0..600).map(|_| fs::File::open("/dev/null").expect("open")).collect();
        for _ in 0..3 {
            let mut child =
                Child(system.spawn(&sh("echo out; echo err >&2; ls /proc/$$/fd; :")).expect("it starts"));
            // The writing ends of its pipes are closed here, or these would have no end.
            assert_eq!(child.read_to_end(Stream::Stdout), "out\n0\n1\n2\n");
            assert_eq!((child.read_to_end(Stream::Stderr), child.exit()), ("err\n".into(), Exit::Code(0)));
        }
        drop(many);
    });
}

#[test]
fn f_101_another_user_owns_its_pipes_and_has_its_own_environment() {
    const NAME: &str = "sys::start::f_101_another_user_owns_its_pipes_and_has_its_own_environment";
    if !rustix::process::geteuid().is_root() {
        return skip(NAME, "only root can start a process of another user");
    }
    let spec = sh("echo out >/dev/stdout; echo err >/dev/stderr; echo $(id -un) $USER $LOGNAME $HOME")
        .cwd("/")
        .user("nobody");
    let (exit, out, err) = run(&spec);
    assert_eq!((exit, err), (Exit::Code(0), "err\n".into()));
    let home = out.strip_prefix(&format!("out\n{0} {0} {0} ", "nobody")).expect("the user's names");
    assert_ne!(home.trim_end(), std::env::var("HOME").unwrap_or_default());
    let given = run(&sh("echo $HOME").cwd("/").user("nobody").env("HOME", "/given"));
    assert_eq!(given.1, "/given\n");
}

#[test]
fn f_102_a_program_that_the_user_cannot_execute_is_recognised_before_the_start() {
    const NAME: &str =
        "sys::start::f_102_a_program_that_the_user_cannot_execute_is_recognised_before_the_start";
    if PORTABLE || !rustix::process::geteuid().is_root() {
        return skip(NAME, "it needs Linux, and root that can become another user");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let program = dir.path().join("program");
    fs::write(&program, "#!/bin/sh\n").expect("write");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("it is ours");
    let system = System::new();
    assert_eq!(system.locate(&Spec::new(&program)).expect("root may"), program);
    let error = system.locate(&Spec::new(&program).user("nobody")).expect_err("its directory is closed");
    assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Exec, Some(libc::EACCES)));
    assert!(error.to_string().contains("(not executable by user 65534)"), "{error}");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    system.locate(&Spec::new(&program).user("nobody")).expect("its directory is open");
}

#[test]
fn f_103_a_stopped_leader_is_reported_with_its_signal() {
    if PORTABLE {
        return skip("sys::start::f_103_a_stopped_leader_is_reported_with_its_signal", "it needs pidfds");
    }
    let mut child = Child::shell("echo ready; kill -TTIN $$; echo continued");
    assert_eq!(child.line(), "ready");
    eventually("it is stopped", || child.0.stopped_by().is_some());
    assert_eq!(child.0.stopped_by().map(Signal::number), Some(libc::SIGTTIN));
    child.0.signal(SignalTarget::Leader, Signal::CONT).expect("it is sent");
    assert_eq!(child.line(), "continued");
    assert_eq!(child.0.stopped_by(), None);
}
