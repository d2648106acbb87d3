//! The settings of a process, as a file has them: checked one by one, and not yet combined.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use childminder::backoff::Growth;
use childminder::{Name, Signal};

use super::dotenv::Pairs;
use super::problems::At;

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Setting {
    Flag(bool),
    Duration(Duration),
    Integer(i64),
    Fraction(f64),
    /// A text, or one of the words of its key.
    Text(String),
    Texts(Vec<String>),
    Ids(Vec<u32>),
    Signal(Signal),
    Exits(Vec<ExitKind>),
    Port(PortChoice),
    /// The processes that have the variables of `[defaults]` only share them.
    Variables(Arc<Variables>),
    VariableFiles(Vec<(PathBuf, Secret<Pairs>)>),
    Dependencies(Vec<After>),
    Condition(Probe),
    Liveness(Liveness),
    Growth(Growth),
    GiveUp {
        failures: u32,
        within: Option<Duration>,
    },
    Group {
        name: Name,
        strategy: &'static str,
    },
    Limits(BTreeMap<String, Limit>),
    IoPriority {
        class: &'static str,
        level: u8,
    },
    Log(Log),
    Descriptors(BTreeMap<i32, PathBuf>),
    Terminal(Option<(u16, u16)>),
}

/// Variables that are set, or removed (`None`).
pub(crate) type Variables = BTreeMap<String, Secret<Option<String>>>;

/// A value that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret<T>(pub(crate) T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A way to exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitKind {
    Code(u8),
    Signal(Signal),
}

/// The port of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortChoice {
    /// A free one is reserved.
    Auto,
    Number(u16),
}

/// A dependency on another process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct After {
    pub(crate) on: At<String>,
    pub(crate) until: Until,
    /// Whether the process restarts when the other one ends.
    pub(crate) restarts: bool,
}

/// The state of a dependency that is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Started,
    Ready,
    Completed,
}

/// A condition. Its texts may contain placeholders.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Probe {
    Port(At<String>),
    Http {
        url: At<String>,
        status: (u16, u16),
    },
    Unix(At<String>),
    Exec(Vec<String>),
    Output {
        text: String,
        regex: bool,
        stream: Option<&'static str>,
        times: u32,
    },
    Notify(i32),
    SdNotify,
    Uptime(Duration),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// The answer of any process counts.
    ByAnyProcess(Box<Self>),
}

/// A condition that is checked while the process runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Liveness {
    pub(crate) probe: Probe,
    pub(crate) every: Option<Duration>,
    pub(crate) failures: Option<u32>,
    pub(crate) grace: Option<Duration>,
}

/// A resource limit; `None` in a limit is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) soft: Option<u64>,
    /// Inherited if it is not given.
    pub(crate) hard: Option<Option<u64>>,
}

/// A log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) file: PathBuf,
    pub(crate) max_size: Option<u64>,
    pub(crate) keep: Option<u32>,
}

/// A process as the file describes it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    /// The place of its name.
    pub(crate) span: Range<usize>,
    /// Whether nothing was wrong with its table, so that the rest can be checked as well.
    pub(crate) is_complete: bool,
    /// Sorted by key. A list needs a fraction of the memory of a map, as most processes have few keys.
    settings: Box<[(&'static str, At<Setting>)]>,
}

impl Entry {
    pub(crate) fn new(name: Name, span: Range<usize>, settings: BTreeMap<&'static str, At<Setting>>) -> Self {
        Self { name, span, is_complete: true, settings: settings.into_iter().collect() }
    }

    /// Adds the settings of `[defaults]` that the process does not have. Variables are added one by one.
    pub(crate) fn add_defaults(&mut self, defaults: &BTreeMap<&'static str, At<Setting>>) {
        let mut settings: BTreeMap<_, _> = mem::take(&mut self.settings).into_iter().collect();
        for (key, default) in defaults {
            match (settings.get_mut(key).map(|own| &mut own.value), &default.value) {
                (None, Setting::Dependencies(all)) => {
                    // The other processes may wait for this one, which cannot wait for itself.
                    let others = all.iter().filter(|after| *after.on.value != *self.name).cloned().collect();
                    let others = At::new(default.span.clone(), Setting::Dependencies(others));
                    settings.insert(key, others);
                }
                (None, _) => {
                    settings.insert(key, default.clone());
                }
                (Some(Setting::Variables(own)), Setting::Variables(defaults)) => {
                    let own = Arc::make_mut(own);
                    for (name, value) in &**defaults {
                        own.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                (Some(_), _) => {}
            }
        }
        self.settings = settings.into_iter().collect();
    }

    pub(crate) fn get(&self, key: &str) -> Option<&At<Setting>> {
        debug_assert!(super::keys::find(key).is_some(), "{key} is no key");
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<&At<Setting>> {
        let index = self.settings.binary_search_by(|(known, _)| (*known).cmp(key)).ok()?;
        Some(&self.settings[index].1)
    }

    /// Returns the keys that are set.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.settings.iter().map(|(key, _)| *key)
    }

    /// Returns the place of a key's value, or of the name of the process.
    pub(crate) fn span_of(&self, key: &str) -> &Range<usize> {
        self.get(key).map_or(&self.span, |setting| &setting.span)
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)?.value {
            Setting::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        match self.get(key)?.value {
            Setting::Duration(duration) => Some(duration),
            _ => None,
        }
    }

    pub(crate) fn integer<T: TryFrom<i64>>(&self, key: &str) -> Option<T> {
        match self.get(key)?.value {
            Setting::Integer(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.value {
            Setting::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn texts(&self, key: &str) -> Option<&[String]> {
        match &self.get(key)?.value {
            Setting::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    pub(crate) fn port(&self) -> Option<PortChoice> {
        match self.get("port")?.value {
            Setting::Port(port) => Some(port),
            _ => None,
        }
    }

    pub(crate) fn after(&self) -> &[After] {
        match self.get("after").map(|setting| &setting.value) {
            Some(Setting::Dependencies(all)) => all,
            _ => &[],
        }
    }

    /// Returns the keys whose values differ, in the order of the manual.
    pub(crate) fn changes(&self, other: &Self) -> Vec<&'static str> {
        let keys = super::keys::KEYS.iter().map(|key| key.name);
        keys.filter(|key| self.find(key) != other.find(key)).collect()
    }
}
