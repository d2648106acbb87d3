//! An order: what the command line asks for, checked as far as it can be before anything is started.

use std::fmt;

use childminder::host::SpecError;
use childminder::machine::{PolicyError, PolicyProblem};
use childminder::{Host, Name, Policy, SpawnError, Spec, System};

use crate::account::{Account, AccountError};
use crate::args::Run;

/// A process to mind.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) name: Name,
    /// With the policy in it.
    pub(crate) spec: Spec,
    /// The world it will be started in.
    pub(crate) system: System,
}

impl Order {
    /// Checks what was asked for, down to the program file: a monitor retries what may pass by itself, but a name
    /// that was mistyped just now should be told at once. Nothing is started.
    ///
    /// # Errors
    ///
    /// [`OrderError`] naming the option, or the step of the start that would fail and its path.
    pub(crate) fn new(args: Run) -> Result<Self, OrderError> {
        let policy = policy(&args)?;
        let account = Account::find(args.user.as_deref(), args.group.as_deref())?;
        let [program, words @ ..] = args.command.as_slice() else { return Err(OrderError::NoCommand) };
        let name = args.name.unwrap_or_else(|| Name::from_program(&program.to_string_lossy()));
        let mut spec = Spec::new(program).args(words).policy(policy);
        if args.env_clear {
            spec = spec.env_clear();
        }
        for variable in &args.env {
            spec = spec.env(&variable.name, &variable.value);
        }
        if let Some(dir) = &args.cwd {
            spec = spec.cwd(dir);
        }
        if let Some(Account { uid, gid, groups }) = account {
            spec = spec.gid(gid).groups(groups);
            if let Some(uid) = uid {
                spec = spec.uid(uid);
            }
        }
        spec.check()?;
        let system = System::new();
        system.locate(&spec)?;
        Ok(Self { name, spec, system })
    }
}

/// The four durations together.
fn policy(args: &Run) -> Result<Policy, OrderError> {
    let policy = Policy {
        threshold: args.threshold,
        kill_time: args.kill_time,
        min_restart_delay: args.min_restart_delay,
        max_restart_delay: args.max_restart_delay,
        ..Policy::default()
    };
    policy.check()?;
    Ok(policy)
}

/// Why an order cannot be carried out.
#[derive(Debug)]
pub(crate) enum OrderError {
    /// The command is empty.
    NoCommand,
    /// The durations do not fit together.
    Policy(PolicyError),
    /// There is no such user or group.
    Account(AccountError),
    /// What was given can be given to no program.
    Spec(SpecError),
    /// The program or its directory is not there, or may not be used.
    Start(SpawnError),
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => f.write_str("there is no command to run"),
            Self::Policy(error) => match error.problem() {
                PolicyProblem::AboveMaximum { min, max } => {
                    write!(f, "--minrestartdelay, {min:?}, is above --maxrestartdelay, {max:?}")
                }
                PolicyProblem::Zero => {
                    f.write_str("--minrestartdelay is zero, so a crash loop would never be slowed")
                }
                // The numbers themselves were checked one by one when they were read.
                _ => error.fmt(f),
            },
            Self::Account(error) => error.fmt(f),
            Self::Spec(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OrderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoCommand => None,
            Self::Policy(error) => Some(error),
            Self::Account(error) => Some(error),
            Self::Spec(error) => Some(error),
            Self::Start(error) => Some(error),
        }
    }
}

impl From<PolicyError> for OrderError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}

impl From<AccountError> for OrderError {
    fn from(error: AccountError) -> Self {
        Self::Account(error)
    }
}

impl From<SpecError> for OrderError {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}

impl From<SpawnError> for OrderError {
    fn from(error: SpawnError) -> Self {
        Self::Start(error)
    }
}
