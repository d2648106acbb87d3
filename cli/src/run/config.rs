//! The configuration of a run: what the command line asks for, checked as far as possible before anything is
//! started.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use childminder::host::SpecError;
use childminder::journal::{JournalError, JournalFile};
use childminder::machine::{PolicyError, PolicyProblem, SpawnStep};
use childminder::output::{FileSink, FileSinkError};
use childminder::{
    Host, MonitorBuilder, Name, Policy, ProcessMonitor, Signal, SpawnError, Spec, Stdin, System,
};
use nix::unistd::{Uid, geteuid};

use super::account::{Account, AccountError};
use super::environment::{Variable, VariableError};
use crate::args::Run;
use crate::system::notify;

/// A program to supervise.
#[derive(Debug)]
pub(crate) struct RunConfig {
    pub(crate) name: Name,
    /// The program, with its policy.
    pub(crate) spec: Spec,
    pub(crate) system: System,
    /// The settings of the monitor, with the journal if there is to be one.
    pub(crate) builder: MonitorBuilder,
    /// The signals to pass on to the program.
    pub(crate) forward: Vec<Signal>,
    /// The file for the output of the program, if that does not go to stdout.
    pub(crate) log_file: Option<FileSink>,
    /// Whether the program reads from the standard input of childminder.
    pub(crate) inherits_stdin: bool,
}

impl RunConfig {
    /// Checks the arguments, including the program file. A monitor retries a failed start, because the cause
    /// may go away; but a mistyped name should be reported at once. Nothing is started.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the option, or the step of the start that would fail and its path.
    pub(crate) fn new(args: Run) -> Result<Self, ConfigError> {
        let policy = policy(&args)?;
        let forward = args.forward.clone();
        if let Some(signal) = forward.iter().find(|signal| is_reserved(**signal)) {
            return Err(ConfigError::Forward(*signal));
        }
        let variables = Variable::parse_all(&args.env)?;
        let account = Account::find(args.user.as_deref(), args.group.as_deref())?;
        let [program, words @ ..] = args.command.as_slice() else { return Err(ConfigError::NoCommand) };
        let name = args.name.clone().unwrap_or_else(|| Name::from_program(&program.to_string_lossy()));
        let mut spec = Spec::new(program).args(words).policy(policy).stop_signal(args.stop_signal);
        spec = spec.merge_output(args.merge_output).die_with_parent(!args.outlive).stop_to(args.stop_to);
        if let Some(command) = &args.stop_command {
            spec = spec.stop_command(&command.0);
        }
        if let Some(account) = &account
            && !may_switch_to(account)
        {
            return Err(ConfigError::NotRoot);
        }
        spec = args.attributes.apply(spec);
        let surround = |spec| surround(spec, &args, &variables, account.as_ref());
        spec = surround(spec);
        let stdin = stdin(&args.stdin);
        let inherits_stdin = matches!(stdin, Stdin::Inherit);
        spec = spec.stdin(stdin);
        spec.check()?;
        if let Stdin::File(path) = spec.get_stdin() {
            check_input(path).map_err(|error| {
                ConfigError::Stdin(SpawnError::new(SpawnStep::Stdin, path.display().to_string(), error))
            })?;
        }
        let system = System::with_strongest_containment().map_err(ConfigError::System)?;
        system.locate(&spec).map_err(|error| ConfigError::start(error, args.program()))?;
        if let Some(program) = spec.get_stop_command().next() {
            system.locate(&surround(Spec::new(program))).map_err(ConfigError::StopCommand)?;
        }
        let log_file = args.log_file.open().map_err(ConfigError::LogFile)?;
        // The last one, because it moves the journal of an earlier run out of the way.
        let builder = match &args.journal {
            Some(path) => ProcessMonitor::builder().journal(JournalFile::new(path)),
            None => Ok(ProcessMonitor::builder()),
        };
        let builder = builder.map_err(ConfigError::Journal)?;
        Ok(Self { name, spec, system, builder, forward, log_file, inherits_stdin })
    }
}

/// Sets what the program and its stop command have in common: environment, directory, account and umask.
fn surround(mut spec: Spec, args: &Run, variables: &[Variable], account: Option<&Account>) -> Spec {
    if args.env_clear {
        spec = spec.env_clear();
    }
    for name in notify::VARIABLES {
        spec = spec.env_remove(name);
    }
    for (name, value) in account.into_iter().flat_map(Account::variables) {
        spec = spec.env(name, value);
    }
    for variable in variables {
        spec = spec.env(&variable.name, &variable.value);
    }
    if let Some(dir) = &args.cwd {
        spec = spec.cwd(dir);
    }
    if let Some(umask) = args.umask {
        spec = spec.umask(umask);
    }
    if let Some(account) = account {
        spec = spec.gid(account.gid).groups(account.groups.clone());
        if let Some(uid) = account.uid {
            spec = spec.uid(uid);
        }
    }
    spec
}

/// Whether a signal cannot be forwarded: because it cannot be handled, or because childminder could not be
/// stopped.
fn is_reserved(signal: Signal) -> bool {
    [Signal::KILL, Signal::STOP, Signal::TERM].contains(&signal)
        || signal_hook_registry::FORBIDDEN.contains(&signal.number())
}

fn stdin(text: &OsStr) -> Stdin {
    match text.as_bytes() {
        b"null" => Stdin::Null,
        b"inherit" => Stdin::Inherit,
        _ => Stdin::File(text.into()),
    }
}

/// Checks that an input file exists and can be read. Only a regular file is opened for that: a FIFO would
/// release a writer that waits for the program.
fn check_input(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_file() { File::open(path).map(drop) } else { Ok(()) }
}

/// Whether this process may become `account`: as root, with the capabilities for it, or because it is that
/// account.
fn may_switch_to(account: &Account) -> bool {
    const SETGID_AND_SETUID: u64 = 1 << 6 | 1 << 7;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = capabilities.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    match capabilities {
        Some(capabilities) if capabilities & SETGID_AND_SETUID == SETGID_AND_SETUID => true,
        None if geteuid().is_root() => true,
        // `setgroups` needs the capability, even if it changes nothing.
        Some(_) | None => account.is_unchanged(),
    }
}

/// Combines the four durations.
fn policy(args: &Run) -> Result<Policy, ConfigError> {
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

/// The error returned for a configuration that cannot work.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// The command is empty.
    NoCommand,
    /// The durations contradict each other.
    Policy(PolicyError),
    /// The signal cannot be forwarded.
    Forward(Signal),
    /// The environment is invalid.
    Variable(VariableError),
    /// There is no such user or group.
    Account(AccountError),
    /// Another user or group was asked for by a process that may not become it.
    NotRoot,
    /// The program cannot have these arguments or settings.
    Spec(SpecError),
    /// The program or its directory does not exist, or cannot be used.
    Start(SpawnError),
    /// The system lacks what childminder itself needs.
    System(io::Error),
    /// The input file does not exist, or cannot be read.
    Stdin(SpawnError),
    /// The program of the stop command does not exist, or cannot be executed.
    StopCommand(SpawnError),
    /// The log file cannot be used.
    LogFile(FileSinkError),
    /// The journal cannot be created.
    Journal(JournalError),
    /// The program does not exist, but looks like a line for a shell.
    CommandLine(SpawnError),
}

impl ConfigError {
    fn start(error: SpawnError, program: &OsStr) -> Self {
        let is_line = program.as_bytes().iter().any(|byte| b" \t;|&<>$".contains(byte));
        if error.step() == SpawnStep::Find && is_line { Self::CommandLine(error) } else { Self::Start(error) }
    }

    /// Returns the exit status for this error.
    pub(crate) fn status(&self) -> u8 {
        if matches!(self, Self::System(_)) { crate::FAILED } else { crate::USAGE }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => f.write_str("there is no command to run"),
            Self::Policy(error) => match error.problem() {
                PolicyProblem::AboveMaximum { min, max } => {
                    write!(f, "--minrestartdelay, {min:?}, is above --maxrestartdelay, {max:?}")
                }
                PolicyProblem::Zero => {
                    f.write_str("--minrestartdelay is zero, so a crash loop would never be slowed down")
                }
                // The durations themselves were checked when they were parsed.
                _ => error.fmt(f),
            },
            Self::Forward(signal) => write!(f, "cannot forward {signal} (--forward)"),
            Self::Variable(error) => error.fmt(f),
            Self::Account(error) => error.fmt(f),
            Self::NotRoot => write!(
                f,
                "cannot run the program as another user or group (--user, --group) without being root; this is user {}",
                Uid::current()
            ),
            Self::Spec(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::System(error) => write!(f, "cannot start the event loop: {error}"),
            Self::Stdin(error) => write!(f, "{error}; --stdin takes 'null', 'inherit' or a file"),
            Self::LogFile(error) => write!(f, "{error} (--log-file)"),
            Self::Journal(error) => error.fmt(f),
            Self::StopCommand(error) => write!(f, "{error} (--stop-command)"),
            Self::CommandLine(error) => {
                write!(f, "{error}; to run a command line, write: childminder run sh -c '…'")
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoCommand | Self::Forward(_) | Self::NotRoot => None,
            Self::Policy(error) => Some(error),
            Self::Variable(error) => Some(error),
            Self::Account(error) => Some(error),
            Self::Spec(error) => Some(error),
            Self::Start(error) | Self::Stdin(error) => Some(error),
            Self::LogFile(error) => Some(error),
            Self::Journal(error) => Some(error),
            Self::StopCommand(error) | Self::CommandLine(error) => Some(error),
            Self::System(error) => Some(error),
        }
    }
}

impl From<PolicyError> for ConfigError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}

impl From<VariableError> for ConfigError {
    fn from(error: VariableError) -> Self {
        Self::Variable(error)
    }
}

impl From<AccountError> for ConfigError {
    fn from(error: AccountError) -> Self {
        Self::Account(error)
    }
}

impl From<SpecError> for ConfigError {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}
