//! Tests on threads, tokio and async-std that share one Redis, also when each runs in a process of its own.
//!
//! ```sh
//! cargo nextest run --manifest-path examples/nextest_shared/Cargo.toml
//! ```

use std::fs::OpenOptions;
use std::io::Write;

use childminder::SharedService;
use childminder::servers::Redis;
use childminder::service::{CrossProcessGuard, CrossProcessService};
use nextest_shared::visit;

static REDIS: CrossProcessService = SharedService::across_processes("redis", || Redis::new().service());

/// Returns the address of the server.
fn address(redis: &CrossProcessGuard) -> String {
    // Who checks this example wants to know how many servers were started.
    if let Some(path) = std::env::var_os("NEXTEST_SHARED_LOG") {
        let mut log = OpenOptions::new().create(true).append(true).open(path).expect("the log can be written");
        // One write, since other processes append lines at the same time.
        log.write_all(format!("{}\n", redis.pid()).as_bytes()).expect("the log can be written");
    }
    format!("127.0.0.1:{}", redis.port().expect("it has a port"))
}

#[test]
fn a_first_visit_is_counted() {
    let redis = REDIS.get().unwrap();
    assert_eq!(visit(&address(&redis), "first").unwrap(), 1);
}

#[test]
fn visits_of_one_page_add_up() {
    let redis = REDIS.get().unwrap();
    let address = address(&redis);
    let visits = [(); 3].map(|()| visit(&address, "second").unwrap());
    assert_eq!(visits, [1, 2, 3]);
}

#[test]
fn threads_do_not_lose_a_visit() {
    let redis = REDIS.get().unwrap();
    let address = address(&redis);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| visit(&address, "third").unwrap());
        }
    });
    assert_eq!(visit(&address, "third").unwrap(), 5);
}

#[tokio::test]
async fn visits_are_counted_on_tokio() {
    // The first call takes as long as the server; nothing else runs on this runtime.
    let redis = REDIS.get().unwrap();
    let address = address(&redis);
    let visited = tokio::task::spawn_blocking(move || visit(&address, "fourth")).await.unwrap();
    assert_eq!(visited.unwrap(), 1);
}

#[async_std::test]
async fn visits_are_counted_on_async_std() {
    let redis = REDIS.get().unwrap();
    let address = address(&redis);
    let visited = async_std::task::spawn_blocking(move || visit(&address, "fifth")).await;
    assert_eq!(visited.unwrap(), 1);
}
