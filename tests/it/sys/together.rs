//! Processes that are started together: created by two threads, and otherwise as one after the other.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use childminder::host::Process;
use childminder::machine::Stream;
use childminder::{Exit, Host, SpawnError, Spec, System};

use crate::support::{Child, PORTABLE, alone, eventually, skip};

/// The number of processes that a monitor starts at once.
const CROWD: usize = 16;

fn sh(script: &str) -> Arc<Spec> {
    Arc::new(Spec::new("sh").args(["-c", script]))
}

/// Prints its number, its group and the signals that it ignores.
fn numbered(number: usize) -> Arc<Spec> {
    sh(&format!("echo {number} $(cut -d' ' -f5 /proc/$$/stat) $$; grep SigIgn /proc/$$/status"))
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

fn threads_named(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc").flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}

fn check_numbered(number: usize, started: Result<Box<dyn Process>, SpawnError>) {
    let mut child = Child(started.expect("it starts"));
    let pid = child.0.id();
    let out = child.read_to_end(Stream::Stdout);
    assert_eq!(out, format!("{number} {pid} {pid}\nSigIgn:\t0000000000000000\n"));
    assert_eq!(child.exit(), Exit::Code(0));
}

#[test]
fn f_390_each_of_those_that_start_together_has_its_own_result() {
    alone("sys::together::f_390_each_of_those_that_start_together_has_its_own_result", || {
        for system in [System::new(), System::with_strongest_containment().expect("a system")] {
            let mut specs: Vec<_> = (0..CROWD).map(numbered).collect();
            specs[3] = Arc::new(Spec::new("/does/not/exist"));
            specs[7] = Arc::new(Spec::new("sh").args(["-c", "exit 7"]).cwd("/does/not/exist"));
            specs[9] = Arc::new(Spec::new("/etc/passwd"));
            let alone = |number: usize| system.spawn(&specs[number]).expect_err("it fails").to_string();
            let errors = [3, 7, 9].map(|number| (number, alone(number)));
            let before = descriptors();
            for _ in 0..20 {
                let results = system.spawn_all(&specs, None);
                assert_eq!(results.len(), CROWD);
                for (number, result) in results.into_iter().enumerate() {
                    match errors.iter().find(|(failing, _)| *failing == number) {
                        Some((_, error)) => assert_eq!(result.expect_err("it fails").to_string(), *error),
                        None => check_numbered(number, result),
                    }
                }
            }
            eventually("no descriptor is left", || descriptors() <= before);
        }
    });
}

#[test]
fn f_390_a_start_together_ends_when_its_time_is_over() {
    alone("sys::together::f_390_a_start_together_ends_when_its_time_is_over", || {
        let system = System::with_strongest_containment().expect("a system");
        let specs: Vec<_> = (0..CROWD).map(numbered).collect();
        let before = descriptors();
        for micros in [0, 100, 300, 1000] {
            let now = system.now();
            let results = system.spawn_all(&specs, Some(now + Duration::from_micros(micros)));
            assert!((1..=CROWD).contains(&results.len()), "{}", results.len());
            assert!(micros > 0 || results.len() <= 2, "{} were started too late", results.len());
            results.into_iter().enumerate().for_each(|(number, result)| check_numbered(number, result));
        }
        eventually("no descriptor is left", || descriptors() <= before);
    });
}

/// `PR_SET_PDEATHSIG` of a program refers to the thread that has created its process, and affinity and
/// priority come from there.
#[test]
fn f_390_the_second_thread_lives_as_long_as_the_first_and_shares_its_properties() {
    const NAME: &str =
        "sys::together::f_390_the_second_thread_lives_as_long_as_the_first_and_shares_its_properties";
    if PORTABLE || thread::available_parallelism().is_ok_and(|count| count.get() < 2) {
        return skip(NAME, "there is no second thread without pidfds or a second processor");
    }
    alone(NAME, || {
        let nice = || -> Arc<Spec> { sh("cut -d' ' -f19 /proc/$$/stat") };
        thread::spawn(move || {
            rustix::process::nice(5).expect("a lower priority");
            let system = System::new();
            for _ in 0..10 {
                for started in system.spawn_all(&[(); CROWD].map(|()| nice()), None) {
                    let mut child = Child(started.expect("it starts"));
                    assert_eq!(child.read_to_end(Stream::Stdout), "5\n");
                    child.exit();
                }
                assert_eq!(threads_named("childminder-2"), 1);
            }
        })
        .join()
        .expect("the first thread");
        eventually("the second thread ends", || threads_named("childminder-2") == 0);
    });
}

#[test]
fn f_390_those_that_start_together_have_control_groups_of_their_own() {
    alone("sys::together::f_390_those_that_start_together_have_control_groups_of_their_own", || {
        let Ok(system) = System::builder().exactly(childminder::machine::Containment::Cgroup).build() else {
            return skip("control groups", "they are not available here");
        };
        let specs = [(); CROWD].map(|()| sh("grep '^0::' /proc/$$/cgroup"));
        let mut groups: Vec<String> = Vec::new();
        for started in system.spawn_all(&specs, None) {
            let mut child = Child(started.expect("it starts"));
            groups.push(child.read_to_end(Stream::Stdout));
            child.exit();
        }
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(groups.len(), CROWD, "{groups:?}");
        let path = |group: &String| PathBuf::from(group.trim_end().trim_start_matches("0::"));
        assert!(groups.iter().all(|group| {
            path(group).file_name().is_some_and(|name| name.to_string_lossy().starts_with("childminder-"))
        }));
    });
}
