//! Reads the value of a key by the kind of the key.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use childminder::Name;
use childminder::backoff::Growth;
use childminder::machine::GiveUp;
use toml::de::DeValue;

use super::dotenv;
use super::keys::{Key, Kind};
use super::problems::{At, Problem, Problems};
use super::reader::{Item, Reader, Value};
use super::setting::{After, ExitKind, Limit, Log, PortChoice, Secret, Setting, Until, Variables};

/// The states that a dependency can wait for.
pub(crate) const UNTIL: &[&str] = &["started", "ready", "completed"];
/// The ways in which delays grow that have no number.
pub(crate) const GROWTHS: &[&str] = &["doubling", "fixed", "doubling-after-first", "at-once"];
/// The strategies of a restart group.
pub(crate) const STRATEGIES: &[&str] = &["one-for-all", "rest-for-one"];
/// The resources that can be limited.
pub(crate) const RESOURCES: &[&str] = &[
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rtprio",
    "sigpending",
    "stack",
];
/// The classes of disk scheduling.
pub(crate) const IO_CLASSES: &[&str] = &["realtime", "best-effort", "idle"];

impl Reader {
    /// Reads the value of a key. Files that it names are relative to `dir`.
    pub(crate) fn setting(&mut self, key: &Key, value: &Value<'_>, dir: &Path) -> Option<Setting> {
        Some(match key.kind {
            Kind::Flag => Setting::Flag(self.flag(value)?),
            Kind::Duration => Setting::Duration(self.duration(value)?),
            Kind::Integer(min, max) => Setting::Integer(self.integer(value, min, max)?),
            Kind::Fraction => Setting::Fraction(self.fraction(value)?),
            Kind::Text => Setting::Text(self.text(value, "a text")?.to_owned()),
            Kind::Stdin => Setting::Text(self.text(value, "\"null\", \"inherit\" or a file")?.to_owned()),
            Kind::Word(words) => Setting::Text(self.word(value, words)?.to_owned()),
            Kind::Texts => Setting::Texts(self.texts(value, "a text")?),
            Kind::Command => Setting::Texts(self.command(value)?),
            Kind::Listeners => Setting::Texts(self.listeners(value)?),
            Kind::Account => match value.get_ref() {
                DeValue::Integer(_) => Setting::Text(self.integer(value, 0, 4_294_967_294)?.to_string()),
                _ => Setting::Text(self.text(value, "a name or a number")?.to_owned()),
            },
            Kind::Ids => Setting::Ids(self.ids(value)?),
            Kind::Signal => Setting::Signal(self.signal(value)?),
            Kind::Exits => Setting::Exits(self.exits(value)?),
            Kind::Umask => Setting::Integer(self.umask(value)?),
            Kind::Port => Setting::Port(self.port(value)?),
            Kind::Variables => Setting::Variables(Arc::new(self.variables(value)?)),
            Kind::VariableFiles => self.variable_files(value, dir)?,
            Kind::Dependencies => Setting::Dependencies(self.dependencies(value)?),
            Kind::Condition => Setting::Condition(self.condition(value)?),
            Kind::Liveness => Setting::Liveness(self.liveness(value)?),
            Kind::Growth => Setting::Growth(self.growth(value)?),
            Kind::GiveUp => self.give_up(value)?,
            Kind::Group => self.group(value)?,
            Kind::Limits => Setting::Limits(self.limits(value)?),
            Kind::IoPriority => self.io_priority(value)?,
            Kind::Log => Setting::Log(self.log(value)?),
            Kind::Descriptors => self.descriptors(value)?,
            Kind::Terminal => Setting::Terminal(self.terminal(value)?),
        })
    }

    fn fraction(&mut self, value: &Value<'_>) -> Option<f64> {
        let number = self.number(value, "a number from 0 to 1")?;
        if (0.0..=1.0).contains(&number) {
            return Some(number);
        }
        self.note(Problem::new(&value.span(), "expected a number from 0 to 1"));
        None
    }

    fn listeners(&mut self, value: &Value<'_>) -> Option<Vec<String>> {
        self.texts(value, "an address, such as \"127.0.0.1:8000\" or \"unix:run/web.sock\"")
    }

    fn ids(&mut self, value: &Value<'_>) -> Option<Vec<u32>> {
        let DeValue::Array(list) = value.get_ref() else {
            return self.expected(value, "a list of group ids");
        };
        let ids: Vec<_> = list.iter().map(|id| self.small(id, 0, 4_294_967_294)).collect();
        ids.into_iter().collect()
    }

    fn exits(&mut self, value: &Value<'_>) -> Option<Vec<ExitKind>> {
        let DeValue::Array(list) = value.get_ref() else {
            return self.expected(value, "a list of exit codes and signals, such as [0, \"TERM\"]");
        };
        let exit = |exit: &Value<'_>| match exit.get_ref() {
            DeValue::Integer(_) => self.small(exit, 0, 255).map(ExitKind::Code),
            _ => self.signal(exit).map(ExitKind::Signal),
        };
        let exits: Vec<_> = list.iter().map(exit).collect();
        exits.into_iter().collect()
    }

    /// Reads an octal text, or a number in any notation, such as `0o027`.
    fn umask(&mut self, value: &Value<'_>) -> Option<i64> {
        match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 && number.as_str() != "0" => {
                let problem = Problem::new(&value.span(), "a umask is an octal number");
                self.note(problem.help(format!("write \"{}\" or 0o{}", number.as_str(), number.as_str())));
                None
            }
            DeValue::Integer(_) => self.integer(value, 0, 0o777),
            _ => {
                let text = self.text(value, "an octal number from \"000\" to \"777\"")?;
                let mask = i64::from_str_radix(text, 8).ok().filter(|mask| (0..=0o777).contains(mask));
                let mask = mask.filter(|_| !text.starts_with('+'));
                self.parsed(value, mask.ok_or("expected an octal number from \"000\" to \"777\""))
            }
        }
    }

    fn port(&mut self, value: &Value<'_>) -> Option<PortChoice> {
        match value.get_ref() {
            DeValue::String(text) if text == "auto" => Some(PortChoice::Auto),
            DeValue::Integer(_) => self.small(value, 1, 65_535).map(PortChoice::Number),
            _ => self.expected(value, "\"auto\" or a port number"),
        }
    }

    fn variables(&mut self, value: &Value<'_>) -> Option<Variables> {
        let mut variables = Variables::new();
        for item in self.table(value, "a table of variables, such as { LANG = \"C\" }")? {
            if item.key.is_empty() || item.key.contains(['=', '\0']) {
                let problem =
                    Problem::new(&item.key_span, "the name of a variable is not empty and has no `=`");
                self.note(problem.secret());
                continue;
            }
            let text = match item.value.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                DeValue::Integer(number) => Some(number.to_string()),
                DeValue::Float(number) => Some(number.to_string()),
                DeValue::Boolean(false) => None,
                _ => {
                    let message =
                        format!("expected a text for `{}`, or false to remove the variable", item.key);
                    self.note(Problem::new(&item.key_span, message).secret());
                    continue;
                }
            };
            if text.as_ref().is_some_and(|text| text.contains('\0')) {
                self.note(Problem::new(&item.key_span, "a variable cannot contain a NUL byte").secret());
                continue;
            }
            variables.insert(item.key.to_owned(), Secret(text));
        }
        Some(variables)
    }

    /// Reads the files too, so that their problems are reported with the others, and a reload sees what has
    /// changed in them.
    fn variable_files(&mut self, value: &Value<'_>, dir: &Path) -> Option<Setting> {
        let mut files = Vec::new();
        for name in self.texts(value, "the path of a file")? {
            let path = dir.join(&name);
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let mut problems = Vec::new();
                    let pairs = dotenv::parse(&text, &mut problems);
                    if problems.is_empty() {
                        files.push((path, Secret(pairs)));
                    } else {
                        let problems = Problems::new(&path, &text, problems);
                        self.note(Problem::new(
                            &value.span(),
                            format!("this file is not valid:\n{problems}\n"),
                        ));
                    }
                }
                Err(error) => {
                    let message = format!("cannot read {}: {error}", path.display());
                    self.note(Problem::new(&value.span(), message));
                }
            }
        }
        Some(Setting::VariableFiles(files))
    }

    /// Reads `"db"`, `["db", "cache"]`, or `{ db = "ready" }`.
    fn dependencies(&mut self, value: &Value<'_>) -> Option<Vec<After>> {
        const WHAT: &str = "dependencies, such as { db = \"ready\" }";
        match value.get_ref() {
            DeValue::Table(_) => {
                let items = self.table(value, WHAT)?;
                let all: Vec<_> = items.iter().map(|item| self.dependency(item)).collect();
                all.into_iter().collect()
            }
            DeValue::Array(list) => {
                let all: Vec<_> = list.iter().map(|name| self.ready_dependency(name)).collect();
                all.into_iter().collect()
            }
            DeValue::String(_) => Some(vec![self.ready_dependency(value)?]),
            _ => self.expected(value, WHAT),
        }
    }

    fn ready_dependency(&mut self, value: &Value<'_>) -> Option<After> {
        let on = self.placed(value, "the name of a process")?;
        Some(After { on, until: Until::Ready, restarts: false })
    }

    fn dependency(&mut self, item: &Item<'_>) -> Option<After> {
        let on = At::new(item.key_span.clone(), item.key.to_owned());
        let (mut until, mut restarts) = (Some("ready"), false);
        match item.value.get_ref() {
            DeValue::Table(_) => {
                for item in self.table(item.value, "")? {
                    match item.key {
                        "until" => until = self.word(item.value, UNTIL),
                        "on-end" => restarts = self.word(item.value, &["stay", "restart"])? == "restart",
                        _ => self.unknown_key(&item, ["until", "on-end"]),
                    }
                }
            }
            _ => until = self.word(item.value, UNTIL),
        }
        let until = match until? {
            "started" => Until::Started,
            "completed" => Until::Completed,
            _ => Until::Ready,
        };
        Some(After { on, until, restarts })
    }

    fn growth(&mut self, value: &Value<'_>) -> Option<Growth> {
        if let DeValue::String(_) = value.get_ref() {
            return Some(match self.word(value, GROWTHS)? {
                "fixed" => Growth::Fixed,
                "doubling-after-first" => Growth::DoublingAfterFirst,
                "at-once" => Growth::AtOnce,
                _ => Growth::Doubling,
            });
        }
        let items = self.table(value, "a word, such as \"fixed\", or a table such as { factor = 1.5 }")?;
        let mut growth = None;
        for item in &items {
            match item.key {
                "factor" => {
                    let factor = self.number(item.value, "a number from 1 to 1000")?;
                    if !(1.0..=1000.0).contains(&factor) {
                        self.note(Problem::new(&item.value.span(), "expected a number from 1 to 1000"));
                        return None;
                    }
                    growth = Some(Growth::Factor(factor));
                }
                "linear" => growth = Some(Growth::Linear(self.duration(item.value)?)),
                "steps" => growth = Some(Growth::Steps(self.small(item.value, 1, 1000)?)),
                _ => self.unknown_key(item, ["factor", "linear", "steps"]),
            }
        }
        if items.len() != 1 {
            self.note(Problem::new(&value.span(), "expected one of `factor`, `linear` and `steps`"));
            return None;
        }
        growth
    }

    /// Reads `{ failures = 5, within = "1m" }`; without `within`, they are failures in a row.
    fn give_up(&mut self, value: &Value<'_>) -> Option<Setting> {
        let (mut failures, mut within) = (None, None);
        for item in self.table(value, "a table such as { failures = 5, within = \"1m\" }")? {
            match item.key {
                "failures" => failures = Some(self.small(item.value, 1, GiveUp::MAX_FAILURES.into())?),
                "within" => within = Some(self.duration(item.value)?),
                _ => self.unknown_key(&item, ["failures", "within"]),
            }
        }
        if failures.is_none() {
            self.note(Problem::new(&value.span(), "`failures` is missing"));
        }
        Some(Setting::GiveUp { failures: failures?, within })
    }

    fn group(&mut self, value: &Value<'_>) -> Option<Setting> {
        let (mut name, mut strategy) = (None, "one-for-all");
        for item in self.table(value, "a table such as { name = \"app\", strategy = \"one-for-all\" }")? {
            match item.key {
                "name" => {
                    let parsed = self.text(item.value, "a name")?.parse::<Name>();
                    name = Some(self.parsed(item.value, parsed)?);
                }
                "strategy" => strategy = self.word(item.value, STRATEGIES)?,
                _ => self.unknown_key(&item, ["name", "strategy"]),
            }
        }
        if name.is_none() {
            self.note(Problem::new(&value.span(), "`name` is missing"));
        }
        Some(Setting::Group { name: name?, strategy })
    }

    fn limits(&mut self, value: &Value<'_>) -> Option<BTreeMap<String, Limit>> {
        let mut limits = BTreeMap::new();
        for item in self.table(value, "a table of limits, such as { nofile = 65536 }")? {
            if !RESOURCES.contains(&item.key) {
                self.unknown_key(&item, RESOURCES.iter().copied());
                continue;
            }
            let limit = match item.value.get_ref() {
                DeValue::Table(_) => {
                    let (mut soft, mut hard) = (None, None);
                    for item in self.table(item.value, "")? {
                        match item.key {
                            "soft" => soft = Some(self.limit(item.value)?),
                            "hard" => hard = Some(self.limit(item.value)?),
                            _ => self.unknown_key(&item, ["soft", "hard"]),
                        }
                    }
                    let Some(soft) = soft else {
                        self.note(Problem::new(&item.value.span(), "`soft` is missing"));
                        continue;
                    };
                    Limit { soft, hard }
                }
                _ => {
                    let both = self.limit(item.value)?;
                    Limit { soft: both, hard: Some(both) }
                }
            };
            let is_above = |hard: u64| limit.soft.is_none_or(|soft| soft > hard);
            if limit.hard.flatten().is_some_and(is_above) {
                self.note(Problem::new(&item.value.span(), "the soft limit is above the hard limit"));
            }
            limits.insert(item.key.to_owned(), limit);
        }
        Some(limits)
    }

    /// Reads one limit: a number, a size, or `"unlimited"`.
    fn limit(&mut self, value: &Value<'_>) -> Option<Option<u64>> {
        match value.get_ref() {
            DeValue::String(text) if text == "unlimited" => Some(None),
            DeValue::String(_) | DeValue::Integer(_) => self.size(value).map(Some),
            _ => self.expected(value, "a number or \"unlimited\""),
        }
    }

    fn io_priority(&mut self, value: &Value<'_>) -> Option<Setting> {
        let (mut class, mut level) = (None, 4);
        for item in self.table(value, "a table such as { class = \"best-effort\", level = 4 }")? {
            match item.key {
                "class" => class = Some(self.word(item.value, IO_CLASSES)?),
                "level" => level = self.small(item.value, 0, 7)?,
                _ => self.unknown_key(&item, ["class", "level"]),
            }
        }
        if class.is_none() {
            self.note(Problem::new(&value.span(), "`class` is missing"));
        }
        Some(Setting::IoPriority { class: class?, level })
    }

    fn log(&mut self, value: &Value<'_>) -> Option<Log> {
        const WHAT: &str =
            "the path of a file, or a table such as { file = \"web.log\", max-size = \"10MB\" }";
        if let DeValue::String(_) = value.get_ref() {
            return Some(Log { file: self.text(value, WHAT)?.into(), max_size: None, keep: None });
        }
        let (mut file, mut max_size, mut keep) = (None, None, None);
        for item in self.table(value, WHAT)? {
            match item.key {
                "file" => file = Some(self.text(item.value, "the path of a file")?.into()),
                "max-size" => {
                    max_size = Some(match item.value.get_ref() {
                        DeValue::String(text) if text == "unlimited" => u64::MAX,
                        _ => self.size(item.value)?,
                    });
                }
                "keep" => keep = Some(self.small(item.value, 0, 10_000)?),
                _ => self.unknown_key(&item, ["file", "max-size", "keep"]),
            }
        }
        if file.is_none() {
            self.note(Problem::new(&value.span(), "`file` is missing"));
        }
        if max_size == Some(0) {
            self.note(Problem::new(&value.span(), "`max-size` must not be zero"));
            return None;
        }
        Some(Log { file: file?, max_size, keep })
    }

    fn descriptors(&mut self, value: &Value<'_>) -> Option<Setting> {
        let mut descriptors = BTreeMap::new();
        for item in self.table(value, "a table such as { 5 = \"data.bin\" }")? {
            let number = item.key.parse().ok().filter(|number| (3..=255).contains(number));
            let Some(number) = number else {
                self.note(Problem::new(&item.key_span, "expected the number of a descriptor, from 3 to 255"));
                continue;
            };
            descriptors.insert(number, self.text(item.value, "the path of a file")?.into());
        }
        Some(Setting::Descriptors(descriptors))
    }

    fn terminal(&mut self, value: &Value<'_>) -> Option<Option<(u16, u16)>> {
        if let DeValue::Boolean(has) = value.get_ref() {
            return Some(has.then_some((24, 80)));
        }
        let (mut rows, mut columns) = (24, 80);
        for item in self.table(value, "true, or a table such as { rows = 24, columns = 80 }")? {
            match item.key {
                "rows" => rows = self.small(item.value, 1, 10_000)?,
                "columns" => columns = self.small(item.value, 1, 10_000)?,
                _ => self.unknown_key(&item, ["rows", "columns"]),
            }
        }
        Some(Some((rows, columns)))
    }
}
