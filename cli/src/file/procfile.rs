//! Reads a `Procfile`, as foreman does: a name and a shell command on each line.
//!
//! Each process gets a number in `PORT`: that of `PORT` in `.env` or in this environment, or else 5000, and
//! 100 more for each further process. Variables come from `.env` beside the file.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use childminder::Name;

use super::dotenv;
use super::ports::literal;
use super::problems::{At, Problem, Problems};
use super::setting::{Entry, Secret, Setting, Variables};

/// The default of `PORT` for the first process.
const FIRST_PORT: u16 = 5000;
/// The difference between the ports of two processes.
const STEP: u16 = 100;

/// Parses the text of a Procfile in the directory `dir`.
pub(crate) fn parse(text: &str, dir: &Path, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let variables = variables(dir, problems);
    let base = first_port(&variables, problems);
    let mut entries: Vec<Entry> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let span = start..start + line.len();
        let Some((name, command)) = line.split_once(':') else {
            problems.push(Problem::new(&span, "expected `name: command`"));
            continue;
        };
        let name_span = start..start + name.len();
        let name = match Name::new(name.trim_end()) {
            Ok(name) => name,
            Err(error) => {
                problems.push(Problem::new(&name_span, error.to_string()));
                continue;
            }
        };
        if command.trim().is_empty() {
            problems.push(Problem::new(&span, format!("the process `{name}` has no command")));
            continue;
        }
        if entries.iter().any(|entry| entry.name == name) {
            problems.push(Problem::new(&name_span, format!("there are two processes named `{name}`")));
            continue;
        }
        let port =
            u16::try_from(entries.len()).ok().and_then(|count| base.checked_add(count.checked_mul(STEP)?));
        let mut variables = variables.clone();
        if let Some(port) = port {
            variables.insert("PORT".to_owned(), Secret(Some(port.to_string())));
        }
        // As foreman does, a shell runs the line. If it is one command, that replaces most shells.
        let words = ["sh", "-c", &literal(command.trim())].map(str::to_owned).to_vec();
        let settings = BTreeMap::from([
            ("command", At::new(span.clone(), Setting::Texts(words))),
            ("env", At::new(span, Setting::Variables(Arc::new(variables)))),
            // The program may be a child of the shell.
            ("stop-to", At::new(name_span.clone(), Setting::Text("group".to_owned()))),
        ]);
        entries.push(Entry::new(name, name_span, settings));
    }
    if entries.is_empty() && problems.is_empty() {
        problems.push(Problem::of_file("there is no process in this file").help("a line is `name: command`"));
    }
    entries
}

/// Reads `.env`, if there is one.
fn variables(dir: &Path, problems: &mut Vec<Problem>) -> Variables {
    let path = dir.join(".env");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Variables::new(),
        Err(error) => {
            problems.push(Problem::of_file(format!("cannot read {}: {error}", path.display())));
            return Variables::new();
        }
    };
    let mut own = Vec::new();
    let pairs = dotenv::parse(&text, &mut own);
    if !own.is_empty() {
        problems.push(Problem::of_file(format!("{}", Problems::new(&path, &text, own))));
    }
    pairs.into_iter().map(|(name, value)| (name, Secret(Some(literal(&value))))).collect()
}

fn first_port(variables: &Variables, problems: &mut Vec<Problem>) -> u16 {
    let own = variables.get("PORT").and_then(|value| value.0.clone());
    let Some(text) = own.or_else(|| env::var("PORT").ok()) else { return FIRST_PORT };
    text.trim().parse().ok().filter(|port| *port > 0).unwrap_or_else(|| {
        problems.push(Problem::of_file("PORT is not a port number"));
        FIRST_PORT
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn f_253_a_procfile_is_read_with_its_variables_and_ports() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join(".env"), "PORT=7000\nTOKEN=x\n").unwrap();
        let mut problems = Vec::new();
        let text = "# comment\nweb: exec serve -p $PORT\n\nworker:  run || exit 3\r\n";
        let entries = parse(text, dir.path(), &mut problems);
        assert_eq!(problems, []);
        let found: Vec<_> = entries
            .iter()
            .map(|entry| {
                let Some(Setting::Variables(variables)) = entry.get("env").map(|env| &env.value) else {
                    panic!()
                };
                let port = variables["PORT"].0.clone().unwrap();
                (entry.name.to_string(), entry.texts("command").unwrap()[2].clone(), port, variables.len())
            })
            .collect();
        let expected = [("web", "exec serve -p $PORT", "7000", 2), ("worker", "run || exit 3", "7100", 2)];
        assert_eq!(found, expected.map(|(n, c, p, v)| (n.to_owned(), c.to_owned(), p.to_owned(), v)));
    }

    #[test]
    fn f_253_all_problems_of_a_procfile_are_reported() {
        let dir = TempDir::new().unwrap();
        let text = "web serve\n a b: x\nweb:\nweb: x\nweb: y\n";
        let mut problems = Vec::new();
        parse(text, dir.path(), &mut problems);
        let problems = Problems::new(Path::new("Procfile"), text, problems);
        let lines: Vec<_> = problems.iter().map(|(line, _)| line.unwrap()).collect();
        assert_eq!(lines, [1, 2, 3, 5], "{problems}");
    }
}
