//! Uses a monitor in a program without an executor: it runs on a thread of its own, and all calls are
//! synchronous. Dropping the monitor stops all processes.

use childminder::{Phase, ProcessMonitor, Spec, System};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let monitor = ProcessMonitor::builder().tail(100).background(System::new())?;
    monitor.add_process("helper", Spec::new("sh").args(["-c", "echo ready; exec sleep 1000"]))?;
    monitor.start_service()?;

    // Without a condition for its readiness, a process is ready when it is started.
    monitor.wait_ready("helper")?.wait()?;
    let status = monitor.status("helper").expect("it was added");
    assert_eq!(status.phase, Phase::Up);

    // Invalid calls return an error at once.
    println!("{}", monitor.add_process("helper", Spec::new("true")).expect_err("the name is in use"));
    println!("{}", monitor.stop_process("helpre").expect_err("a misspelled name"));

    // When this returns, the process and everything that it has started are gone.
    monitor.stop_service().wait()?;
    println!("{:?}, last line: {:?}", monitor.statuses()[0].phase, monitor.tail("helper", 1));
    Ok(())
}
