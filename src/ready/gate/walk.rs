//! Random walks: news, stale news and time in any order, with what must hold after every step.

use std::io;

use proptest::prelude::*;

use super::*;
use crate::host::{ProbeError, ProbeOwner, Spec};
use crate::ready::condition::Node;
use crate::ready::tally::Answer;

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A failure prints the shortest walk that shows it.
    #[test]
    fn f_84_f_85_one_verdict_and_the_right_one_on_every_walk(
        condition in condition(),
        steps in prop::collection::vec(any::<u16>(), 0..60),
    ) {
        let mut walk = Walk::new(&condition);
        for step in steps {
            walk.step(step);
        }
        walk.come_to_rest();
    }
}

/// Conditions of any shape, with every kind of leaf.
fn condition() -> impl Strategy<Value = Condition> {
    let leaf = (0..7_u64).prop_map(|kind| match kind {
        0 | 1 => Condition::uptime(Duration::from_millis(kind * 300)),
        2 => Condition::output("x"),
        3 => Condition::port(80),
        4 => Condition::port(81).by_anybody(),
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

/// A gate, the world around it, and what is known of both without asking the gate.
struct Walk {
    gate: Gate,
    condition: Condition,
    leaves: Vec<Leaf>,
    now: Instant,
    started: Option<Instant>,
    dead: bool,
    /// The gate wants to know whether the process is alive.
    looking: bool,
    /// By leaf.
    met: Vec<bool>,
    under_way: Vec<Option<u32>>,
    verdict: Option<bool>,
}

impl Walk {
    fn new(condition: &Condition) -> Self {
        let leaves = Tree::of(condition).1;
        #[expect(clippy::disallowed_methods, reason = "a walk needs an instant to begin at")]
        let now = Instant::now();
        Self {
            gate: Gate::new(condition, TIMEOUT),
            condition: condition.clone(),
            now,
            started: None,
            dead: false,
            looking: false,
            met: vec![false; leaves.len()],
            under_way: vec![None; leaves.len()],
            verdict: None,
            leaves,
        }
    }

    fn step(&mut self, step: u16) {
        let leaf = usize::from(step >> 8) % self.leaves.len();
        let choice = u64::from(step >> 12);
        match step & 0x0f {
            0..=2 => self.start(),
            3 | 4 => self.wait_for(leaf),
            5..=7 => self.answer(leaf, choice),
            8 => self.stale(leaf),
            9 => self.event(Event::OutputMatch),
            10 => self.look(),
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

    fn wait_for(&mut self, leaf: usize) {
        let word = match self.leaves[leaf] {
            Leaf::OutputMatch(_) => Word::Seen(1),
            Leaf::Notify(_) | Leaf::SdNotify => Word::Met,
            Leaf::Uptime(_) | Leaf::Answers { .. } | Leaf::Command(_) => Word::Remark("hm".to_owned()),
        };
        self.met[leaf] |= self.started.is_some() && !matches!(word, Word::Remark(_));
        self.event(Event::Leaf(leaf, word));
    }

    fn answer(&mut self, leaf: usize, choice: u64) {
        let Some(attempt) = self.under_way[leaf].take() else { return };
        let refused = || ProbeError::from(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        let (answer, met) = match (&self.leaves[leaf], choice % 4) {
            (Leaf::Command(_), 0) => (Answer::Command(Ok(())), true),
            (Leaf::Command(_), _) => (Answer::Command(Err("no".to_owned())), false),
            (_, 0) => (Answer::ProbeFuture(Ok(ProbeOwner::Own)), true),
            (Leaf::Answers { anybody, .. }, 1) => {
                (Answer::ProbeFuture(Ok(ProbeOwner::Stranger("x".to_owned()))), *anybody)
            }
            (_, _) => (Answer::ProbeFuture(Err(refused())), false),
        };
        self.met[leaf] |= met;
        self.event(Event::Leaf(leaf, Word::Answer(attempt, answer)));
    }

    /// An answer that nobody waits for.
    fn stale(&mut self, leaf: usize) {
        let attempt = self.under_way[leaf].map_or(0, |attempt| attempt - 1);
        let answer = Answer::ProbeFuture(Ok(ProbeOwner::Own));
        self.event(Event::Leaf(leaf, Word::Answer(attempt, answer)));
    }

    fn look(&mut self) {
        if std::mem::take(&mut self.looking) {
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

    /// Takes what the gate wants, and looks whether it may.
    fn settle(&mut self) {
        while let Some(output) = self.gate.poll_output() {
            assert_eq!(self.verdict, None, "after its verdict it wants {output:?}");
            match output {
                Output::Ask { leaf, attempt } => {
                    assert_eq!(self.under_way[leaf], None, "two attempts for one leaf");
                    assert!(!self.met[leaf], "asks for what was met");
                    self.under_way[leaf] = Some(attempt);
                }
                Output::Look => {
                    assert!(self.holds(&self.condition.0, &mut 0), "looks before all has come");
                    self.looking = true;
                }
                Output::Ready => {
                    assert!(!self.dead && self.holds(&self.condition.0, &mut 0), "ready without a reason");
                    self.verdict = Some(true);
                }
                Output::Failed(cause) => {
                    let late = self.started.is_some_and(|started| self.now - started >= TIMEOUT);
                    assert!(
                        matches!(cause, Cause::Exited(_)) == self.dead && (self.dead || late),
                        "{cause:?}"
                    );
                    self.verdict = Some(false);
                }
            }
        }
        if self.dead {
            assert!(self.verdict.is_some(), "a death decides at once");
        }
        if self.verdict.is_some() {
            assert_eq!(self.gate.poll_timeout(), None);
        }
        // Whoever does as it says is never sent round in circles.
        if self.gate.poll_timeout().is_some_and(|at| at <= self.now) {
            self.gate.handle_timeout(self.now);
            let next = self.gate.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "what was due is due again");
            self.settle();
        }
    }

    /// In the order in which the leaves are numbered.
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

    /// Left to itself it comes to a verdict.
    fn come_to_rest(&mut self) {
        self.start();
        self.settle();
        for _ in 0..2000 {
            if self.verdict.is_some() {
                return;
            }
            self.look();
            for leaf in 0..self.leaves.len() {
                self.answer(leaf, 3);
            }
            self.tick();
            self.settle();
        }
        panic!("no verdict after {:?}", self.started.map(|started| self.now - started));
    }
}
