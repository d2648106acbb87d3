//! One crash point by itself: the line that runs it, and the variable in it.
//!
//! ```text
//! CHILDMINDER_CRASH_POINT=shop/server@stdout:3 /home/me/shop/target/debug/deps/shop-0123456789abcdef buys_an_apple --exact
//! ```

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::thread;

use super::point::CrashPoint;
use crate::host::Spec;
use crate::machine::Name;

/// The one point that is to be run.
pub(super) const VARIABLE: &str = "CHILDMINDER_CRASH_POINT";

/// A point of a process of a plan: `shop/server@stdout:3`. A name has no slash, and a point has no `@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) plan: String,
    pub(super) process: String,
    pub(super) point: CrashPoint,
}

impl Place {
    pub(super) fn new(plan: &str, process: &Name, point: CrashPoint) -> Self {
        Self { plan: plan.to_owned(), process: process.to_string(), point }
    }

    /// What the variable asks for, if it is set; its value if that is no place.
    pub(super) fn wanted() -> Option<Result<Self, String>> {
        let value = env::var_os(VARIABLE).filter(|value| !value.is_empty())?;
        let value = value.to_string_lossy().into_owned();
        Some(Self::read(&value).ok_or(value))
    }

    fn read(value: &str) -> Option<Self> {
        let (who, point) = value.rsplit_once('@')?;
        let (plan, process) = who.split_once('/')?;
        Some(Self { plan: plan.to_owned(), process: process.to_owned(), point: point.parse().ok()? })
    }

    /// The line for a shell that runs this point alone, by this command.
    pub(super) fn line(&self, command: &Spec) -> String {
        // Neither a name nor a point has anything in it that a shell would take for something else.
        format!("{VARIABLE}={self} {command}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.plan, self.process, self.point)
    }
}

/// The command that does again what this thread of this program does: the program with its arguments, or, if it is the
/// test of a test binary, that test alone.
pub(super) fn this_command() -> Spec {
    let mut args = env::args_os();
    let program = args.next().unwrap_or_default();
    // The shell may be in another directory than this program was.
    let program = env::current_exe().map_or(program, OsString::from);
    command(program, args, thread::current().name())
}

fn command(program: OsString, args: impl Iterator<Item = OsString>, thread: Option<&str>) -> Spec {
    match thread.filter(|name| is_test_binary(Path::new(&program)) && is_test(name)) {
        // What filters there are would let other tests in.
        Some(test) => {
            let ignored = args.filter(|arg| arg == "--ignored" || arg == "--include-ignored");
            Spec::new(program).arg(test).arg("--exact").args(ignored)
        }
        None => Spec::new(program).args(args),
    }
}

/// Whether Cargo has put it where it puts tests: `deps/<name>-<16 digits>`. An example or a program is one floor higher.
fn is_test_binary(program: &Path) -> bool {
    let folder = program.parent().and_then(Path::file_name);
    let name = program.file_stem().and_then(OsStr::to_str).and_then(|name| name.rsplit_once('-'));
    folder == Some(OsStr::new("deps"))
        && name.is_some_and(|(_, hash)| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether a thread with this name runs a test: the harness calls it by the path of the test. Executors and others call
/// theirs by names with a dash or a slash in them.
fn is_test(thread: &str) -> bool {
    thread != "main" && thread.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Stream;

    const TEST: &str = "/home/me/a shop/target/debug/deps/shop-0123456789abcdef";

    fn line(program: &str, args: &[&str], thread: Option<&str>) -> String {
        let args = args.iter().map(OsString::from);
        command(program.into(), args, thread).to_string()
    }

    #[test]
    fn a_test_is_run_alone() {
        let quoted = format!("'{TEST}'");
        let args = ["buys", "--test-threads=1", "--ignored"];
        assert_eq!(line(TEST, &[], Some("shop::buys")), format!("{quoted} shop::buys --exact"));
        assert_eq!(line(TEST, &args, Some("shop::buys")), format!("{quoted} shop::buys --exact --ignored"));
        // Whoever runs it there, it is not the harness.
        for thread in [None, Some("main"), Some("async-std/runtime"), Some("tokio-rt-worker")] {
            assert_eq!(line(TEST, &["buys"], thread), format!("{quoted} buys"), "{thread:?}");
        }
    }

    #[test]
    fn any_other_program_is_run_as_it_was() {
        for program in
            ["/target/debug/examples/shop", "/target/debug/shop", "/deps/shop-0123", "shop-0123456789abcdef"]
        {
            assert_eq!(
                line(program, &["--port", "an apple"], Some("worker")),
                format!("{program} --port 'an apple'")
            );
        }
    }

    #[test]
    fn this_very_test_is_recognized() {
        let name = "plan::reproduction::tests::this_very_test_is_recognized";
        let line = this_command().to_string();
        assert!(line.ends_with(&format!(" {name} --exact")) && line.starts_with('/'), "{line}");
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let point = CrashPoint::Line { stream: Stream::Stdout, line: 3 };
        let process = Name::new("server@home:1").expect("a name");
        let place = Place::new("shop", &process, point);
        assert_eq!(place.to_string(), "shop/server@home:1@stdout:3");
        assert_eq!(Place::read(&place.to_string()), Some(place.clone()));
        assert_eq!(
            place.line(&Spec::new("shop").arg("an apple")),
            "CHILDMINDER_CRASH_POINT=shop/server@home:1@stdout:3 shop 'an apple'"
        );
        for value in ["shop", "shop/server", "shop@step:1", "shop/server@", "shop/server@step:0", "@step:1"] {
            assert_eq!(Place::read(value), None, "{value}");
        }
    }
}
