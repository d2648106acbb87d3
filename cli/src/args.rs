//! The command line: its words, their defaults, and what is said about them.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use childminder::Name;
use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use log::LevelFilter;

use crate::duration;
use crate::variable::Variable;

/// Reads the command line.
///
/// # Errors
///
/// What clap has to say, help and version included. When there is no command to run, the help has been shown before,
/// as Twisted did it (PMT-1).
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    Cli::try_parse().inspect_err(|error| {
        if error.kind() == ErrorKind::MissingRequiredArgument {
            let mut cli = Cli::command();
            cli.build();
            let run = cli.find_subcommand_mut("run").expect("there is such a subcommand");
            let _ = writeln!(io::stderr(), "{}", run.render_help());
        }
    })
}

/// Keeps a program running: restarts it when it ends, and stops it with all that it started.
#[derive(Debug, Parser)]
#[command(name = "childminder", version, arg_required_else_help = true, after_help = SUMMARY)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const SUMMARY: &str = "\
Example:
  childminder run python3 -m http.server 8000

'childminder run --help' has the options and more examples.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<Run>),
    /// Prints a script that completes words in a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Keeps a program running until a signal ends it
///
/// What the program prints goes to stdout, each line with its name in front; what happens to it goes to stderr. INT
/// (Ctrl-C), TERM, QUIT and HUP stop it: with TERM, and with KILL after the kill time. A second signal kills at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "childminder run [OPTIONS] [--] COMMAND [ARG]...")]
pub(crate) struct Run {
    /// A run shorter than this is an instant death: the next start is delayed
    #[arg(short, long, value_name = "S", default_value = "1")]
    #[arg(value_parser = duration::parse, allow_hyphen_values = true)]
    pub(crate) threshold: Duration,

    /// How long the program has to end before it is killed
    #[arg(short, long = "killtime", value_name = "S", default_value = "5")]
    #[arg(value_parser = duration::parse, allow_hyphen_values = true)]
    pub(crate) kill_time: Duration,

    /// The delay after the first instant death; it doubles with each further one
    #[arg(short, long = "minrestartdelay", value_name = "S", default_value = "1")]
    #[arg(value_parser = duration::parse, allow_hyphen_values = true)]
    pub(crate) min_restart_delay: Duration,

    /// The longest delay
    #[arg(short = 'M', long = "maxrestartdelay", value_name = "S", default_value = "3600")]
    #[arg(value_parser = duration::parse, allow_hyphen_values = true)]
    pub(crate) max_restart_delay: Duration,

    /// What to call it [default: the file name of COMMAND]
    #[arg(long, value_name = "N", value_parser = str::parse::<Name>)]
    pub(crate) name: Option<Name>,

    /// The directory to run it in [default: this one]
    #[arg(long, value_name = "D")]
    pub(crate) cwd: Option<PathBuf>,

    /// Sets an environment variable; may be given more than once
    #[arg(long, value_name = "K=V", value_parser = variable())]
    pub(crate) env: Vec<Variable>,

    /// Starts it with an empty environment, but for --env
    #[arg(long)]
    pub(crate) env_clear: bool,

    /// Runs it as this user, with the user's groups
    #[arg(long, value_name = "U")]
    pub(crate) user: Option<String>,

    /// Runs it as this group [default: the group of the user]
    #[arg(long, value_name = "G")]
    pub(crate) group: Option<String>,

    /// Says less: warnings and errors only; twice: errors only
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "verbose")]
    pub(crate) quiet: u8,

    /// Says more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// The program to run, with its arguments. No shell is involved
    // The first word that is no option ends the options (PMT-5), so the program's own need no `--` before them.
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

const EXAMPLES: &str = "\
S is a number of seconds, such as 0.5, or has units: 500ms, '1m 30s'. U and G are names or numbers.
RUST_LOG, if set, is obeyed instead of -q and -v.

Examples:
  childminder run python3 -m http.server 8000
  childminder run --name web --killtime 30 --user www-data --cwd /srv/www ./serve --port 80
  childminder run -t 10 -m 500ms -M '5 min' sh -c 'echo at work; exec worker'

Exit status: 0 when everything is gone, 1 when something could not be stopped, 2 when called wrongly.";

impl Run {
    /// The least important messages to show.
    pub(crate) fn verbosity(&self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (0, 0) => LevelFilter::Info,
            (0, 1) => LevelFilter::Debug,
            (0, 2..) => LevelFilter::Trace,
            (1, _) => LevelFilter::Warn,
            (2.., _) => LevelFilter::Error,
        }
    }
}

fn variable() -> ValueParser {
    OsStringValueParser::new().try_map(|text| Variable::parse(&text)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Order;

    /// Reads `childminder run` with these words.
    fn run(words: &[&str]) -> Result<Run, clap::Error> {
        let cli = Cli::try_parse_from([&["childminder", "run"], words].concat())?;
        match cli.command {
            Command::Run(run) => Ok(*run),
            Command::Completions { .. } => panic!("not asked for"),
        }
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_command_line_makes_sense() {
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
        let delays = (run.threshold, run.kill_time, run.min_restart_delay, run.max_restart_delay);
        assert_eq!(delays, (seconds(1.0), seconds(5.0), seconds(1.0), seconds(3600.0)));
        assert_eq!(run.verbosity(), LevelFilter::Info);
    }

    #[test]
    fn make_service_pmt_4_5_the_command_is_kept_as_given() {
        let order = Order::new(run(&["sh", "-c", "3", "-t", "-k"]).unwrap()).unwrap();
        assert_eq!(&*order.name, "sh");
        assert_eq!(order.spec.to_string(), "sh -c 3 -t -k");
        assert_eq!(order.spec.get_policy(), Some(childminder::Policy::default()));
    }

    #[test]
    fn pmt_5_the_first_word_that_is_no_option_ends_the_options() {
        let command = |words: &[&str]| run(words).map(|run| run.command.join(" ".as_ref()));
        assert_eq!(command(&["-t", "2", "sh", "-c", "exit 3", "-k", "x"]).unwrap(), "sh -c exit 3 -k x");
        assert_eq!(command(&["-t", "2", "--", "sh", "-t"]).unwrap(), "sh -t");
        assert_eq!(command(&["--", "-odd", "name"]).unwrap(), "-odd name");
        assert_eq!(command(&["sh", "--", "--help"]).unwrap(), "sh -- --help");
        assert_eq!(command(&["--odd", "name"]).unwrap_err().kind(), ErrorKind::UnknownArgument);
    }

    #[test]
    fn what_is_said_can_be_less_or_more() {
        let verbosity = |word| run(&[word, "foo"]).unwrap().verbosity();
        let levels = ["-qq", "-q", "-v", "-vv"].map(verbosity);
        assert_eq!(levels, [LevelFilter::Error, LevelFilter::Warn, LevelFilter::Debug, LevelFilter::Trace]);
        assert_eq!(run(&["-q", "-v", "foo"]).unwrap_err().kind(), ErrorKind::ArgumentConflict);
    }
}
