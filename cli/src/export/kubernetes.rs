//! Manifests of Kubernetes: a Deployment for each program that is always restarted, a Job for each other one.

use childminder::machine::{GiveUp, OnGiveUp};
use childminder::{Policy, Restart, Signal};

use super::program::{Program, seconds_up};
use super::report::Exported;
use super::shell;
use super::yaml::{Yaml, table, texts};
use crate::file::setting::{Liveness, Probe};

/// The keys that a container has a counterpart for.
const CARRIED: &[&str] = &[
    "command",
    "cwd",
    "env",
    "port",
    "ready",
    "ready-timeout",
    "alive",
    "hold",
    "uid",
    "gid",
    "groups",
    "stop-command",
    "terminal",
    // Reported in words of their own.
    "after",
    "env-file",
    "user",
    "stop-signal",
];

/// Writes a file for each program.
pub(super) fn export(programs: &[Program<'_>]) -> Exported {
    let mut exported = Exported::new("kubernetes");
    let mut names: Vec<String> = Vec::new();
    for program in programs {
        let name = label(program.name, &names);
        let mut text = workload(program, &name, &mut exported).document();
        if let Some(port) = program.port {
            text.push_str("---\n");
            text.push_str(&network(&name, port).document());
        }
        exported.files.push((format!("{name}.yaml"), text));
        exported.policies.push(policy(&program.policy));
        lose(program, &mut exported);
        exported.lose_others(program, CARRIED);
        names.push(name);
    }
    // Several documents in one stream need a separator.
    exported.files.iter_mut().skip(1).for_each(|(_, text)| text.insert_str(0, "---\n"));
    exported.general.push("set the `image` of each container, and how many `replicas` there are".to_owned());
    exported.general.push("check the files with `kubectl apply --dry-run=server -f DIR`".to_owned());
    exported
}

fn lose(program: &Program<'_>, exported: &mut Exported) {
    for after in program.after() {
        exported
            .lose(program, format!("it does not wait for `{}`: the program has to retry", after.on.value));
    }
    if program.stop_signal != Signal::TERM {
        exported.lose(
            program,
            format!("the stop signal is that of the image: add `STOPSIGNAL {}` there", program.stop_signal),
        );
    }
    for file in &program.variable_files {
        exported.lose(program, format!("create a Secret from {}, and add it to `envFrom`", file.display()));
    }
    if let Some(user) = program.entry.text("user") {
        exported.lose(program, format!("the user `{user}`: `runAsUser` needs its number"));
    }
    if program.policy.give_up.is_some() && program.policy.restart == Restart::Always {
        exported.lose(program, "it is never given up");
    }
}

/// Returns the policy of a pod.
fn policy(own: &Policy) -> Policy {
    let give_up = own.give_up.filter(|_| own.restart == Restart::OnFailure);
    let give_up = give_up.map(|give_up| GiveUp { within: None, then: OnGiveUp::StayDown, ..give_up });
    Policy { restart: own.restart, kill_time: own.kill_time, give_up, ..Policy::kubernetes() }
}

/// Returns a name that Kubernetes accepts, and that is not taken.
fn label(name: &str, taken: &[String]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(50).collect();
    let name = name.trim_matches('-');
    let name = if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        format!("p-{name}")
    };
    let name = name.trim_matches('-').to_owned();
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name)
}

fn workload(program: &Program<'_>, name: &str, exported: &mut Exported) -> Yaml {
    let labels = || table([("app.kubernetes.io/name", Yaml::from(name))]);
    let metadata = || table([("name", Yaml::from(name)), ("labels", labels())]);
    let mut pod = table([
        ("terminationGracePeriodSeconds", Yaml::from(program.kill_seconds())),
        ("containers", Yaml::List(vec![container(program, name, exported)])),
    ]);
    let mut account = Vec::new();
    for (key, field) in [("uid", "runAsUser"), ("gid", "runAsGroup")] {
        account.extend(program.entry.integer::<i64>(key).map(|id| (field.to_owned(), Yaml::Number(id))));
    }
    if let Some(crate::file::setting::Setting::Ids(ids)) =
        program.entry.get("groups").map(|groups| &groups.value)
    {
        let ids = ids.iter().map(|id| Yaml::Number((*id).into())).collect();
        account.push(("supplementalGroups".to_owned(), Yaml::List(ids)));
    }
    if !account.is_empty() {
        pod.push("securityContext", Yaml::Table(account));
    }
    if program.policy.restart == Restart::Always {
        let template = table([("metadata", table([("labels", labels())])), ("spec", pod)]);
        let spec = table([
            ("replicas", Yaml::from(u64::from(!program.hold))),
            ("strategy", table([("type", Yaml::from("Recreate"))])),
            ("selector", table([("matchLabels", labels())])),
            ("template", template),
        ]);
        return table([
            ("apiVersion", Yaml::from("apps/v1")),
            ("kind", Yaml::from("Deployment")),
            ("metadata", metadata()),
            ("spec", spec),
        ]);
    }
    let is_retried = program.policy.restart == Restart::OnFailure;
    pod.push("restartPolicy", if is_retried { "OnFailure" } else { "Never" });
    let limit = match program.policy.give_up {
        _ if !is_retried => 0,
        Some(give_up) => u64::from(give_up.failures) - 1,
        None => {
            exported.lose(program, "a Job always gives up, here after 1000 retries");
            1_000
        }
    };
    let template = table([("metadata", table([("labels", labels())])), ("spec", pod)]);
    let spec = table([
        ("backoffLimit", Yaml::from(limit)),
        ("suspend", Yaml::Flag(program.hold)),
        ("template", template),
    ]);
    table([
        ("apiVersion", Yaml::from("batch/v1")),
        ("kind", Yaml::from("Job")),
        ("metadata", metadata()),
        ("spec", spec),
    ])
}

/// Keeps Kubernetes from expanding `$(NAME)`.
fn escaped(text: &str) -> String {
    text.replace("$(", "$$(")
}

fn container(program: &Program<'_>, name: &str, exported: &mut Exported) -> Yaml {
    let mut container = table([
        ("name", Yaml::from(name)),
        ("image", Yaml::from(format!("example.invalid/{name}:latest"))),
        ("command", texts(program.words.iter().map(|word| escaped(word)))),
        ("workingDir", Yaml::from(program.cwd.to_string_lossy().into_owned())),
    ]);
    let variables: Vec<Yaml> = program
        .variables
        .iter()
        .filter_map(|(name, value)| {
            let value = escaped(value.as_deref()?);
            Some(table([("name", Yaml::from(&**name)), ("value", Yaml::from(value))]))
        })
        .collect();
    if !variables.is_empty() {
        container.push("env", Yaml::List(variables));
    }
    if let Some(port) = program.port {
        container.push("ports", Yaml::List(vec![table([("containerPort", Yaml::from(u64::from(port)))])]));
    }
    if program.entry.get("terminal").is_some() {
        container.push("tty", Yaml::Flag(true));
    }
    if let Some(words) = program.entry.texts("stop-command") {
        let exec = table([("exec", table([("command", texts(words))]))]);
        container.push("lifecycle", table([("preStop", exec)]));
        exported.lose(program, "TERM follows the stop command at once");
    }
    if let Some(probe) = &program.ready
        && let Some(mut check) = handler(probe, program, exported)
    {
        let timeout =
            program.entry.duration("ready-timeout").unwrap_or(crate::check::schedule::READY_TIMEOUT);
        let mut startup = check.clone();
        check.push("periodSeconds", Yaml::Number(10));
        container.push("readinessProbe", check);
        startup.push("periodSeconds", Yaml::Number(1));
        startup.push("failureThreshold", Yaml::from(seconds_up(timeout)));
        container.push("startupProbe", startup);
    }
    if let Some(Liveness { probe, every, failures, grace }) = &program.alive
        && let Some(mut check) = handler(probe, program, exported)
    {
        check.push("periodSeconds", Yaml::from(every.map_or(10, seconds_up)));
        check.push("failureThreshold", Yaml::Number(failures.unwrap_or(3).into()));
        if let Some(grace) = grace {
            check.push("initialDelaySeconds", Yaml::from(seconds_up(*grace)));
        }
        container.push("livenessProbe", check);
    }
    container
}

/// Returns a condition as a probe.
fn handler(probe: &Probe, program: &Program<'_>, exported: &mut Exported) -> Option<Yaml> {
    let port_of = |text: &str| text.parse::<u16>().ok().map(|port| Yaml::from(u64::from(port)));
    match probe {
        Probe::Port(port) => return Some(table([("tcpSocket", table([("port", port_of(&port.value)?)]))])),
        Probe::Http { url, status } => {
            let rest = url.value.strip_prefix("http://")?;
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
            if *status != (200, 399) {
                exported.lose(program, "a status from 200 to 399 counts as success");
            }
            let get = table([("path", Yaml::from(format!("/{path}"))), ("port", port_of(port)?)]);
            return Some(table([("httpGet", get)]));
        }
        _ => {}
    }
    let mut lost = Vec::new();
    let script = shell::script(probe, &mut lost);
    lost.into_iter().for_each(|what| exported.lose(program, what));
    let command = texts(["sh", "-c", &escaped(&script?)]);
    Some(table([("exec", table([("command", command)]))]))
}

/// Returns the name under which the other pods reach the port.
fn network(name: &str, port: u16) -> Yaml {
    let selector = table([("app.kubernetes.io/name", Yaml::from(name))]);
    let ports = Yaml::List(vec![table([("port", Yaml::from(u64::from(port)))])]);
    table([
        ("apiVersion", Yaml::from("v1")),
        ("kind", Yaml::from("Service")),
        ("metadata", table([("name", Yaml::from(name))])),
        ("spec", table([("selector", selector), ("ports", ports)])),
    ])
}
