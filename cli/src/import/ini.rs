//! Files with `[section]` and `key = value` lines, in the dialects of supervisord and of systemd.

use std::path::Path;

use super::ImportError;
use super::draft::Place;

/// The rules by which lines are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// An indented line continues the one before; ` ;` begins a comment.
    Supervisord,
    /// A backslash at the end continues the line.
    Systemd,
}

/// A section with its settings in order.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) settings: Vec<Setting>,
}

/// One line with its value.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) place: Place,
}

impl Section {
    /// Returns the last value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.settings.iter().rev().find(|setting| setting.key == key).map(|setting| &*setting.value)
    }
}

/// A unit with the settings of its drop-ins after its own.
pub(super) struct Unit {
    /// The name without `.service`.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) sections: Vec<Section>,
}

impl Unit {
    /// Returns the settings of a section. An empty value removes the earlier ones of its key, as in systemd.
    pub(super) fn settings(&self, section: &str) -> Vec<&Setting> {
        let mut settings: Vec<&Setting> = Vec::new();
        for setting in self.sections.iter().filter(|own| own.name == section).flat_map(|own| &own.settings) {
            if setting.value.is_empty() {
                settings.retain(|earlier| earlier.key != setting.key);
            } else {
                settings.push(setting);
            }
        }
        settings
    }

    /// Returns the last value of a key.
    pub(super) fn get(&self, section: &str, key: &str) -> Option<&Setting> {
        self.settings(section).into_iter().rev().find(|setting| setting.key == key)
    }

    /// Returns the words of all values of a key.
    pub(super) fn words(&self, section: &str, key: &str) -> Vec<String> {
        let values = self.settings(section).into_iter().filter(|setting| setting.key == key);
        values.flat_map(|setting| setting.value.split_whitespace().map(str::to_owned)).collect()
    }
}

/// Parses a file.
///
/// # Errors
///
/// The first line that is not of this format.
pub(super) fn parse(text: &str, path: &Path, dialect: Dialect) -> Result<Vec<Section>, ImportError> {
    let mut sections: Vec<Section> = Vec::new();
    let mut continues = false;
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        let place = Place::new(path, number);
        let line = raw.trim();
        let is_comment = line.starts_with(['#', ';']);
        if is_comment || (line.is_empty() && dialect == Dialect::Supervisord) {
            continue;
        }
        let last = sections.last_mut().and_then(|section| section.settings.last_mut());
        if continues {
            continues = line.ends_with('\\');
            let part = line.trim_end_matches('\\').trim_end();
            last.into_iter().for_each(|setting| {
                setting.value.push(' ');
                setting.value.push_str(part);
            });
            continue;
        }
        if line.is_empty() {
            continue;
        }
        if dialect == Dialect::Supervisord && raw.starts_with([' ', '\t']) {
            let Some(setting) = last else {
                return Err(ImportError::new(path, number, "this line is indented, but continues nothing"));
            };
            setting.value.push('\n');
            setting.value.push_str(without_comment(line));
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let Some(name) =
                rest.split(']').next().filter(|name| rest.len() > name.len() && !name.is_empty())
            else {
                return Err(ImportError::new(path, number, "expected a section such as [name]"));
            };
            sections.push(Section { name: name.trim().to_owned(), place, settings: Vec::new() });
            continue;
        }
        let separators: &[char] = if dialect == Dialect::Supervisord { &['=', ':'] } else { &['='] };
        let Some((key, value)) = line.split_once(separators) else {
            return Err(ImportError::new(path, number, "expected key = value"));
        };
        let Some(section) = sections.last_mut() else {
            return Err(ImportError::new(path, number, "this line is before the first [section]"));
        };
        let (key, mut value) = (key.trim().to_owned(), value.trim());
        match dialect {
            Dialect::Supervisord => value = without_comment(value),
            Dialect::Systemd => {
                continues = value.ends_with('\\');
                value = value.trim_end_matches('\\').trim_end();
            }
        }
        section.settings.push(Setting { key, value: value.to_owned(), place });
    }
    if continues {
        return Err(ImportError::new(path, text.lines().count(), "the file ends in a line that continues"));
    }
    Ok(sections)
}

fn without_comment(value: &str) -> &str {
    if value.starts_with(';') {
        return "";
    }
    value.find(" ;").map_or(value, |at| &value[..at]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, dialect: Dialect) -> Result<Vec<String>, String> {
        let sections = parse(text, Path::new("f"), dialect).map_err(|error| error.to_string())?;
        let shown = |section: Section| {
            let settings = section.settings.into_iter();
            settings
                .map(|s| format!("{}/{}={:?}@{}", section.name, s.key, s.value, s.place.line))
                .collect::<Vec<_>>()
        };
        Ok(sections.into_iter().flat_map(shown).collect())
    }

    #[test]
    fn f_274_both_dialects_are_read_with_their_lines() {
        let text = "; c\n[a:b] ; x\nk = v ; c\nl: w;x\n\n  more ; c\n# c\nm=\n";
        let expected = ["a:b/k=\"v\"@3", "a:b/l=\"w;x\\nmore\"@4", "a:b/m=\"\"@8"];
        assert_eq!(parsed(text, Dialect::Supervisord), Ok(expected.map(str::to_owned).into()));
        let text = "[S]\nk=a \\\n# c\n  b\\\n\nl = x ; y\n";
        let expected = ["S/k=\"a b \"@2", "S/l=\"x ; y\"@6"];
        assert_eq!(parsed(text, Dialect::Systemd), Ok(expected.map(str::to_owned).into()));
    }

    #[test]
    fn f_274_a_line_of_no_format_is_an_error_with_its_number() {
        for (text, dialect, expected) in [
            ("[a]\nx\n", Dialect::Supervisord, "f:2: expected key = value"),
            ("a=b\n", Dialect::Systemd, "f:1: this line is before the first [section]"),
            ("\n[a\n", Dialect::Systemd, "f:2: expected a section such as [name]"),
            (" x\n", Dialect::Supervisord, "f:1: this line is indented, but continues nothing"),
            ("[a]\nk=v \\\n", Dialect::Systemd, "f:2: the file ends in a line that continues"),
        ] {
            assert_eq!(parsed(text, dialect).unwrap_err(), expected);
        }
    }
}
