//! `childminder run`: options, defaults, and help texts.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use childminder::machine::SignalTarget;
use childminder::{Name, Signal};

use super::attributes::Attributes;
use super::log_file::LogFile;
use super::verbosity::Verbosity;
use crate::values::duration;

/// Keeps a program running until a signal stops it
///
/// The output of the program goes to stdout, each line prefixed with its name; events go to stderr. TERM, INT
/// (Ctrl-C), QUIT, HUP and every other signal that would end childminder stop the program first: with the
/// stop signal, and with KILL after the kill time. A second signal kills it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "childminder run [OPTIONS] [--] COMMAND [ARG]...")]
pub(crate) struct Run {
    /// A run shorter than this is a failure: the next start is delayed
    #[arg(short, long, value_name = "S", default_value = "1", help_heading = RESTARTING)]
    #[arg(value_parser = duration::parse, allow_hyphen_values = true)]
    pub(crate) threshold: Duration,

    /// The delay after the first failure; it doubles with each further one
    #[arg(short, long = "minrestartdelay", value_name = "S", default_value = "1", help_heading = RESTARTING)]
    #[arg(value_parser = duration::parse, allow_hyphen_values = true)]
    pub(crate) min_restart_delay: Duration,

    /// The longest delay
    #[arg(short = 'M', long = "maxrestartdelay", value_name = "S", default_value = "3600")]
    #[arg(value_parser = duration::parse, allow_hyphen_values = true, help_heading = RESTARTING)]
    pub(crate) max_restart_delay: Duration,

    /// The time that the program has to exit before it is killed
    #[arg(short, long = "killtime", value_name = "S", default_value = "5", help_heading = STOPPING)]
    #[arg(value_parser = duration::parse, allow_hyphen_values = true)]
    pub(crate) kill_time: Duration,

    /// The signal that asks the program to exit
    #[arg(long, value_name = "SIG", default_value = "TERM", help_heading = STOPPING)]
    pub(crate) stop_signal: Signal,

    /// Lets the program live on if childminder is killed; otherwise it is stopped then, with all that it
    /// started
    #[arg(long, help_heading = STOPPING)]
    pub(crate) outlive: bool,

    /// The receiver of the stop signal: 'leader', the program itself, and then the processes that it leaves
    /// behind; or 'group', its process group at once
    #[arg(long, value_name = "WHO", default_value = "leader", value_parser = stop_target, help_heading = STOPPING)]
    pub(crate) stop_to: SignalTarget,

    /// A command that stops the program instead of a signal, such as 'pg_ctl stop -D data'; MAINPID is the
    /// process id
    #[arg(long, value_name = "CMD", value_parser = stop_command, help_heading = STOPPING)]
    pub(crate) stop_command: Option<StopCommand>,

    /// Passes these signals on to the program instead of stopping it, such as HUP,USR1
    #[arg(long, value_name = "SIG", value_delimiter = ',', help_heading = STOPPING)]
    pub(crate) forward: Vec<Signal>,

    /// The name in messages and before each line [default: the file name of COMMAND]
    #[arg(long, value_name = "N", value_parser = str::parse::<Name>, help_heading = PROGRAM)]
    pub(crate) name: Option<Name>,

    /// The working directory [default: this one]
    #[arg(long, value_name = "D", help_heading = PROGRAM)]
    pub(crate) cwd: Option<PathBuf>,

    /// Sets a variable, or passes K on from this environment; may be repeated
    // Parsed later, because an error of clap would show the value, which may be a secret.
    #[arg(long, value_name = "K[=V]", help_heading = PROGRAM)]
    pub(crate) env: Vec<OsString>,

    /// Starts with an empty environment, except for --env
    #[arg(long, help_heading = PROGRAM)]
    pub(crate) env_clear: bool,

    /// Runs the program as this user, with the groups, HOME, USER, LOGNAME and SHELL of the user; needs root
    #[arg(long, value_name = "U", help_heading = PROGRAM)]
    pub(crate) user: Option<String>,

    /// Runs the program as this group [default: the group of the user]
    #[arg(long, value_name = "G", help_heading = PROGRAM)]
    pub(crate) group: Option<String>,

    /// The file mode creation mask, in octal [default: inherited]
    #[arg(long, value_name = "MASK", value_parser = umask, help_heading = PROGRAM)]
    pub(crate) umask: Option<u32>,

    /// The standard input: 'null', 'inherit' (a terminal is handed over, as by a shell), or a file
    #[arg(long, value_name = "INPUT", default_value = "null", help_heading = PROGRAM)]
    pub(crate) stdin: OsString,

    /// Gives the program one pipe for both output streams, so that their lines stay in order; '=false': two
    /// pipes
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true", num_args = 0..=1)]
    #[arg(require_equals = true, action = clap::ArgAction::Set, help_heading = PROGRAM)]
    pub(crate) merge_output: bool,

    #[command(flatten)]
    pub(crate) attributes: Attributes,

    #[command(flatten)]
    pub(crate) log_file: LogFile,

    /// Records everything that decides about the program in this file, for 'replay' and 'timeline'
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) verbosity: Verbosity,

    /// The program to run, with its arguments; no shell is involved
    // The first word that is not an option ends the options, so the program's own options need no `--` before
    // them.
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

const RESTARTING: &str = "Restarting";
const STOPPING: &str = "Stopping";
const PROGRAM: &str = "The program";

const EXAMPLES: &str = "\
S is a number of seconds, such as 0.5, or has units: 500ms, '1m 30s'. U and G are names or numbers. \
SIG is a name, such as HUP, or a number. CHILDMINDER_LOG, if set, overrides -q and -v; it has the syntax of RUST_LOG.

Examples:
  childminder run python3 -m http.server --bind 127.0.0.1 8000
  childminder run --name web --killtime 30 --user www-data --cwd /srv/www ./serve --port 80
  childminder run -t 10 -m 500ms -M '5 min' sh -c 'echo at work; exec worker'
  childminder run --journal night.journal ./serve; childminder timeline night.journal -o night.html

Exit status: 0 when everything is gone, 1 when something could not be stopped or started, 2 for a usage error.";

impl Run {
    /// Returns the program, which is the first word of the command.
    pub(crate) fn program(&self) -> &OsStr {
        self.command.first().map(OsString::as_os_str).unwrap_or_default()
    }
}

/// The words of a stop command.
#[derive(Clone, Debug)]
pub(crate) struct StopCommand(pub(crate) Vec<String>);

fn stop_command(text: &str) -> Result<StopCommand, &'static str> {
    let words = shell_words::split(text).map_err(|_| "a quote is not closed")?;
    if words.is_empty() { Err("the command is empty") } else { Ok(StopCommand(words)) }
}

fn stop_target(text: &str) -> Result<SignalTarget, &'static str> {
    match text {
        "leader" => Ok(SignalTarget::Leader),
        "group" => Ok(SignalTarget::Group),
        _ => Err("expected 'leader' or 'group'"),
    }
}

fn umask(text: &str) -> Result<u32, &'static str> {
    let mask = u32::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777);
    mask.filter(|_| !text.starts_with('+')).ok_or("expected an octal number from 0 to 777")
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{CommandFactory, Parser};
    use log::LevelFilter;

    use super::*;
    use crate::args::{Cli, Command, hint};
    use crate::run::config::RunConfig;

    /// Parses `childminder run` with these words.
    fn run(words: &[&str]) -> Result<Run, clap::Error> {
        let cli = Cli::try_parse_from([&["childminder", "run"], words].concat())?;
        match cli.command {
            Command::Run(run) => Ok(*run),
            _ => panic!("the subcommand is `run`"),
        }
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_definition_of_the_command_line_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn command_line_required_pmt_1_there_is_no_default_program() {
        assert_eq!(run(&[]).unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
        assert_eq!(run(&["-t", "5"]).unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
        assert_eq!(run(&["--"]).unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn threshold_pmt_2() {
        assert_eq!(run(&["--threshold", "7.5", "foo"]).unwrap().threshold, seconds(7.5));
        assert_eq!(run(&["-t", "7.5", "foo"]).unwrap().threshold, seconds(7.5));
    }

    #[test]
    fn kill_time_pmt_2() {
        assert_eq!(run(&["--killtime", "7.5", "foo"]).unwrap().kill_time, seconds(7.5));
        assert_eq!(run(&["-k", "7.5", "foo"]).unwrap().kill_time, seconds(7.5));
    }

    #[test]
    fn min_restart_delay_pmt_2() {
        assert_eq!(run(&["--minrestartdelay", "7.5", "foo"]).unwrap().min_restart_delay, seconds(7.5));
        assert_eq!(run(&["-m", "7.5", "foo"]).unwrap().min_restart_delay, seconds(7.5));
    }

    #[test]
    fn max_restart_delay_pmt_2() {
        assert_eq!(run(&["--maxrestartdelay", "7.5", "foo"]).unwrap().max_restart_delay, seconds(7.5));
        assert_eq!(run(&["-M", "7.5", "foo"]).unwrap().max_restart_delay, seconds(7.5));
    }

    #[test]
    fn parameter_defaults_pmt_3() {
        let run = run(&["foo"]).unwrap();
        assert!(!run.outlive);
        let delays = (run.threshold, run.kill_time, run.min_restart_delay, run.max_restart_delay);
        assert_eq!(delays, (seconds(1.0), seconds(5.0), seconds(1.0), seconds(3600.0)));
        assert_eq!(run.verbosity.level(), LevelFilter::Info);
        assert_eq!(run.stop_signal, Signal::TERM);
    }

    #[test]
    fn make_service_pmt_4_5_the_command_is_kept_unchanged() {
        let config = RunConfig::new(run(&["sh", "-c", "3", "-t", "-k"]).unwrap()).unwrap();
        assert_eq!(&*config.name, "sh");
        assert_eq!(config.spec.to_string(), "sh -c 3 -t -k");
        assert_eq!(config.spec.get_policy(), Some(childminder::Policy::default()));
    }

    #[test]
    fn pmt_5_the_first_word_that_is_not_an_option_ends_the_options() {
        let command = |words: &[&str]| run(words).map(|run| run.command.join(" ".as_ref()));
        assert_eq!(command(&["-t", "2", "sh", "-c", "exit 3", "-k", "x"]).unwrap(), "sh -c exit 3 -k x");
        assert_eq!(command(&["-t", "2", "--", "sh", "-t"]).unwrap(), "sh -t");
        assert_eq!(command(&["--", "-odd", "name"]).unwrap(), "-odd name");
        assert_eq!(command(&["sh", "--", "--help"]).unwrap(), "sh -- --help");
        assert_eq!(command(&["--odd", "name"]).unwrap_err().kind(), ErrorKind::UnknownArgument);
    }

    #[test]
    fn the_verbosity_can_be_changed() {
        let verbosity = |word| run(&[word, "foo"]).unwrap().verbosity.level();
        let levels = ["-qq", "-q", "-v", "-vv"].map(verbosity);
        assert_eq!(levels, [LevelFilter::Error, LevelFilter::Warn, LevelFilter::Debug, LevelFilter::Trace]);
        assert_eq!(run(&["-q", "-v", "foo"]).unwrap_err().kind(), ErrorKind::ArgumentConflict);
    }

    #[test]
    fn a_program_without_run_is_answered_with_a_hint() {
        let error = Cli::try_parse_from(["childminder", "python3", "-m", "http.server"]).unwrap_err();
        assert_eq!(
            hint(&error).as_deref(),
            Some("to keep a program running, write: childminder run python3 …")
        );
        assert_eq!(hint(&run(&["--odd"]).unwrap_err()), None);
    }

    #[test]
    fn a_umask_is_octal() {
        assert_eq!(run(&["--umask", "027", "foo"]).unwrap().umask, Some(0o27));
        for bad in ["8", "1000", "+7", "", "0x7"] {
            assert!(run(&["--umask", bad, "foo"]).is_err(), "{bad:?}");
        }
    }
}
