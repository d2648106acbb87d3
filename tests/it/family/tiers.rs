//! The choice of a tier, and its report.

use childminder::machine::{Containment, ContainmentError};
use childminder::{Host, ProcessMonitor, Spec, System};

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
