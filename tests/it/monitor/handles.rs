//! Handles: weak ones, the end of a monitor, and waits for a driver that is not polled.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use childminder::monitor::{AddError, CommandError, StopErrorKind, WeakMonitor};
use childminder::output::Batch;
use childminder::testkit::{Script, Sim};
use childminder::{NotDriven, ProcessMonitor, Sink, StopError, System, Ticket};
use futures_lite::future::poll_once;

use super::{expect, monitor, secs};

fn not_driven(error: &StopError) -> &NotDriven {
    match error.kind() {
        StopErrorKind::NotDriven(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn f_86_a_ticket_fails_after_5_s_if_the_driver_is_never_polled() {
    let sim = Sim::new();
    let (monitor, _driver) = ProcessMonitor::new(sim.clone());
    sim.script("web", Script::new());
    monitor.add_process("web", ["web"]).unwrap();
    monitor.start_process("web").unwrap();
    let error = sim.block_on(monitor.stop_service()).unwrap_err();
    assert_eq!(sim.elapsed(), secs(5.0));
    assert_eq!(
        error.to_string(),
        "the driver has not been polled for 5s; run it on an executor that this wait does not block, or give it a \
         thread with `background`"
    );
    assert_eq!(error.survivors(), []);
}

#[test]
fn f_86_a_ticket_fails_if_the_driver_is_polled_no_more() {
    let sim = Sim::new();
    let (monitor, mut driver) = ProcessMonitor::new(sim.clone());
    sim.script("deaf", Script::new().ignores_term());
    monitor.add_process("deaf", ["deaf"]).unwrap();
    monitor.start_service().unwrap();
    assert_eq!(sim.block_on(poll_once(&mut driver)), None);
    let mut ticket = monitor.stop_service();
    assert!(sim.block_on(poll_once(&mut ticket)).is_none());
    assert_eq!(sim.block_on(poll_once(&mut driver)), None);
    // It was polled after the command, and then not at the deadline for KILL.
    not_driven(&sim.block_on(ticket).unwrap_err());
    assert_eq!(sim.elapsed(), secs(10.0));
}

#[test]
fn f_86_a_long_stop_is_no_error_while_the_driver_is_polled() {
    let (sim, monitor) = monitor();
    sim.script("deaf", Script::new().ignores_term());
    let policy = childminder::Policy { kill_time: secs(3600.0), ..Default::default() };
    monitor.add_process("deaf", childminder::Spec::new("deaf").policy(policy)).unwrap();
    monitor.start_service().unwrap();
    sim.run_until_idle();
    sim.block_on(monitor.stop_service()).unwrap();
    assert_eq!(sim.elapsed(), secs(3600.0));
}

/// Stops the monitor and waits, when there is a line.
struct WaitingSink {
    monitor: Arc<Mutex<Option<WeakMonitor>>>,
    results: mpsc::Sender<Result<(), StopError>>,
}

impl Sink for WaitingSink {
    fn lines(&mut self, _: &Batch<'_>) {
        let monitor = self.monitor.lock().unwrap().as_ref().and_then(WeakMonitor::upgrade).unwrap();
        let _ = self.results.send(monitor.stop_service().wait());
    }
}

#[test]
fn f_87_wait_on_the_thread_that_polls_the_driver_fails_at_once() {
    let (results, received) = mpsc::channel();
    let handle = Arc::new(Mutex::new(None));
    let sink = WaitingSink { monitor: handle.clone(), results };
    let monitor = ProcessMonitor::builder().sink(sink).inline().background(System::new()).unwrap();
    *handle.lock().unwrap() = Some(monitor.downgrade());
    monitor.add_process("talk", ["sh", "-c", "echo hello; exec sleep 1000"]).unwrap();
    monitor.start_process("talk").unwrap();
    let error = received.recv_timeout(secs(30.0)).unwrap().unwrap_err();
    assert_eq!(
        not_driven(&error).to_string(),
        "cannot block the thread that is polling the driver, for example from a sink; await the ticket in another \
         task, or wait on another thread"
    );
    // The stop itself goes on.
    assert_eq!(monitor.stop_service().wait(), Ok(()));
}

#[test]
fn f_87_the_thread_of_a_sink_may_wait_for_a_stop() {
    let (results, received) = mpsc::channel();
    let handle = Arc::new(Mutex::new(None));
    let sink = WaitingSink { monitor: handle.clone(), results };
    let monitor = ProcessMonitor::builder().sink(sink).background(System::new()).unwrap();
    *handle.lock().unwrap() = Some(monitor.downgrade());
    monitor.add_process("talk", ["sh", "-c", "echo hello; exec sleep 1000"]).unwrap();
    monitor.start_process("talk").unwrap();
    assert_eq!(received.recv_timeout(secs(30.0)).unwrap(), Ok(()));
}

#[test]
fn a_weak_handle_does_not_keep_the_monitor_open() {
    let (sim, monitor) = monitor();
    let weak = monitor.downgrade();
    sim.script("web", Script::new());
    weak.upgrade().unwrap().add_process("web", ["web"]).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    let other = weak.upgrade().unwrap();
    drop(monitor);
    sim.advance(secs(1.0));
    assert!(other.is_running());
    drop(other);
    assert!(weak.upgrade().is_none());
    sim.run_until_idle();
    expect(
        &sim,
        "0.0 spawn web#1
         2.0 signal web#1 TERM
         2.0 signal web#1 CONT
         2.0 exit web#1 signal TERM
         2.0 reap web#1",
    );
}

#[test]
fn close_ends_the_driver_although_there_are_handles() {
    let sim = Sim::new();
    let (monitor, driver) = ProcessMonitor::new(sim.clone());
    let ended = {
        let (sender, ended) = mpsc::channel();
        sim.spawn(async move {
            driver.await;
            sender.send(()).unwrap();
        });
        ended
    };
    sim.script("web", Script::new().exits_after_term(secs(2.0)));
    monitor.add_process("web", ["web"]).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    let other = monitor.clone();
    let ticket = monitor.close();
    assert!(!ticket.is_done());
    assert_eq!(other.add_process("late", ["web"]), Err(AddError::Closed));
    assert_eq!(other.start_process("web"), Err(CommandError::Closed));
    other.start_service().unwrap();
    let second: Ticket = other.close();
    assert_eq!(sim.block_on(ticket), Ok(()));
    assert_eq!((ended.try_recv(), sim.elapsed(), sim.live()), (Ok(()), secs(3.0), 0));
    assert_eq!(sim.block_on(second), Ok(()));
    assert_eq!(other.close().wait(), Ok(()), "a third time, when the driver has ended");
    assert!(other.notices().wait().is_none());
}

#[test]
fn close_waits_for_the_thread_of_a_background_monitor() {
    let monitor = ProcessMonitor::background(System::new()).unwrap();
    monitor.add_process("sleeper", ["sleep", "1000"]).unwrap();
    monitor.start_service().unwrap();
    let other = monitor.clone();
    assert_eq!(monitor.close().wait(), Ok(()));
    assert_eq!(other.status("sleeper").unwrap().pid, None);
}
