//! Ports: reserved numbers, the placeholders `{port}` and `{port.NAME}`, and the variables
//! `CHILDMINDER_PORT_NAME`.

use std::collections::BTreeMap;
use std::io;

use childminder::{Name, Port};

use super::problems::Problem;
use super::setting::{Entry, PortChoice};

/// The beginning of the variables that contain the ports.
const VARIABLE: &str = "CHILDMINDER_PORT_";

/// The beginning of a placeholder.
const BRACE: &str = "{port";

/// Marks the braces in a text that is meant literally.
pub(crate) fn literal(text: &str) -> String {
    text.replace(BRACE, "\\{port")
}

/// The number that a reserved port has while a file is only checked.
const ASSUMED: u16 = 65_535;

/// The ports of the processes.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    numbers: BTreeMap<Name, u16>,
    /// The reservations, which last as long as this value.
    reserved: BTreeMap<Name, Port>,
}

impl Ports {
    /// Returns the ports as they are in the file, with a stand-in for each that is to be reserved.
    pub(crate) fn assumed(entries: &[Entry]) -> Self {
        let number = |entry: &Entry| match entry.port()? {
            PortChoice::Auto => Some((entry.name.clone(), ASSUMED)),
            PortChoice::Number(number) => Some((entry.name.clone(), number)),
        };
        Self { numbers: entries.iter().filter_map(number).collect(), reserved: BTreeMap::new() }
    }

    /// Returns the ports as they are in the file; each that is to be reserved has a number from `first` on,
    /// which no other process has.
    pub(crate) fn fixed(entries: &[Entry], first: u16) -> Self {
        let mut ports = Self::assumed(entries);
        let taken: Vec<u16> = ports.numbers.values().copied().collect();
        let mut free = (first..ASSUMED).filter(|number| !taken.contains(number));
        for entry in entries.iter().filter(|entry| entry.port() == Some(PortChoice::Auto)) {
            ports.numbers.extend(free.next().map(|number| (entry.name.clone(), number)));
        }
        ports
    }

    /// Reserves the ports that are `"auto"`. Those that `previous` has reserved for the same names stay.
    ///
    /// # Errors
    ///
    /// The system's error if there is no descriptor or no free port.
    pub(crate) fn reserve(entries: &[Entry], previous: &Self) -> io::Result<Self> {
        let mut ports = Self::assumed(entries);
        for entry in entries.iter().filter(|entry| entry.port() == Some(PortChoice::Auto)) {
            let port = match previous.reserved.get(&entry.name) {
                Some(port) => port.clone(),
                None => Port::reserve()?,
            };
            ports.numbers.insert(entry.name.clone(), port.number());
            ports.reserved.insert(entry.name.clone(), port);
        }
        Ok(ports)
    }

    /// Returns the port of a process.
    pub(crate) fn get(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// Returns the variables with the ports of all processes.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (String, String)> {
        self.numbers.iter().map(|(name, port)| (variable(name), port.to_string()))
    }

    /// Replaces `{port}` by the port of the process `own`, and `{port.NAME}` by that of another one. All
    /// other braces stay, those of `${port}` too, which is a variable of a shell; `\{port}` becomes `{port}`.
    ///
    /// # Errors
    ///
    /// What is wrong with the placeholder.
    pub(crate) fn expand(&self, text: &str, own: &Name) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(BRACE) {
            let before = &rest[..start];
            let name = &rest[start + BRACE.len()..];
            if before.ends_with(['$', '\\']) {
                expanded.push_str(before.strip_suffix('\\').unwrap_or(before));
                expanded.push_str(BRACE);
                rest = name;
                continue;
            }
            expanded.push_str(before);
            let placeholder = name.find('}').map(|end| &name[..end]);
            let (port, placeholder) = match placeholder {
                Some("") => {
                    let port = self.get(own);
                    (port.ok_or_else(|| format!("`{{port}}` is used, but `{own}` has no `port`"))?, "")
                }
                Some(other) if other.starts_with('.') => {
                    let port = self.get(&other[1..]);
                    let missing =
                        || format!("`{{port{other}}}` is used, but there is no such process with a `port`");
                    (port.ok_or_else(missing)?, other)
                }
                _ => {
                    expanded.push_str(BRACE);
                    rest = name;
                    continue;
                }
            };
            expanded.push_str(&port.to_string());
            rest = &name[placeholder.len() + 1..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// Returns the name of the variable with the port of a process: capital letters, and `_` for what a variable
/// cannot contain.
fn variable(name: &Name) -> String {
    let c = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    VARIABLE.chars().chain(name.chars().map(c)).collect()
}

/// Notes processes with ports whose variables have the same name.
pub(crate) fn check_variables(entries: &[Entry], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<String, &Name> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.port().is_some()) {
        let variable = variable(&entry.name);
        let message = seen.get(&variable).map(|other| {
            format!("the ports of `{other}` and `{}` would both be in the variable {variable}", entry.name)
        });
        match message {
            Some(message) => {
                problems
                    .push(Problem::new(entry.span_of("port"), message).help("rename one of the processes"));
            }
            None => {
                seen.insert(variable, &entry.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Ports {
        let numbers = [("web", 80), ("db-1", 5432)].map(|(name, port)| (name.parse().unwrap(), port));
        Ports { numbers: numbers.into(), reserved: BTreeMap::new() }
    }

    #[test]
    fn f_254_placeholders_are_replaced_and_other_braces_stay() {
        let web: Name = "web".parse().unwrap();
        for (text, expanded) in [
            ("{port}", "80"),
            ("a {port}:{port.db-1} {x} {portal} {port", "a 80:5432 {x} {portal} {port"),
            ("{{port}}", "{80}"),
            ("awk '{print $1}'", "awk '{print $1}'"),
            ("${port} \\{port} {port}", "${port} {port} 80"),
            ("\\{port.x} $\\{port", "{port.x} ${port"),
            ("", ""),
        ] {
            assert_eq!(ports().expand(text, &web).as_deref(), Ok(expanded), "{text}");
        }
        for text in ["{port}", "${port.x} {port}{port", "\\{port}", "x"] {
            assert_eq!(ports().expand(&literal(text), &web).as_deref(), Ok(text));
        }
        let error = ports().expand("{port.x}", &web).unwrap_err();
        assert!(error.contains("`{port.x}`"), "{error}");
        let error = ports().expand("{port}", &"other".parse().unwrap()).unwrap_err();
        assert_eq!(error, "`{port}` is used, but `other` has no `port`");
    }

    #[test]
    fn f_254_every_port_is_in_a_variable() {
        let variables: Vec<_> = ports().variables().collect();
        let expected = [("CHILDMINDER_PORT_DB_1", "5432"), ("CHILDMINDER_PORT_WEB", "80")];
        assert_eq!(variables, expected.map(|(name, port)| (name.to_owned(), port.to_owned())));
    }
}
