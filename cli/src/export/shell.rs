//! Conditions as shell commands, for engines that only run commands.

use crate::file::setting::Probe;

/// Returns a command that succeeds when a condition is met; `None` if no command can know. What it cannot
/// know of a condition with several parts is added to `lost`.
pub(super) fn script(probe: &Probe, lost: &mut Vec<String>) -> Option<String> {
    let quote = |text: &str| shell_words::quote(text).into_owned();
    let mut lose = |what: &str| {
        lost.push(format!("the condition `{what}` cannot be checked from outside"));
        None
    };
    match probe {
        Probe::Exec(words) => Some(shell_words::join(words)),
        Probe::Http { url, .. } => Some(format!("curl -fsS -o /dev/null {}", quote(&url.value))),
        Probe::Port(port) => Some(format!("nc -z 127.0.0.1 {}", quote(&port.value))),
        Probe::Unix(path) => Some(format!("test -S {}", quote(&path.value))),
        Probe::Output { .. } => lose("output"),
        Probe::Notify(_) | Probe::SdNotify => lose("notify"),
        Probe::Uptime(_) => lose("uptime"),
        Probe::ByAnyProcess(probe) => script(probe, lost),
        Probe::All(probes) => joined(probes, " && ", lost),
        Probe::Any(probes) => joined(probes, " || ", lost),
    }
}

fn joined(probes: &[Probe], operator: &str, lost: &mut Vec<String>) -> Option<String> {
    let scripts: Vec<String> = probes.iter().filter_map(|probe| script(probe, lost)).collect();
    match &*scripts {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("{{ {}; }}", several.join(operator))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::problems::At;

    #[test]
    fn f_276_conditions_become_commands_and_the_others_are_reported() {
        let at = |text: &str| At::new(0..0, text.to_owned());
        let port = Probe::Port(at("80"));
        let both = Probe::All(vec![port, Probe::Unix(at("a b"))]);
        let any = Probe::Any(vec![both, Probe::SdNotify]);
        let mut lost = Vec::new();
        assert_eq!(script(&any, &mut lost).as_deref(), Some("{ nc -z 127.0.0.1 80 && test -S 'a b'; }"));
        assert_eq!(lost, ["the condition `notify` cannot be checked from outside"]);
        let exec = Probe::Exec(vec!["a".to_owned(), "b c".to_owned()]);
        assert_eq!(script(&exec, &mut lost).as_deref(), Some("a 'b c'"));
    }
}
