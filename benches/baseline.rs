//! The programs in C: the bare loops, and the children of both sides. They are compiled when the benchmark
//! runs, with `cc` or the compiler that `CC` names.
//!
//! A bare loop is the smallest program that does the work. It is a limit and not a competitor: it has no
//! policy, no log and no error handling.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Outcome;

const SOURCES: [&str; 15] = [
    "burdened",
    "copier",
    "crowd",
    "errands",
    "funnel",
    "idler",
    "ignorer",
    "knock",
    "listener",
    "mayfly",
    "respawn",
    "sprinter",
    "stopwatch",
    "ticker",
    "writer",
];

/// Those that need no C library on some machines.
const FREESTANDING: [&str; 2] = ["idler", "sprinter"];

/// The locations of the programs that the benchmarks call.
#[derive(Debug)]
pub(crate) struct Baseline {
    /// The folder of the compiled programs.
    programs: PathBuf,
    /// The target folder of this run, such as `target/release`.
    target: PathBuf,
}

impl Baseline {
    /// Compiles the programs, statically if the system can, so that the dynamic loader is not part of a
    /// figure.
    pub(crate) fn build() -> Outcome<Self> {
        let exe = env::current_exe()?;
        let target = exe.ancestors().nth(2).ok_or("this program is not in a target folder")?.to_owned();
        let programs = target.join("baseline");
        fs::create_dir_all(&programs)?;
        let cc = env::var_os("CC").unwrap_or_else(|| "cc".into());
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/c");
        for name in SOURCES {
            let compile = |how: &[&str]| {
                let mut command = Command::new(&cc);
                command.args(["-O2", "-o"]).arg(programs.join(name)).args(how);
                command.arg(sources.join(name).with_extension("c"));
                command.output()
            };
            let is_freestanding = FREESTANDING.contains(&name)
                && compile(&["-static", "-nostdlib", "-DFREESTANDING"])?.status.success();
            if !is_freestanding && !compile(&["-static"])?.status.success() {
                let output = compile(&[])?;
                if !output.status.success() {
                    return Err(String::from_utf8_lossy(&output.stderr).into());
                }
            }
        }
        Ok(Self { programs, target })
    }

    /// Returns the path of a compiled program.
    pub(crate) fn program(&self, name: &str) -> String {
        self.programs.join(name).display().to_string()
    }

    /// Returns the command that runs this program as a contender.
    pub(crate) fn contender(&self, name: &str) -> Outcome<Vec<String>> {
        let exe = env::current_exe()?.display().to_string();
        Ok(vec![exe, "--contender".to_owned(), name.to_owned()])
    }

    /// Returns the path of the command line, which is built first if necessary.
    pub(crate) fn command_line(&self) -> Outcome<String> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--release", "--package", "childminder-cli"])
            .status()?;
        let program = self.target.join("childminder");
        if !built.success() || !program.exists() {
            return Err(
                format!("cannot build the command line: `{}` does not exist", program.display()).into()
            );
        }
        Ok(program.display().to_string())
    }
}
