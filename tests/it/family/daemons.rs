//! Daemons from Debian's packages that put themselves into the background.

use std::net::TcpListener;
use std::path::Path;

use childminder::Spec;

use super::{Case, Until};
use crate::support::{eventually, required};

/// A port that was free a moment ago.
fn port() -> String {
    TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("it is bound").port().to_string()
}

#[test]
fn f_94_memcached_in_the_background_is_ended() {
    let name = "family::daemons::f_94_memcached_in_the_background_is_ended";
    if required(name, "memcached").is_none() {
        return;
    }
    let spec = |dir: &Path| {
        Spec::new("memcached").args(["-d", "-u", "root", "-l", "127.0.0.1", "-p", &port()]).cwd(dir)
    };
    Case::new(name, spec, Until::Exited).run();
}

#[test]
fn f_94_redis_in_the_background_is_ended() {
    let name = "family::daemons::f_94_redis_in_the_background_is_ended";
    if required(name, "redis-server").is_none() {
        return;
    }
    let spec = |dir: &Path| {
        Spec::new("redis-server").args(["--port", &port(), "--daemonize", "yes", "--save", ""]).cwd(dir)
    };
    Case::new(name, spec, Until::Exited).run();
}

#[test]
fn f_94_a_spared_daemon_lives_on() {
    use childminder::machine::Containment;
    use childminder::{Host, System};

    // One is spared by its name, the other by the empty mark; the third has neither.
    let script = "setsid sleep 1000 >/dev/null 2>&1 & echo $!
        cp $(command -v sleep) ./daemon; setsid ./daemon 1000 >/dev/null 2>&1 & echo $!
        CHILDMINDER_RUN= setsid sleep 1000 >/dev/null 2>&1 & echo $!; wait";
    for (tier, spares) in super::STRONG.into_iter().flat_map(|tier| [(tier, true), (tier, false)]) {
        let Ok(system) = System::builder().exactly(tier).build() else { continue };
        if tier == Containment::Subreaper {
            // It would change this process for good.
            continue;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let spec = Spec::new("sh").args(["-c", script]).cwd(dir.path());
        let spec = if spares { spec.spare("daemon") } else { spec };
        let mut child = crate::support::Child(system.spawn(&spec).expect("it starts"));
        let pids: Vec<u32> = (0..3).map(|_| child.line().parse().expect("a process id")).collect();
        // A shell forks before it becomes `setsid`, and that before it becomes the program.
        eventually("the programs run", || {
            let is_program = |pid: &u32| {
                std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|text| text.contains("1000") && !text.contains("set"))
            };
            pids.iter().all(is_program)
        });
        drop(child);
        let is_alive = pids.iter().map(|pid| crate::support::is_alive(*pid)).collect::<Vec<_>>();
        for pid in &pids {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process id");
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        assert_eq!(is_alive, [false, spares, true], "{tier}");
    }
}
