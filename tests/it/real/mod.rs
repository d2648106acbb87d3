//! The monitor with real processes. Each test runs on five executors; every wait has a deadline, and no test
//! sleeps.

mod endings;
mod flood;
mod handles;
mod input;
mod lives;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use childminder::machine::NoticeKind;
use childminder::output::Batch;
use childminder::{MonitorBuilder, Notice, Notices, Policy, ProcessMonitor, Sink, Spec, System};
use futures_lite::StreamExt;
use futures_lite::future::or;

use crate::support::PATIENCE;

/// Runs an `async fn` as a test on every supported executor.
macro_rules! every_runtime {
    ($($body:ident),* $(,)?) => { $(
        mod $body {
            #[test]
            fn async_std() {
                async_std::task::block_on(async_std::task::spawn(super::$body()));
            }

            #[test]
            fn smol() {
                smol::block_on(smol::spawn(super::$body()));
            }

            #[test]
            fn futures_lite() {
                futures_lite::future::block_on(super::$body());
            }

            /// Without `enable_io` and `enable_time`, since childminder must not need tokio's drivers.
            #[test]
            fn tokio_multi_thread() {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
                runtime.block_on(async { tokio::spawn(super::$body()).await.unwrap() });
            }

            #[test]
            fn tokio_current_thread() {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(super::$body());
            }
        }
    )* };
}
pub(crate) use every_runtime;

/// Runs `body` beside the driver of a monitor. Afterwards the monitor must end and leave nothing behind.
async fn with_monitor<T, F: Future<Output = T>>(
    builder: MonitorBuilder,
    body: impl FnOnce(ProcessMonitor) -> F,
) -> T {
    with_monitor_on(System::new(), builder, body).await
}

/// Runs `body` beside the driver of a monitor on this system.
async fn with_monitor_on<T, F: Future<Output = T>>(
    system: System,
    builder: MonitorBuilder,
    body: impl FnOnce(ProcessMonitor) -> F,
) -> T {
    let (monitor, driver) = builder.build(system).unwrap();
    let mut driver = std::pin::pin!(driver);
    let result = or(
        async {
            or(&mut driver, late("the body")).await;
            panic!("the driver ended too early")
        },
        body(monitor),
    )
    .await;
    or(driver, late("the end of the driver")).await;
    result
}

async fn late(what: &str) {
    async_io::Timer::after(PATIENCE).await;
    panic!("{what} did not come within {PATIENCE:?}");
}

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script])
}

/// Returns a policy with short delays, so that tests are short.
fn hasty() -> Policy {
    Policy {
        threshold: Duration::from_millis(100),
        kill_time: Duration::from_millis(300),
        min_restart_delay: Duration::from_millis(10),
        ..Policy::default()
    }
}

fn builder() -> MonitorBuilder {
    ProcessMonitor::builder().policy(hasty())
}

/// Returns the next notice that `pick` accepts.
async fn hear<T>(notices: &mut Notices, mut pick: impl FnMut(&Notice) -> Option<T>) -> T {
    loop {
        match notices.next().await.expect("the monitor has ended") {
            Ok(notice) => {
                if let Some(picked) = pick(&notice) {
                    return picked;
                }
            }
            Err(lagged) => panic!("{lagged}"),
        }
    }
}

async fn started(notices: &mut Notices, name: &str) -> u32 {
    hear(notices, |notice| match notice.kind {
        NoticeKind::Started { pid } if &*notice.name == name => Some(pid),
        _ => None,
    })
    .await
}

/// A sink that keeps every line.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Kept {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for a line with this ending.
    async fn line(&self, end: &str) -> String {
        loop {
            if let Some(line) = self.all().iter().find(|line| line.ends_with(end)) {
                return line.clone();
            }
            futures_lite::future::yield_now().await;
        }
    }
}

impl Sink for Kept {
    fn lines(&mut self, batch: &Batch<'_>) {
        let mut kept = self.0.lock().unwrap();
        kept.extend(batch.lines().map(|line| format!("{}: {}", batch.name(), line.text())));
    }
}

fn now() -> Instant {
    Instant::now()
}
