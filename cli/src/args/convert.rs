//! `childminder check`, `import` and `export`: options and help texts.

use std::path::PathBuf;

use clap::ValueEnum;

/// Checks a file without starting anything
///
/// Finds programs, users, directories and ports that are missing or taken, dependencies that can never
/// become ready, and policies that contradict themselves; and shows for each process when it is restarted and
/// when it is given up.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit status: 0, also with warnings; 2 when `childminder up` would refuse the file.")]
pub(crate) struct Check {
    /// The file [default: childminder.toml, or else Procfile, here or in a parent directory]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Prints one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The supervisor from which files are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Origin {
    /// supervisord.conf, with its [include]
    Supervisord,
    /// A Procfile, with .env beside it
    Procfile,
    /// process-compose.yaml; later files override earlier ones
    ProcessCompose,
    /// Unit files *.service
    Systemd,
}

/// Prints a childminder.toml made from the files of another supervisor
///
/// Everything that is not carried over is listed on stderr, and in comments of the output.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  childminder import supervisord /etc/supervisor/supervisord.conf > childminder.toml
  childminder import systemd web.service worker.service

Exit status: 0, also when something is not carried over; 2 when a file cannot be read.")]
pub(crate) struct Import {
    /// The supervisor
    #[arg(value_name = "KIND", value_enum)]
    pub(crate) origin: Origin,

    /// Its files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// The engine to which a file is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// A unit file for each process
    Systemd,
    /// A Deployment or Job for each process
    Kubernetes,
    /// One job file with a group for each process
    Nomad,
    /// One compose.yaml for Docker Compose
    Compose,
}

/// Prints the files with which a larger engine runs the same programs
///
/// What the engine cannot do is listed on stderr, with the restart schedules of both side by side.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  childminder export systemd -o /etc/systemd/system
  childminder export compose > compose.yaml

Exit status: 0, also when something is lost; 1 when a file cannot be written; 2 for a problem of the file.")]
pub(crate) struct Export {
    /// The engine
    #[arg(value_name = "ENGINE", value_enum)]
    pub(crate) engine: Engine,

    /// The file [default: childminder.toml, or else Procfile, here or in a parent directory]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Writes the files into this directory, which is created, instead of the standard output
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}
