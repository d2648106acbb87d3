//! What is asked: commands, and whether the place is free before the start.

use super::*;
use crate::host::{ProbeError, ProbeOwner, ProbeTarget};

fn check() -> Condition {
    Condition::command(Spec::new("check"))
}

#[test]
fn a_command_is_run_until_it_succeeds_and_its_last_words_are_kept() {
    let trial = Trial::new(Script::new(), check());
    let failing = || Script::new().lives(millis(10)).exits(Exit::Code(2));
    let said = failing().prints(millis(0), Stream::Stdout, "checking\n");
    trial.sim.script("check", said.prints(millis(10), Stream::Stderr, "first\nno response  \n"));
    trial.sim.script("check", failing());
    trial.sim.script("check", Script::new().lives(millis(10)));
    assert_eq!(trial.verdict(), "ready after 230ms\n  command check: met after 230.0ms\n");
    assert_eq!(
        trial.sim.trace(),
        "0.0 spawn web#1\n0.0 spawn check#2\n0.01 exit check#2 code 2\n0.01 reap check#2\n\
         0.11 spawn check#3\n0.12 exit check#3 code 2\n0.12 reap check#3\n\
         0.22 spawn check#4\n0.23 exit check#4 code 0\n0.23 reap check#4\n"
    );
}

#[test]
fn sv_20_a_command_that_fails_says_why() {
    let trial = Trial::new(Script::new().lives(millis(50)), check());
    let script = Script::new().exits(Exit::Code(2)).prints(millis(0), Stream::Stdout, "no response\n");
    trial.sim.script("check", script);
    assert!(trial.verdict().ends_with("command check: missing after 50.0ms (code 2: no response)\n"));
    let trial = Trial::new(Script::new().lives(millis(50)), check());
    assert!(trial.verdict().contains("(cannot find the program check: "));
}

#[test]
fn sv_21_a_command_is_killed_when_it_is_not_needed_any_more() {
    let trial = Trial::new(Script::new().lives(millis(50)), check());
    trial.sim.script("check", Script::new().ignores_term());
    trial.verdict();
    trial.sim.advance(SECOND);
    assert_eq!(trial.sim.live(), 0, "{}", trial.sim.trace());
}

fn free(town: Town, condition: Condition) -> Result<(), String> {
    let trial = Trial::in_town(town, Script::new(), condition);
    let free = trial.sim.block_on(trial.watch.check_free(&Spec::new("x")));
    assert!(trial.is_at_rest());
    free.map_err(|taken| taken.to_string())
}

fn nginx() -> Result<ProbeOwner, ProbeError> {
    Ok(ProbeOwner::Stranger("pid 7 (nginx)".to_owned()))
}

#[test]
fn sv_18_f_82_a_place_that_is_taken_is_seen_before_the_start() {
    let taken = |target: &ProbeTarget| Town::new().door(target.clone(), millis(0), nginx());
    let port = ProbeTarget::Port(80);
    assert_eq!(free(Town::new(), Condition::port(80)), Ok(()));
    let error = free(taken(&port), Condition::any([Condition::port(81), Condition::port(80)])).unwrap_err();
    assert_eq!(error, "port 80 is taken already by pid 7 (nginx)");
    // Whatever its answer would be.
    let error = free(taken(&port), Condition::http(80, "/health")).unwrap_err();
    assert_eq!(error, "port 80 is taken already by pid 7 (nginx)");
    let error = free(taken(&ProbeTarget::Unix("/s".into())), Condition::unix("/s")).unwrap_err();
    assert_eq!(error, "socket /s is taken already by pid 7 (nginx)");
    assert_eq!(free(taken(&port), Condition::port(80).by_anybody()), Ok(()));
}

#[test]
fn f_82_who_takes_no_connection_is_there_all_the_same() {
    let town = Town::new().door(ProbeTarget::Port(80), millis(0), None);
    let error = free(town, Condition::port(80)).unwrap_err();
    assert_eq!(error, "port 80 is taken already; by whom cannot be told: it does not take the connection");
}
