//! Calls and timeouts.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use childminder::plan::PlanErrorKind;
use childminder::testkit::{Script, Sim};
use childminder::{Host, PlanError};

use super::{fails, lives, passes, plan, secs};

#[test]
fn pl_19_calls_are_made_in_their_place_once_in_each_run() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("a", lives(1.0, 0));
    let calls = Arc::new(AtomicU32::new(0));
    let mut plan = plan(&sim);
    let (world, counter) = (sim.clone(), calls.clone());
    plan.call("count", move || {
        counter.fetch_add(1, Ordering::Relaxed);
        world.note("called");
    });
    let a = plan.spawn("a")?;
    let world = sim.clone();
    plan.call_async("look", move || {
        let world = world.clone();
        async move {
            world.note("looked");
            Ok::<(), io::Error>(())
        }
    });
    plan.wait(a, 0)?;
    for (run, story) in [
        (1, "0.0 called\n0.0 spawn a#1\n0.0 looked\n1.0 exit a#1 code 0\n1.0 reap a#1"),
        (2, "1.0 called\n1.0 spawn a#2\n1.0 looked\n2.0 exit a#2 code 0\n2.0 reap a#2"),
    ] {
        passes(&sim, &plan, story);
        assert_eq!(calls.load(Ordering::Relaxed), run);
    }
    Ok(())
}

fn wail() {
    panic!("what now")
}

#[test]
fn pl_19_an_error_or_a_panic_of_a_call_fails_the_plan() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("a", Script::new());
    let killed = "0.0 spawn a#1\n0.0 signal a#1 KILL\n0.0 exit a#1 signal KILL\n0.0 reap a#1";
    let story = |number: u32| killed.replace("#1", &format!("#{number}"));

    let mut returns = plan(&sim);
    returns.spawn("a")?;
    returns.call("try", || Err(io::Error::other("no luck")));
    let error = fails(&sim, &returns, 2, "no luck", &story(1));
    let source = std::error::Error::source(&error).expect("the error itself");
    assert!(source.downcast_ref::<io::Error>().is_some());

    let mut panics = plan(&sim);
    panics.spawn("a")?;
    panics.call("try", wail);
    fails(&sim, &panics, 2, "the call panicked: what now", &story(2));

    let mut panics = plan(&sim);
    panics.spawn("a")?;
    panics.call_async("try", async || wail());
    let error = fails(&sim, &panics, 2, "the call panicked: what now", &story(3));
    assert!(matches!(error.kind(), PlanErrorKind::CallPanicked(_)));
    Ok(())
}

#[test]
fn pl_14_19_a_call_that_takes_too_long_is_dropped() -> Result<(), PlanError> {
    struct Loud(Sim);

    impl Drop for Loud {
        fn drop(&mut self) {
            self.0.note("dropped");
        }
    }

    let sim = Sim::new();
    sim.script("a", Script::new());
    let mut plan = plan(&sim);
    plan.timeout(secs(3.0))?;
    plan.spawn("a")?;
    let world = sim.clone();
    plan.call_async("hang", move || {
        let loud = Loud(world.clone());
        async move {
            std::future::pending::<()>().await;
            drop(loud);
        }
    });
    fails(
        &sim,
        &plan,
        2,
        "timed out after 3s",
        "0.0 spawn a#1
         3.0 dropped
         3.0 signal a#1 KILL
         3.0 exit a#1 signal KILL
         3.0 reap a#1",
    );
    Ok(())
}

#[test]
fn pl_10_an_exit_during_a_call_fails_at_that_instant() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("a", lives(1.0, 0));
    let mut plan = plan(&sim);
    let a = plan.spawn("a")?;
    let world = sim.clone();
    plan.call_async("sleep", move || world.sleep_until(world.now() + secs(5.0)));
    plan.wait(a, 0)?;
    fails(
        &sim,
        &plan,
        2,
        "a ended with code 0, and this step does not expect it to end",
        "0.0 spawn a#1
         1.0 exit a#1 code 0
         1.0 reap a#1",
    );
    Ok(())
}

#[test]
fn pl_14_each_step_has_its_own_timeout() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("a", lives(100.0, 0));
    sim.script("b", lives(30.0, 0));
    let mut plan = plan(&sim);
    let [a, b] = plan.spawn_all(["a", "b"])?;
    plan.wait(b, 0)?.within(secs(30.0))?;
    plan.wait(a, 0)?;
    // The first one ends exactly at its timeout. The 20 s of the second one begin when it begins.
    fails(
        &sim,
        &plan,
        3,
        "timed out after 20s while waiting for a",
        "0.0 spawn a#1
         0.0 spawn b#2
         30.0 exit b#2 code 0
         30.0 reap b#2
         50.0 signal a#1 KILL
         50.0 exit a#1 signal KILL
         50.0 reap a#1",
    );
    Ok(())
}

#[test]
fn a_running_process_accepts_input_though_it_never_reads() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("a", lives(1.0, 0));
    let mut plan = plan(&sim);
    let a = plan.spawn("a")?;
    let _ = plan.send_input(a, "hello")?;
    let _ = plan.close_input(a)?;
    let _ = plan.wait(a, 0)?;
    passes(&sim, &plan, "0.0 spawn a#1\n1.0 exit a#1 code 0\n1.0 reap a#1");
    Ok(())
}
