//! Answers of simulated servers to probes.

use crate::host::{ProbeError, ProbeTarget};

/// The HTTP status for an unknown path.
const NOT_FOUND: u16 = 404;

/// Returns the answer of a process that serves all of `served`, of which the last entry counts. `None` if it
/// does not listen at the address.
pub(super) fn answer<'a>(
    mut served: impl Iterator<Item = &'a ProbeTarget>,
    asked: &ProbeTarget,
) -> Option<Result<(), ProbeError>> {
    let (port, page) = match asked {
        ProbeTarget::Unix(_) => return served.any(|served| served == asked).then_some(Ok(())),
        ProbeTarget::Port(port) => (*port, None),
        ProbeTarget::Http { port, path, status } => (*port, Some((path, *status))),
    };
    let there: Vec<_> = served.filter(|served| port_of(served) == Some(port)).collect();
    if there.is_empty() {
        return None;
    }
    let Some((path, wanted)) = page else { return Some(Ok(())) };
    let mut status = None;
    for served in there {
        match served {
            ProbeTarget::Http { path: known, status: given, .. } if known == path => {
                status = Some(given.first())
            }
            ProbeTarget::Http { .. } => status = status.or(Some(NOT_FOUND)),
            ProbeTarget::Port(_) | ProbeTarget::Unix(_) => {}
        }
    }
    Some(match status {
        Some(status) if wanted.contains(status) => Ok(()),
        Some(status) => Err(ProbeError::Status(status)),
        None => Err(ProbeError::NotHttp),
    })
}

fn port_of(target: &ProbeTarget) -> Option<u16> {
    match target {
        ProbeTarget::Port(port) | ProbeTarget::Http { port, .. } => Some(*port),
        ProbeTarget::Unix(_) => None,
    }
}
