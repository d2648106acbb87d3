//! Reads `childminder.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use childminder::Name;

use super::keys::{self, KEYS};
use super::problems::{At, Problem};
use super::reader::{self, Item, Reader, items};
use super::setting::{Entry, Setting};

/// The names of the tables at the top.
const TABLES: [&str; 2] = ["defaults", "process"];

/// Parses the text of the file, whose paths are relative to `dir`. Returns the processes in the order of the
/// file, with the defaults filled in; processes with problems may be missing.
pub(crate) fn parse(text: &str, dir: &Path, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let document = reader::parse(text, problems);
    let mut reader = Reader::default();
    let items = items(document.get_ref());
    let mut defaults = Settings::new();
    for item in items.iter().filter(|item| item.key == "defaults") {
        let items = reader.table(item.value, "a table, [defaults]").unwrap_or_default();
        defaults = settings(&mut reader, &items, dir);
    }
    let mut entries = Vec::new();
    for item in &items {
        match item.key {
            "defaults" => {}
            "process" => {
                for item in reader.table(item.value, "tables, [process.NAME]").unwrap_or_default() {
                    entries.extend(entry(&mut reader, &item, &defaults, dir));
                }
            }
            _ => unknown_table(&mut reader, item),
        }
    }
    problems.append(&mut reader.problems);
    if entries.is_empty() && problems.is_empty() {
        let problem = Problem::of_file("there is no process in this file");
        problems.push(problem.help("add [process.NAME] with command = \"…\""));
    }
    entries
}

/// The settings of a table by their keys.
type Settings = BTreeMap<&'static str, At<Setting>>;

fn entry(reader: &mut Reader, item: &Item<'_>, defaults: &Settings, dir: &Path) -> Option<Entry> {
    let name = Name::new(item.key);
    let items = reader.table(item.value, &format!("a table, [process.{}]", item.key))?;
    let before = reader.problems.len();
    let settings = settings(reader, &items, dir);
    // A command that is not valid, or whose key is mistyped, has been reported.
    let is_command =
        |item: &Item<'_>| item.key == "command" || keys::suggest(item.key, ["command"]).is_some();
    if !items.iter().any(is_command) && !defaults.contains_key("command") {
        let problem = Problem::new(&item.key_span, format!("the process `{}` has no `command`", item.key));
        reader.note(problem.help("add command = \"…\""));
    }
    match name {
        Ok(name) => {
            let mut entry = Entry::new(name, item.key_span.clone(), settings);
            entry.add_defaults(defaults);
            entry.is_complete = reader.problems.len() == before;
            Some(entry)
        }
        Err(error) => {
            reader.note(Problem::new(&item.key_span, error.to_string()));
            None
        }
    }
}

fn settings(reader: &mut Reader, items: &[Item<'_>], dir: &Path) -> Settings {
    let mut settings = Settings::new();
    for item in items {
        let Some(key) = keys::find(item.key) else {
            reader.unknown_key(item, KEYS.iter().map(|key| key.name));
            continue;
        };
        if let Some(setting) = reader.setting(key, item.value, dir) {
            settings.insert(key.name, At::new(item.value.span(), setting));
        }
    }
    settings
}

fn unknown_table(reader: &mut Reader, item: &Item<'_>) {
    let problem = Problem::new(&item.key_span, format!("unknown key `{}`", item.key));
    let is_key = keys::find(item.key).is_some();
    let meant = ["processes", "program", "programs", "service", "services", "proc"].contains(&item.key);
    reader.note(match keys::suggest(item.key, TABLES) {
        _ if is_key => problem.help("it belongs into [process.NAME], or into [defaults] for all processes"),
        _ if meant => problem.help("did you mean [process.NAME]?"),
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help("a file has [defaults] and [process.NAME]"),
    });
}
