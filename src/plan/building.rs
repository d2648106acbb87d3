//! The checks made while a plan is built: everything that can be known before a process runs.

use super::builder::{Plan, StepMut};
use super::error::{PlanError, PlanErrorKind};
use super::process::ProcessRef;
use super::script::{Op, ProcessDef, Step};
use crate::host::{Spec, Stdin};
use crate::machine::Name;

impl Plan {
    pub(super) fn record(&mut self, op: Op) -> StepMut<'_> {
        self.script.steps.push(Step { op, timeout: None });
        StepMut { plan: self }
    }

    /// Records a step that expects processes to end.
    pub(super) fn ending(&mut self, op: Op) -> Result<StepMut<'_>, PlanError> {
        let ends: Vec<ProcessRef> = match &op {
            Op::Wait(ends) => ends.iter().map(|(process, _)| *process).collect(),
            Op::Kill { process, .. } => vec![*process],
            _ => unreachable!("no other step expects an end"),
        };
        let twice = |(i, process): (usize, &ProcessRef)| ends[..i].contains(process).then_some(*process);
        let mut check = ends.iter().try_for_each(|process| self.check(*process));
        if check.is_ok() {
            check = match (ends.is_empty(), ends.iter().enumerate().find_map(twice)) {
                (true, _) => Err(PlanErrorKind::NoProcess),
                (false, Some(process)) => Err(PlanErrorKind::ListedTwice(self.script.name(process).clone())),
                (false, None) => Ok(()),
            };
        }
        let step = Step { op, timeout: None };
        check.map_err(|kind| self.reject(Some(self.text(&step, &ends)), kind))?;
        for process in ends {
            let def = &mut self.script.processes[process.index()];
            def.ended_by = Some(self.script.steps.len());
            // A process is killed at most once, so its spec can carry the signal from the start.
            if let Op::Kill { signal, .. } = step.op {
                def.spec = def.spec.clone().stop_signal(signal);
            }
        }
        Ok(self.record(step.op))
    }

    /// Checks that the process belongs to this plan and that no step expects its end.
    pub(super) fn check(&self, process: ProcessRef) -> Result<(), PlanErrorKind> {
        let def = self.known(process).ok_or(PlanErrorKind::ForeignProcess)?;
        match def.ended_by {
            Some(step) => Err(PlanErrorKind::EndedBefore { process: def.name.clone(), step: step + 1 }),
            None => Ok(()),
        }
    }

    /// Checks a step about the standard input of a process, and makes that input a pipe.
    pub(super) fn use_input(&mut self, process: ProcessRef, text: String) -> Result<(), PlanError> {
        let check = self.check(process).and_then(|()| {
            let def = self.script.process(process);
            let process = def.name.clone();
            match (def.closed_by, def.spec.get_stdin()) {
                (Some(step), _) => Err(PlanErrorKind::InputClosed { process, step: step + 1 }),
                (None, Stdin::Null) => Ok(()),
                (None, _) => Err(PlanErrorKind::InputTaken(process)),
            }
        });
        check.map_err(|kind| self.reject(Some(text), kind))?;
        self.script.processes[process.index()].has_input = true;
        Ok(())
    }

    /// Looks up the program, and adds the process to the script. `step` is the text of the step for errors.
    pub(super) fn add_process(
        &mut self,
        name: Name,
        spec: Spec,
        step: &str,
    ) -> Result<ProcessRef, PlanError> {
        spec.check()
            .map_err(|error| self.reject(Some(step.to_owned()), PlanErrorKind::InvalidSpec(error)))?;
        let program = self
            .host
            .locate(&spec)
            .map_err(|error| self.reject(Some(step.to_owned()), PlanErrorKind::CommandNotFound(error)))?;
        self.script.processes.push(ProcessDef {
            name,
            spec: spec.with_program(program).die_with_parent(true),
            wanted: Vec::new(),
            has_input: false,
            closed_by: None,
            ended_by: None,
        });
        Ok(ProcessRef::new(self.id, self.script.processes.len() - 1))
    }

    pub(super) fn is_taken(&self, name: &Name) -> bool {
        self.script.processes.iter().any(|process| process.name == *name)
    }

    /// Returns the default name of a process: that of its program, with a number if the name is taken.
    pub(super) fn free_name(&self, spec: &Spec) -> Name {
        let name = Name::from_program(&spec.get_program().to_string_lossy());
        if !self.is_taken(&name) {
            return name;
        }
        let numbered = |number: usize| {
            let end = format!("-{number}");
            let base = &name[..name.len().min(Name::MAX - end.len())];
            Name::new(&format!("{base}{end}")).expect("a name with allowed characters appended is a name")
        };
        (1..).map(numbered).find(|name| !self.is_taken(name)).expect("the numbers do not run out")
    }

    /// Returns the name of a process for the text of a step.
    pub(super) fn display_name(&self, process: ProcessRef) -> &str {
        self.known(process).map_or("a process of another plan", |def| &def.name)
    }

    /// Returns the text of a step that expects these processes to end.
    fn text(&self, step: &Step, ends: &[ProcessRef]) -> String {
        match (&step.op, ends.iter().all(|process| self.known(*process).is_some())) {
            (_, true) => self.script.text(step),
            (Op::Kill { .. }, false) => "kill a process of another plan".to_owned(),
            (_, false) => "wait for a process of another plan".to_owned(),
        }
    }

    /// Returns the definition of a process. It is `None` for a process of another plan, or one that was added
    /// to a clone of this plan.
    pub(super) fn known(&self, process: ProcessRef) -> Option<&ProcessDef> {
        self.script.processes.get(process.index()).filter(|_| process.plan() == self.id)
    }

    /// Returns the error of a step that is not recorded, with its text, or of the plan as a whole.
    pub(super) fn reject(&self, text: Option<String>, kind: PlanErrorKind) -> PlanError {
        let mut steps = self.script.texts();
        let step = text.is_some().then_some(steps.len() + 1);
        steps.extend(text);
        PlanError::early(&self.script.name, steps, step, kind)
    }

    /// Returns an error of the step that was recorded last.
    pub(super) fn reject_last(&self, kind: PlanErrorKind) -> PlanError {
        PlanError::early(&self.script.name, self.script.texts(), Some(self.script.steps.len()), kind)
    }
}
