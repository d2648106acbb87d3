//! PostgreSQL for tests on threads: one server, and a database from a template for each test.

use std::process::Command;
use std::thread;

use childminder::servers::Postgres;
use childminder::service::NotReadyReason;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Postgres::new()
        .template_sql("CREATE TABLE account (name text PRIMARY KEY, balance bigint NOT NULL)")
        .template_sql("INSERT INTO account VALUES ('Ada', 100)");
    let server = match server.start() {
        Err(error) if matches!(error.reason(), NotReadyReason::MissingProgram(_)) => {
            println!("skipped: {error}");
            return Ok(());
        }
        started => started?,
    };
    println!("{}", server.url());

    // Two tests change the same row at the same time, and do not disturb each other.
    thread::scope(|scope| {
        let tests = [1, 2].map(|amount| {
            let server = &server;
            scope.spawn(move || -> Result<String, String> {
                let database = server.fresh_database().map_err(|error| error.to_string())?;
                query(database.url(), &format!("UPDATE account SET balance = balance + {amount}"))?;
                query(database.url(), "SELECT balance FROM account")
            })
        });
        for test in tests {
            println!("the balance is {}", test.join().expect("no panic")?);
        }
        Ok::<(), String>(())
    })?;

    let ended = server.stop()?.expect("it was started");
    println!("stopped with {}", ended.exit);
    Ok(())
}

/// Stands for your database client.
fn query(url: &str, sql: &str) -> Result<String, String> {
    let output =
        Command::new("psql").args([url, "-Atqc", sql]).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
