//! What is left when childminder itself is killed.

use super::supervisor::Supervisor;

/// Has a child in its group, and a daemon in a session of its own.
const FAMILY: &str = "sleep 1000 & (setsid sh -c 'sleep 1000; :' >&- 2>&- &); echo ready; wait";

#[test]
fn f_45_no_process_survives_childminder_when_it_is_killed() {
    for options in
        [&["--killtime", "100"][..], &["--env-clear", "--env", "PATH", "--env", "CHILDMINDER_TEST_MARK"]]
    {
        let mut supervisor = Supervisor::run(&[options, &["sh", "-c", FAMILY]].concat());
        supervisor.out.wait_for("ready");
        assert!(supervisor.family().len() >= 4, "{:?}", supervisor.family());
        supervisor.kill_and_wait();
    }
}

#[test]
fn f_45_with_outlive_the_program_survives_childminder() {
    let mut supervisor = Supervisor::run(&["--outlive", "sh", "-c", "echo $$; exec sleep 1000"]);
    let line = supervisor.out.wait_for("]");
    let program =
        line.trim_end().rsplit(' ').next().and_then(|word| word.parse().ok()).expect("a process id");
    supervisor.signal(nix::sys::signal::Signal::SIGKILL);
    let ended = supervisor.end_but(&[nix::unistd::Pid::from_raw(program)]);
    assert_eq!(ended.status, 128 + 9);
}
