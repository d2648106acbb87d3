//! Tests supervision in virtual time: two hours of an unreliable server, in milliseconds.
//!
//! What is tested here is your own configuration and code, such as the policy, or the reaction to a crash.
//! `Sim` takes the place of `System`, and no real process is started.

use std::time::{Duration, Instant};

use childminder::testkit::{Script, Sim};
use childminder::{Exit, Policy, ProcessMonitor, Signal, Spec};

#[expect(clippy::disallowed_methods, reason = "the example prints how little real time passes")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let real = Instant::now();
    let sim = Sim::new();

    // The behaviour of the first, second and third run of the server, and of all further ones.
    sim.script("server", Script::new().lives(Duration::from_secs(3600)).exits(Exit::Code(1)));
    sim.script("server", Script::new().lives(Duration::from_millis(300)).exits(Exit::Code(1)));
    sim.script("server", Script::fails(childminder::machine::SpawnStep::Fork, libc::EAGAIN));
    sim.script("server", Script::new().ignores_term());

    let policy = Policy { kill_time: Duration::from_secs(10), ..Policy::default() };
    let (monitor, driver) = ProcessMonitor::builder().policy(policy).build(sim.clone())?;
    sim.spawn(driver);

    monitor.add_process("server", Spec::new("server").stop_signal(Signal::INT))?;
    monitor.start_service()?;
    sim.advance(Duration::from_secs(7200));
    sim.note("two hours later");
    sim.block_on(monitor.stop_service())?;

    let trace = sim.trace();
    assert_eq!(
        trace,
        "0.0 spawn server#1\n\
         3600.0 exit server#1 code 1\n\
         3600.0 reap server#1\n\
         3600.0 spawn server#2\n\
         3600.3 exit server#2 code 1\n\
         3600.3 reap server#2\n\
         3601.3 fail server#3 cannot create a process for server: \
         Resource temporarily unavailable (os error 11)\n\
         3603.3 spawn server#4\n\
         7200.0 two hours later\n\
         7200.0 signal server#4 INT\n\
         7200.0 signal server#4 CONT\n\
         7210.0 signal server#4 KILL\n\
         7210.0 exit server#4 signal KILL\n\
         7210.0 reap server#4\n"
    );
    print!("{trace}");
    println!("two hours took {:?}", real.elapsed());
    Ok(())
}
