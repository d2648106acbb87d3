//! The choice of a tier, and its report.

use std::fs::File;
use std::iter;
use std::time::Duration;

use childminder::machine::{Containment, ContainmentError};
use childminder::{Host, Policy, ProcessMonitor, Spec, System};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{PORTABLE, alone, alone_under, eventually, skip};

/// Returns the error of a tier that is not available.
fn unavailable(tier: Containment) -> ContainmentError {
    let error = System::builder().exactly(tier).build().expect_err("it is not available");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    let inner = error.into_inner().expect("it has a cause");
    *inner.downcast::<ContainmentError>().expect("the cause is typed")
}

#[test]
fn f_96_the_default_is_the_family_and_stronger_tiers_are_used_on_request_only() {
    if PORTABLE {
        return assert_eq!(System::new().containment(), Containment::Group);
    }
    assert_eq!(System::new().containment(), Containment::Family);
    let system = System::builder().exactly(Containment::Group).build().expect("it is always there");
    assert_eq!(system.containment(), Containment::Group);
    let at_most = System::builder().at_most(Containment::Family).build().expect("it need not be strong");
    assert_eq!(at_most.containment(), Containment::Family);
}

#[test]
fn f_96_every_process_and_its_status_report_the_tier() {
    let system = System::new();
    let tier = system.containment();
    let spec = Spec::new("sleep").arg("1000");
    assert_eq!(system.spawn(&spec).expect("it starts").containment(), tier);
    let shared = spec.clone().own_group(false);
    assert_eq!(system.spawn(&shared).expect("it starts").containment(), Containment::Group);
    let monitor = ProcessMonitor::background(system).expect("a monitor");
    monitor.add_process("it", spec).expect("it is added");
    monitor.start_service().unwrap();
    eventually("it is up", || monitor.status("it").is_some_and(|status| status.containment == Some(tier)));
    monitor.stop_service().wait().expect("it stops");
    assert_eq!(monitor.status("it").expect("it is known").containment, None);
}

#[test]
fn f_96_with_the_proc_of_another_pid_namespace_a_family_cannot_be_searched() {
    const NAME: &str =
        "family::tiers::f_96_with_the_proc_of_another_pid_namespace_a_family_cannot_be_searched";
    if PORTABLE || !rustix::process::geteuid().is_root() {
        return skip(NAME, "it needs pidfds, and root for a namespace");
    }
    alone_under(&["unshare", "--pid", "--fork", "--kill-child"], NAME, || {
        assert_eq!(System::new().containment(), Containment::Group);
        for tier in [Containment::Family, Containment::Subreaper] {
            let error = unavailable(tier);
            assert_eq!(error.requested(), tier);
            assert_eq!(
                error.to_string(),
                format!(
                    "containment `{tier}` is not available; missing: a /proc that shows the PID namespace of this process"
                )
            );
        }
    });
}

#[test]
fn f_96_a_control_group_that_cannot_be_created_is_an_error_that_says_so() {
    const NAME: &str = "family::tiers::f_96_a_control_group_that_cannot_be_created_is_an_error_that_says_so";
    if PORTABLE || !rustix::process::geteuid().is_root() {
        return skip(NAME, "it needs pidfds, and root that can give up its privileges");
    }
    alone(NAME, || {
        crate::support::drop_privileges();
        let error = unavailable(Containment::Cgroup);
        assert_eq!(error.requested(), Containment::Cgroup);
        assert!(error.missing().starts_with("cannot create a control group in "), "{error}");
        let system = System::builder().at_most(Containment::Cgroup).build().expect("it need not be strong");
        assert_eq!(system.containment(), Containment::Subreaper);
    });
}

/// A stop must not fail because the program around it has used up its descriptors.
#[test]
fn f_381_a_stop_of_any_tier_needs_no_descriptor() {
    const NAME: &str = "family::tiers::f_381_a_stop_of_any_tier_needs_no_descriptor";
    // The program with a member of its group, which would live very long without the stop signal; one that
    // ignores it; and a member outside of the group, which only gets KILL.
    let pair = |ignore: &str, more: &str| format!("{ignore} sleep 1000 & {more} : > ready; wait");
    let obedient = (pair("", ""), Duration::from_secs(1000));
    let stubborn = (pair("trap '' TERM;", ""), Duration::from_millis(50));
    let spread = (pair("", "setsid sleep 1000 &"), Duration::from_millis(50));
    alone(NAME, || {
        let limit = getrlimit(Resource::Nofile);
        for tier in [Containment::Group, Containment::Family, Containment::Subreaper, Containment::Cgroup] {
            for (script, kill_time) in [&obedient, &stubborn, &spread] {
                let Ok(system) = System::builder().exactly(tier).build() else {
                    skip(NAME, &format!("there is no containment `{tier}`"));
                    continue;
                };
                if tier == Containment::Group && *script == spread.0 {
                    continue;
                }
                let dir = tempfile::tempdir().expect("a directory");
                let monitor = ProcessMonitor::background(system).expect("a monitor");
                let policy = Policy { kill_time: *kill_time, ..Policy::default() };
                let spec = Spec::new("sh").args(["-c", script]).cwd(dir.path()).policy(policy);
                monitor.add_process("it", spec).expect("it is added");
                monitor.start_service().expect("it starts");
                eventually("it is ready", || dir.path().join("ready").exists());
                setrlimit(Resource::Nofile, Rlimit { current: Some(100), ..limit }).expect("a lower limit");
                let hogs: Vec<File> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
                let stopped = monitor.stop_service().wait();
                drop(hogs);
                setrlimit(Resource::Nofile, limit).expect("the former limit");
                assert!(stopped.is_ok(), "{tier}, {script}: {stopped:?}");
            }
        }
    });
}
