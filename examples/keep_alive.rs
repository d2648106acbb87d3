//! Keeps a program alive on async-std, shows everything that happens to it, and takes it down after a while.
//!
//! The program here is a shell that says hello and dies a moment later, so that there is something to see: it comes
//! back at once when it lived long enough, and later and later when it did not.

use std::time::Duration;

use childminder::{Policy, ProcessMonitor, Spec, System};
use futures_lite::StreamExt;

#[async_std::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the programs print goes to the `log` crate, and so does what the monitor does.
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).format_timestamp_millis().init();

    let policy = Policy {
        threshold: Duration::from_millis(500),
        min_restart_delay: Duration::from_millis(100),
        ..Policy::default()
    };
    let (monitor, driver) = ProcessMonitor::builder().policy(policy).build(System::new())?;
    let driver = async_std::task::spawn(driver);

    monitor.add_process("hello", Spec::new("sh").args(["-c", "echo hello from $$; sleep 0.2; exit 3"]))?;
    let mut notices = monitor.notices();
    monitor.start_service();

    // Whoever wants to know more than the log says subscribes.
    let mut restarts = 0;
    while restarts < 3 {
        let Some(Ok(notice)) = notices.next().await else { break };
        if let childminder::machine::NoticeKind::Restarting { delay, .. } = notice.kind {
            restarts += 1;
            println!("restart {restarts} of {} in {delay:?}", notice.name);
        }
    }

    monitor.stop_service().await?;
    drop(monitor); // the last handle: the driver ends, too
    driver.await;
    println!("all gone");
    Ok(())
}
