//! Three bugs that are planted into the machine are found, each by a short way.

use std::time::Duration;

use super::{Counterexample, Explorer, ReplayError};
use crate::machine::mutant::{Mutant, Planted};
use crate::machine::{Definition, Dependency, GiveUp, OnGiveUp, Policy, Until};

#[test]
fn f_197_an_exit_that_is_applied_to_the_next_run_is_found() {
    let policy = Policy { give_up: None, ..Policy::default() };
    let explorer = Explorer::new().process(name("a"), Definition { policy, ..Definition::new(()) });
    let found = expect(Mutant::OldExit, &explorer);
    assert_eq!(found.check(), "what comes late changes nothing", "{found}");
}

#[test]
fn f_198_a_start_on_the_readiness_of_an_earlier_run_is_found() {
    let db = Definition { ready: Some(Duration::from_secs(10)), ..Definition::new(()) };
    let after = vec![Dependency::new(name("db"), Until::Ready)];
    let web = Definition { after, ..Definition::new(()) };
    let explorer = Explorer::new().process(name("db"), db).process(name("web"), web);
    let found = expect(Mutant::StaleReadiness, &explorer);
    assert_eq!(found.check(), "nothing is started before its dependencies permit it", "{found}");
}

#[test]
fn f_327_a_start_by_hand_that_counts_as_a_failure_is_found() {
    for within in [None, Some(Duration::from_secs(3))] {
        let give_up = Some(GiveUp { failures: 3, within, then: OnGiveUp::StayDown });
        let policy = Policy { give_up, ..Policy::default() };
        let explorer = Explorer::new().process(name("a"), Definition { policy, ..Definition::new(()) });
        let found = expect(Mutant::CountedStart, &explorer);
        assert_eq!(found.check(), "the policy decides what follows a run", "{found}");
    }
}

/// Returns what is found with a planted bug, by the search and by random walks. Without the bug there is
/// nothing.
fn expect(mutant: Mutant, explorer: &Explorer) -> Counterexample {
    let planted = Planted::new(mutant);
    let found = explorer.run().unwrap_err();
    assert!(found.steps().len() <= 8, "{found}");
    let walked = explorer.walks(10_000, 40, 1).unwrap_err();
    assert!(walked.steps().len() <= 8, "{walked}");
    assert_eq!(explorer.replay(&found.scenario()), Err(ReplayError::Found(found.clone())));
    drop(planted);
    assert_eq!(explorer.replay(&found.scenario()), Ok(()));
    found
}

fn name(name: &str) -> crate::Name {
    name.parse().unwrap()
}
