//! Searches every order of events for a bug in the decisions about two processes.
//!
//! ```text
//! cargo run --release --example explore
//! ```
//!
//! A web server must not run without its database. That does not follow from "start it after the database":
//! when the database dies, the server runs on. The explorer finds the shortest way to that state.

use std::error::Error;
use std::time::Duration;

use childminder::Until;
use childminder::machine::{Definition, Dependency, OnEnd};
use childminder::testkit::explore::{Explorer, StepKind};

fn main() -> Result<(), Box<dyn Error>> {
    let after_db = Dependency::new("db".parse()?, Until::Ready);

    // First idea: the server starts when the database is ready.
    let found = system(after_db.clone())?.run().expect_err("the server outlives the database");
    println!("{found}");
    assert_eq!(found.check(), "web does not work without db");
    assert_eq!(found.steps().len(), 5);

    // The scenario can be run again, for example in a test of its own.
    assert!(system(after_db.clone())?.replay(&found.scenario()).is_err());

    // Better: the server is restarted when the database ends.
    let restarted = Dependency { on_end: OnEnd::Restart, ..after_db };
    println!("with OnEnd::Restart: {}", system(restarted)?.run()?);
    Ok(())
}

fn system(dependency: Dependency) -> Result<Explorer, Box<dyn Error>> {
    let db = Definition { ready: Some(Duration::from_secs(10)), ..Definition::new(()) };
    let web = Definition { after: vec![dependency], ..Definition::new(()) };
    Ok(Explorer::new()
        .process("db".parse()?, db)
        .process("web".parse()?, web)
        // Fewer kinds of steps reach a greater depth. Here users start the service and stop processes.
        .steps([
            StepKind::StartService,
            StepKind::Stop,
            StepKind::Started,
            StepKind::FailsToStart,
            StepKind::Exits,
            StepKind::Dies,
            StepKind::Ready,
            StepKind::Time,
        ])
        .depth(9)
        // A server that was asked to end may have a moment without its database.
        .check("web does not work without db", |view| !view.is_up("web") || view.is_alive("db")))
}
