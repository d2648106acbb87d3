//! The steps that a plan records.

use std::time::Duration;

use childminder::machine::Stream;
use childminder::ready::OutputMatch;
use childminder::testkit::{Script, Sim};
use childminder::{Condition, Exit, Plan, PlanError, Signal, Spec};

/// Returns an empty plan in a world with these programs.
fn plan(programs: &[&str]) -> Plan {
    let sim = Sim::new();
    for program in programs {
        sim.script(*program, Script::new());
    }
    Plan::on(sim, "test").unwrap()
}

#[test]
fn pl_1_2_test_transient_process() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("echo", Script::new());
    let mut plan = Plan::on(sim.clone(), "test")?;
    let process = plan.spawn(["echo", "foo"])?;
    plan.wait(process, 0)?;
    assert_eq!(plan.ops(), ["spawn echo: echo foo", "wait for echo: code 0"]);
    assert_eq!(sim.trace(), "", "nothing has run");
    Ok(())
}

#[test]
fn pl_1_2_test_kill() -> Result<(), PlanError> {
    let sim = Sim::new();
    sim.script("sleep", Script::new());
    let mut plan = Plan::on(sim.clone(), "test")?;
    let process = plan.spawn(["sleep", "5"])?;
    plan.kill(process, Signal::TERM)?;
    assert_eq!(plan.ops(), ["spawn sleep: sleep 5", "kill sleep with TERM: signal TERM"]);
    assert_eq!(sim.trace(), "", "nothing has run");
    Ok(())
}

#[test]
fn pl_2_a_plan_is_displayed_as_its_script() -> Result<(), PlanError> {
    let mut plan = plan(&["/usr/bin/redis-server", "ask", "sort"]);
    let redis = plan.spawn(["/usr/bin/redis-server", "--port", "0"])?;
    plan.wait_until(redis, Condition::all([Condition::port(6379), Condition::output("ready")]))?
        .within(Duration::from_secs(5))?;
    let [one, two] = plan.spawn_all([["ask", "a b"], ["ask", "it's"]])?;
    plan.wait_all([(one, Exit::success()), (two, Exit::Code(1))])?.within(Duration::from_millis(1500))?;
    let sort = plan.spawn_as("sorter", Spec::new("sort").arg("-u").env("SECRET", "x"))?;
    plan.send_input(sort, "b\na\n")?;
    plan.send_input(sort, [b'x'; 100])?;
    plan.close_input(sort)?;
    plan.wait_for_output(sort, "a")?;
    plan.wait_for_output(sort, OutputMatch::regex("^b$").on(Stream::Stdout).times(2))?;
    plan.wait(sort, Exit::any())?;
    plan.call("look at the database", || ());
    plan.call_async("look again", async || Ok::<(), std::io::Error>(())).within(Duration::from_secs(1))?;
    plan.kill_with(redis, Signal::INT, 0)?;
    assert_eq!(
        plan.to_string(),
        r#"plan test
   1  spawn redis-server: /usr/bin/redis-server --port 0
   2  wait until redis-server: port 6379 and output "ready", within 5s
   3  spawn all: ask: ask 'a b'; ask-1: ask 'it'\''s'
   4  wait for all: ask: code 0; ask-1: code 1, within 1.5s
   5  spawn sorter: sort -u
   6  send sorter: "b\na\n"
   7  send sorter: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" (100 bytes)
   8  close the input of sorter
   9  wait for sorter: output "a"
  10  wait for sorter: output matching /^b$/ on stdout, 2 times
  11  wait for sorter: any exit status
  12  call look at the database
  13  call look again, within 1s
  14  kill redis-server with INT: code 0"#
    );
    assert_eq!(format!("{plan:?}"), plan.to_string());
    assert_eq!(plan.ops().len(), 14);
    assert_eq!(plan.name(), "test");
    Ok(())
}

#[test]
fn pl_5_names_are_numbered_from_the_second_on() -> Result<(), PlanError> {
    let mut plan = plan(&["/usr/bin/python3", "python3", "./my server", "..."]);
    plan.spawn("/usr/bin/python3")?;
    plan.spawn("python3")?;
    plan.spawn_all(["python3", "./my server", "..."])?;
    plan.spawn_as("python3-4", "python3")?;
    plan.spawn("python3")?;
    plan.spawn("python3")?;
    plan.spawn("./my server")?;
    assert_eq!(
        plan.ops(),
        [
            "spawn python3: /usr/bin/python3",
            "spawn python3-1: python3",
            "spawn all: python3-2: python3; my_server: './my server'; process: ...",
            "spawn python3-4: python3",
            "spawn python3-3: python3",
            "spawn python3-5: python3",
            "spawn my_server-1: './my server'",
        ]
    );
    Ok(())
}

#[test]
fn pl_5_a_numbered_name_does_not_exceed_the_length_limit() -> Result<(), PlanError> {
    let long = "x".repeat(64);
    let mut plan = plan(&[&long]);
    for _ in 0..11 {
        plan.spawn(&*long)?;
    }
    let names: Vec<String> =
        plan.ops().iter().map(|op| op.split(' ').nth(1).unwrap().trim_end_matches(':').to_owned()).collect();
    assert_eq!(names[0], long);
    assert_eq!(names[1], format!("{}-1", &long[..62]));
    assert_eq!(names[10], format!("{}-10", &long[..61]));
    assert!(names.iter().all(|name| name.len() == 64));
    Ok(())
}

#[test]
fn pl_1_a_plan_can_be_extended_after_it_was_cloned() -> Result<(), PlanError> {
    let mut plan = plan(&["a", "b"]);
    let a = plan.spawn("a")?;
    let mut longer = plan.clone();
    let b = longer.spawn("b")?;
    longer.wait_all([(a, 0), (b, 0)])?;
    plan.wait(a, 1)?;
    assert_eq!(plan.ops(), ["spawn a: a", "wait for a: code 1"]);
    assert_eq!(longer.ops(), ["spawn a: a", "spawn b: b", "wait for all: a: code 0; b: code 0"]);
    let error = plan.wait(b, 0).unwrap_err();
    assert_eq!(error.kind().to_string(), "the process belongs to another plan");
    Ok(())
}
