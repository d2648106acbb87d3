//! Limits and priorities of a child: they are those of the child only, and a refusal names the field.

use std::fs;

use childminder::host::{IoPriority, Limit, Resource};
use childminder::machine::SpawnStep;
use childminder::{Exit, Host, Spec, System};

use crate::support::{Census, Child, alone, drop_privileges, run, skip, status_field};

fn sleeper() -> Spec {
    Spec::new("sleep").arg("1000")
}

/// Returns the soft and the hard limit of a process, as `/proc` shows them.
fn limits(pid: u32, name: &str) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it is alive");
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("a line for each limit");
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    (words.next().expect("soft"), words.next().expect("hard"))
}

fn nice(pid: u32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is alive");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    fields.split_ascii_whitespace().nth(16).expect("the field").parse().expect("a number")
}

fn oom_score(pid: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("it is alive");
    text.trim().parse().expect("a number")
}

/// Returns the class and the level of the I/O priority.
#[expect(unsafe_code, reason = "no library has this call")]
fn io_priority(pid: u32) -> (i64, i64) {
    const WHO_PROCESS: i32 = 1;
    // SAFETY: takes no pointers.
    let value = unsafe { libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, pid) };
    (value >> 13, value & 7)
}

#[test]
fn f_210_limits_are_those_of_the_child_only() {
    let own = limits(std::process::id(), "Max open files");
    let spec = sleeper().limit(Resource::OpenFiles, 20, 40).limit(Resource::CoreFileSize, 0, 0).limit(
        Resource::StackSize,
        1 << 20,
        None,
    );
    let child = Child::start(&spec).expect("it starts");
    let pair = |name| limits(child.id(), name);
    assert_eq!(pair("Max open files"), ("20".into(), "40".into()));
    assert_eq!(pair("Max core file size"), ("0".into(), "0".into()));
    assert_eq!(pair("Max stack size"), ("1048576".into(), limits(std::process::id(), "Max stack size").1));
    assert_eq!(limits(std::process::id(), "Max open files"), own);
    // The limit applies: descriptor 5 is refused.
    let script = "exec 3</dev/null; exec 4</dev/null; echo four; exec 5</dev/null; echo five";
    let (exit, out, _) = run(&Spec::new("sh").args(["-c", script]).limit(Resource::OpenFiles, 5, 5));
    assert!(out == "four\n" && exit != Exit::Code(0), "{exit} {out}");
    // Without a hard limit, the soft limit is at most the inherited one.
    let hard = own.1;
    let child = Child::start(&sleeper().open_files(Limit::UNLIMITED)).expect("it starts");
    assert_eq!(limits(child.id(), "Max open files"), (hard.clone(), hard));
}

#[test]
fn f_211_priorities_are_those_of_the_child_only() {
    let own = std::process::id();
    let before = (nice(own), oom_score(own), io_priority(own));
    let spec = sleeper()
        .nice(before.0 + 3)
        .oom_score_adj(before.1.max(0) + 7)
        .io_priority(IoPriority::BestEffort(6));
    for spec in [spec.clone(), spec.clone().die_with_parent(true), spec.own_group(false)] {
        let child = Child::start(&spec).expect("it starts");
        let pid = child.id();
        assert_eq!(
            (nice(pid), oom_score(pid), io_priority(pid)),
            (before.0 + 3, before.1.max(0) + 7, (2, 6))
        );
        // The child shares the memory of this process when it sets them.
        assert_eq!((nice(own), oom_score(own), io_priority(own)), before);
    }
    let child = Child::start(&sleeper().io_priority(IoPriority::Idle)).expect("it starts");
    assert_eq!(io_priority(child.id()).0, 3);
}

#[test]
fn f_210_a_refused_value_is_an_error_with_its_step_and_runs_nothing() {
    const NAME: &str = "sys::attributes::f_210_a_refused_value_is_an_error_with_its_step_and_runs_nothing";
    if !rustix::process::geteuid().is_root() {
        return skip(NAME, "only root can drop privileges");
    }
    alone(NAME, || {
        let limits = [Resource::CoreFileSize, Resource::DataSize];
        let all = limits.into_iter().fold(sleeper(), |spec, resource| spec.limit(resource, 1 << 30, 1 << 30));
        let child = Child::start(&all).expect("root may lower all limits");
        drop(child);
        let lower = |resource| {
            let limit = rustix::process::Rlimit { current: Some(1000), maximum: Some(1000) };
            rustix::process::setrlimit(resource, limit).expect("a lower limit");
        };
        lower(rustix::process::Resource::Core);
        lower(rustix::process::Resource::Msgqueue);
        drop_privileges();
        let before = Census::take();
        for (spec, step, subject, errno) in [
            (sleeper().nice(-20), SpawnStep::Nice, "-20", libc::EACCES),
            (sleeper().oom_score_adj(-900), SpawnStep::OomScore, "-900", libc::EACCES),
            (
                sleeper().io_priority(IoPriority::RealTime(2)),
                SpawnStep::IoPriority,
                "real-time 2",
                libc::EPERM,
            ),
            (
                sleeper().limit(Resource::CpuTime, 9, 9).limit(Resource::MessageQueues, 7, Limit::UNLIMITED),
                SpawnStep::Limit,
                "msgqueue=7:unlimited",
                libc::EPERM,
            ),
            (all, SpawnStep::Limit, "core=1073741824:1073741824", libc::EPERM),
        ] {
            let error = System::new().spawn(&spec).expect_err("not allowed");
            assert_eq!((error.step(), error.raw_os_error()), (step, Some(errno)), "{error}");
            assert_eq!(error.subject(), subject);
        }
        Census::take().assert_unchanged_since(&before);
    });
}

#[test]
fn f_210_root_raises_a_limit_for_another_user() {
    const NAME: &str = "sys::attributes::f_210_root_raises_a_limit_for_another_user";
    // CAP_SETGID, CAP_SETUID, CAP_SYS_NICE and CAP_SYS_RESOURCE.
    const NEEDED: u64 = 1 << 6 | 1 << 7 | 1 << 23 | 1 << 24;
    let capabilities = status_field(std::process::id(), "CapEff").expect("it is alive");
    let capabilities = u64::from_str_radix(&capabilities, 16).expect("a number");
    if capabilities & NEEDED != NEEDED {
        return skip(NAME, "this process may not raise limits or start a process of another user");
    }
    let spec = sleeper().uid(65_534).gid(65_534).nice(-3).limit(Resource::Nice, 30, 30);
    let child = Child::start(&spec).expect("it starts");
    assert_eq!(nice(child.id()), -3);
    assert_eq!(limits(child.id(), "Max nice priority"), ("30".into(), "30".into()));
}
