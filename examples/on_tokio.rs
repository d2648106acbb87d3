//! Runs a monitor on tokio. The driver is a future that needs no particular runtime.

use std::time::Duration;

use childminder::output::CallbackSink;
use childminder::{ProcessMonitor, Spec, System};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Prints each line instead of logging it.
    let lines =
        CallbackSink::new(|batch: &childminder::output::Batch<'_>, line: childminder::output::Line<'_>| {
            println!("{} printed: {}", batch.name(), line.text());
        });
    let (monitor, driver) = ProcessMonitor::builder().sink(lines).build(System::new())?;
    let driver = tokio::spawn(driver);

    monitor.add_process(
        "ticker",
        Spec::new("sh").args(["-c", "for i in 1 2 3; do echo tick $i; done; sleep 60"]),
    )?;
    monitor.start_service()?;
    while monitor.status("ticker").is_none_or(|status| status.pid.is_none()) {
        tokio::task::yield_now().await;
    }

    // A ticket is a future.
    let stopped = async { monitor.stop_process("ticker")?.await.map_err(Box::<dyn std::error::Error>::from) };
    stopped.await?;
    monitor.hold_process("ticker")?.await?;
    println!("{}", monitor.status("ticker").expect("it was added").phase);

    let timeout = Duration::from_secs(30);
    drop(monitor);
    futures_lite::future::or(async { Ok(driver.await?) }, async {
        async_io::Timer::after(timeout).await;
        Err("the driver did not end in time".into())
    })
    .await
}
