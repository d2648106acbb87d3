//! What is rehearsed: definitions, behaviours, and what happens at which time.

use std::time::Duration;

use super::behaviour::Behaviour;
use super::error::{Problem, RehearsalError};
use crate::machine::{Definition, Exit, Input, Machine, Name, Output, UnknownName};

/// Processes with their behaviour, and what happens to them, to be run in virtual time.
///
/// The processes are added in the order of the calls, and the service is started at time zero. See the
/// [module](super) for an example.
#[derive(Clone, Debug)]
#[must_use = "a scenario does nothing until it is run"]
pub struct Scenario {
    pub(super) processes: Vec<(Name, Definition<()>)>,
    /// The processes that are held from the beginning.
    pub(super) held: Vec<Name>,
    pub(super) behaviours: Vec<(String, Behaviour)>,
    /// In the order of the calls.
    pub(super) happenings: Vec<(Duration, Happening)>,
    pub(super) length: Duration,
    pub(super) seed: u64,
    /// Whether the service is started at the beginning and stopped at the end.
    pub(super) runs_service: bool,
    pub(super) max_inputs: u64,
    pub(super) max_notices: usize,
}

/// Something that happens at a time of a [`Scenario`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Happening {
    /// An operator gives this command.
    Command(Input<()>),
    /// The process exits by itself, or is killed by another program; nothing if it is not running.
    Exits {
        /// The name of the process.
        name: Name,
        /// Its exit.
        exit: Exit,
    },
    /// The process exits, and so does every run that is started within `lasts`, at once: what it needs is not
    /// there.
    Breaks {
        /// The name of the process.
        name: Name,
        /// Its exit.
        exit: Exit,
        /// The time until a start works again.
        lasts: Duration,
    },
    /// The process becomes ready; nothing if it is not running, or if its definition does not require
    /// readiness.
    Ready {
        /// The name of the process.
        name: Name,
    },
    /// The process is no longer ready. Before it was ready, this ends its run.
    NotReady {
        /// The name of the process.
        name: Name,
    },
    /// The process is found to be unhealthy.
    Unhealthy {
        /// The name of the process.
        name: Name,
    },
}

impl Happening {
    /// Returns the name of the process that it is about; `None` if it is about all.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Command(input) => input.name(),
            Self::Exits { name, .. }
            | Self::Breaks { name, .. }
            | Self::Ready { name }
            | Self::NotReady { name }
            | Self::Unhealthy { name } => Some(name),
        }
    }
}

impl From<Input<()>> for Happening {
    fn from(input: Input<()>) -> Self {
        Self::Command(input)
    }
}

/// An input of the machine in a rehearsal, and what followed from it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Moment<'a> {
    /// The time since the beginning.
    pub at: Duration,
    /// The input.
    pub input: &'a Input<()>,
    /// The outputs, in their order.
    pub outputs: &'a [Output<()>],
    /// The machine after the input.
    pub machine: &'a Machine<()>,
}

impl Scenario {
    /// Creates a scenario of one day without processes, with the seed zero.
    pub fn new() -> Self {
        Self {
            processes: Vec::new(),
            held: Vec::new(),
            behaviours: Vec::new(),
            happenings: Vec::new(),
            length: Duration::from_secs(24 * 60 * 60),
            seed: 0,
            runs_service: true,
            max_inputs: 20_000_000,
            max_notices: 100_000,
        }
    }

    /// Adds a process, before the service is started.
    pub fn process(mut self, name: Name, definition: Definition<()>) -> Self {
        self.processes.push((name, definition));
        self
    }

    /// Holds a process from the beginning: it stays down until a command releases it.
    pub fn held(mut self, name: Name) -> Self {
        self.held.push(name);
        self
    }

    /// Adds a behaviour for one run of a process. Runs use the behaviours in the order of these calls; the
    /// last one is repeated. A process without a behaviour has the [default](Behaviour::new).
    pub fn behaves(mut self, name: impl Into<String>, behaviour: Behaviour) -> Self {
        self.behaviours.push((name.into(), behaviour));
        self
    }

    /// Makes something happen at a time since the beginning: a command, or an event of a process. Of several
    /// at the same time, the first call comes first. They come before what processes do by themselves at that
    /// time. What is later than the [length](Self::length) does not happen.
    ///
    /// ```
    /// use std::time::Duration;
    /// use childminder::machine::{Definition, Input};
    /// use childminder::testkit::rehearse::Scenario;
    ///
    /// let web: childminder::Name = "web".parse()?;
    /// let rehearsal = Scenario::new()
    ///     .process(web.clone(), Definition::new(()))
    ///     .at(Duration::from_secs(60), Input::Stop { name: web })
    ///     .run()?;
    /// assert_eq!(rehearsal.process("web").map(|web| (web.restarts, web.failures)), Some((1, 0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(mut self, time: Duration, what: impl Into<Happening>) -> Self {
        self.happenings.push((time, what.into()));
        self
    }

    /// Sets how long it lasts. Default: one day.
    pub fn length(mut self, length: Duration) -> Self {
        self.length = length;
        self
    }

    /// Sets the seed of the random lives and of the [jitter](crate::Policy::jitter). The same scenario with
    /// the same seed has the same result. Default: zero.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Leaves it to the commands of the scenario when the service is started and stopped. Otherwise it is
    /// started at time zero, and is stopped after the [length](Self::length), which shows how long a stop
    /// takes.
    pub fn without_service(mut self) -> Self {
        self.runs_service = false;
        self
    }

    /// Sets the number of inputs after which the rehearsal ends early. It is reached if processes die and are
    /// restarted without a delay. Default: 20 million.
    pub fn max_inputs(mut self, inputs: u64) -> Self {
        self.max_inputs = inputs;
        self
    }

    /// Sets the number of notices that are kept. Default: 100,000.
    pub fn max_notices(mut self, notices: usize) -> Self {
        self.max_notices = notices;
        self
    }

    /// Returns the names of all processes, in the order in which they are mentioned.
    pub(super) fn names(&self) -> Vec<&Name> {
        let mut names: Vec<&Name> = self.processes.iter().map(|(name, _)| name).collect();
        for (_, happening) in &self.happenings {
            if let Happening::Command(Input::Add { name, .. }) = happening
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// Checks the names of behaviours and events.
    pub(super) fn check(&self) -> Result<(), RehearsalError> {
        let names = self.names();
        let behaviours = self.behaviours.iter().map(|(name, _)| name.as_str());
        let events = self.happenings.iter().filter_map(|(_, happening)| happening.name());
        let unknown = behaviours
            .chain(self.held.iter().map(Name::as_str))
            .chain(events.map(Name::as_str))
            .find(|name| !names.iter().any(|known| *known == *name));
        let Some(unknown) = unknown else { return Ok(()) };
        let shared = |name: &Name| name.chars().zip(unknown.chars()).take_while(|(a, b)| a == b).count();
        let nearest = names.into_iter().max_by_key(|name| shared(name)).filter(|name| shared(name) > 0);
        let problem = Problem::Unknown { name: UnknownName::new(unknown), nearest: nearest.cloned() };
        Err(RehearsalError::new(problem))
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self::new()
    }
}
