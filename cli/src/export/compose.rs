//! A `compose.yaml` for Docker Compose.

use childminder::machine::{GiveUp, OnGiveUp};
use childminder::{Policy, Restart};

use super::program::{Program, seconds_up};
use super::report::Exported;
use super::shell;
use super::yaml::{Yaml, quoted, table, texts};
use crate::file::setting::{Limit, Log, Probe, Setting, Until};

/// The keys that a service has a counterpart for.
const CARRIED: &[&str] = &[
    "command",
    "cwd",
    "env",
    "env-file",
    "user",
    "group",
    "uid",
    "gid",
    "groups",
    "port",
    "after",
    "ready",
    "ready-timeout",
    "alive",
    "hold",
    "stop-signal",
    "limits",
    "oom-score-adj",
    "log",
    "terminal",
];

/// The seconds between two checks of a condition.
const EVERY: u64 = 2;

/// Writes one file with a service for each program.
pub(super) fn export(programs: &[Program<'_>]) -> Exported {
    let mut exported = Exported::new("compose");
    let mut services = Vec::new();
    for program in programs {
        services.push((program.name.replace(['@', ':'], "-"), service(program, programs, &mut exported)));
        exported.policies.push(policy(&program.policy));
        exported.lose_others(program, CARRIED);
    }
    let document = table([("services", Yaml::Table(services))]);
    exported.files.push(("compose.yaml".to_owned(), document.document()));
    exported
        .general
        .push("set the `image` of each service; `docker compose config` checks the file".to_owned());
    exported
        .general
        .push("the programs reach each other by the names of their services, not at 127.0.0.1".to_owned());
    exported
}

/// Returns the policy of a service.
fn policy(own: &Policy) -> Policy {
    // Docker counts its restarts, and gives up only after failures.
    let give_up = own.give_up.filter(|_| own.restart == Restart::OnFailure);
    let give_up = give_up.map(|give_up| GiveUp { within: None, then: OnGiveUp::StayDown, ..give_up });
    Policy { restart: own.restart, kill_time: own.kill_time, give_up, ..Policy::docker() }
}

/// Keeps Compose from expanding variables.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

fn service(program: &Program<'_>, all: &[Program<'_>], exported: &mut Exported) -> Yaml {
    let mut service = table([
        (
            "image",
            Yaml::from(format!(
                "example.invalid/{}:latest",
                program.name.to_lowercase().replace(['@', ':'], "-")
            )),
        ),
        ("command", texts(program.words.iter().map(|word| escaped(word)))),
        ("working_dir", Yaml::from(escaped(&program.cwd.to_string_lossy()))),
        ("init", Yaml::Flag(true)),
    ]);
    let variables = program
        .variables
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), Yaml::from(escaped(value.as_deref()?)))));
    let variables: Vec<_> = variables.collect();
    if !variables.is_empty() {
        service.push("environment", Yaml::Table(variables));
    }
    if !program.variable_files.is_empty() {
        service.push(
            "env_file",
            texts(program.variable_files.iter().map(|file| escaped(&file.to_string_lossy()))),
        );
    }
    match user(program) {
        Some(user) => service.push("user", user),
        None if ["group", "gid"].iter().any(|key| program.entry.get(key).is_some()) => {
            exported.lose(program, "a group without a user has no counterpart");
        }
        None => {}
    }
    if let Some(Setting::Ids(ids)) = program.entry.get("groups").map(|groups| &groups.value) {
        service.push("group_add", texts(ids.iter().map(u32::to_string)));
    }
    let restart = match (program.policy.restart, program.policy.give_up) {
        (Restart::Always, _) => "always".to_owned(),
        (Restart::OnFailure, Some(give_up)) => format!("on-failure:{}", give_up.failures.max(2) - 1),
        (Restart::OnFailure, None) => "on-failure".to_owned(),
        (Restart::Never, _) => "no".to_owned(),
    };
    service.push("restart", restart);
    if program.policy.restart == Restart::Always && program.policy.give_up.is_some() {
        exported
            .lose(program, "it is never given up: Docker counts failures only with restart = \"on-failure\"");
    }
    service.push("stop_signal", stop_signal(program));
    service.push("stop_grace_period", format!("{}s", program.kill_seconds()));
    if let Some(port) = program.port {
        service.push("ports", Yaml::List(vec![Yaml::from(format!("{port}:{port}"))]));
    }
    if !program.after().is_empty() {
        service.push("depends_on", dependencies(program, all, exported));
    }
    if let Some(check) = health(program, exported) {
        service.push("healthcheck", check);
    }
    if program.hold {
        service.push("profiles", texts(["held"]));
    }
    limits(program, &mut service, exported);
    if let Some(Setting::Log(Log { max_size, keep, .. })) = program.entry.get("log").map(|log| &log.value) {
        let size = match max_size {
            None => "10m".to_owned(),
            Some(u64::MAX) => "-1".to_owned(),
            Some(bytes) => format!("{}k", bytes.div_ceil(1024)),
        };
        let files = keep.unwrap_or(5).max(1).to_string();
        let options = table([("max-size", Yaml::from(size)), ("max-file", Yaml::from(files))]);
        service.push("logging", table([("driver", Yaml::from("json-file")), ("options", options)]));
        exported.lose(program, "the log is that of Docker, not a file of its own");
    }
    service
}

fn stop_signal(program: &Program<'_>) -> String {
    let name = program.stop_signal.to_string();
    if name.parse::<i32>().is_ok() { name } else { format!("SIG{name}") }
}

fn user(program: &Program<'_>) -> Option<String> {
    let account = |name: &str, id: &str| {
        program
            .entry
            .text(name)
            .map(str::to_owned)
            .or_else(|| program.entry.integer::<u32>(id).map(|id| id.to_string()))
    };
    let user = account("user", "uid")?;
    Some(match account("group", "gid") {
        Some(group) => format!("{user}:{group}"),
        None => user,
    })
}

fn dependencies(program: &Program<'_>, all: &[Program<'_>], exported: &mut Exported) -> Yaml {
    let mut entries = Vec::new();
    for after in program.after() {
        let name = &after.on.value;
        let other = all.iter().find(|other| *other.name == **name);
        let has_check = other.is_some_and(|other| {
            other.ready.as_ref().is_some_and(|probe| shell::script(probe, &mut Vec::new()).is_some())
        });
        let condition = match after.until {
            Until::Completed => "service_completed_successfully",
            Until::Ready if has_check => "service_healthy",
            Until::Ready | Until::Started => "service_started",
        };
        if after.until == Until::Ready && !has_check && other.is_some_and(|other| other.ready.is_some()) {
            exported.lose(
                program,
                format!("it does not wait until `{name}` is ready, only until it has started"),
            );
        }
        let mut dependency = table([("condition", Yaml::from(condition))]);
        if after.restarts {
            dependency.push("restart", Yaml::Flag(true));
        }
        entries.push((name.replace(['@', ':'], "-"), dependency));
    }
    Yaml::Table(entries)
}

/// Returns the health check, which is that of the readiness, or else that of the liveness.
fn health(program: &Program<'_>, exported: &mut Exported) -> Option<Yaml> {
    let alive = program.alive.as_ref().map(|alive| &alive.probe);
    let mut lost = Vec::new();
    let probes: Vec<&Probe> = program.ready.iter().chain(alive).collect();
    let script = probes.into_iter().find_map(|probe| shell::script(probe, &mut lost));
    lost.into_iter().for_each(|what| exported.lose(program, what));
    let script = script?;
    if program.alive.is_some() {
        exported.lose(program, "an unhealthy container is not restarted");
    }
    if script.contains("curl ") || script.contains("nc ") {
        exported.lose(program, "the image needs the program that its health check runs");
    }
    let timeout = program.entry.duration("ready-timeout").unwrap_or(crate::check::schedule::READY_TIMEOUT);
    let every = program.alive.as_ref().and_then(|alive| alive.every).map_or(EVERY, seconds_up);
    let retries = program.alive.as_ref().and_then(|alive| alive.failures).unwrap_or(3);
    Some(table([
        ("test", texts(["CMD-SHELL", &escaped(&script)])),
        ("interval", Yaml::from(format!("{every}s"))),
        ("retries", Yaml::Number(retries.into())),
        ("start_period", Yaml::from(format!("{}s", seconds_up(timeout)))),
    ]))
}

fn limits(program: &Program<'_>, service: &mut Yaml, exported: &mut Exported) {
    let number = |limit: Option<u64>| limit.map_or(Yaml::Number(-1), Yaml::from);
    if let Some(Setting::Limits(limits)) = program.entry.get("limits").map(|limits| &limits.value) {
        let mut entries = Vec::new();
        for (name, Limit { soft, hard }) in limits {
            match hard {
                Some(hard) => {
                    entries.push((name.clone(), table([("soft", number(*soft)), ("hard", number(*hard))])));
                }
                None => {
                    exported.lose(program, format!("limit {}: Docker needs a hard limit too", quoted(name)))
                }
            }
        }
        service.push("ulimits", Yaml::Table(entries));
    }
    if let Some(score) = program.entry.integer::<i64>("oom-score-adj") {
        service.push("oom_score_adj", Yaml::Number(score));
    }
    if program.entry.get("terminal").is_some() {
        service.push("tty", Yaml::Flag(true));
    }
}
