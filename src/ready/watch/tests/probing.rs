//! Commands, and the check before the start that addresses are free.

use super::*;
use crate::host::{ProbeError, ProbeOwner, ProbeTarget};

fn check() -> Condition {
    Condition::command(Spec::new("check"))
}

#[test]
fn a_command_is_repeated_until_it_succeeds() {
    let trial = Trial::new(Script::new(), check());
    let failing = || Script::new().lives(millis(10)).exits(Exit::Code(2));
    let printing = failing().prints(millis(0), Stream::Stdout, "checking\n");
    trial.sim.script("check", printing.prints(millis(10), Stream::Stderr, "first\nno response  \n"));
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
fn sv_20_the_last_line_of_a_failing_command_is_reported() {
    let trial = Trial::new(Script::new().lives(millis(50)), check());
    let script = Script::new().exits(Exit::Code(2)).prints(millis(0), Stream::Stdout, "no response\n");
    trial.sim.script("check", script);
    assert!(trial.verdict().ends_with("command check: missing after 50.0ms (code 2: no response)\n"));
    let trial = Trial::new(Script::new().lives(millis(50)), check());
    assert!(trial.verdict().contains("(cannot find the program check: "));
}

#[test]
fn sv_21_a_command_is_killed_when_its_result_is_not_needed_any_more() {
    let trial = Trial::new(Script::new().lives(millis(50)), check());
    trial.sim.script("check", Script::new().ignores_term());
    trial.verdict();
    trial.sim.advance(SECOND);
    assert_eq!(trial.sim.live(), 0, "{}", trial.sim.trace());
}

fn free(host: SimWithServers, condition: Condition) -> Result<(), String> {
    let trial = Trial::with_servers(host, Script::new(), condition.clone());
    let host: Arc<dyn Host> = trial.host.clone();
    let free = trial.sim.block_on(check_free(&host, &condition, &Spec::new("x")));
    assert!(trial.is_at_rest());
    free.map_err(|taken| taken.to_string())
}

fn nginx() -> Result<ProbeOwner, ProbeError> {
    Ok(ProbeOwner::Stranger("pid 7 (nginx)".to_owned()))
}

#[test]
fn sv_18_f_82_an_address_in_use_is_found_before_the_start() {
    let taken = |target: &ProbeTarget| SimWithServers::new().server(target.clone(), millis(0), nginx());
    let port = ProbeTarget::Port(80);
    assert_eq!(free(SimWithServers::new(), Condition::port(80)), Ok(()));
    let error = free(taken(&port), Condition::any([Condition::port(81), Condition::port(80)])).unwrap_err();
    assert_eq!(error, "port 80 is already in use by pid 7 (nginx)");
    // Which answer the server would give does not matter.
    let error = free(taken(&port), Condition::http(80, "/health")).unwrap_err();
    assert_eq!(error, "port 80 is already in use by pid 7 (nginx)");
    let error = free(taken(&ProbeTarget::Unix("/s".into())), Condition::unix("/s")).unwrap_err();
    assert_eq!(error, "socket /s is already in use by pid 7 (nginx)");
    assert_eq!(free(taken(&port), Condition::port(80).by_any_process()), Ok(()));
}

#[test]
fn f_82_an_address_whose_server_accepts_no_connection_is_in_use() {
    let host = SimWithServers::new().server(ProbeTarget::Port(80), millis(0), None);
    let error = free(host, Condition::port(80)).unwrap_err();
    assert_eq!(
        error,
        "port 80 is already in use; its process cannot be determined: it does not accept connections"
    );
}
