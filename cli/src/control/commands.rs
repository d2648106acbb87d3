//! The commands of the other terminal: `status`, `logs`, `stop` and so on.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::client::{ClientError, Connection};
use super::protocol::{Changes, Command, Effect, OutputLine, ProcessStatus, Reply};
use super::table;
use crate::args::{Logs, Status, Target, Wait};
use crate::console::messages;
use crate::console::messages::has_colours;
use crate::file::find;

/// The time between two tables of `status --watch`.
const WATCH: Duration = Duration::from_secs(1);

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CommandFailure {
    /// There is no file.
    File(String),
    Client(ClientError),
}

impl CommandFailure {
    /// Returns the message and the exit status, or `None` if only the reader of the output is gone.
    pub(crate) fn report(self) -> Option<(u8, String)> {
        match self {
            Self::File(message) => Some((crate::USAGE, message)),
            Self::Client(ClientError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => None,
            Self::Client(error) => Some((crate::FAILED, error.to_string())),
        }
    }
}

impl From<ClientError> for CommandFailure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<io::Error> for CommandFailure {
    fn from(error: io::Error) -> Self {
        Self::Client(ClientError::Output(error))
    }
}

/// Returns the absolute path of the file that a command is about.
pub(crate) fn file(named: Option<&Path>) -> Result<PathBuf, CommandFailure> {
    find(named).map_err(|error| CommandFailure::File(error.to_string()))
}

/// Sends a command that has no other answer than its success.
pub(crate) fn simple(target: &Target, command: &Command) -> Result<(), CommandFailure> {
    Connection::open(&file(target.file.as_deref())?)?.request(command, |_| Ok(()))?;
    Ok(())
}

/// `childminder wait`. With a time limit it waits until there is an `up` as well; without one everything is
/// down.
pub(crate) fn wait(args: &Wait) -> Result<(), CommandFailure> {
    let file = file(args.target.file.as_deref())?;
    let patience = if args.down { Duration::ZERO } else { args.timeout.unwrap_or_default() };
    match Connection::open_within(&file, patience) {
        Err(ClientError::NotUp { .. }) if args.down => Ok(()),
        connection => Ok(connection?.request(&args.command(), |_| Ok(()))?),
    }
}

/// `childminder status`.
pub(crate) fn status(args: &Status) -> Result<(), CommandFailure> {
    let file = file(args.target.file.as_deref())?;
    let command = Command::Status { names: args.names.names.clone() };
    let mut stdout = io::stdout();
    loop {
        let mut processes = Vec::new();
        Connection::open(&file)?.request(&command, |reply| {
            if let Reply::Status { processes: all } = reply {
                processes = all;
            }
            Ok(())
        })?;
        let text =
            if args.json { json(&processes)? } else { table::render(&processes, has_colours(&stdout)) };
        if args.watch && stdout.is_terminal() {
            // From the top left corner, and nothing below it stays.
            write!(stdout, "\x1b[H\x1b[J{text}")?;
        } else {
            write!(stdout, "{text}")?;
        }
        stdout.flush()?;
        if !args.watch {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "a terminal is refreshed at intervals")]
        thread::sleep(WATCH);
    }
}

fn json(processes: &[ProcessStatus]) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(processes)? + "\n")
}

/// `childminder logs`.
pub(crate) fn logs(args: &Logs) -> Result<(), CommandFailure> {
    let file = file(args.file.as_deref())?;
    let mut stdout = io::stdout();
    let colourful = has_colours(&stdout);
    let mut names = Vec::new();
    Connection::open(&file)?.request(&Command::Status { names: Vec::new() }, |reply| {
        if let Reply::Status { processes } = reply {
            names = processes.into_iter().map(|process| process.name).collect();
        }
        Ok(())
    })?;
    let prefixes = table::Prefixes::new(names, colourful);
    let command = Command::Logs { names: args.names.names.clone(), lines: args.lines, follow: args.follow };
    Connection::open(&file)?.request(&command, |reply| match reply {
        Reply::Line(line) if args.json => writeln!(stdout, "{}", serde_json::to_string(&line)?),
        Reply::Line(OutputLine { name, text, .. }) => writeln!(stdout, "{} {text}", prefixes.of(&name)),
        Reply::Dropped { lines } => {
            stdout.flush()?;
            writeln!(io::stderr(), "({lines} lines are missing here: they were not read)")
        }
        _ => Ok(()),
    })?;
    Ok(())
}

/// `childminder why`.
pub(crate) fn why(target: &Target, name: &str) -> Result<(), CommandFailure> {
    let command = Command::Why { name: name.to_owned() };
    Connection::open(&file(target.file.as_deref())?)?.request(&command, |reply| match reply {
        Reply::Why { text, last_line } => {
            let mut stdout = io::stdout();
            writeln!(stdout, "{}", messages::escape(&text))?;
            match last_line {
                Some(line) => writeln!(stdout, "its last line of output: {line}"),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    })?;
    Ok(())
}

/// `childminder reload`.
pub(crate) fn reload(target: &Target, dry_run: bool) -> Result<(), CommandFailure> {
    let command = Command::Reload { dry_run };
    Connection::open(&file(target.file.as_deref())?)?.request(&command, |reply| match reply {
        Reply::Changes(changes) => io::stdout().write_all(difference(&changes).as_bytes()),
        _ => Ok(()),
    })?;
    Ok(())
}

/// Shows what a reload changes.
fn difference(changes: &Changes) -> String {
    let Changes { added, removed, changed, unchanged } = changes;
    let mut lines: Vec<String> = added.iter().map(|name| format!("+ {name}")).collect();
    lines.extend(removed.iter().map(|name| format!("- {name}")));
    lines.extend(changed.iter().map(|change| {
        let effect = match change.effect {
            Effect::None => "",
            Effect::Restart => " (restarts)",
            Effect::Start => " (starts)",
            Effect::Stop => " (stops)",
        };
        format!("~ {}: {}{effect}", change.name, change.keys.join(", "))
    }));
    lines.push(format!("{unchanged} unchanged"));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::Change;

    #[test]
    fn the_difference_of_a_reload_is_shown_by_name_and_key() {
        let change = |name: &str, keys: &[&str], effect| Change {
            name: name.to_owned(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            effect,
        };
        let changes = Changes {
            added: vec!["new".to_owned()],
            removed: vec!["old".to_owned()],
            changed: vec![
                change("web", &["command", "env"], Effect::Restart),
                change("db", &["kill-time"], Effect::None),
                change("job", &["command"], Effect::Start),
                change("mail", &["hold"], Effect::Stop),
            ],
            unchanged: 7,
        };
        let shown = "+ new\n- old\n~ web: command, env (restarts)\n~ db: kill-time\n\
                     ~ job: command (starts)\n~ mail: hold (stops)\n7 unchanged\n";
        assert_eq!(difference(&changes), shown);
    }
}
