//! The search: every order of steps, breadth first, and random walks.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hasher};

use fastrand::Rng;

use super::config::Config;
use super::explorer::Explorer;
use super::problem::{Counterexample, Outcome, Problem, ReplayError};
use super::step::Step;
use super::view::View;
use super::world::World;

/// The number of a node without a parent.
const ROOT: u32 = u32::MAX;

/// A state that was found, as the step that led to it first.
struct Node {
    parent: u32,
    step: Step,
    key: u64,
}

/// The result of a search that has found no counterexample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// The number of different states, the first one included.
    pub states: u64,
    /// The number of steps that were taken, each from one state to another or the same one.
    pub steps: u64,
    /// The number of steps to the most distant state.
    pub depth: usize,
    /// The number of steps up to which every order was taken.
    pub full_depth: usize,
    /// Whether there are no other states at any depth.
    pub is_complete: bool,
}

impl std::fmt::Display for Explored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { states, steps, depth, full_depth: _, is_complete } = self;
        write!(f, "{states} states, {steps} steps, depth {depth}")?;
        if *is_complete { write!(f, ", complete") } else { Ok(()) }
    }
}

impl Explorer {
    /// Takes every step in every state up to the [depth](Self::depth), and checks every state.
    ///
    /// # Errors
    ///
    /// A [`Counterexample`] with the smallest number of steps, if a check does not hold.
    ///
    /// # Panics
    ///
    /// If there are more than four billion states.
    pub fn run(&self) -> Result<Explored, Counterexample> {
        let config = self.connected();
        Search::begin(self, &config, &[])?.run(self.depth, u64::MAX, &mut ())
    }

    /// Takes random walks of `length` steps, and after each one stops the service and checks that every run
    /// ends. The walks are longer than [`run`](Self::run) can reach, and depend on nothing but the seed.
    ///
    /// # Errors
    ///
    /// A [`Counterexample`] if a check does not hold: the first that was found, without the steps that it
    /// does not need.
    pub fn walks(&self, count: u64, length: usize, seed: u64) -> Result<(), Counterexample> {
        let config = self.connected();
        let first = self.first(&config)?;
        let (mut possible, mut steps) = (Vec::new(), Vec::new());
        for walk in 0..count {
            let mut random = random_of_walk(seed, walk);
            let mut world = first.clone();
            steps.clear();
            let mut outcome = Ok(());
            while outcome.is_ok() && steps.len() < length {
                world.possible(&config, &mut possible);
                let Some(step) = random.choice(&possible) else { break };
                steps.push(*step);
                outcome = self.take(&mut world, *step, &config);
            }
            if outcome.and_then(|()| world.come_to_rest(&config)).is_err() {
                return Err(self.shrink_walk(&steps, &config));
            }
        }
        Ok(())
    }

    /// Takes the steps of a scenario, one in each line. Empty lines, and what follows a `#`, are ignored.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Found`] if a check does not hold, and other variants if a line is not a step or not
    /// possible.
    pub fn replay(&self, scenario: &str) -> Result<(), ReplayError> {
        let config = self.connected();
        let mut world = self.first(&config).map_err(ReplayError::Found)?;
        let mut steps = Vec::new();
        for (number, line) in lines(scenario) {
            let Some(step) = Step::parse(line, &config.names, &config.exits) else {
                return Err(ReplayError::NotAStep { number, line: line.to_owned() });
            };
            self.check_possible(&world, step, number, &config)?;
            steps.push(step);
            if let Err(problem) = self.take(&mut world, step, &config) {
                return Err(ReplayError::Found(self.explain(&steps, problem, &config)));
            }
        }
        world
            .come_to_rest(&config)
            .map_err(|problem| ReplayError::Found(self.explain(&steps, problem, &config)))
    }

    /// Checks that a step of a scenario, in the line with this number, can be taken.
    pub(super) fn check_possible(
        &self,
        world: &World,
        step: Step,
        number: usize,
        config: &Config,
    ) -> Result<(), ReplayError> {
        if world.can_take(step, config) {
            return Ok(());
        }
        let mut possible = Vec::new();
        world.possible(config, &mut possible);
        let line = config.write(step).to_string();
        let possible = possible.into_iter().map(|step| config.write(step).to_string()).collect();
        Err(ReplayError::NotPossible { number, line, possible })
    }

    /// Returns the first state.
    pub(super) fn first(&self, config: &Config) -> Result<World, Counterexample> {
        let found = World::new(config).and_then(|world| {
            world.check(config)?;
            self.check_all(&world, config).map(|()| world)
        });
        found.map_err(|problem| self.explain(&[], problem, config))
    }

    /// Takes a step and makes all checks.
    fn take(&self, world: &mut World, step: Step, config: &Config) -> Outcome {
        world.take(step, config)?;
        world.check(config)?;
        self.check_all(world, config)
    }

    /// Checks what the user wants to hold.
    fn check_all(&self, world: &World, config: &Config) -> Outcome {
        for (name, check) in &self.checks {
            if !check(&View::new(world, config)) {
                return Err(Problem::new(name, String::new()));
            }
        }
        Ok(())
    }

    /// Takes as many of these steps as are possible, and returns them with the problem at the end.
    fn attempt(&self, steps: &[Step], config: &Config) -> Option<(Vec<Step>, Problem)> {
        let mut world = World::new(config).ok()?;
        let mut taken = Vec::new();
        for step in steps {
            if !world.can_take(*step, config) {
                continue;
            }
            taken.push(*step);
            if let Err(problem) = self.take(&mut world, *step, config) {
                return Some((taken, problem));
            }
        }
        world.come_to_rest(config).err().map(|problem| (taken, problem))
    }

    /// Leaves out steps of a walk as long as a check does not hold without them.
    fn shrink_walk(&self, steps: &[Step], config: &Config) -> Counterexample {
        let (steps, problem) = self.attempt(steps, config).expect("a walk has no randomness of its own");
        let (steps, problem) = shrink(steps, problem, 0, |steps| self.attempt(steps, config));
        self.explain(&steps, problem, config)
    }

    /// Describes these steps, of which the last one shows the problem, with the outputs of the machine.
    pub(super) fn explain(&self, steps: &[Step], problem: Problem, config: &Config) -> Counterexample {
        let written: Vec<String> = steps.iter().map(|step| config.write(*step).to_string()).collect();
        let mut story = String::new();
        let mut world = World::new(config).ok();
        for (step, text) in steps.iter().zip(&written) {
            let _ = writeln!(story, "{text}");
            let Some(world) = &mut world else { continue };
            let _ = world.take(*step, config);
            for output in &world.outputs {
                let _ = writeln!(story, "  # {}", config.show(output));
            }
        }
        Counterexample { problem, steps: written, story }
    }
}

/// Returns the source of the steps of a random walk.
pub(super) fn random_of_walk(seed: u64, walk: u64) -> Rng {
    Rng::with_seed(Rng::with_seed(seed).u64(..).wrapping_add(walk))
}

/// Leaves out steps after the first `kept` ones, as long as `attempt` finds something with the others. It
/// returns the steps that it has taken and what it has found, which is first that of all `steps`.
pub(super) fn shrink<T>(
    mut steps: Vec<Step>,
    mut found: T,
    kept: usize,
    attempt: impl Fn(&[Step]) -> Option<(Vec<Step>, T)>,
) -> (Vec<Step>, T) {
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut begin = kept;
        while begin < steps.len() {
            let end = (begin + size).min(steps.len());
            let rest: Vec<Step> = steps[..begin].iter().chain(&steps[end..]).copied().collect();
            match attempt(&rest) {
                Some(fewer) => (steps, found) = fewer,
                None => begin += size,
            }
        }
        size /= 2;
    }
    (steps, found)
}

/// Returns the steps of a scenario with the numbers of their lines, from 1.
pub(super) fn lines(scenario: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = scenario.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    (1..).zip(lines).filter(|(_, line)| !line.is_empty())
}

/// An addition to the checks of a search.
pub(super) trait Visitor {
    /// Whether this step is of interest in a state with this key.
    fn takes(&mut self, _world: &World, _key: u64, _step: Step, _config: &Config) -> bool {
        true
    }

    /// Looks at a state after these steps, and may change it. Its key is given if it was not found before.
    fn visit(
        &mut self,
        _world: &mut World,
        _new: Option<u64>,
        _steps: &dyn Fn() -> Vec<Step>,
        _config: &Config,
    ) {
    }
}

impl Visitor for () {}

/// A search under way.
pub(super) struct Search<'a> {
    explorer: &'a Explorer,
    config: &'a Config,
    /// The steps before the first state.
    before: Vec<Step>,
    nodes: Vec<Node>,
    seen: Keys,
    taken: u64,
    /// The states on the way to the node that was expanded last, from the first.
    way: Vec<(u32, World)>,
    /// States that are no longer needed, and whose memory is used again.
    spare: Vec<World>,
    possible: Vec<Step>,
}

impl<'a> Search<'a> {
    /// Begins in the state after these steps.
    pub(super) fn begin(
        explorer: &'a Explorer,
        config: &'a Config,
        before: &[Step],
    ) -> Result<Self, Counterexample> {
        let mut world = explorer.first(config)?;
        for (index, step) in before.iter().enumerate() {
            let taken = explorer.take(&mut world, *step, config);
            taken.map_err(|problem| explorer.explain(&before[..=index], problem, config))?;
        }
        let seen = Keys::from_iter([world.key(config)]);
        Ok(Self {
            explorer,
            config,
            before: before.to_vec(),
            nodes: Vec::new(),
            seen,
            taken: 0,
            way: vec![(ROOT, world)],
            spare: Vec::new(),
            possible: Vec::new(),
        })
    }

    /// Returns the first state.
    pub(super) fn root(&self) -> &World {
        &self.way.first().expect("the way has a first state").1
    }

    /// Takes every step in every state up to a depth, until there are `limit` states.
    pub(super) fn run(
        &mut self,
        depth: usize,
        limit: u64,
        visitor: &mut impl Visitor,
    ) -> Result<Explored, Counterexample> {
        let mut explored = Explored { states: 1, ..Explored::default() };
        let mut layer = 0..0;
        while explored.depth < depth && !explored.is_complete && self.seen.len() as u64 != limit {
            let begin = self.nodes.len();
            if explored.depth == 0 {
                self.expand(ROOT, visitor)?;
            }
            for node in layer {
                if self.seen.len() as u64 >= limit {
                    explored.depth += 1;
                    return Ok(Explored { states: self.seen.len() as u64, steps: self.taken, ..explored });
                }
                self.expand(u32::try_from(node).expect("fewer than four billion states"), visitor)?;
            }
            layer = begin..self.nodes.len();
            explored.is_complete = layer.is_empty();
            explored.depth += usize::from(!explored.is_complete);
            explored.full_depth = explored.depth;
        }
        Ok(Explored { states: self.seen.len() as u64, steps: self.taken, ..explored })
    }

    /// Takes every step that is possible after a node.
    fn expand(&mut self, node: u32, visitor: &mut impl Visitor) -> Result<(), Counterexample> {
        self.go_to(node);
        let mut possible = std::mem::take(&mut self.possible);
        let world = self.last();
        world.possible(self.config, &mut possible);
        let key = if node == ROOT { world.key(self.config) } else { self.nodes[node as usize].key };
        possible.retain(|step| visitor.takes(world, key, *step, self.config));
        for &step in &possible {
            let mut next = self.copy_of_last();
            self.taken += 1;
            let outcome = next.take(step, self.config);
            // A state that was found before was checked then.
            let key = next.key(self.config);
            let is_new = outcome.is_ok() && self.seen.insert(key);
            let outcome = outcome.and_then(|()| if is_new { next.check(self.config) } else { Ok(()) });
            if let Err(problem) = outcome.and_then(|()| self.explorer.check_all(&next, self.config)) {
                let steps = self.steps_to(node, step);
                return Err(self.explorer.explain(&steps, problem, self.config));
            }
            visitor.visit(&mut next, is_new.then_some(key), &|| self.steps_to(node, step), self.config);
            self.spare.push(next);
            if is_new {
                self.nodes.push(Node { parent: node, step, key });
            }
        }
        self.possible = possible;
        Ok(())
    }

    /// Leads to a node. Neighbours have most of their way in common, so this takes one step for most nodes,
    /// and the states need not be kept.
    fn go_to(&mut self, node: u32) {
        let mut missing = Vec::new();
        let mut at = node;
        while !self.way.iter().any(|(known, _)| *known == at) {
            missing.push(at);
            at = self.nodes[at as usize].parent;
        }
        let common = self.way.iter().position(|(known, _)| *known == at).expect("the first state is known");
        self.spare.extend(self.way.drain(common + 1..).map(|(_, world)| world));
        for node in missing.into_iter().rev() {
            let mut world = self.copy_of_last();
            let taken = world.take(self.nodes[node as usize].step, self.config);
            taken.expect("the same step has the same outcome");
            // They were looked at when the state was found.
            world.outputs.clear();
            self.way.push((node, world));
        }
    }

    /// Returns the state of the node that was expanded last.
    fn last(&self) -> &World {
        &self.way.last().expect("the way has a first state").1
    }

    fn copy_of_last(&mut self) -> World {
        match self.spare.pop() {
            Some(mut copy) => {
                copy.clone_from(self.last());
                copy
            }
            None => self.last().clone(),
        }
    }

    /// Returns the steps to a node and one more.
    fn steps_to(&self, mut node: u32, last: Step) -> Vec<Step> {
        let mut steps = vec![last];
        while node != ROOT {
            let Node { parent, step, .. } = self.nodes[node as usize];
            steps.push(step);
            node = parent;
        }
        steps.extend(self.before.iter().rev());
        steps.reverse();
        steps
    }
}

/// A set of keys.
pub(super) type Keys = HashSet<u64, BuildHasherDefault<Unchanged>>;

/// A hasher for numbers that are hashes already.
#[derive(Default)]
pub(super) struct Unchanged(u64);

impl Hasher for Unchanged {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only keys are hashed");
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
