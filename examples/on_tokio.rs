//! The same monitor on tokio: nothing of it asks for a runtime, so `tokio::spawn` is all it takes.

use std::time::Duration;

use childminder::output::CallbackSink;
use childminder::{ProcessMonitor, Spec, System};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Each line as it comes, instead of the `log` crate.
    let lines =
        CallbackSink::new(|batch: &childminder::output::Batch<'_>, line: childminder::output::Line<'_>| {
            println!("{} said: {}", batch.name(), line.text());
        });
    let (monitor, driver) = ProcessMonitor::builder().sink(lines).build(System::new())?;
    let driver = tokio::spawn(driver);

    monitor.add_process(
        "ticker",
        Spec::new("sh").args(["-c", "for i in 1 2 3; do echo tick $i; done; sleep 60"]),
    )?;
    monitor.start_service();
    while monitor.status("ticker").is_none_or(|status| status.pid.is_none()) {
        tokio::task::yield_now().await;
    }

    // Tickets are futures like any other.
    let stopped = async { monitor.stop_process("ticker")?.await.map_err(Box::<dyn std::error::Error>::from) };
    stopped.await?;
    monitor.hold_process("ticker")?.await?;
    println!("{}", monitor.status("ticker").expect("it was added").phase);

    let patience = Duration::from_secs(30);
    drop(monitor);
    futures_lite::future::or(async { Ok(driver.await?) }, async {
        async_io::Timer::after(patience).await;
        Err("the driver should have ended".into())
    })
    .await
}
