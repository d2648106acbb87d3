//! Advice for common reasons why a service does not become ready.

use std::net::SocketAddr;

use super::{NotReadyReason, Port};
use crate::host::health::{ConditionKind, ConditionStatus};
use crate::machine::Exit;

/// Texts that programs print when they cannot bind an address, in lower case.
const ADDRESS_IN_USE: [&str; 3] = ["address already in use", "address in use", "eaddrinuse"];

/// Returns advice for the failure of a start. `listening` are the addresses at which the service listens,
/// `port` is the port set for it.
pub(super) fn hints(
    reason: &NotReadyReason,
    progress: &[ConditionStatus],
    listening: &[SocketAddr],
    tail: &[String],
    port: Option<&Port>,
) -> Vec<String> {
    let mut hints = Vec::new();
    if matches!(reason, NotReadyReason::Exited { exit: Exit::Code(0), .. }) {
        hints.push(
            "it seems to have put itself into the background (daemonized): run it in the foreground"
                .to_owned(),
        );
    }
    let waits_for_output =
        progress.iter().any(|status| status.kind == ConditionKind::Output && !status.is_met());
    if matches!(reason, NotReadyReason::TimedOut { .. }) && waits_for_output && tail.is_empty() {
        hints.push(
            "programs often buffer output to a pipe: flush it, or turn buffering off, as `python3 -u` and \
             `stdbuf -oL` do"
                .to_owned(),
        );
    }
    for port in progress.iter().filter(|status| !status.is_met()).filter_map(|status| match status.kind {
        ConditionKind::Port(port) => Some(port),
        ConditionKind::Output | ConditionKind::Other => None,
    }) {
        let others: Vec<String> =
            listening.iter().filter(|address| address.port() != port).map(ToString::to_string).collect();
        if !others.is_empty() {
            hints.push(format!("it listens at {}, not at port {port}", others.join(", ")));
        }
    }
    let in_use = tail.iter().any(|line| {
        let line = line.to_lowercase();
        ADDRESS_IN_USE.iter().any(|text| line.contains(text))
    });
    if let Some(port) = port.filter(|port| in_use && port.is_reserved()) {
        hints.push(format!(
            "port {port} is reserved by this process, and a server that does not set SO_REUSEADDR cannot bind it: \
             call `Port::release` before the start"
        ));
    }
    hints
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ready::ConditionState;

    fn missing(kind: ConditionKind) -> [ConditionStatus; 1] {
        let state = ConditionState::Missing { after: Duration::ZERO };
        [ConditionStatus { what: String::new(), state, remark: None, kind }]
    }

    fn exited(code: i32) -> NotReadyReason {
        NotReadyReason::Exited { exit: Exit::Code(code), after: Duration::ZERO }
    }

    fn timed_out() -> NotReadyReason {
        NotReadyReason::TimedOut { timeout: Duration::ZERO }
    }

    #[test]
    fn f_120_exit_code_0_before_ready_hints_at_daemonizing() {
        let hints = hints(&exited(0), &[], &[], &[], None);
        assert!(hints.len() == 1 && hints[0].contains("in the foreground"), "{hints:?}");
        assert_eq!(super::hints(&exited(1), &[], &[], &[], None), [""; 0]);
    }

    #[test]
    fn f_121_missing_output_of_a_silent_program_hints_at_buffering() {
        let silent = hints(&timed_out(), &missing(ConditionKind::Output), &[], &[], None);
        assert!(silent.len() == 1 && silent[0].contains("buffer"), "{silent:?}");
        let printed = ["starting".to_owned()];
        assert_eq!(hints(&timed_out(), &missing(ConditionKind::Output), &[], &printed, None), [""; 0]);
        assert_eq!(hints(&timed_out(), &missing(ConditionKind::Port(80)), &[], &[], None), [""; 0]);
        assert_eq!(hints(&exited(1), &missing(ConditionKind::Output), &[], &[], None), [""; 0]);
    }

    #[test]
    fn f_123_a_missing_port_names_the_ports_at_which_the_service_listens() {
        let listening = ["127.0.0.1:81".parse().unwrap(), "[::1]:82".parse().unwrap()];
        let wrong = hints(&timed_out(), &missing(ConditionKind::Port(80)), &listening, &[], None);
        assert_eq!(wrong, ["it listens at 127.0.0.1:81, [::1]:82, not at port 80"]);
        let not_missing = hints(&timed_out(), &missing(ConditionKind::Other), &listening, &[], None);
        assert_eq!(not_missing, [""; 0]);
    }

    #[test]
    fn f_122_a_bind_failure_hints_at_the_reservation_of_this_process() {
        let port = Port::reserve().unwrap();
        let tail = ["bind: Address already in use".to_owned()];
        let reserved = hints(&exited(1), &[], &[], &tail, Some(&port));
        assert!(reserved.len() == 1 && reserved[0].contains("Port::release"), "{reserved:?}");
        assert_eq!(hints(&exited(1), &[], &[], &[], Some(&port)), [""; 0]);
        assert_eq!(hints(&exited(1), &[], &[], &tail, None), [""; 0]);
        port.release();
        assert_eq!(hints(&exited(1), &[], &[], &tail, Some(&port)), [""; 0]);
    }
}
