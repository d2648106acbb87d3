//! Keeps a program running on async-std, prints its restarts, and stops it after three of them.
//!
//! The program is a shell that prints a line and fails a moment later. Because its runs are short, the
//! restart delays grow.

use std::time::Duration;

use childminder::{Policy, ProcessMonitor, Spec, System};
use futures_lite::StreamExt;

#[async_std::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The output of programs and the events of the monitor go to the `log` crate.
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
    monitor.start_service()?;

    // A subscription delivers the same events as data.
    let mut restarts = 0;
    while restarts < 3 {
        let Some(Ok(notice)) = notices.next().await else { break };
        if let childminder::machine::NoticeKind::Restarting { delay, .. } = notice.kind {
            restarts += 1;
            println!("restart {restarts} of {} in {delay:?}", notice.name);
        }
    }

    monitor.stop_service().await?;
    drop(monitor); // This is the last handle, so the driver ends.
    driver.await;
    println!("stopped");
    Ok(())
}
