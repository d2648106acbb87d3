//! What is checked while a plan is being built: everything that can be known before anything runs.

use std::time::Duration;

use super::builder::{Plan, StepMut};
use super::error::{PlanError, PlanProblem, PlanStory};
use super::mistake::PlanMistake;
use super::planned::ProcessRef;
use super::script::{Op, Role, Step};
use crate::host::{Spec, Stdin};
use crate::machine::{Name, Policy};

impl Plan {
    pub(super) fn record(&mut self, op: Op) -> StepMut<'_> {
        self.script.steps.push(Step { op, timeout: None });
        StepMut { plan: self }
    }

    /// A step that expects the ends of processes.
    pub(super) fn ending(&mut self, op: Op) -> Result<StepMut<'_>, PlanError> {
        let ends: Vec<ProcessRef> = match &op {
            Op::Wait(ends) => ends.iter().map(|(process, _)| *process).collect(),
            Op::Kill { process, .. } => vec![*process],
            _ => unreachable!("no other step ends a process"),
        };
        let twice = |(i, process): (usize, &ProcessRef)| ends[..i].contains(process).then_some(*process);
        let mut check = ends.iter().try_for_each(|process| self.check(*process));
        if check.is_ok() {
            check = match (ends.is_empty(), ends.iter().enumerate().find_map(twice)) {
                (true, _) => Err(PlanMistake::NoProcess),
                (false, Some(process)) => Err(PlanMistake::Twice(self.script.name(process).clone())),
                (false, None) => Ok(()),
            };
        }
        let step = Step { op, timeout: None };
        check.map_err(|mistake| self.mistake(Some(self.text(&step, &ends)), mistake))?;
        for process in ends {
            let role = &mut self.script.cast[process.index()];
            role.ended_by = Some(self.script.steps.len());
            // A process is killed once at most, so the monitor can be told how beforehand.
            if let Op::Kill { signal, .. } = step.op {
                role.spec = role.spec.clone().stop_signal(signal);
            }
        }
        Ok(self.record(step.op))
    }

    /// Whether something can still be done with the process.
    pub(super) fn check(&self, process: ProcessRef) -> Result<(), PlanMistake> {
        let role = self.known(process).ok_or(PlanMistake::AnotherPlan)?;
        match role.ended_by {
            Some(step) => Err(PlanMistake::EndedBefore { process: role.name.clone(), step: step + 1 }),
            None => Ok(()),
        }
    }

    /// A step about the standard input of a process, which is a pipe from now on.
    pub(super) fn use_input(&mut self, process: ProcessRef, text: String) -> Result<(), PlanError> {
        let check = self.check(process).and_then(|()| {
            let role = self.script.role(process);
            let process = role.name.clone();
            match (role.closed_by, role.spec.get_stdin()) {
                (Some(step), _) => Err(PlanMistake::ClosedBefore { process, step: step + 1 }),
                (None, Stdin::Null) => Ok(()),
                (None, _) => Err(PlanMistake::OtherInput(process)),
            }
        });
        check.map_err(|mistake| self.mistake(Some(text), mistake))?;
        self.script.cast[process.index()].has_input = true;
        Ok(())
    }

    /// Looks the command up, and adds the process to the cast.
    pub(super) fn cast(&mut self, name: Name, spec: Spec, step: &str) -> Result<ProcessRef, PlanError> {
        spec.check().map_err(|error| self.mistake(Some(step.to_owned()), PlanMistake::Spec(error)))?;
        let program = self
            .host
            .locate(&spec)
            .map_err(|error| self.refuse(Some(step.to_owned()), PlanProblem::CommandNotFound { error }))?;
        self.script.cast.push(Role {
            name,
            spec: spec.with_program(program).die_with_parent(true),
            wanted: Vec::new(),
            has_input: false,
            closed_by: None,
            ended_by: None,
        });
        Ok(ProcessRef::new(self.id, self.script.cast.len() - 1))
    }

    pub(super) fn is_taken(&self, name: &Name) -> bool {
        self.script.cast.iter().any(|role| role.name == *name)
    }

    /// What the process is called if nobody says so: by its program, with a number if there are several (PL-5).
    pub(super) fn free_name(&self, spec: &Spec) -> Name {
        let name = Name::from_program(&spec.get_program().to_string_lossy());
        if !self.is_taken(&name) {
            return name;
        }
        let numbered = |number: usize| {
            let end = format!("-{number}");
            let base = &name[..name.len().min(Name::MAX - end.len())];
            Name::new(&format!("{base}{end}")).expect("it is a name with a few allowed characters more")
        };
        (1..).map(numbered).find(|name| !self.is_taken(name)).expect("there are numbers enough")
    }

    /// What it is called in the text of a step, also if nobody here knows its name.
    pub(super) fn called(&self, process: ProcessRef) -> &str {
        self.known(process).map_or("a process of another plan", |role| &role.name)
    }

    /// The text of a step that expects the ends of these.
    fn text(&self, step: &Step, ends: &[ProcessRef]) -> String {
        match (&step.op, ends.iter().all(|process| self.known(*process).is_some())) {
            (_, true) => self.script.text(step),
            (Op::Kill { .. }, false) => "kill a process of another plan".to_owned(),
            (_, false) => "wait for a process of another plan".to_owned(),
        }
    }

    /// `None`: it is of another plan, or of a clone of this one that has gone its own way.
    pub(super) fn known(&self, process: ProcessRef) -> Option<&Role> {
        self.script.cast.get(process.index()).filter(|_| process.plan() == self.id)
    }

    /// The error of a step that is not recorded, as its text says what it was to do; or of the plan itself.
    pub(super) fn mistake(&self, text: Option<String>, mistake: PlanMistake) -> PlanError {
        self.refuse(text, PlanProblem::Mistake(mistake))
    }

    /// The error of the step that was recorded last.
    pub(super) fn mistake_in_last(&self, mistake: PlanMistake) -> PlanError {
        self.story(self.script.texts(), Some(self.script.steps.len()), PlanProblem::Mistake(mistake))
    }

    fn refuse(&self, text: Option<String>, problem: PlanProblem) -> PlanError {
        let mut steps = self.script.texts();
        let step = text.is_some().then_some(steps.len() + 1);
        steps.extend(text);
        self.story(steps, step, problem)
    }

    fn story(&self, steps: Vec<String>, step: Option<usize>, problem: PlanProblem) -> PlanError {
        PlanStory::early(&self.script.name, steps, step, problem).into()
    }
}

/// Whether this can be the time-out of a step.
pub(super) fn check_timeout(timeout: Duration) -> Result<(), PlanMistake> {
    let fine = !timeout.is_zero() && timeout <= Policy::LONGEST;
    if fine { Ok(()) } else { Err(PlanMistake::Timeout(timeout)) }
}
