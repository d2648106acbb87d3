//! A program without an executor, such as a test: the monitor runs on a thread of its own, and everything is a plain
//! call. Dropping the monitor takes all processes down.

use childminder::{Phase, ProcessMonitor, Spec, System};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let monitor = ProcessMonitor::builder().tail(100).background(System::new())?;
    monitor.add_process("helper", Spec::new("sh").args(["-c", "echo ready; exec sleep 1000"]))?;
    let mut notices = monitor.notices();
    monitor.start_service();

    // The first thing that happens to it is that it starts. (Waiting until it is *ready* comes with a later release.)
    if let Some(Ok(notice)) = notices.wait() {
        println!("{notice}");
    }
    let status = monitor.status("helper").expect("it was added");
    assert_eq!(status.phase, Phase::Up);

    // A mistake is told at once.
    println!("{}", monitor.add_process("helper", Spec::new("true")).expect_err("the name is taken"));
    println!("{}", monitor.stop_process("helpre").expect_err("a typing error"));

    // When this returns, the process and all that it started are gone.
    monitor.stop_service().wait()?;
    println!("{:?}, last words: {:?}", monitor.statuses()[0].phase, monitor.tail("helper", 1));
    Ok(())
}
