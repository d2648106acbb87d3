//! What a started service owns besides its processes: ports, a directory, and the values that its output
//! names.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::Port;
use super::placeholders::{Placeholder, PlaceholderError, PlaceholderProblem, expand};
use super::scratch::ScratchDir;
use crate::host::Spec;
use crate::sync::Lock;

/// The ports, the scratch directory and the captured values of a started service, from
/// [`RunningService::resources`](crate::RunningService::resources).
///
/// They are the same for all runs of a started service, also after
/// [`stopped`](crate::RunningService::stopped). Another start of the same [`Service`](crate::Service) has
/// others, except for a [`Port`] that was set.
#[derive(Debug)]
pub struct Resources {
    pub(super) scratch: Option<ScratchDir>,
    pub(super) port: Option<Port>,
    pub(super) named_ports: BTreeMap<String, Port>,
    /// The variables that the service sets, for `{env:NAME}`.
    pub(super) env: BTreeMap<OsString, OsString>,
    /// Whether other variables are inherited.
    pub(super) inherits_env: bool,
    pub(super) captured: Lock<Vec<String>>,
    pub(super) url: Option<String>,
}

impl Resources {
    pub(super) fn new(spec: &Spec, port: Option<Port>) -> Self {
        let env = spec.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        Self {
            scratch: None,
            port,
            named_ports: BTreeMap::new(),
            env: env.collect(),
            inherits_env: !spec.is_env_cleared(),
            captured: Lock::new(Vec::new()),
            url: None,
        }
    }

    /// Returns the scratch directory, if the service has one ([`Service::scratch`](crate::Service::scratch)).
    pub fn dir(&self) -> Option<&Path> {
        self.scratch.as_ref().map(ScratchDir::path)
    }

    /// Returns the number of the port of the service.
    pub fn port(&self) -> Option<u16> {
        self.port.as_ref().map(Port::number)
    }

    /// Returns the number of the port with this name
    /// ([`Service::named_port`](crate::Service::named_port)).
    pub fn named_port(&self, name: &str) -> Option<u16> {
        self.named_ports.get(name).map(Port::number)
    }

    /// Returns the address for clients ([`Service::url`](crate::Service::url)).
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Returns the values that [`Service::capture`](crate::Service::capture) has found in the output, in the
    /// order of the calls. It is empty until the service is ready.
    pub fn captured(&self) -> Vec<String> {
        self.captured.lock().clone()
    }

    /// Fills in the placeholders in `text`, as in the arguments of the service.
    ///
    /// # Errors
    ///
    /// [`PlaceholderError`] for one that is unknown or has no value. Bytes that are not UTF-8 are replaced.
    pub fn expand(&self, text: &str) -> Result<String, PlaceholderError> {
        let expanded = expand(&"the text", text.as_bytes(), &|found| self.value(found))?;
        Ok(String::from_utf8_lossy(&expanded).into_owned())
    }

    /// Returns the value of a placeholder.
    pub(super) fn value(&self, placeholder: Placeholder<'_>) -> Result<OsString, PlaceholderProblem> {
        let Placeholder { word, name } = placeholder;
        match (word, name) {
            ("port", None) => {
                let port = self.port().ok_or(PlaceholderProblem::NoPort)?;
                Ok(port.to_string().into())
            }
            ("port", Some(name)) => {
                let known = || self.named_ports.keys().cloned().collect();
                let port = self.named_port(name).ok_or_else(|| PlaceholderProblem::UnknownPort(known()))?;
                Ok(port.to_string().into())
            }
            ("dir", None) => self.dir().map(OsString::from).ok_or(PlaceholderProblem::NoDirectory),
            ("env", Some(name)) => {
                let own = self.env.get(OsStr::new(name)).cloned();
                let inherited = || if self.inherits_env { env::var_os(name) } else { None };
                own.or_else(inherited).ok_or(PlaceholderProblem::NotSet)
            }
            _ => Err(PlaceholderProblem::Unknown),
        }
    }

    /// Removes the scratch directory. Called when everything that the service has started is gone.
    pub(super) fn remove_dir(&self) {
        if let Some(scratch) = &self.scratch {
            scratch.remove();
        }
    }
}
