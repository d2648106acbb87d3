//! Provides what a service needs before a start: ports, the scratch directory, its files, and the texts in
//! which placeholders are filled in.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::builder::Service;
use super::capture::OutputProgress;
use super::not_ready::{NotReadyReason, ScratchError, ServiceError};
use super::placeholders::{self, Placeholder, PlaceholderError};
use super::port::Port;
use super::recipe::{Content, Preparation, Recipe, ServiceFile};
use super::recorder::Recorder;
use super::resources::Resources;
use super::scratch::ScratchDir;
use crate::host::Spec;
use crate::ready::Condition;
use crate::search::MessageExtractor;

/// The things provided for one start of a service.
pub(super) struct Provided {
    pub(super) resources: Arc<Resources>,
    /// The progress of the output of each run, with its captured values.
    pub(super) output: OutputProgress,
    pub(super) before: Vec<Preparation>,
    pub(super) prepare: Vec<Preparation>,
    pub(super) step_timeout: Duration,
    pub(super) recorder: Option<Recorder>,
    pub(super) output_file: Option<Arc<File>>,
}

/// Provides everything for a start, and returns the description of the service with its placeholders filled
/// in.
pub(super) fn provide(
    service: &Service,
    message: MessageExtractor,
) -> Result<(Service, Provided), NotReadyReason> {
    let invalid = NotReadyReason::Invalid;
    let recipe = &service.recipe;
    if let Some(failure) = &recipe.failure {
        return Err(failure.clone());
    }
    let output = OutputProgress::new(&recipe.captures, message).map_err(invalid)?;
    for file in &recipe.files {
        check_path(file).map_err(invalid)?;
    }
    let mut service = service.clone();
    let mut resources = Resources::provide(&service, recipe)?;
    if let (Some(port), true) = (&resources.port, service.port.is_none()) {
        service = service.port(port);
    }
    for (name, _) in recipe.named_ports.iter().filter(|(_, is_expected)| *is_expected) {
        if let Some(number) = resources.named_port(name) {
            service = service.expect_port(number);
        }
    }
    for make in &recipe.conditions {
        service.expected.push(make(&resources));
    }
    let (mut before, mut prepare) = (Vec::new(), Vec::new());
    if recipe.has_placeholders() {
        let fill = |error| NotReadyReason::Invalid(ServiceError::Placeholder(error));
        service.spec = expand_spec(&resources, service.spec, "").map_err(fill)?;
        let step = |number: usize, kind: &str, step: &Spec| {
            let place = format!(" of step {number} {kind} the start");
            let step = expand_spec(&resources, step.clone(), &place)?;
            Ok(step.with_defaults_of(&service.spec).die_with_parent(true))
        };
        let steps = [("before", &recipe.before, &mut before), ("after", &recipe.prepare, &mut prepare)];
        for (kind, described, provided) in steps {
            for (index, described) in described.iter().enumerate() {
                provided.push(match described {
                    Preparation::Command(command) => {
                        let command = step(index + 1, kind, command).map_err(fill)?;
                        command.check().map_err(|error| invalid(ServiceError::Step(error)))?;
                        Preparation::Command(Box::new(command))
                    }
                    Preparation::Closure(closure) => Preparation::Closure(Arc::clone(closure)),
                });
            }
        }
        if let Some(url) = &recipe.url {
            let value = |found: Placeholder<'_>| resources.value(found);
            let url = placeholders::expand(&"the URL", url.as_bytes(), &value).map_err(fill)?;
            resources.url = Some(String::from_utf8_lossy(&url).into_owned());
        }
        let owner = owner(&service.spec);
        for file in &recipe.files {
            create_file(&resources, file, owner)?;
        }
    }
    let provided = Provided {
        resources: Arc::new(resources),
        output,
        before,
        prepare,
        step_timeout: recipe.step_timeout,
        recorder: recipe.recorder.clone(),
        output_file: recipe.output_file.clone(),
    };
    Ok((service, provided))
}

impl Resources {
    /// Reserves the ports and creates the directory.
    fn provide(service: &Service, recipe: &Recipe) -> Result<Self, NotReadyReason> {
        let system = |error| NotReadyReason::System(Arc::new(error));
        let mut resources = Self::new(&service.spec, service.port.clone());
        if recipe.has_free_port && resources.port.is_none() {
            resources.port = Some(Port::reserve().map_err(system)?);
        }
        for (name, _) in &recipe.named_ports {
            let port = Port::reserve().map_err(system)?;
            resources.named_ports.insert(name.clone(), port);
        }
        if recipe.has_scratch {
            let parent = recipe.scratch_parent.clone().unwrap_or_else(std::env::temp_dir);
            let name = service.name.as_ref().map_or("service", |name| name.as_str());
            let created = ScratchDir::create(&parent, name, owner(&service.spec));
            let error = |error| NotReadyReason::Scratch(ScratchError::new(parent.clone(), error));
            resources.scratch = Some(created.map_err(error)?);
        }
        Ok(resources)
    }
}

fn expand_spec(resources: &Resources, spec: Spec, suffix: &str) -> Result<Spec, PlaceholderError> {
    spec.try_map_texts(|place, text: &OsStr| {
        let place = format!("{place}{suffix}");
        placeholders::expand_os(&place, text, &|found| resources.value(found))
    })
}

/// Returns the user and the group of a service that has others than this process.
fn owner(spec: &Spec) -> Option<(u32, u32)> {
    let uid = spec.get_uid()?;
    Some((uid, spec.get_gid().unwrap_or_else(|| rustix::process::getegid().as_raw())))
}

/// Checks that the file lies in the directory.
fn check_path(file: &ServiceFile) -> Result<(), ServiceError> {
    let is_inside = file.path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_inside && file.path.file_name().is_some() {
        return Ok(());
    }
    let path = match &file.content {
        Content::Text(_) => &file.path,
        Content::CopyOf(source) => source,
    };
    Err(ServiceError::FileOutside(path.clone()))
}

fn create_file(
    resources: &Resources,
    file: &ServiceFile,
    owner: Option<(u32, u32)>,
) -> Result<(), NotReadyReason> {
    let scratch_error = |path: &Path| {
        let path = path.to_owned();
        move |error| NotReadyReason::Scratch(ScratchError::new(path, error))
    };
    let content = match &file.content {
        Content::Text(text) => text.clone(),
        Content::CopyOf(source) => fs::read(source).map_err(scratch_error(source))?,
    };
    let place = format!("the file {}", file.path.display());
    let content = placeholders::expand(&place, &content, &|found| resources.value(found))
        .map_err(|error| NotReadyReason::Invalid(ServiceError::Placeholder(error)))?;
    let dir = resources.dir().expect("a service with files has a directory");
    let path = dir.join(&file.path);
    write_file(dir, &file.path, &content, owner).map_err(scratch_error(&path))
}

/// Writes a file below `dir`, with the folders that it needs.
fn write_file(dir: &Path, path: &Path, content: &[u8], owner: Option<(u32, u32)>) -> io::Result<()> {
    let own = |path: &Path| owner.map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid)));
    let mut folder = PathBuf::from(dir);
    for part in path.parent().into_iter().flat_map(Path::components) {
        folder.push(part);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => {
                created?;
                own(&folder)?;
            }
        }
    }
    let path = dir.join(path);
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    io::Write::write_all(&mut file, content)?;
    own(&path)
}

/// Returns the conditions of a service as one.
pub(super) fn expected(service: &Service) -> Condition {
    Condition::all(service.spec.get_ready().into_iter().chain(&service.expected).cloned())
}
