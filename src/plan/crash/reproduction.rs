//! The shell command that runs a single crash point, and the environment variable in it.
//!
//! ```text
//! CHILDMINDER_CRASH_POINT=shop/server@stdout:3 /shop/target/debug/deps/shop-0123456789abcdef buys --exact
//! ```

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::thread;

use super::point::CrashPoint;
use crate::host::Spec;
use crate::machine::Name;

/// The environment variable that selects the only point to run.
pub(super) const VARIABLE: &str = "CHILDMINDER_CRASH_POINT";

/// A crash point with its plan and process, such as `shop/server@stdout:3`. A name has no slash, and a point
/// no `@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedPoint {
    pub(super) plan: String,
    pub(super) process: String,
    pub(super) point: CrashPoint,
}

impl NamedPoint {
    pub(super) fn new(plan: &str, process: &Name, point: CrashPoint) -> Self {
        Self { plan: plan.to_owned(), process: process.to_string(), point }
    }

    /// Returns the point that the environment selects, if any; its value if it is malformed.
    pub(super) fn from_env() -> Option<Result<Self, String>> {
        let value = env::var_os(VARIABLE).filter(|value| !value.is_empty())?;
        let value = value.to_string_lossy().into_owned();
        Some(Self::parse(&value).ok_or(value))
    }

    fn parse(value: &str) -> Option<Self> {
        let (names, point) = value.rsplit_once('@')?;
        let (plan, process) = names.split_once('/')?;
        Some(Self { plan: plan.to_owned(), process: process.to_owned(), point: point.parse().ok()? })
    }

    /// Returns the shell command that runs this point alone.
    pub(super) fn command_line(&self, command: &Spec) -> String {
        // Names and points contain no character that a shell would interpret.
        format!("{VARIABLE}={self} {command}")
    }
}

impl fmt::Display for NamedPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.plan, self.process, self.point)
    }
}

/// Returns the command that repeats what this thread does: this program with its arguments, or, if this
/// thread runs a test of a test binary, that test alone.
pub(super) fn this_command() -> Spec {
    let mut args = env::args_os();
    let program = args.next().unwrap_or_default();
    // An absolute path, since the shell may be in another directory.
    let program = env::current_exe().map_or(program, OsString::from);
    command(program, args, thread::current().name())
}

fn command(program: OsString, args: impl Iterator<Item = OsString>, thread: Option<&str>) -> Spec {
    match thread.filter(|name| is_test_binary(Path::new(&program)) && is_test(name)) {
        // The filters of the command line would select other tests as well.
        Some(test) => {
            let ignored = args.filter(|arg| arg == "--ignored" || arg == "--include-ignored");
            Spec::new(program).arg(test).arg("--exact").args(ignored)
        }
        None => Spec::new(program).args(args),
    }
}

/// Returns whether Cargo has put the program where it puts tests: `deps/<name>-<16 digits>`. Examples and
/// binaries are one directory higher.
fn is_test_binary(program: &Path) -> bool {
    let folder = program.parent().and_then(Path::file_name);
    let name = program.file_stem().and_then(OsStr::to_str).and_then(|name| name.rsplit_once('-'));
    folder == Some(OsStr::new("deps"))
        && name.is_some_and(|(_, hash)| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Returns whether a thread with this name runs a test: the test harness names it after the path of the test.
/// The names of other threads usually contain a dash or a slash.
fn is_test(thread: &str) -> bool {
    thread != "main" && thread.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Stream;

    const TEST: &str = "/home/me/a shop/target/debug/deps/shop-0123456789abcdef";

    fn shell_line(program: &str, args: &[&str], thread: Option<&str>) -> String {
        let args = args.iter().map(OsString::from);
        command(program.into(), args, thread).to_string()
    }

    #[test]
    fn a_test_is_run_alone() {
        let quoted = format!("'{TEST}'");
        let args = ["buys", "--test-threads=1", "--ignored"];
        assert_eq!(shell_line(TEST, &[], Some("shop::buys")), format!("{quoted} shop::buys --exact"));
        assert_eq!(
            shell_line(TEST, &args, Some("shop::buys")),
            format!("{quoted} shop::buys --exact --ignored")
        );
        // These threads do not belong to the harness.
        for thread in [None, Some("main"), Some("async-std/runtime"), Some("tokio-rt-worker")] {
            assert_eq!(shell_line(TEST, &["buys"], thread), format!("{quoted} buys"), "{thread:?}");
        }
    }

    #[test]
    fn other_programs_are_run_with_their_arguments() {
        for program in
            ["/target/debug/examples/shop", "/target/debug/shop", "/deps/shop-0123", "shop-0123456789abcdef"]
        {
            assert_eq!(
                shell_line(program, &["--port", "an apple"], Some("worker")),
                format!("{program} --port 'an apple'")
            );
        }
    }

    #[test]
    fn this_very_test_is_recognized() {
        let name = "plan::crash::reproduction::tests::this_very_test_is_recognized";
        let line = this_command().to_string();
        assert!(line.ends_with(&format!(" {name} --exact")) && line.starts_with('/'), "{line}");
    }

    #[test]
    fn a_named_point_parses_to_itself() {
        let point = CrashPoint::Line { stream: Stream::Stdout, line: 3 };
        let process = Name::new("server@home:1").expect("a name");
        let point_of_plan = NamedPoint::new("shop", &process, point);
        assert_eq!(point_of_plan.to_string(), "shop/server@home:1@stdout:3");
        assert_eq!(NamedPoint::parse(&point_of_plan.to_string()), Some(point_of_plan.clone()));
        assert_eq!(
            point_of_plan.command_line(&Spec::new("shop").arg("an apple")),
            "CHILDMINDER_CRASH_POINT=shop/server@home:1@stdout:3 shop 'an apple'"
        );
        for value in ["shop", "shop/server", "shop@step:1", "shop/server@", "shop/server@step:0", "@step:1"] {
            assert_eq!(NamedPoint::parse(value), None, "{value}");
        }
    }
}
