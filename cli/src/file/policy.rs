//! From the settings of an entry to its policy.

use childminder::Policy;
use childminder::Restart;
use childminder::backoff::Jitter;
use childminder::machine::{ExitSet, GiveUp, LongRun, OnGiveUp};

use super::problems::Problem;
use super::setting::{Entry, ExitKind, Setting};

/// The keys of a policy that have no effect on a process that is never restarted.
pub(crate) const KEYS_OF_RESTARTS: &[&str] = &[
    "threshold",
    "min-restart-delay",
    "max-restart-delay",
    "growth",
    "jitter",
    "long-run",
    "reset-after-ready",
    "give-up",
];

/// The other keys of a policy.
const OTHER_KEYS: &[&str] = &["policy", "restart", "success", "on-give-up", "kill-time", "leak-timeout"];

/// Whether a policy is built from this key.
pub(crate) fn is_policy_key(key: &str) -> bool {
    KEYS_OF_RESTARTS.contains(&key) || OTHER_KEYS.contains(&key)
}

/// The fields of [`Policy`] as `childminder run` and every message name them.
pub(crate) fn preset(name: &str) -> Policy {
    match name {
        "supervisord" => Policy::supervisord(),
        "systemd" => Policy::systemd(),
        "kubernetes" => Policy::kubernetes(),
        "otp" => Policy::otp(),
        "pebble" => Policy::pebble(),
        "docker" => Policy::docker(),
        _ => Policy::twisted(),
    }
}

/// Builds the policy of an entry, on top of its preset. Returns `None` if there is a problem.
pub(crate) fn build(entry: &Entry, problems: &mut Vec<Problem>) -> Option<Policy> {
    build_on(preset(entry.text("policy").unwrap_or_default()), entry, problems)
}

/// Builds the policy of an entry, on top of another one. Returns `None` if there is a problem.
pub(super) fn build_on(base: Policy, entry: &Entry, problems: &mut Vec<Problem>) -> Option<Policy> {
    let duration = |key, default| entry.duration(key).unwrap_or(default);
    let restart = match entry.text("restart") {
        Some("always") => Restart::Always,
        Some("on-failure") => Restart::OnFailure,
        Some("never") => Restart::Never,
        _ => base.restart,
    };
    let success = match entry.get("success").map(|success| &success.value) {
        Some(Setting::Exits(exits)) => exits.iter().fold(ExitSet::NONE, |set, exit| match exit {
            ExitKind::Code(code) => set.code(*code),
            ExitKind::Signal(signal) => set.signal(*signal),
        }),
        _ => base.success,
    };
    let growth = match entry.get("growth").map(|growth| &growth.value) {
        Some(Setting::Growth(growth)) => *growth,
        _ => base.growth,
    };
    let jitter = match entry.get("jitter").map(|jitter| &jitter.value) {
        Some(Setting::Fraction(fraction)) => Jitter::new(*fraction).unwrap_or(base.jitter),
        _ => base.jitter,
    };
    let long_run = match entry.text("long-run") {
        Some("first-delay") => LongRun::FirstDelay,
        Some(_) => LongRun::AtOnce,
        None => base.long_run,
    };
    let before = problems.len();
    // Every field is listed, so that a new one cannot be forgotten.
    let policy = Policy {
        threshold: duration("threshold", base.threshold),
        kill_time: duration("kill-time", base.kill_time),
        min_restart_delay: duration("min-restart-delay", base.min_restart_delay),
        max_restart_delay: duration("max-restart-delay", base.max_restart_delay),
        leak_timeout: duration("leak-timeout", base.leak_timeout),
        restart,
        success,
        growth,
        jitter,
        long_run,
        reset_after_ready: entry.duration("reset-after-ready").or(base.reset_after_ready),
        give_up: give_up(entry, base.give_up, problems),
    };
    (problems.len() == before).then_some(policy)
}

fn give_up(entry: &Entry, base: Option<GiveUp>, problems: &mut Vec<Problem>) -> Option<GiveUp> {
    let mut give_up = match entry.get("give-up").map(|give_up| &give_up.value) {
        Some(Setting::GiveUp { failures, within }) => {
            let then = base.map_or(OnGiveUp::StayDown, |base| base.then);
            Some(GiveUp { failures: *failures, within: *within, then })
        }
        _ => base,
    };
    let then = match entry.text("on-give-up") {
        Some("stop-all") => OnGiveUp::StopAll,
        Some(_) => OnGiveUp::StayDown,
        None => return give_up,
    };
    match &mut give_up {
        Some(give_up) => give_up.then = then,
        None => {
            let message = format!("`{}` never gives up, so this has no effect", entry.name);
            problems.push(
                Problem::new(entry.span_of("on-give-up"), message).help("add give-up = { failures = 5 }"),
            );
        }
    }
    give_up
}
