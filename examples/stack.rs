//! Three servers in one test, started at the same time on tokio: a web server in front of an application's
//! database and cache.

use childminder::NotReady;
use childminder::servers::{Nginx, Postgres, Redis};
use childminder::service::NotReadyReason;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (database, cache) = (Postgres::new(), Redis::new());
    let web = Nginx::new()
        .location("/health", r#"return 200 "ok\n";"#)
        .adjust(|service| service.expect_http("/health").name("web"));
    // They start at the same time: the whole stack is ready when the slowest of them is. If one fails, the
    // others are stopped.
    let started = tokio::try_join!(database.start_async(), cache.start_async(), web.start_async());
    let (database, cache, web) = match started {
        Err(error) if is_missing(&error) => {
            println!("skipped: {error}");
            return Ok(());
        }
        started => started?,
    };
    for url in [database.url(), cache.url(), web.url()] {
        println!("{url}");
    }

    // … the test

    // A drop would block the runtime; this does not. The order is that of your choice.
    web.stop_async().await?;
    cache.stop_async().await?;
    database.stop_async().await?;
    println!("stopped");
    Ok(())
}

fn is_missing(error: &NotReady) -> bool {
    matches!(error.reason(), NotReadyReason::MissingProgram(_))
}
