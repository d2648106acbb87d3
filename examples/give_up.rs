//! Gives a program up that fails repeatedly, stops everything with it, and exits with a status that says so.
//!
//! The delays, and the time until the program is given up, are known before anything is started.

use std::time::Duration;

use childminder::backoff::Growth;
use childminder::machine::{GiveUp, OnGiveUp};
use childminder::monitor::StoppedError;
use childminder::{Policy, ProcessMonitor, Spec, System};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let policy = Policy {
        min_restart_delay: Duration::from_millis(100),
        growth: Growth::Linear(Duration::from_millis(100)),
        give_up: Some(GiveUp { failures: 4, within: Some(Duration::from_secs(30)), then: OnGiveUp::StopAll }),
        ..Policy::default()
    };
    let delays: Vec<String> = policy.schedule().map(|delay| delay.to_string()).collect();
    println!("delays: {}", delays.join(", "));
    if let Some(time) = policy.time_until_gives_up(Duration::from_millis(10)) {
        println!("with runs of 10 ms it is given up after {time}");
    }

    let monitor = ProcessMonitor::builder().tail(10).background(System::new())?;
    let broken = Spec::new("sh").args(["-c", "echo no such table; exit 3"]);
    monitor.add_process("broken", broken.policy(policy))?;
    monitor.add_process("bystander", Spec::new("sleep").arg("1000"))?;
    monitor.start_service()?;

    match monitor.wait_stopped().wait() {
        Err(StoppedError::GaveUp(name)) => {
            println!("everything has stopped because of {name}");
            if let Some(why) = monitor.why(&name) {
                println!("{why}");
            }
            // Another program, such as a container runtime, would now see a status other than 0.
            Ok(())
        }
        other => Err(format!("{other:?} is not what was expected").into()),
    }
}
