//! Finds a worker that hangs without exiting, by a check of its health, and restarts it.
//!
//! The worker keeps a file as long as it works. Its first run removes the file after half a second and then
//! does nothing, as a program does that waits for a lock forever.

use std::time::Duration;

use childminder::machine::NoticeKind;
use childminder::ready::Liveness;
use childminder::{Condition, Policy, ProcessMonitor, Spec, System};

const WORKER: &str = "
    touch working
    if mkdir once 2>/dev/null; then sleep 0.5; rm working; echo now it hangs; fi
    exec sleep 1000
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("childminder-health-{}", std::process::id()));
    std::fs::create_dir(&dir)?;

    // The command of a condition succeeds or fails; ports, sockets and HTTP requests are other conditions.
    let works = || Condition::command(Spec::new("test").args(["-e", "working"]).cwd(&dir));
    let liveness = Liveness { every: Duration::from_millis(100), failures: 3, ..Liveness::default() };
    let policy = Policy { min_restart_delay: Duration::from_millis(100), ..Policy::default() };
    let worker = Spec::new("sh")
        .args(["-c", WORKER])
        .cwd(&dir)
        .policy(policy)
        .ready(works())
        .ready_timeout(Duration::from_secs(10))
        .alive(works(), liveness);

    let monitor = ProcessMonitor::background(System::new())?;
    monitor.add_process("worker", worker)?;
    let mut notices = monitor.notices();
    monitor.start_service()?;

    let mut times_ready = 0;
    for notice in notices.iter() {
        let notice = notice?;
        println!("{notice}");
        times_ready += u32::from(matches!(notice.kind, NoticeKind::Ready));
        if times_ready == 2 {
            break;
        }
    }
    monitor.stop_service().wait()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
