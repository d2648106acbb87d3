//! From the settings `ready`, `alive` and `after` to the conditions and dependencies of a spec.

use std::path::Path;

use childminder::host::StatusRange;
use childminder::machine::{Dependency, OnEnd, RestartGroup, Strategy, Stream};
use childminder::ready::OutputMatch;
use childminder::{Condition, Name, Spec};

use super::ports::Ports;
use super::problems::{At, Problem};
use super::setting::{Entry, Liveness, Probe, Setting, Until};

/// Adds the dependencies and conditions of an entry, whose program runs in `cwd`.
pub(crate) fn add(
    mut spec: Spec,
    entry: &Entry,
    cwd: &Path,
    ports: &Ports,
    problems: &mut Vec<Problem>,
) -> Spec {
    for after in entry.after() {
        // A name that is not valid is not that of a process, which is reported with the graph.
        let Ok(on) = Name::new(&after.on.value) else { continue };
        let until = match after.until {
            Until::Started => childminder::Until::Started,
            Until::Ready => childminder::Until::Ready,
            Until::Completed => childminder::Until::Completed,
        };
        let on_end = if after.restarts { OnEnd::Restart } else { OnEnd::Stay };
        spec = spec.after_with(Dependency { on_end, ..Dependency::new(on, until) });
    }
    if let Some(Setting::Group { name, strategy }) = entry.get("restart-group").map(|group| &group.value) {
        let one_for_all = *strategy == "one-for-all";
        let strategy = if one_for_all { Strategy::OneForAll } else { Strategy::RestForOne };
        spec = spec.restart_group(RestartGroup { name: name.clone(), strategy });
    }
    let mut builder = Builder { spec: spec.clone(), entry, cwd, ports, problems };
    if let Some(Setting::Condition(probe)) = entry.get("ready").map(|ready| &ready.value)
        && let Some(condition) = builder.checked("ready", probe)
    {
        spec = spec.ready(condition);
    }
    if let Some(timeout) = entry.duration("ready-timeout") {
        spec = spec.ready_timeout(timeout);
    }
    if let Some(timeout) = entry.duration("watchdog") {
        spec = spec.watchdog(timeout);
    }
    if let Some(Setting::Liveness(Liveness { probe, every, failures, grace })) =
        entry.get("alive").map(|alive| &alive.value)
        && let Some(condition) = builder.checked("alive", probe)
    {
        let default = childminder::ready::Liveness::default();
        let liveness = childminder::ready::Liveness {
            every: every.unwrap_or(default.every),
            failures: failures.unwrap_or(default.failures),
            grace: grace.unwrap_or(default.grace),
        };
        spec = spec.alive(condition, liveness);
    }
    spec
}

struct Builder<'a> {
    /// The process, in whose surroundings commands are run.
    spec: Spec,
    entry: &'a Entry,
    cwd: &'a Path,
    ports: &'a Ports,
    problems: &'a mut Vec<Problem>,
}

impl Builder<'_> {
    /// Builds a condition and checks that it can be met.
    fn checked(&mut self, key: &str, probe: &Probe) -> Option<Condition> {
        let condition = self.condition(key, probe)?;
        match condition.check() {
            Ok(()) => Some(condition),
            Err(error) => {
                self.problems.push(Problem::new(self.entry.span_of(key), error.to_string()));
                None
            }
        }
    }

    fn condition(&mut self, key: &str, probe: &Probe) -> Option<Condition> {
        Some(match probe {
            Probe::Port(port) => Condition::port(self.port(port)?),
            Probe::Http { url, status: (first, last) } => {
                let text = self.expand(url)?;
                match split_url(&text) {
                    Ok((port, path)) => Condition::http_status(port, path, StatusRange::from(*first..=*last)),
                    Err(message) => {
                        self.problems.push(Problem::new(&url.span, message));
                        return None;
                    }
                }
            }
            Probe::Unix(path) => Condition::unix(self.cwd.join(self.expand(path)?)),
            Probe::Exec(words) => {
                let words: Result<Vec<String>, String> =
                    words.iter().map(|word| self.ports.expand(word, &self.entry.name)).collect();
                match words {
                    Ok(words) => Condition::command(self.command(words)),
                    Err(message) => {
                        self.problems.push(Problem::new(self.entry.span_of(key), message));
                        return None;
                    }
                }
            }
            Probe::Output { text, regex, stream, times } => {
                let mut wanted = if *regex { OutputMatch::regex(text) } else { OutputMatch::text(text) };
                wanted = match stream {
                    Some("stderr") => wanted.on(Stream::Stderr),
                    Some(_) => wanted.on(Stream::Stdout),
                    None => wanted,
                };
                wanted.times(*times).into()
            }
            Probe::Notify(number) => Condition::notify(*number),
            Probe::SdNotify => Condition::sd_notify(),
            Probe::Uptime(uptime) => Condition::uptime(*uptime),
            Probe::All(probes) => Condition::all(self.conditions(key, probes)?),
            Probe::Any(probes) => Condition::any(self.conditions(key, probes)?),
            Probe::ByAnyProcess(probe) => self.condition(key, probe)?.by_any_process(),
        })
    }

    fn conditions(&mut self, key: &str, probes: &[Probe]) -> Option<Vec<Condition>> {
        let conditions: Vec<_> = probes.iter().map(|probe| self.condition(key, probe)).collect();
        conditions.into_iter().collect()
    }

    /// Returns a command as the user, and with the directory and environment, of the process.
    fn command(&self, words: Vec<String>) -> Spec {
        let mut command = Spec::from(words).cwd(self.cwd);
        if self.spec.is_env_cleared() {
            command = command.env_clear();
        }
        for (name, value) in self.spec.get_envs() {
            command = match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(uid) = self.spec.get_uid() {
            command = command.uid(uid);
        }
        if let Some(gid) = self.spec.get_gid() {
            command = command.gid(gid);
        }
        if let Some(groups) = self.spec.get_groups() {
            command = command.groups(groups.iter().copied());
        }
        command
    }

    fn port(&mut self, text: &At<String>) -> Option<u16> {
        let port = self.expand(text)?;
        let number = port.parse().ok().filter(|port| *port > 0);
        if number.is_none() {
            let problem = Problem::new(&text.span, format!("`{port}` is not a port number"));
            self.problems.push(problem.help("write a number from 1 to 65535, or \"{port}\""));
        }
        number
    }

    fn expand(&mut self, text: &At<String>) -> Option<String> {
        let expanded = self.ports.expand(&text.value, &self.entry.name);
        expanded.map_err(|message| self.problems.push(Problem::new(&text.span, message))).ok()
    }
}

/// Splits a URL of this machine into its port and path.
fn split_url(url: &str) -> Result<(u16, String), String> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(match url.starts_with("https://") {
            true => "https is not supported here; use http, or a command with `exec`".to_owned(),
            false => "a URL begins with http://".to_owned(),
        });
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "80"),
    };
    if !["127.0.0.1", "localhost", "[::1]"].contains(&host) {
        return Err(format!("only this machine can be asked, such as http://127.0.0.1:{port}{path}"));
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok((port, path.to_owned())),
        _ => Err(format!("`{port}` is not a port number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_this_machine_are_split() {
        for (url, port, path) in [
            ("http://127.0.0.1:8000/health?x=1", 8000, "/health?x=1"),
            ("http://localhost", 80, "/"),
            ("http://[::1]:81/a", 81, "/a"),
            ("http://[::1]/", 80, "/"),
        ] {
            assert_eq!(split_url(url), Ok((port, path.to_owned())), "{url}");
        }
        for (url, reason) in [
            ("https://localhost/", "https"),
            ("localhost:80/", "begins with"),
            ("http://example.org/", "only this machine"),
            ("http://localhost:0/", "`0`"),
            ("http://localhost:web/", "`web`"),
        ] {
            let error = split_url(url).unwrap_err();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
