//! The things that a service needs besides its program, as they were described.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::not_ready::NotReadyReason;
use super::recorder::Recorder;
use super::resources::Resources;
use crate::host::Spec;
use crate::ready::Condition;

/// The time that a step may take, unless it is set.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);

/// The error of a closure of the user.
pub(super) type UserError = Box<dyn Error + Send + Sync>;

/// The things that a service needs besides its program.
#[derive(Clone)]
pub(super) struct Recipe {
    pub(super) has_scratch: bool,
    /// The directory for the scratch directory, if it is not that for temporary files.
    pub(super) scratch_parent: Option<PathBuf>,
    pub(super) has_free_port: bool,
    /// The names of ports, and whether the program must listen there.
    pub(super) named_ports: Vec<(String, bool)>,
    pub(super) files: Vec<ServiceFile>,
    pub(super) before: Vec<Preparation>,
    pub(super) prepare: Vec<Preparation>,
    /// The address of the service, with placeholders.
    pub(super) url: Option<String>,
    /// The reason why the service cannot be started, for a description that could not be completed.
    pub(super) failure: Option<NotReadyReason>,
    pub(super) captures: Vec<String>,
    pub(super) conditions: Vec<ConditionMaker>,
    pub(super) step_timeout: Duration,
    /// The recorder of the output of a service that several tests share.
    pub(super) recorder: Option<Recorder>,
    /// The file for the output of a service that several processes share.
    pub(super) output_file: Option<Arc<File>>,
}

/// Creates a condition from the ports and the directory of a start.
pub(super) type ConditionMaker = Arc<dyn Fn(&Resources) -> Condition + Send + Sync>;

/// A closure that is a step of a start.
pub(super) type StepClosure = dyn Fn(&Resources) -> Result<(), UserError> + Send + Sync;

/// A file to be created in the scratch directory.
#[derive(Clone, Debug)]
pub(super) struct ServiceFile {
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

/// The content of a file, in which placeholders are filled in.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Text(Vec<u8>),
    CopyOf(PathBuf),
}

/// A step before the program is started, or between its readiness and the return of the start.
#[derive(Clone)]
pub(super) enum Preparation {
    Command(Box<Spec>),
    Closure(Arc<StepClosure>),
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            has_scratch: false,
            scratch_parent: None,
            has_free_port: false,
            named_ports: Vec::new(),
            files: Vec::new(),
            before: Vec::new(),
            prepare: Vec::new(),
            url: None,
            failure: None,
            captures: Vec::new(),
            conditions: Vec::new(),
            step_timeout: STEP_TIMEOUT,
            recorder: None,
            output_file: None,
        }
    }
}

impl Recipe {
    /// Returns whether placeholders are filled in: a service that uses nothing of this may contain any text.
    pub(super) fn has_placeholders(&self) -> bool {
        self.has_scratch
            || self.has_free_port
            || !self.named_ports.is_empty()
            || self.url.is_some()
            || !self.before.is_empty()
            || !self.prepare.is_empty()
    }
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe")
            .field("has_scratch", &self.has_scratch)
            .field("scratch_parent", &self.scratch_parent)
            .field("has_free_port", &self.has_free_port)
            .field("named_ports", &self.named_ports)
            .field("files", &self.files)
            .field("before", &self.before.len())
            .field("prepare", &self.prepare.len())
            .field("url", &self.url)
            .field("failure", &self.failure)
            .field("captures", &self.captures)
            .field("conditions", &self.conditions.len())
            .field("step_timeout", &self.step_timeout)
            .field("recorder", &self.recorder)
            .finish()
    }
}
