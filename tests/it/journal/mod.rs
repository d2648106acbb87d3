//! The journal of a monitor: its recording, its replay, and what is wrong with a file.

mod bounds;
mod damaged;
mod format;
mod replay;
mod walk;
mod what_if;

use std::path::Path;
use std::time::Duration;

use childminder::journal::{Journal, JournalFile};
use childminder::machine::{Dependency, GiveUp, OnEnd, OnGiveUp, SpawnStep, Stream};
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Policy, ProcessMonitor, Signal, Spec, Until};

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Creates a monitor in a new world that records its journal.
fn monitor(file: JournalFile) -> (Sim, ProcessMonitor) {
    let sim = Sim::new();
    let builder = ProcessMonitor::builder().journal(file).unwrap();
    let (monitor, driver) = builder.build(sim.clone()).unwrap();
    sim.spawn(driver);
    (sim, monitor)
}

/// Records a night in which all kinds of things happen.
fn night(path: &Path) -> Journal {
    let (sim, monitor) = monitor(JournalFile::new(path));
    sim.script("db", Script::fails(SpawnStep::Exec, libc::EACCES));
    sim.script("db", Script::new().lives(secs(100.0)).exits(Exit::Code(1)).leaves_behind(2));
    sim.script("db", Script::new().prints(secs(0.5), Stream::Stderr, "up \"and\" ready\n").ignores_term());
    sim.script(
        "web",
        Script::new().lives(secs(0.3)).exits(Exit::Code(7)).prints(secs(0.1), Stream::Stdout, "bye\n"),
    );
    let give_up = Some(GiveUp { failures: 5, within: Some(secs(60.0)), then: OnGiveUp::StayDown });
    let policy = Policy { give_up, ..Policy::default() };
    let on = Dependency { on_end: OnEnd::Restart, ..Dependency::new("db".parse().unwrap(), Until::Started) };
    monitor
        .add_process("web", Spec::new("web").env("SECRET", "hunter2").policy(policy).after_with(on))
        .unwrap();
    monitor.add_process("db", Spec::new("db").arg("--fast")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(150.0));
    assert!(monitor.signal_process("db", Signal::HUP).unwrap());
    monitor.start_process("web").unwrap();
    drop(monitor.hold_process("db").unwrap());
    sim.advance(secs(20.0));
    monitor.replace_process("db", Spec::new("db").arg("--safe")).unwrap();
    monitor.release_process("db").unwrap();
    monitor.set_policy("web", Policy::kubernetes()).unwrap();
    sim.advance(secs(2000.0));
    drop(monitor.restart_all());
    sim.advance(secs(20.0));
    drop(monitor.remove_process("web").unwrap());
    sim.block_on(monitor.stop_service()).unwrap();
    drop(monitor.kill_service());
    sim.block_on(monitor.close()).unwrap();
    sim.drop_futures();
    Journal::read(path).unwrap_or_else(|error| panic!("{error}"))
}
