//! After which runs a process is restarted.

use childminder::machine::ExitSet;
use childminder::{Exit, Phase, Policy, Restart, Signal};

use super::harness::Harness;

fn policy(restart: Restart) -> Policy {
    let success = ExitSet::default().code(3).signal(Signal::TERM);
    Policy { restart, success, ..Policy::default() }
}

#[test]
fn f_171_a_process_is_restarted_after_the_runs_that_its_policy_names() {
    let signal = |signal| Exit::Signal { signal, core: false };
    let good = [Exit::Code(0), Exit::Code(3), signal(Signal::TERM)];
    let bad = [Exit::Code(1), signal(Signal::KILL), Exit::Lost];
    for (restart, after_success, after_failure) in [
        (Restart::Always, Phase::Waiting, Phase::Waiting),
        (Restart::OnFailure, Phase::Completed, Phase::Waiting),
        (Restart::Never, Phase::Completed, Phase::Failed),
    ] {
        let exits = good.map(|exit| (exit, after_success)).into_iter();
        for (exit, phase) in exits.chain(bad.map(|exit| (exit, after_failure))) {
            let mut harness = Harness::running();
            harness.add_with("job", policy(restart));
            harness.exit("job", exit);
            assert_eq!(harness.phase("job"), phase, "{restart} after {exit}");
            let last = harness.sentences().pop().unwrap();
            let expected = match phase {
                Phase::Completed => "job#1 has completed and is not started again",
                Phase::Failed => "job#1 has failed and is not started again",
                _ => "job#1 starts again in 1.0 s",
            };
            assert_eq!(last, expected, "{restart} after {exit}");
            harness.advance(10_000.0);
            assert_eq!(harness.up(), if phase == Phase::Waiting { "job" } else { "" });
        }
    }
}

#[test]
fn f_171_a_start_that_fails_is_a_failure() {
    for (restart, phase) in [(Restart::Never, Phase::Failed), (Restart::OnFailure, Phase::Waiting)] {
        let mut harness = Harness::running();
        harness.refuse("job", Some(libc::ENOENT));
        harness.add_with("job", policy(restart));
        assert_eq!(harness.phase("job"), phase, "{restart}");
    }
}

#[test]
fn f_171_a_stop_by_a_command_is_a_restart_under_every_policy() {
    for restart in [Restart::Never, Restart::OnFailure] {
        for exit in [Exit::Code(0), Exit::Code(1)] {
            let mut harness = Harness::running();
            harness.add_with("job", policy(restart));
            harness.advance(2.0);
            harness.stop("job");
            harness.exit("job", exit);
            harness.advance(0.0);
            assert_eq!(harness.up(), "job", "{restart} after {exit}");
        }
    }
}

#[test]
fn f_172_what_has_completed_stays_down_until_it_is_started_or_the_service_is() {
    let mut harness = Harness::running();
    harness.add_with("job", policy(Restart::Never));
    harness.code("job", 0);
    harness.stop("job");
    harness.restart_all();
    harness.start_service();
    harness.hold("job");
    assert_eq!(harness.phase("job"), Phase::Held);
    harness.release("job");
    harness.advance(10.0);
    assert_eq!(harness.phase("job"), Phase::Completed);
    harness.start("job");
    assert_eq!(harness.phase("job"), Phase::Up);
    harness.code("job", 1);
    assert_eq!(harness.phase("job"), Phase::Failed);
    harness.stop_service();
    assert_eq!(harness.phase("job"), Phase::Failed, "the result stays visible");
    harness.start_service();
    assert_eq!(harness.phase("job"), Phase::Up, "a new start of the service is a new job");
}

#[test]
fn a_process_started_in_a_stopped_service_neither_completes_nor_fails() {
    let mut harness = Harness::new();
    harness.add_with("job", policy(Restart::Never));
    harness.start("job");
    harness.code("job", 0);
    assert_eq!(harness.phase("job"), Phase::Down);
    harness.start_service();
    assert_eq!(harness.up(), "job");
}

#[test]
fn f_172_a_process_that_is_held_while_it_waits_is_not_announced_as_starting_again() {
    let mut harness = Harness::running();
    harness.add("web");
    harness.code("web", 1);
    harness.take_log();
    harness.hold("web");
    assert_eq!(harness.take_log(), ["web is held"]);
    assert_eq!((harness.next_start("web"), harness.phase("web")), (None, Phase::Held));
    harness.hold("web");
    harness.release("web");
    harness.release("web");
    assert_eq!(harness.take_log(), ["web is no longer held", "web#2 started, pid 102"]);
}

#[test]
fn the_status_has_the_policy_and_the_time_of_kill() {
    let mut harness = Harness::running();
    harness.add_with("web", policy(Restart::OnFailure));
    assert_eq!(harness.status("web").policy, policy(Restart::OnFailure));
    assert_eq!(harness.status("web").kill_at, None);
    harness.advance(2.0);
    harness.stop("web");
    assert_eq!(harness.status("web").kill_at, Some(harness.now() + policy(Restart::OnFailure).kill_time));
    harness.advance(5.0);
    assert_eq!((harness.status("web").kill_at, harness.phase("web")), (None, Phase::Ending));
}
