//! The environment, sockets, notifications and stop of a service, with real processes.

use std::ffi::OsStr;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use childminder::host::TerminalSize;
use childminder::ready::OutputMatch;
use childminder::service::LogLine;
use childminder::{Condition, Exit, Port, Service, Spec, Stdin};

use super::tiny;
use crate::support::{Census, PATIENCE, alone, is_alive, required};

fn sh(script: &str) -> Service {
    Service::new("sh").args(["-c", script]).min_uptime(Duration::ZERO)
}

#[test]
fn sv_2_the_environment_is_inherited_changed_or_empty() {
    let home = std::env::var("HOME").unwrap_or_else(|_| "no home".to_owned());
    let service = || sh(r#"echo "<${HOME-no home},${A-no a},${B-no b}>"; exec sleep 1000"#);
    for (service, expected) in [
        (service().env("A", "1"), format!("<{home},1,no b>")),
        (service().env("A", "1").env_remove("A").env("B", ""), format!("<{home},no a,>")),
        (service().env("A", "1").env_clear().env("B", "2"), "<no home,1,2>".to_owned()),
    ] {
        drop(service.expect_output(&expected).start().unwrap());
    }
}

#[test]
fn a_service_reads_what_the_test_writes_by_a_pipe_or_a_terminal() {
    let is = |expected: &'static str| move |line: Result<LogLine, _>| line.unwrap().text == expected;
    let piped = sh("cat; echo the end; exec sleep 1000").stdin(Stdin::Piped).start().unwrap();
    let mut lines = piped.log_lines();
    piped.write_stdin("hello\n").unwrap().wait().unwrap();
    assert!(lines.any(is("hello")));
    piped.close_stdin().unwrap();
    assert!(lines.any(is("the end")));
    // The input belongs to the current process.
    piped.stopped(|| piped.write_stdin("without a reader").unwrap_err()).unwrap();
    piped.write_stdin("again\n").unwrap().wait().unwrap();
    assert!(lines.any(is("again")));

    let script = "stty -echo; echo ready; read _; stty size; exec sleep 1000";
    let terminal = sh(script).terminal(TerminalSize::default()).expect_output("ready").start().unwrap();
    let mut lines = terminal.log_lines();
    terminal.resize_terminal(TerminalSize::new(50, 132)).unwrap();
    terminal.write_stdin("\n").unwrap().wait().unwrap();
    assert!(lines.any(is("50 132")));
    sh("exec sleep 1000").start().unwrap().write_stdin("x").unwrap_err();
}

#[test]
fn a_listening_socket_that_is_passed_on_loses_no_early_client() {
    const NAME: &str = "service::given::a_listening_socket_that_is_passed_on_loses_no_early_client";
    const SERVER: &str = "
import os, socket
assert os.environ['LISTEN_FDS'] == '1' and os.environ['LISTEN_PID'] == str(os.getpid())
server = socket.socket(fileno=3)
print('serving', flush=True)
while True:
    client, _ = server.accept()
    client.sendall(b'hello')
    client.close()
";
    if required(NAME, "python3").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let spec = Spec::new("python3").args(["-c", SERVER]).listener(port.listen().unwrap());
    // The server does not run yet, but the connection is not refused.
    let mut early = TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).unwrap();
    let service = Service::from_spec(spec).expect_output("serving").min_uptime(Duration::ZERO);
    // The check that the port is free does not object: the socket belongs to the service.
    let _running = service.expect_port(port.number()).start().unwrap();
    let mut heard = String::new();
    early.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
}

#[test]
fn sd_notify_reports_readiness_and_leaves_no_file() {
    const NAME: &str = "service::given::sd_notify_reports_readiness_and_leaves_no_file";
    const SERVER: &str = "
import os, socket, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.connect(os.environ['NOTIFY_SOCKET'])
    manager.send(b'STATUS=loading')
    manager.send(b'READY=1\\nSTATUS=up')
time.sleep(1000)
";
    if required(NAME, "python3").is_none() {
        return;
    }
    alone(NAME, || {
        let service = Service::new("python3").args(["-c", SERVER]).expect(Condition::sd_notify());
        let running = service.min_uptime(Duration::ZERO).start().unwrap();
        let readiness = running.readiness();
        assert!(
            readiness.iter().any(|progress| progress.to_string().starts_with("notification READY=1: met"))
        );
        drop(running);
        let files = std::fs::read_dir(std::env::temp_dir()).unwrap();
        assert_eq!(files.count(), 0, "the directory of the socket is removed with the process");
    });
}

#[test]
fn f_50_a_service_is_stopped_when_its_test_panics() {
    let mut pid = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let service = sh("trap '' TERM; echo up; while :; do sleep 0.05; done");
        let service = service.expect_output("up").kill_time(Duration::from_millis(200)).start().unwrap();
        pid = service.pid();
        panic!("a test fails");
    }));
    assert!(result.is_err() && !is_alive(pid));
}

#[test]
fn sv_8_a_stop_returns_soon_after_a_graceful_exit() {
    let port = Port::reserve().unwrap();
    let service = tiny::server(&port);
    let stop = |_| {
        let running = service.start().unwrap();
        let begin = Instant::now();
        let ended = running.stop().unwrap().unwrap();
        assert!(matches!(ended.exit, Exit::Signal { .. }), "{ended:?}");
        begin.elapsed()
    };
    let best = (0..5).map(stop).min().unwrap();
    println!("stopped within {best:?}");
    assert!(best < Duration::from_secs(1), "{best:?}");
}

#[test]
fn a_stop_command_stops_the_program_instead_of_the_signal() {
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("stop");
    let script = r#"trap '' TERM; echo up; while ! test -e "$0"; do sleep 0.02; done; exit 7"#;
    let service =
        sh(script).arg(&flag).expect_output("up").stop_command([OsStr::new("touch"), flag.as_os_str()]);
    let exit = service.start().unwrap().stop().unwrap().unwrap();
    assert_eq!((exit.exit, exit.asked, exit.killed), (Exit::Code(7), true, false));
}

#[test]
fn sv_6_f_7_bad_input_is_one_error_at_once_and_leaves_nothing() {
    alone("service::given::sv_6_f_7_bad_input_is_one_error_at_once_and_leaves_nothing", || {
        let file = tempfile::NamedTempFile::new().unwrap();
        let taken = Port::reserve().unwrap();
        let _stranger = taken.listen().unwrap();
        let sleep = || Service::new("sleep").arg("1000");
        let cases = [
            ("cannot find the program", Service::new("/no/such/program")),
            ("Permission denied", Service::new(file.path())),
            ("is already in use", sleep().port(&taken)),
            ("the port must not be 0", sleep().expect_port(0)),
            ("the expected output must not be empty", sleep().expect_output("")),
            ("not a valid regular expression", sleep().expect(OutputMatch::regex("("))),
            ("output format", sleep().output_format("{massage}")),
            ("shorter than the minimum uptime", sleep().timeout(Duration::from_millis(1))),
            ("cwd", sleep().cwd("")),
            ("working directory", sleep().cwd("/no/such/directory")),
        ];
        drop(sleep().start().unwrap());
        let before = Census::settled();
        for (expected, service) in cases {
            let begin = Instant::now();
            loop {
                let attempt = Instant::now();
                let error = service.start().expect_err(expected);
                // The timeout would be 15 s; on a busy machine finding the owner of a port takes a while.
                if attempt.elapsed() < Duration::from_secs(1) {
                    assert!(error.to_string().contains(expected), "{error}");
                    break;
                }
                // A slow attempt on a busy machine is repeated.
                assert!(begin.elapsed() < PATIENCE, "too slow: {error}");
            }
        }
        Census::settled().assert_unchanged_since(&before);
    });
}
