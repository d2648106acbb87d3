//! A job of Nomad, with a group for each program.

use std::fmt::Write;
use std::time::Duration;

use childminder::backoff::{Growth, Jitter};
use childminder::machine::{GiveUp, LongRun, OnGiveUp};
use childminder::{Policy, Restart};

use super::program::{Program, seconds_up};
use super::report::Exported;
use super::yaml::quoted;
use crate::file::setting::{Liveness, Probe};

/// The keys that a task has a counterpart for.
const CARRIED: &[&str] = &[
    "command",
    "env",
    "cwd",
    "user",
    "port",
    "ready",
    "alive",
    "hold",
    "stop-signal",
    // Reported in words of their own.
    "after",
    "env-file",
];

/// The time in which Nomad counts failures if the file has none.
const INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Writes one file.
pub(super) fn export(programs: &[Program<'_>]) -> Exported {
    let mut exported = Exported::new("nomad");
    let mut text = String::from("job \"childminder\" {\n  type = \"service\"\n");
    for program in programs {
        group(program, &mut text, &mut exported);
        exported.policies.push(policy(&program.policy));
        exported.lose_others(program, CARRIED);
    }
    text.push_str("}\n");
    exported.files.push(("childminder.nomad.hcl".to_owned(), text));
    exported.general.push("check the job with `nomad job validate`; raw_exec has to be enabled".to_owned());
    exported
}

/// Returns the policy of a task: the same delay always, plus up to a quarter at random.
fn policy(own: &Policy) -> Policy {
    let delay = own.delay(1).min.max(Duration::from_secs(1));
    let give_up = own.give_up.map(|give_up| GiveUp {
        within: Some(give_up.within.unwrap_or(INTERVAL)),
        then: OnGiveUp::StayDown,
        ..give_up
    });
    Policy {
        threshold: Policy::LONGEST,
        kill_time: own.kill_time,
        min_restart_delay: delay,
        max_restart_delay: delay,
        restart: own.restart,
        growth: Growth::Fixed,
        jitter: Jitter::new(0.25).unwrap_or_default(),
        long_run: LongRun::FirstDelay,
        give_up,
        ..Policy::default()
    }
}

/// Returns a string of HCL, in which nothing is expanded.
fn string(text: &str) -> String {
    quoted(text).replace("${", "$${").replace("%{", "%%{")
}

fn group(program: &Program<'_>, text: &mut String, exported: &mut Exported) {
    let theirs = policy(&program.policy);
    let name = string(program.name);
    let mut line = |indent: usize, content: &str| {
        let _ = writeln!(text, "{}{content}", "  ".repeat(indent));
    };
    line(0, "");
    line(1, &format!("group {name} {{"));
    line(2, &format!("count = {}", u8::from(!program.hold)));
    line(2, "restart {");
    let (attempts, within, mode) = match (program.policy.restart, theirs.give_up) {
        (Restart::Never, _) => (0, INTERVAL, "fail"),
        (_, Some(give_up)) => (give_up.failures - 1, give_up.within.unwrap_or(INTERVAL), "fail"),
        (_, None) => (1_000, INTERVAL, "delay"),
    };
    line(3, &format!("attempts = {attempts}"));
    line(3, &format!("interval = \"{}s\"", seconds_up(within).max(10)));
    line(3, &format!("delay = \"{}s\"", seconds_up(theirs.min_restart_delay)));
    line(3, &format!("mode = \"{mode}\""));
    line(2, "}");
    // Nomad places a failed group anew, which would be another restart.
    line(2, "reschedule {");
    line(3, "attempts = 0");
    line(3, "unlimited = false");
    line(2, "}");
    if let Some(port) = program.port {
        line(2, "network {");
        line(3, "port \"main\" {");
        line(4, &format!("static = {port}"));
        line(3, "}");
        line(2, "}");
    }
    checks(program, &mut line, exported);
    line(2, &format!("task {name} {{"));
    line(3, "driver = \"raw_exec\"");
    if let Some(user) = program.entry.text("user") {
        line(3, &format!("user = {}", string(user)));
    }
    let signal = program.stop_signal.to_string();
    if signal.parse::<i32>().is_ok() {
        exported.lose(program, format!("Nomad has no name for signal {signal}"));
    } else {
        line(3, &format!("kill_signal = \"SIG{signal}\""));
    }
    line(3, &format!("kill_timeout = \"{}s\"", program.kill_seconds()));
    line(3, "config {");
    let (command, arguments) =
        program.words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    line(4, &format!("command = {}", string(command)));
    let arguments: Vec<String> = arguments.iter().map(|word| string(word)).collect();
    line(4, &format!("args = [{}]", arguments.join(", ")));
    line(4, &format!("work_dir = {}", string(&program.cwd.to_string_lossy())));
    line(3, "}");
    let variables: Vec<_> =
        program.variables.iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
    if !variables.is_empty() {
        line(3, "env = {");
        for (name, value) in variables {
            line(4, &format!("{} = {}", string(name), string(value)));
        }
        line(3, "}");
    }
    line(2, "}");
    line(1, "}");
    lose(program, exported);
}

/// Writes a service with the checks of the program, if it has a port.
fn checks(program: &Program<'_>, line: &mut impl FnMut(usize, &str), exported: &mut Exported) {
    let alive =
        program.alive.as_ref().map(|Liveness { probe, every, failures, .. }| (probe, *every, *failures));
    let ready = program.ready.as_ref().map(|probe| (probe, None, None));
    let all: Vec<_> = [("ready", ready), ("alive", alive)]
        .into_iter()
        .filter_map(|(kind, check)| check.map(|check| (kind, check)))
        .collect();
    if all.is_empty() {
        return;
    }
    if program.port.is_none() {
        for (kind, _) in all {
            exported.lose(program, format!("`{kind}`: a check of Nomad needs a `port`"));
        }
        return;
    }
    line(2, "service {");
    line(3, "provider = \"nomad\"");
    line(3, "port = \"main\"");
    for (kind, (probe, every, failures)) in all {
        let target = match probe {
            Probe::Port(_) => ("tcp", None),
            Probe::Http { url, .. } => {
                let rest = url.value.trim_start_matches("http://");
                ("http", Some(format!("/{}", rest.split_once('/').map_or("", |(_, path)| path))))
            }
            _ => {
                exported.lose(program, format!("`{kind}`: Nomad itself checks ports and http only"));
                continue;
            }
        };
        line(3, "check {");
        line(4, &format!("name = \"{kind}\""));
        line(4, &format!("type = \"{}\"", target.0));
        if let Some(path) = target.1 {
            line(4, &format!("path = {}", string(&path)));
        }
        line(4, &format!("interval = \"{}s\"", every.map_or(10, seconds_up)));
        line(4, "timeout = \"2s\"");
        if kind == "alive" {
            line(4, "check_restart {");
            line(5, &format!("limit = {}", failures.unwrap_or(3)));
            line(4, "}");
        }
        line(3, "}");
    }
    line(2, "}");
}

fn lose(program: &Program<'_>, exported: &mut Exported) {
    for after in program.after() {
        exported
            .lose(program, format!("it does not wait for `{}`: the program has to retry", after.on.value));
    }
    for file in &program.variable_files {
        exported.lose(program, format!("add a `template` block with `env = true` for {}", file.display()));
    }
    if program.policy.give_up.is_none() && program.policy.restart != Restart::Never {
        exported.lose(program, "after 1000 restarts in 30 minutes it waits until these are over");
    }
    if program.policy.restart == Restart::OnFailure {
        exported.lose(program, "a service job restarts it also after exit code 0");
    }
}
