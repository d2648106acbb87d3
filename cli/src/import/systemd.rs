//! Imports unit files of systemd, with their drop-ins.

use std::fs;
use std::path::{Path, PathBuf};

use super::draft::{Draft, Drafts, Place, table, text};
use super::ini::{self, Dialect, Unit};
use super::systemd_service as service;
use super::{ImportError, text_of};

/// Reads unit files.
pub(super) fn read(files: &[PathBuf]) -> Result<Drafts, ImportError> {
    let units: Vec<Unit> = files.iter().map(|path| unit(path)).collect::<Result<_, _>>()?;
    let mut drafts = Drafts::default();
    for unit in &units {
        let mut draft = Draft::new(&unit.name);
        if let Some(description) = unit.get("Unit", "Description") {
            draft.comment(&service::specifiers(unit, &description.value));
        }
        service::read(unit, &mut draft);
        for section in unit.sections.iter().filter(|section| !["Unit", "Service"].contains(&&*section.name)) {
            let message = match &*section.name {
                "Install" => "`up` starts everything; start `up` itself at boot",
                _ => "this section is not carried over",
            };
            draft.note(&section.place, format!("[{}]: {message}", section.name));
        }
        drafts.add(draft, &unit.place);
    }
    dependencies(&units, &mut drafts);
    Ok(drafts)
}

fn unit(path: &Path) -> Result<Unit, ImportError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut sections = ini::parse(&text_of(path)?, path, Dialect::Systemd)?;
    if !sections.iter().any(|section| section.name == "Service") {
        return Err(ImportError::new(path, 1, "this unit has no [Service]; only services are imported"));
    }
    let drop_ins = path.with_file_name(format!("{name}.d"));
    let mut files: Vec<PathBuf> =
        fs::read_dir(drop_ins).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    for file in &files {
        sections.extend(ini::parse(&text_of(file)?, file, Dialect::Systemd)?);
    }
    let name = name.strip_suffix(".service").unwrap_or(&name).to_owned();
    Ok(Unit { name, place: Place::new(path, 1), sections })
}

/// Adds the dependencies between the units.
fn dependencies(units: &[Unit], drafts: &mut Drafts) {
    // What each unit offers to those that wait for it.
    let state = |name: &str| {
        let unit = units.iter().find(|unit| unit.name == name)?;
        let kind = unit.get("Service", "Type").map_or("simple", |setting| &*setting.value);
        Some(match kind {
            "oneshot" => "completed",
            "notify" | "notify-reload" => "ready",
            _ => "started",
        })
    };
    let names: Vec<(String, String)> = units
        .iter()
        .filter_map(|unit| drafts.find(&unit.name).map(|(_, name)| (unit.name.clone(), name.to_owned())))
        .collect();
    let own_name = |original: &str| names.iter().find(|(known, _)| known == original).map(|(_, own)| &**own);
    for (unit, draft) in units.iter().zip(drafts.iter_mut()) {
        let order = unit.words("Unit", "After");
        let bound: Vec<String> =
            ["BindsTo", "PartOf"].into_iter().flat_map(|key| unit.words("Unit", key)).collect();
        let needed: Vec<String> =
            ["Requires", "Requisite", "Wants"].into_iter().flat_map(|key| unit.words("Unit", key)).collect();
        let mut all: Vec<&String> = order.iter().chain(&bound).chain(&needed).collect();
        all.sort();
        all.dedup();
        let mut after = Vec::new();
        for other in all {
            let place = &unit.place;
            let name = other.strip_suffix(".service").unwrap_or(other);
            let (Some(own), Some(state)) = (own_name(name), state(name)) else {
                if other.ends_with(".service") || other.ends_with(".socket") {
                    draft.note(place, format!("the dependency on {other}, which is not imported"));
                }
                continue;
            };
            if !order.contains(other) {
                draft.note(place, format!("{other} had no After=; here it is started before"));
            } else if !bound.contains(other) && !needed.contains(other) {
                draft.note(place, format!("After={other} was an order only; here it is a dependency"));
            }
            let value = if bound.contains(other) {
                format!("{{ until = {}, on-end = \"restart\" }}", text(state))
            } else {
                text(state)
            };
            after.push((own.to_owned(), value));
        }
        if !after.is_empty() {
            draft.set("after", table(&after));
        }
        for setting in unit.settings("Unit") {
            match &*setting.key {
                "Description"
                | "After"
                | "Requires"
                | "Requisite"
                | "Wants"
                | "BindsTo"
                | "PartOf"
                | "StartLimitBurst"
                | "StartLimitIntervalSec" => {}
                "Documentation" => draft.comment(&format!("Documentation: {}", setting.value)),
                key => draft.note(&setting.place, format!("{key}= is not carried over")),
            }
        }
    }
}
