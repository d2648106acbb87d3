//! The restarts of a process, as they can be computed beforehand.

use std::time::Duration;

use childminder::backoff::Wait;
use childminder::machine::LongRun;
use childminder::{Policy, Restart};

use crate::file::setting::Entry;
use crate::values::duration;

/// The number of delays that a report shows.
const SHOWN: usize = 12;

/// The default of `ready-timeout`.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The time that a failing run may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// The length of each run.
    pub(crate) run: Duration,
    /// Why it ends then, to be read after "if every run".
    pub(crate) why: &'static str,
}

/// Returns the ways to fail that a schedule is computed for.
pub(crate) fn ways_to_fail(entry: &Entry, policy: &Policy) -> Vec<Failing> {
    let mut ways = vec![Failing { run: Duration::ZERO, why: "fails at once" }];
    let shortest_success = policy.threshold.saturating_sub(Duration::from_millis(1));
    // A threshold without limit, as that of systemd, gives no length.
    if !shortest_success.is_zero() && policy.threshold < Duration::from_secs(24 * 60 * 60) {
        ways.push(Failing { run: shortest_success, why: "fails just below the threshold" });
    }
    if entry.get("ready").is_some() || entry.duration("ready-timeout").is_some() {
        let timeout = entry.duration("ready-timeout").unwrap_or(READY_TIMEOUT);
        ways.push(Failing { run: timeout, why: "does not become ready" });
    }
    ways
}

/// Returns the longest time until a process is given up, over the ways to fail; `None` if one of them is
/// never given up.
pub(crate) fn longest_until_given_up(entry: &Entry, policy: &Policy) -> Option<Wait> {
    let times: Option<Vec<Wait>> =
        ways_to_fail(entry, policy).iter().map(|way| policy.time_until_gives_up(way.run)).collect();
    times?.into_iter().max_by_key(|time| time.max)
}

/// Returns the first delays, and whether there are more.
pub(crate) fn delays(policy: &Policy) -> (Vec<Wait>, bool) {
    let mut delays: Vec<Wait> = policy.schedule().take(SHOWN + 1).collect();
    let goes_on = delays.len() > SHOWN;
    delays.truncate(SHOWN);
    (delays, goes_on)
}

/// Returns the delays in one line, such as `1s, 2s, 4s, …, at most 1h`.
pub(crate) fn delays_text(policy: &Policy) -> String {
    let (delays, goes_on) = delays(policy);
    if delays.is_empty() {
        return "none".to_owned();
    }
    let is_constant = delays.windows(2).all(|pair| pair[0] == pair[1]);
    if is_constant && goes_on {
        return format!("always {}", wait(delays[0]));
    }
    let mut texts: Vec<String> = delays.iter().map(|delay| wait(*delay)).collect();
    if goes_on {
        texts.push("…".to_owned());
        let longest = policy.delay(u32::MAX);
        if longest.max < Policy::LONGEST {
            texts.push(format!("at most {}", duration::text(longest.max)));
        }
    }
    texts.join(", ")
}

/// Returns an interval as people write it.
pub(crate) fn wait(wait: Wait) -> String {
    // Beyond ten seconds a fraction is of no interest.
    let rounded = |time: Duration| {
        if time < Duration::from_secs(10) {
            time
        } else {
            Duration::from_secs(time.as_secs_f64().round() as u64)
        }
    };
    let (min, max) = (rounded(wait.min), rounded(wait.max));
    if max > min {
        format!("{} to {}", duration::text(min), duration::text(max))
    } else {
        duration::text(min)
    }
}

/// Returns when a process is restarted, in one line.
pub(crate) fn restarts_text(policy: &Policy) -> String {
    let when = match policy.restart {
        Restart::Always => "always",
        Restart::OnFailure => "on failure",
        Restart::Never => return "never".to_owned(),
    };
    let is_endless = policy.threshold > Duration::from_secs(365 * 24 * 60 * 60);
    if is_endless || policy.reset_after_ready.is_some() {
        let reset = policy.reset_after_ready.map_or_else(String::new, |time| {
            format!("; the delay is reset after {} of being ready", duration::text(time))
        });
        return format!("{when}{reset}");
    }
    let long = match policy.long_run {
        LongRun::AtOnce => "at once after",
        LongRun::FirstDelay => "with the first delay after",
    };
    format!("{when}; {long} a run of {}", duration::text(policy.threshold))
}

/// Returns when a process is given up, in one line.
pub(crate) fn give_up_text(policy: &Policy) -> String {
    match policy.give_up {
        _ if policy.restart == Restart::Never => "at its first exit, as it is never restarted".to_owned(),
        None => "never".to_owned(),
        Some(give_up) => {
            let failures = give_up.failures;
            match give_up.within {
                Some(Policy::LONGEST) => format!("at failure {failures} in all"),
                Some(within) => {
                    format!("at failure {failures} within {}", duration::text(within))
                }
                None => format!("at failure {failures} in a row"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_271_the_schedule_of_each_preset_is_shown() {
        let shown = |policy: Policy| {
            format!("{} | {} | {}", restarts_text(&policy), delays_text(&policy), give_up_text(&policy))
        };
        for (policy, expected) in [
            (
                Policy::twisted(),
                "always; at once after a run of 1s | 1s, 2s, 4s, 8s, 16s, 32s, 1m 4s, 2m 8s, 4m 16s, 8m 32s, \
                 17m 4s, 34m 8s, …, at most 1h | never",
            ),
            (
                Policy::supervisord(),
                "on failure; at once after a run of 1s | 1s, 2s, 3s | at failure 4 in a row",
            ),
            (Policy::systemd(), "on failure | 100ms, 100ms, 100ms, 100ms | at failure 5 within 10s"),
            (Policy::otp(), "always; at once after a run of 0s | 0s | at failure 2 within 5s"),
            (
                Policy { restart: Restart::Never, ..Policy::default() },
                "never | none | at its first exit, as it is never restarted",
            ),
        ] {
            assert_eq!(shown(policy), expected);
        }
    }
}
