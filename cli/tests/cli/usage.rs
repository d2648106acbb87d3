//! Help texts and usage errors.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

use super::supervisor::{Ended, PROGRAM, Supervisor};

fn childminder(words: &[&str]) -> Ended {
    Supervisor::start(Command::new(PROGRAM).args(words)).end()
}

#[test]
fn command_line_required_pmt_1_without_a_command_it_shows_the_help_and_exits_with_2() {
    for words in [&["run"][..], &["run", "-t", "5"], &["run", "--"]] {
        let Ended { status, out, err } = childminder(words);
        assert_eq!((status, &*out), (2, ""), "{words:?}");
        assert!(err.contains("--minrestartdelay <S>"), "the help: {err}");
        let (_, reason) = err.split_once("error: ").expect("no error after the help");
        assert!(reason.contains("required") && reason.contains("<COMMAND>"), "{reason}");
    }
    let Ended { status, out, err } = childminder(&[]);
    assert_eq!((status, &*out), (2, ""));
    assert!(err.contains("Usage: childminder <COMMAND>"), "{err}");
}

#[test]
fn pmt_2_6_f_7_usage_errors_name_the_option_and_nothing_is_started() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (proof, plain, missing, folder) = (path("proof"), path("plain"), path("missing"), path("folder"));
    fs::write(&plain, "").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(&folder).unwrap();
    let missing_log = path("missing/out.log");
    let no_such = "no-such-program-anywhere";
    let touch: &[&str] = &["touch", &proof];
    let cases: [(&[&str], &[&str], &[&str]); 32] = [
        (&["--limit", "files=1"], touch, &["--limit", "the names are as, core"]),
        (&["--limit", "nofile=2:1"], touch, &["--limit", "above the hard limit"]),
        (&["--nice", "20"], touch, &["--nice", "-20..=19"]),
        (&["--log-keep", "2"], touch, &["--log-file"]),
        (&["--log-file", &missing_log], touch, &["cannot open the log file", &missing_log, "--log-file"]),
        (&["-t", "soon"], touch, &["--threshold", "'soon'"]),
        (&["-k", "-1"], touch, &["--killtime", "'-1'", "negative"]),
        (&["-m", "nan"], touch, &["--minrestartdelay", "'nan'", "not a number"]),
        (&["-M", "inf"], touch, &["--maxrestartdelay", "'inf'", "hundred years"]),
        (&["-k", "-5s"], touch, &["--killtime", "'-5s'", "negative"]),
        (&["-m", "10", "-M", "3"], touch, &["--minrestartdelay, 10s", "--maxrestartdelay, 3s"]),
        (&["-m", "7200"], touch, &["--minrestartdelay, 7200s", "--maxrestartdelay, 3600s"]),
        (&["-m", "0"], touch, &["--minrestartdelay", "zero"]),
        (&["--odd"], touch, &["--odd"]),
        (&["-q", "-v"], touch, &["--quiet", "--verbose"]),
        (&["--name", "a b"], touch, &["--name", "a b"]),
        (&["--name", ""], touch, &["--name", "empty"]),
        (&["--env", "NO_SUCH_VARIABLE"], touch, &["--env", "NAME=VALUE"]),
        (&["--env", "=x"], touch, &["--env", "no name"]),
        (&["--cwd", &missing], touch, &["working directory", &missing]),
        (&["--cwd", &plain], touch, &["working directory", &plain]),
        (&["--cwd", ""], touch, &["cwd"]),
        (&["--stdin", &missing], touch, &["standard input", &missing, "'inherit'"]),
        (&["--stdin", ""], touch, &["stdin", "empty"]),
        (&["--stop-command", "no-such-program x"], touch, &["no-such-program", "(--stop-command)"]),
        (&["--user", "no-such-name"], touch, &["--user", "no-such-name"]),
        (&["--group", "no-such-name"], touch, &["--group", "no-such-name"]),
        (&[], &[no_such], &["cannot find the program", no_such]),
        (&[], &[&missing], &["cannot find the program", &missing]),
        (&[], &[&plain], &["cannot execute", &plain, "not executable"]),
        (&[], &[&folder], &["cannot execute", &folder, "directory"]),
        (&[], &[""], &["program"]),
    ];
    for (options, command, named) in cases {
        let words = [&["run"], options, command].concat();
        let Ended { status, out, err } = childminder(&words);
        assert_eq!((status, &*out), (2, ""), "{words:?}: {err}");
        assert!(err.starts_with("error: "), "{words:?}: {err}");
        for text in named {
            assert!(err.contains(text), "{words:?}: no {text:?} in {err}");
        }
        assert!(!fs::exists(&proof).unwrap(), "{words:?} started it");
    }
}

#[test]
fn parameter_defaults_pmt_3_are_in_the_help() {
    let Ended { status, out, .. } = childminder(&["run", "--help"]);
    assert_eq!(status, 0);
    for line in [
        "Usage: childminder run [OPTIONS] [--] COMMAND [ARG]...",
        "-t, --threshold <S>",
        "[default: 1]",
        "-k, --killtime <S>",
        "[default: 5]",
        "-m, --minrestartdelay <S>",
        "-M, --maxrestartdelay <S>",
        "[default: 3600]",
        "--env <K[=V]>",
        "SIG is a name, such as HUP, or a number.",
        "  childminder run python3 -m http.server --bind 127.0.0.1 8000",
        "Exit status: 0 when everything is gone",
    ] {
        assert!(out.contains(line), "no {line:?} in {out}");
    }
}

#[test]
fn help_and_version_exit_with_0() {
    let Ended { status, out, .. } = childminder(&["--help"]);
    assert_eq!(status, 0);
    assert!(out.starts_with("Keeps programs running"), "{out}");
    let Ended { status, out, .. } = childminder(&["--version"]);
    assert_eq!((status, out), (0, format!("childminder {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn completion_scripts_ask_for_the_options_and_the_names_in_the_file() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let Ended { status, out, .. } = childminder(&["completions", shell]);
        assert_eq!(status, 0, "{shell}");
        assert!(out.contains("COMPLETE") && out.contains("childminder"), "{shell}: {out}");
    }
    assert_eq!(childminder(&["completions", "sh"]).status, 2);
    let dir = TempDir::new().unwrap();
    let file = "[process.database]\ncommand = \"x\"\n[process.web]\ncommand = \"x\"\n";
    fs::write(dir.path().join("childminder.toml"), file).unwrap();
    let complete = |words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.env("COMPLETE", "fish").args(["--", "childminder"]).args(words).current_dir(dir.path());
        Supervisor::start(&mut command).end().out
    };
    let options = complete(&["run", "--minr"]);
    assert!(options.starts_with("--minrestartdelay"), "{options}");
    for words in [&["up", ""][..], &["logs", "--follow", ""], &["stop", "web", ""], &["why", ""]] {
        let names = complete(words);
        assert!(names.contains("database") && names.contains("web"), "{words:?}: {names}");
    }
    let names = complete(&["restart", "da"]);
    assert_eq!(names.trim_end(), "database");
    // A file with mistakes has no names, and completion goes on.
    fs::write(dir.path().join("childminder.toml"), "[process").unwrap();
    assert_eq!(complete(&["restart", "da"]), "");
}

#[test]
fn f_62_help_and_completions_may_be_written_to_a_closed_output() {
    for words in ["--help", "completions bash", "run"] {
        let script = format!("\"$0\" {words} >&- 2>&-; \"$0\" {words} >/dev/full 2>&1; echo $?");
        let ended = Supervisor::start(Command::new("sh").args(["-c", &script, PROGRAM])).end();
        assert!(["0\n", "1\n", "2\n"].contains(&&*ended.out), "{words}: {ended:?}");
        let pipe = format!("\"$0\" {words} 2>&1 | true");
        let ended = Supervisor::start(Command::new("sh").args(["-c", &pipe, PROGRAM])).end();
        assert!(!ended.err.contains("panicked"), "{words}: {}", ended.err);
    }
}

#[test]
fn r2_10_control_characters_in_messages_are_escaped() {
    let dir = TempDir::new().unwrap();
    let script = dir.path().join("script");
    fs::write(&script, "#!/no/such\x1b]0;pwned\x07\x1b[2J\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let path = script.to_str().unwrap();
    for words in [
        &["run", path][..],
        &["run", "--cwd", "\x1b[2Jfolder\nerror: imitated", "true"],
        &["run", "\x1b[2Jprogram\nerror: imitated"],
        &["run", "--odd\x1b[2J"],
        &["run", "--name", "\x1b[2J", "true"],
    ] {
        let Ended { status, err, .. } = childminder(words);
        assert_eq!(status, 2, "{words:?}: {err}");
        assert!(!err.contains(|c: char| c.is_control() && c != '\n'), "{words:?}: {err:?}");
        assert!(!err.lines().any(|line| line.starts_with("error: imitated")), "{words:?}: {err:?}");
    }
}

#[test]
fn hints_name_the_command_that_was_probably_meant() {
    let Ended { status, err, .. } = childminder(&["run", "echo hello; sleep 5"]);
    assert_eq!(status, 2);
    assert!(err.contains("childminder run sh -c"), "{err}");
    let Ended { status, err, .. } = childminder(&["python3", "-m", "http.server"]);
    assert_eq!(status, 2);
    assert!(err.contains("write: childminder run python3"), "{err}");
}

#[test]
fn r2_14_a_malformed_variable_is_not_shown() {
    for secret in ["hunter2", "=hunter2"] {
        let Ended { status, err, .. } = childminder(&["run", "--env", secret, "true"]);
        assert_eq!(status, 2);
        assert!(err.contains("--env") && !err.contains("hunter2"), "{err}");
    }
}

#[test]
fn r2_13_too_few_descriptors_are_an_error_and_not_a_panic() {
    for limit in [4, 5, 6, 8, 10] {
        let script = format!("ulimit -n {limit}; exec \"$0\" run -k 0 sleep 1000");
        let supervisor = Supervisor::start(Command::new("sh").args(["-c", &script, PROGRAM]));
        let Ended { status, err, .. } = supervisor.end();
        assert_eq!(status, 1, "{limit}: {err}");
        assert!(!err.contains("panicked") && err.contains("cannot"), "{limit}: {err}");
    }
}
