//! The smallest plan: start a program, and expect it to succeed.

use childminder::{Exit, Plan, PlanError};

fn main() -> Result<(), PlanError> {
    let mut plan = Plan::new("echo")?;
    let echo = plan.spawn(["echo", "hello"])?;
    plan.wait(echo, Exit::success())?;

    println!("{plan}");
    let report = plan.run()?;
    println!("done in {:.1?}", report.took());
    Ok(())
}
