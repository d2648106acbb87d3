//! Random walks: events, stale events and time in any order, with checks after every step.

use std::io;

use proptest::prelude::*;

use super::*;
use crate::drive::laws;
use crate::host::{ProbeError, ProbeOwner, Spec};
use crate::ready::condition::Node;
use crate::ready::leaf::AttemptResult;

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A failure prints the shortest walk that shows it.
    #[test]
    fn f_84_f_85_every_walk_ends_with_one_correct_verdict(
        condition in condition(),
        steps in prop::collection::vec(any::<u16>(), 0..60),
    ) {
        let mut walk = Walk::new(&condition);
        for step in steps {
            walk.step(step);
        }
        walk.run_to_verdict();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn f_85_the_laws_of_state_machines_hold(
        condition in condition(),
        steps in prop::collection::vec(any::<u16>(), 0..40),
    ) {
        let mut walk = Walk::new(&condition);
        for step in steps {
            walk.step(step);
            let stale = (0..walk.leaves.len()).map(|leaf| walk.stale_event(leaf));
            laws::check(&walk.gate, walk.now, stale, |gate| format!("{gate:?}"));
        }
    }
}

/// Generates conditions of any shape, with every kind of leaf.
fn condition() -> impl Strategy<Value = Condition> {
    let leaf = (0..7_u64).prop_map(|kind| match kind {
        0 | 1 => Condition::uptime(Duration::from_millis(kind * 300)),
        2 => Condition::output("x"),
        3 => Condition::port(80),
        4 => Condition::port(81).by_any_process(),
        5 => Condition::command(Spec::new("x")),
        _ => Condition::notify(3),
    });
    leaf.prop_recursive(3, 10, 3, |inner| {
        let parts = prop::collection::vec(inner, 1..4);
        (any::<bool>(), parts).prop_map(
            |(all, parts)| {
                if all { Condition::all(parts) } else { Condition::any(parts) }
            },
        )
    })
}

const TIMEOUT: Duration = Duration::from_secs(1);

/// A gate, its environment, and the expected state of both.
struct Walk {
    gate: Gate,
    condition: Condition,
    leaves: Vec<Leaf>,
    now: Instant,
    started: Option<Instant>,
    dead: bool,
    /// Whether the gate waits for the result of `CheckAlive`.
    is_checking: bool,
    /// By leaf.
    met: Vec<bool>,
    in_flight: Vec<Option<u32>>,
    verdict: Option<bool>,
}

impl Walk {
    fn new(condition: &Condition) -> Self {
        let leaves = FlatCondition::new(condition).leaves;
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an instant to begin at")]
        let now = Instant::now();
        Self {
            gate: Gate::new(&FlatCondition::new(condition), TIMEOUT),
            condition: condition.clone(),
            now,
            started: None,
            dead: false,
            is_checking: false,
            met: vec![false; leaves.len()],
            in_flight: vec![None; leaves.len()],
            verdict: None,
            leaves,
        }
    }

    fn step(&mut self, step: u16) {
        let leaf = usize::from(step >> 8) % self.leaves.len();
        let choice = u64::from(step >> 12);
        match step & 0x0f {
            0..=2 => self.start(),
            3 | 4 => self.feed_leaf(leaf),
            5..=7 => self.end_attempt(leaf, choice),
            8 => self.stale(leaf),
            9 => self.event(Event::Printed),
            10 => self.check_alive(),
            11 => self.gate.handle_timeout(self.now), // early
            12 | 13 => self.tick(),
            14 => self.now += Duration::from_millis(choice * 20),
            _ => {
                if choice == 0 && self.started.is_some() {
                    self.dead = true;
                    self.event(Event::Exited(Exit::Code(0)));
                }
            }
        }
        self.settle();
    }

    fn start(&mut self) {
        if self.started.is_none() && !self.dead {
            self.started = Some(self.now);
            self.event(Event::Started(7));
        }
    }

    fn feed_leaf(&mut self, leaf: usize) {
        let event = match self.leaves[leaf] {
            Leaf::Output(_) => LeafEvent::Matched(1),
            Leaf::Notify(_) | Leaf::SdNotify => LeafEvent::Met,
            Leaf::Uptime(_) | Leaf::Probe { .. } | Leaf::Command(_) => LeafEvent::Remark("hm".to_owned()),
        };
        self.met[leaf] |= self.started.is_some() && !matches!(event, LeafEvent::Remark(_));
        self.event(Event::Leaf(leaf, event));
    }

    fn end_attempt(&mut self, leaf: usize, choice: u64) {
        let Some(attempt) = self.in_flight[leaf].take() else { return };
        let refused = || ProbeError::from(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        let (answer, met) = match (&self.leaves[leaf], choice % 4) {
            (Leaf::Command(_), 0) => (AttemptResult::Command(Ok(())), true),
            (Leaf::Command(_), _) => (AttemptResult::Command(Err("no".to_owned())), false),
            (_, 0) => (AttemptResult::Probe(Ok(ProbeOwner::Own)), true),
            (Leaf::Probe { any_owner, .. }, 1) => {
                (AttemptResult::Probe(Ok(ProbeOwner::Stranger("x".to_owned()))), *any_owner)
            }
            (_, _) => (AttemptResult::Probe(Err(refused())), false),
        };
        self.met[leaf] |= met;
        self.event(Event::Leaf(leaf, LeafEvent::Attempt(attempt, answer)));
    }

    /// Feeds the result of an attempt that is not in flight.
    fn stale(&mut self, leaf: usize) {
        let event = self.stale_event(leaf);
        self.event(event);
    }

    fn stale_event(&self, leaf: usize) -> Event {
        let attempt = self.in_flight[leaf].map_or(0, |attempt| attempt - 1);
        let answer = AttemptResult::Probe(Ok(ProbeOwner::Own));
        Event::Leaf(leaf, LeafEvent::Attempt(attempt, answer))
    }

    fn check_alive(&mut self) {
        if std::mem::take(&mut self.is_checking) {
            self.event(if self.dead { Event::Exited(Exit::Code(0)) } else { Event::Alive });
        }
    }

    fn tick(&mut self) {
        if let Some(at) = self.gate.poll_timeout() {
            self.now = self.now.max(at);
            self.gate.handle_timeout(self.now);
        }
    }

    fn event(&mut self, event: Event) {
        self.gate.handle_event(event, self.now);
    }

    /// Executes the outputs of the gate, and checks that they are allowed.
    fn settle(&mut self) {
        while let Some(output) = self.gate.poll_output() {
            assert_eq!(self.verdict, None, "{output:?} after the verdict");
            match output {
                Output::Attempt { leaf, number: attempt } => {
                    assert_eq!(self.in_flight[leaf], None, "two attempts for one leaf");
                    assert!(!self.met[leaf], "an attempt for a leaf that is met");
                    self.in_flight[leaf] = Some(attempt);
                }
                Output::CheckAlive => {
                    assert!(self.holds(&self.condition.0, &mut 0), "CheckAlive before the condition holds");
                    self.is_checking = true;
                }
                Output::Ready => {
                    assert!(!self.dead && self.holds(&self.condition.0, &mut 0), "ready without a reason");
                    self.verdict = Some(true);
                }
                Output::Failed(cause) => {
                    let late = self.started.is_some_and(|started| self.now - started >= TIMEOUT);
                    assert!(
                        matches!(cause, FailureCause::Exited(_)) == self.dead && (self.dead || late),
                        "{cause:?}"
                    );
                    self.verdict = Some(false);
                }
            }
        }
        if self.dead {
            assert!(self.verdict.is_some(), "a death fails the start at once");
        }
        if self.verdict.is_some() {
            assert_eq!(self.gate.poll_timeout(), None);
        }
        // A timeout call at the deadline moves the deadline on.
        if self.gate.poll_timeout().is_some_and(|at| at <= self.now) {
            self.gate.handle_timeout(self.now);
            let next = self.gate.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "the deadline did not move");
            self.settle();
        }
    }

    /// Evaluates the condition, visiting the leaves in the order of their numbers.
    fn holds(&self, node: &Node, next: &mut usize) -> bool {
        match node {
            Node::All(nodes) => nodes.iter().filter(|node| !self.holds(node, next)).count() == 0,
            Node::Any(nodes) => nodes.iter().filter(|node| self.holds(node, next)).count() > 0,
            Node::Leaf(leaf) => {
                *next += 1;
                match leaf {
                    Leaf::Uptime(uptime) => self.started.is_some_and(|started| self.now - started >= *uptime),
                    _ => self.met[*next - 1],
                }
            }
        }
    }

    /// Lets the gate come to a verdict without further failures.
    fn run_to_verdict(&mut self) {
        self.start();
        self.settle();
        for _ in 0..2000 {
            if self.verdict.is_some() {
                return;
            }
            self.check_alive();
            for leaf in 0..self.leaves.len() {
                self.end_attempt(leaf, 3);
            }
            self.tick();
            self.settle();
        }
        panic!("no verdict after {:?}", self.started.map(|started| self.now - started));
    }
}
