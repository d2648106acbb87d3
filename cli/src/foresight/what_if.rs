//! `childminder replay` with other settings: what would have happened.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use childminder::journal::Journal;
use childminder::machine::Definition;
use childminder::testkit::rehearse::{Clock, ProcessReport, Rehearsal};
use childminder::timeline::TimelineBuilder;
use childminder::{Name, Policy};

use super::outcome::{aligned, rounded};
use super::timeline::Picture;
use crate::args::{Replay, WhatIf};
use crate::file::ports::Ports;
use crate::file::problems::Problems;
use crate::file::{File, changed_policies, preset};
use crate::values::duration;

/// The assumptions about runs, and their limits, which `journal::WhatIf` documents.
const ASSUMED: &str = "\
assumed: the n-th run of a program does what its n-th recorded run did, whenever it starts: the time of its start, when
  it was ready, when and how it exited, and how long its stop took. A run beyond the recorded ones does what the last one
  did. A run that was stopped would have lived on. So this cannot show what a later start would have changed, such as a
  disk that is free again.
";

const HEADS: [&str; 7] = ["NAME", "RESTARTS", "WHAT IF", "DOWN", "WHAT IF", "GIVEN UP AT", "WHAT IF"];

/// Rehearses a journal with changed settings. Returns the exit status.
pub(super) fn what_if(args: &Replay, journal: &Journal) -> ExitCode {
    let mut rehearsed = match childminder::journal::WhatIf::new(journal) {
        Ok(what_if) => what_if,
        Err(error) => return crate::report_error(crate::USAGE, &error),
    };
    if let Err(problems) = change(&args.what_if, &mut rehearsed) {
        return crate::report_error(crate::USAGE, &problems);
    }
    let picture = match args.what_if.output.as_deref().map(Picture::at).transpose() {
        Ok(picture) => picture,
        Err(error) => return crate::report_error(error.status(), &error),
    };
    let mut builder = picture.as_ref().map(|_| TimelineBuilder::new("what if"));
    let scenario = rehearsed.scenario().max_notices(0);
    let result = match &mut builder {
        None => scenario.run(),
        Some(builder) => scenario.observe(|moment| {
            builder.observe(moment.at, moment.input, moment.outputs, moment.machine);
        }),
    };
    let rehearsal = match result {
        Ok(rehearsal) => rehearsal,
        Err(error) => return crate::report_error(crate::USAGE, &error),
    };
    if let (Some(picture), Some(builder)) = (picture, builder) {
        let title = args.what_if.in_words();
        let what_if = builder.finish(rehearsed.length());
        let both = journal.timeline("recorded").beside(what_if, title, ["recorded", "what if"]);
        if let Err(error) = picture.write(&both) {
            return crate::report_error(error.status(), &error);
        }
    }
    crate::print(&text(args, &rehearsed, &rehearsal), "the result")
}

/// Changes the definitions as the options say.
fn change(args: &WhatIf, what_if: &mut childminder::journal::WhatIf) -> Result<(), Problems> {
    if let Some(path) = &args.with {
        let file = File::read(path)?;
        let processes = file.described(&Ports::assumed(&file.entries), |_| true);
        // As a monitor makes them, since the recorded events are those of a monitor.
        let definition = |spec: childminder::Spec| spec.into_definition(Policy::default()).ok();
        let definitions = processes.into_iter().filter_map(|process| {
            let definition: Definition<()> = definition(process.spec)?.with_spec(());
            Some((process.name, definition))
        });
        what_if.replace_definitions(definitions.collect());
    }
    let names: Vec<Name> = what_if.names().cloned().collect();
    if let Some(policy) = &args.policy {
        let policy = preset(policy);
        names.iter().for_each(|name| what_if.change(name, |definition| definition.policy = policy));
    }
    let known = names.iter().filter_map(|name| Some((name.clone(), what_if.definition(name)?.policy)));
    let known: Vec<(Name, Policy)> = known.collect();
    for (name, policy) in changed_policies(&args.set, &known)? {
        what_if.change(&name, |definition| definition.policy = policy);
    }
    Ok(())
}

fn text(args: &Replay, what_if: &childminder::journal::WhatIf, rehearsal: &Rehearsal) -> String {
    let mut text = format!(
        "{}: {} recorded\nwhat if: {}\n{ASSUMED}",
        args.journal.display(),
        duration::text(rounded(what_if.length() - what_if.began_at().unwrap_or_default())),
        args.what_if.in_words()
    );
    if let Some(at) = what_if.began_at() {
        text.push_str(&resumed(at));
    }
    text.push('\n');
    let recorded = |name: &Name| what_if.recorded().iter().find(|process| process.name == *name);
    let mut names: Vec<&Name> = what_if.recorded().iter().map(|process| &process.name).collect();
    let new = rehearsal.processes().iter().map(|process| &process.name);
    names.extend(new.filter(|name| recorded(name).is_none()));
    let mut rows = vec![HEADS.map(str::to_owned)];
    for name in &names {
        let (before, after) = (recorded(name), rehearsal.process(name));
        rows.push([
            name.to_string(),
            shown(before, |process| process.restarts.to_string()),
            shown(after, |process| process.restarts.to_string()),
            shown(before, |process| time(process.downtime)),
            shown(after, |process| time(process.downtime)),
            shown(before, given_up),
            shown(after, given_up),
        ]);
    }
    text.push_str(&aligned(&rows));
    let mut notes = Vec::new();
    for name in names {
        let starts = |process: Option<&ProcessReport>| process.map_or(0, |process| process.starts);
        let beyond = starts(rehearsal.process(name)).saturating_sub(starts(recorded(name)));
        match (recorded(name), rehearsal.process(name)) {
            (Some(before), Some(_)) if beyond > 0 && before.starts > 0 => notes.push(format!(
                "{name}: {beyond} of its runs were not recorded, and do what its last recorded run did"
            )),
            (None, Some(_)) | (Some(_), Some(_)) if beyond > 0 => {
                notes.push(format!("{name}: it never ran in the recording, so it is assumed to work"));
            }
            (Some(_), None) => notes.push(format!("{name}: it is not in the other file")),
            _ => {}
        }
    }
    notes.extend(
        rehearsal
            .refused()
            .iter()
            .map(|(at, reason)| format!("{} a recorded command is refused: {reason}", Clock(*at))),
    );
    if let Some(at) = rehearsal.cut() {
        notes.push(format!("ended early, at {}: a program dies and is restarted without a delay", Clock(at)));
    }
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        // Writing into memory does not fail.
        let _ = writeln!(text, "{note}");
    }
    text
}

/// Returns the assumptions of a journal whose beginning is gone.
fn resumed(at: Duration) -> String {
    format!(
        "  The beginning of the journal is gone, so this begins with the checkpoint at {}: what ran then, or waited for its
  next start, is started at that moment, with delays and counts of failures from the beginning. What had completed, had
  failed for good or was given up stays down until a command starts it.
",
        Clock(at)
    )
}

fn shown(process: Option<&ProcessReport>, show: impl Fn(&ProcessReport) -> String) -> String {
    process.map_or_else(|| "-".to_owned(), show)
}

fn time(time: Duration) -> String {
    duration::text(rounded(time))
}

fn given_up(process: &ProcessReport) -> String {
    let times: Vec<String> = process.given_up.iter().map(|given_up| Clock(given_up.at).to_string()).collect();
    if times.is_empty() { "never".to_owned() } else { times.join(", ") }
}

impl WhatIf {
    /// Whether anything is to be changed.
    pub(super) fn is_asked(&self) -> bool {
        !self.set.is_empty() || self.policy.is_some() || self.with.is_some()
    }

    /// Returns the changes in one line.
    fn in_words(&self) -> String {
        let with = self.with.iter().map(|path: &std::path::PathBuf| format!("the file {}", show(path)));
        let policy = self.policy.iter().map(|policy| format!("the policy of {policy}"));
        with.chain(policy).chain(self.set.iter().cloned()).collect::<Vec<_>>().join(", ")
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
