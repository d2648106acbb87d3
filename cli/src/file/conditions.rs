//! Conditions: `ready` and `alive`.
//!
//! ```toml
//! ready = { port = "{port}" }
//! ready = { output = "listening", any = [{ unix = "run/db.sock" }, { uptime = "5s" }] }
//! alive = { http = "http://127.0.0.1:8000/health", every = "10s", failures = 3 }
//! ```
//!
//! A table with several conditions requires all of them.

use toml::de::DeValue;

use super::problems::{At, Problem};
use super::reader::{Item, Reader, Value};
use super::setting::{Liveness, Probe};

/// The keys of a condition.
pub(crate) const PROBES: &[&str] =
    &["port", "http", "output", "unix", "exec", "notify", "uptime", "all", "any", "by-any-process"];
/// The keys of `alive` besides those of its condition.
pub(crate) const REPETITION: &[&str] = &["every", "failures", "grace"];
/// The keys of `output`.
pub(crate) const OUTPUT: &[&str] = &["text", "regex", "stream", "times"];
/// The keys of `http`.
pub(crate) const HTTP: &[&str] = &["url", "status"];
/// The streams of a process.
pub(crate) const STREAMS: &[&str] = &["stdout", "stderr"];

impl Reader {
    /// Reads a condition.
    pub(crate) fn condition(&mut self, value: &Value<'_>) -> Option<Probe> {
        let items = self.table(value, "a condition, such as { port = 8000 }")?;
        self.condition_of(value, items.iter(), PROBES)
    }

    /// Reads a condition with the numbers of its repetition.
    pub(crate) fn liveness(&mut self, value: &Value<'_>) -> Option<Liveness> {
        let items = self.table(value, "a condition, such as { port = 8000, every = \"10s\" }")?;
        let (mut every, mut failures, mut grace) = (None, None, None);
        for item in &items {
            match item.key {
                "every" => every = Some(self.duration(item.value)?),
                "failures" => failures = Some(self.small(item.value, 1, 1_000_000)?),
                "grace" => grace = Some(self.duration(item.value)?),
                _ => {}
            }
        }
        let names: Vec<&str> = PROBES.iter().chain(REPETITION).copied().collect();
        let others = items.iter().filter(|item| !REPETITION.contains(&item.key));
        let probe = self.condition_of(value, others, &names)?;
        Some(Liveness { probe, every, failures, grace })
    }

    fn condition_of<'a>(
        &mut self,
        value: &Value<'_>,
        items: impl Iterator<Item = &'a Item<'a>>,
        names: &[&str],
    ) -> Option<Probe> {
        let (mut probes, mut by_any_process, mut is_valid) = (Vec::new(), false, true);
        for item in items {
            if item.key == "by-any-process" {
                by_any_process = self.flag(item.value)?;
                continue;
            }
            let probe = self.probe(item, names);
            is_valid &= probe.is_some();
            probes.extend(probe);
        }
        if is_valid && probes.is_empty() {
            self.note(
                Problem::new(&value.span(), "this table has no condition").help("such as { port = 8000 }"),
            );
        }
        let probe = match (is_valid, probes.pop()?) {
            (false, _) => return None,
            (true, only) if probes.is_empty() => only,
            (true, last) => {
                probes.push(last);
                Probe::All(probes)
            }
        };
        Some(if by_any_process { Probe::ByAnyProcess(Box::new(probe)) } else { probe })
    }

    fn probe(&mut self, item: &Item<'_>, names: &[&str]) -> Option<Probe> {
        let value = item.value;
        match item.key {
            "port" => match value.get_ref() {
                DeValue::Integer(_) => {
                    let port: u16 = self.small(value, 1, 65_535)?;
                    Some(Probe::Port(At::new(value.span(), port.to_string())))
                }
                _ => self.placed(value, "a port number, or \"{port}\"").map(Probe::Port),
            },
            "http" => self.http(value),
            "output" => self.output(value),
            "unix" => self.placed(value, "the path of a socket").map(Probe::Unix),
            "exec" => self.command(value).map(Probe::Exec),
            "notify" => match value.get_ref() {
                DeValue::Integer(_) => self.small(value, 3, 255).map(Probe::Notify),
                DeValue::String(text) if text == "systemd" => Some(Probe::SdNotify),
                _ => self.expected(value, "\"systemd\", or the number of a descriptor"),
            },
            "uptime" => self.duration(value).map(Probe::Uptime),
            "all" => self.conditions(value).map(Probe::All),
            "any" => {
                let conditions = self.conditions(value)?;
                if conditions.is_empty() {
                    self.note(Problem::new(&value.span(), "`any` needs at least one condition"));
                    return None;
                }
                Some(Probe::Any(conditions))
            }
            _ => {
                self.unknown_key(item, names.iter().copied());
                None
            }
        }
    }

    fn conditions(&mut self, value: &Value<'_>) -> Option<Vec<Probe>> {
        let DeValue::Array(list) = value.get_ref() else {
            return self.expected(value, "a list of conditions");
        };
        let probes: Vec<_> = list.iter().map(|condition| self.condition(condition)).collect();
        probes.into_iter().collect()
    }

    fn http(&mut self, value: &Value<'_>) -> Option<Probe> {
        const URL: &str = "a URL, such as \"http://127.0.0.1:8000/\"";
        if let DeValue::String(_) = value.get_ref() {
            return Some(Probe::Http { url: self.placed(value, URL)?, status: (200, 200) });
        }
        let (mut url, mut status) = (None, (200, 200));
        for item in self.table(value, URL)? {
            match item.key {
                "url" => url = Some(self.placed(item.value, URL)?),
                "status" => status = self.status(item.value)?,
                _ => self.unknown_key(&item, HTTP.iter().copied()),
            }
        }
        if url.is_none() {
            self.note(Problem::new(&value.span(), "`url` is missing"));
        }
        Some(Probe::Http { url: url?, status })
    }

    /// Reads an HTTP status, or a range such as `"200-399"`.
    fn status(&mut self, value: &Value<'_>) -> Option<(u16, u16)> {
        const WHAT: &str = "an HTTP status from 100 to 599, or a range such as \"200-399\"";
        let DeValue::String(text) = value.get_ref() else {
            return self.small(value, 100, 599).map(|status| (status, status));
        };
        let range = text.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        match range {
            Some((from, to)) if 100 <= from && from <= to && to <= 599 => Some((from, to)),
            _ => self.expected(value, WHAT),
        }
    }

    fn output(&mut self, value: &Value<'_>) -> Option<Probe> {
        if let DeValue::String(_) = value.get_ref() {
            let text = self.text(value, "a text of the output")?.to_owned();
            return Some(Probe::Output { text, regex: false, stream: None, times: 1 });
        }
        let (mut expected, mut stream, mut times) = (None, None, 1);
        for item in self.table(value, "a text, or a table such as { regex = \"ready|done\" }")? {
            match item.key {
                "text" | "regex" if expected.is_some() => {
                    self.note(Problem::new(&item.key_span, "`text` and `regex` exclude each other"));
                    return None;
                }
                "text" => expected = Some((self.text(item.value, "a text")?.to_owned(), false)),
                "regex" => expected = Some((self.text(item.value, "a regular expression")?.to_owned(), true)),
                "stream" => stream = Some(self.word(item.value, STREAMS)?),
                "times" => times = self.small(item.value, 1, 1_000_000)?,
                _ => self.unknown_key(&item, OUTPUT.iter().copied()),
            }
        }
        if expected.is_none() {
            self.note(Problem::new(&value.span(), "`text` or `regex` is missing"));
        }
        let (text, regex) = expected?;
        Some(Probe::Output { text, regex, stream, times })
    }
}
