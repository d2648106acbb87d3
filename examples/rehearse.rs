//! Chooses a restart policy by numbers: one day of a worker whose queue is down for a minute at noon.
//!
//! ```text
//! cargo run --release --example rehearse
//! ```
//!
//! Until its queue is back, the worker exits at once. Which policy has it back soon, does not give up, and
//! does not start it a thousand times in that minute?

use std::error::Error;
use std::time::Duration;

use childminder::machine::Definition;
use childminder::testkit::rehearse::{Behaviour, Happening, Scenario};
use childminder::{Exit, Name, Policy};

fn main() -> Result<(), Box<dyn Error>> {
    let policies = [
        ("twisted", Policy::twisted()),
        ("supervisord", Policy::supervisord()),
        ("kubernetes", Policy::kubernetes()),
        ("docker", Policy::docker()),
    ];
    let noon = Duration::from_secs(12 * 3600);
    for (title, policy) in policies {
        let worker: Name = "worker".parse()?;
        let lasts = Duration::from_secs(60);
        let day = Scenario::new()
            .process(worker.clone(), Definition { policy, ..Definition::new(()) })
            .behaves("worker", Behaviour::new().start_takes(Duration::from_millis(500)))
            .at(noon, Happening::Breaks { name: worker, exit: Exit::Code(1), lasts })
            .run()?;
        let worker = day.process("worker").ok_or("it was added")?;
        let end = match worker.given_up.first() {
            Some(given_up) => given_up.notice.clone(),
            None => format!("back after {:.1} s", worker.longest_outage.as_secs_f64()),
        };
        println!("{title}: {} restarts, {end}", worker.restarts);
    }
    Ok(())
}
