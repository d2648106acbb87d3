//! What an export has written, and what is lost by it.

use std::fmt::Write;

use childminder::Policy;
use childminder::machine::OnGiveUp;

use super::program::Program;
use crate::check::schedule;
use crate::file::is_policy_key;
use crate::values::duration;

/// The files of an engine, and its limits.
pub(super) struct Exported {
    /// The name of the engine in sentences.
    pub(super) engine: &'static str,
    /// Names and texts.
    pub(super) files: Vec<(String, String)>,
    /// The policy that the engine has for each program.
    pub(super) policies: Vec<Policy>,
    /// The name of a program, and what it loses.
    pub(super) losses: Vec<(String, String)>,
    /// The losses of all programs, and what has to be done for them.
    pub(super) general: Vec<String>,
}

impl Exported {
    pub(super) fn new(engine: &'static str) -> Self {
        Self { engine, files: Vec::new(), policies: Vec::new(), losses: Vec::new(), general: Vec::new() }
    }

    pub(super) fn lose(&mut self, program: &Program<'_>, what: impl Into<String>) {
        self.losses.push((program.name.to_owned(), what.into()));
    }

    /// Notes the keys of a program that are not among those that the engine has.
    pub(super) fn lose_others(&mut self, program: &Program<'_>, carried: &[&str]) {
        // The two schedules show the difference of the policies, but for these keys.
        let is_in_schedule = |key: &str| is_policy_key(key) && !["success", "leak-timeout"].contains(&key);
        let is_default = |key: &str| {
            ["own-group", "merge-output", "die-with-parent"].contains(&key)
                && program.entry.flag(key) == Some(true)
        };
        for key in program.entry.keys() {
            if !carried.contains(&key) && !is_in_schedule(key) && !is_default(key) {
                self.lose(program, format!("`{key}` has no counterpart"));
            }
        }
        if program.has_assigned_port
            && let Some(port) = program.port
        {
            self.lose(program, format!("`port = \"auto\"` became port {port}"));
        }
        let stops_all = program.policy.give_up.is_some_and(|give_up| give_up.then == OnGiveUp::StopAll);
        if stops_all {
            self.lose(program, "giving it up does not stop the other programs");
        }
    }

    /// Returns all files as one text.
    pub(super) fn text(&self) -> String {
        match &*self.files {
            [(_, text)] => text.clone(),
            files => {
                let texts: Vec<String> =
                    files.iter().map(|(name, text)| format!("# {name}\n{text}")).collect();
                texts.join("\n")
            }
        }
    }

    /// Returns what is lost, for people.
    pub(super) fn report(&self, programs: &[Program<'_>]) -> String {
        let mut report = String::new();
        for line in &self.general {
            let _ = writeln!(report, "note: {line}");
        }
        for (program, theirs) in programs.iter().zip(&self.policies) {
            let _ = writeln!(report, "{}", program.name);
            let width = self.engine.len().max("childminder".len());
            let mut schedule = |who: &str, policy: &Policy| {
                let _ = writeln!(
                    report,
                    "  {who:<width$}  restarts {}; delays {}; gives up {}; KILL after {}",
                    schedule::restarts_text(policy),
                    schedule::delays_text(policy),
                    schedule::give_up_text(policy),
                    duration::text(policy.kill_time)
                );
            };
            schedule("childminder", &program.policy);
            schedule(self.engine, theirs);
            for (_, what) in self.losses.iter().filter(|(name, _)| name == program.name) {
                let _ = writeln!(report, "  lost: {what}");
            }
        }
        report
    }
}
