//! Scripts whose processes leave the group, the session and their parents.

use super::{Case, Until, python, sh, wrote_ready};

#[test]
fn f_90_a_worker_in_a_session_of_its_own_ends_with_its_program() {
    let spec = |dir: &_| {
        python(
            dir,
            "import os, time\nif os.fork() == 0:\n    os.setsid()\n    open('ready', 'w').close()\ntime.sleep(1000)",
        )
    };
    Case::new(
        "family::scripts::f_90_a_worker_in_a_session_of_its_own_ends_with_its_program",
        spec,
        Until::Ready(wrote_ready),
    )
    .run();
}

#[test]
fn f_90_timeout_in_a_script_ends_with_the_script() {
    let spec = |dir: &_| sh(dir, "timeout 1000 sh -c 'touch ready; exec sleep 1000' >/dev/null 2>&1; :");
    Case::new(
        "family::scripts::f_90_timeout_in_a_script_ends_with_the_script",
        spec,
        Until::Ready(wrote_ready),
    )
    .run();
}

#[test]
fn f_90_a_job_of_a_shell_with_job_control_ends_with_the_shell() {
    let spec = |dir: &std::path::Path| {
        childminder::Spec::new("bash").args(["-c", "set -m; sleep 1000 & touch ready; wait"]).cwd(dir)
    };
    Case::new(
        "family::scripts::f_90_a_job_of_a_shell_with_job_control_ends_with_the_shell",
        spec,
        Until::Ready(wrote_ready),
    )
    .run();
}

/// Becomes a daemon: forks twice, with a session of its own, and closes all descriptors. `erase` is a
/// statement for the daemon; the first process then does `last`.
fn daemon(dir: &std::path::Path, erase: &str, last: &str) -> childminder::Spec {
    python(
        dir,
        &format!(
            "import ctypes, os, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    {erase}
    os.closerange(0, 256)
    open('ready', 'w').close()
    time.sleep(1000)
while not os.path.exists('ready'): time.sleep(.01)
{last}"
        ),
    )
}

/// Overwrites the environment where `/proc` shows it, as programs do that change their title.
const ERASE: &str = "f = open('/proc/self/stat').read().rsplit(')', 1)[1].split(); s, e = int(f[47]), int(f[48]); \
                     ctypes.memset(s, 0, e - s)";

#[test]
fn f_91_a_double_fork_that_closes_all_descriptors_is_found() {
    let spec = |dir: &_| daemon(dir, "pass", "time.sleep(1000)");
    Case::new(
        "family::scripts::f_91_a_double_fork_that_closes_all_descriptors_is_found",
        spec,
        Until::Ready(wrote_ready),
    )
    .run();
}

#[test]
fn f_91_a_double_fork_with_an_overwritten_environment_is_found() {
    let spec = |dir: &_| daemon(dir, ERASE, "time.sleep(1000)");
    let name = "family::scripts::f_91_a_double_fork_with_an_overwritten_environment_is_found";
    Case::new(name, spec, Until::Ready(wrote_ready)).run();
}

#[test]
fn f_91_a_daemon_with_an_overwritten_environment_is_found_when_its_starter_has_exited() {
    let spec = |dir: &_| daemon(dir, ERASE, "pass");
    let name =
        "family::scripts::f_91_a_daemon_with_an_overwritten_environment_is_found_when_its_starter_has_exited";
    Case::new(name, spec, Until::Exited).run();
}

#[test]
fn f_92_a_leader_that_changes_its_group_and_leaves_a_member_behind_is_killed() {
    // It ignores TERM, joins the group of another child, and leaves a child in its own.
    let spec = |dir: &_| {
        python(
            dir,
            "import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
other = os.fork()
if other == 0:
    os.setpgid(0, 0)
    time.sleep(1000)
if os.fork() == 0:
    time.sleep(1000)
while True:
    try:
        os.setpgid(0, other)
        break
    except PermissionError:
        time.sleep(.01)
open('ready', 'w').close()
time.sleep(1000)",
        )
    };
    let name = "family::scripts::f_92_a_leader_that_changes_its_group_and_leaves_a_member_behind_is_killed";
    Case::new(name, spec, Until::Ready(wrote_ready)).run();
}

#[test]
fn f_93_two_hundred_forks_during_the_kill_leave_none() {
    // Each process that is asked to end starts others in sessions of their own, until there were 200.
    let spec = |dir: &_| {
        python(
            dir,
            "import os, signal, time
def more(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for n in range(200):
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            time.sleep(1000)
        time.sleep(.003)
signal.signal(signal.SIGTERM, more)
open('ready', 'w').close()
while True: time.sleep(1000)",
        )
    };
    Case::new(
        "family::scripts::f_93_two_hundred_forks_during_the_kill_leave_none",
        spec,
        Until::Ready(wrote_ready),
    )
    .run();
}

#[test]
fn f_90_without_privileges_a_family_is_ended_as_well() {
    let name = "family::scripts::f_90_without_privileges_a_family_is_ended_as_well";
    if std::env::var_os(super::TIER).is_none() && !rustix::process::geteuid().is_root() {
        return crate::support::skip(name, "only root can give up its privileges");
    }
    let spec = |dir: &_| daemon(dir, ERASE, "time.sleep(1000)");
    let tiers = &[childminder::machine::Containment::Family, childminder::machine::Containment::Subreaper];
    let case = Case { tiers, ..Case::new(name, spec, Until::Ready(wrote_ready)) };
    case.run_under(&["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
}
