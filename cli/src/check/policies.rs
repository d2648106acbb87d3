//! Policies that never give up, never back off, or contradict themselves.

use std::time::Duration;

use childminder::machine::LongRun;
use childminder::{Policy, Restart};

use super::finding::{FindingKind, Findings, Level};
use super::schedule;
use crate::file::setting::Entry;
use crate::file::{KEYS_OF_RESTARTS, Process};
use crate::values::duration;

/// Checks the policy of a process.
pub(super) fn check(entry: &Entry, process: &Process, findings: &mut Findings<'_>) {
    let policy = process.spec.get_policy().unwrap_or_default();
    if policy.restart == Restart::Never {
        for key in KEYS_OF_RESTARTS.iter().filter(|key| entry.get(key).is_some()) {
            let message = format!("`{key}` has no effect, because the process is never restarted");
            findings.add(FindingKind::NeverRestarted, Level::Warning, entry, key, message);
        }
    } else {
        giving_up(entry, &policy, findings);
        backing_off(entry, &policy, findings);
    }
    if policy.kill_time.is_zero() {
        let message = "with a `kill-time` of zero the program is killed without time to stop";
        findings.add(FindingKind::NoKillTime, Level::Warning, entry, "kill-time", message);
    }
}

fn giving_up(entry: &Entry, policy: &Policy, findings: &mut Findings<'_>) {
    let Some(give_up) = policy.give_up else {
        let message = "never gives up: a program that cannot work is restarted without limit";
        findings.add(FindingKind::NeverGivesUp, Level::Info, entry, "give-up", message);
        return;
    };
    for way in schedule::ways_to_fail(entry, policy) {
        if policy.time_until_gives_up(way.run).is_some() {
            continue;
        }
        let is_at_once = way.run.is_zero();
        let message = match give_up.within {
            Some(within) => format!(
                "if every run {}, it is never given up: {} failures take longer than {}",
                way.why,
                give_up.failures,
                duration::text(within)
            ),
            None => format!(
                "if every run {}, it is never given up: a run of {} starts the count over",
                way.why,
                duration::text(policy.threshold)
            ),
        };
        let level = if is_at_once { Level::Warning } else { Level::Info };
        findings.add(FindingKind::UnreachableGiveUp, level, entry, "give-up", message);
        if is_at_once {
            // The longer runs follow from this one.
            break;
        }
    }
}

fn backing_off(entry: &Entry, policy: &Policy, findings: &mut Findings<'_>) {
    let is_given_up = policy.time_until_gives_up(Duration::ZERO).is_some();
    let every_run_is_long = policy.threshold.is_zero() && policy.long_run == LongRun::AtOnce;
    let has_no_delay = policy.delay(1_000).max.is_zero();
    if has_no_delay && !is_given_up {
        let message = "never backs off: a program that fails at once is restarted at once, without limit";
        findings.add(FindingKind::NoDelay, Level::Warning, entry, "growth", message);
    } else if every_run_is_long && policy.reset_after_ready.is_none() && !is_given_up {
        let message = "never backs off: with a `threshold` of zero every run counts as long";
        findings.add(FindingKind::NoThreshold, Level::Warning, entry, "threshold", message);
    }
    let is_constant = policy.delay(1) == policy.delay(1_000);
    if is_constant && entry.get("max-restart-delay").is_some() && entry.get("growth").is_some() {
        let message = "`max-restart-delay` has no effect, because the delay does not grow";
        findings.add(FindingKind::UselessMaximum, Level::Warning, entry, "max-restart-delay", message);
    }
    if policy.reset_after_ready.is_some() && entry.get("ready").is_none() {
        let message = "`reset-after-ready` without `ready` counts from the start of the program";
        findings.add(FindingKind::ResetWithoutReady, Level::Info, entry, "reset-after-ready", message);
    }
}
