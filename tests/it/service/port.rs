//! Reserved ports: the system does not assign the number, and a server can bind it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use childminder::{Port, Spec};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::support::{Census, Child, PATIENCE, alone, skip};

/// Raises the limit of descriptors. Only for a test that runs alone in its process.
pub(super) fn allow_many_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn numbers<'a>(ports: impl IntoIterator<Item = &'a Port>) -> BTreeSet<u16> {
    ports.into_iter().map(Port::number).collect()
}

/// Reserves ports on `count` threads at the same moment.
fn reserve_at_once(count: usize) -> Vec<Port> {
    let barrier = Barrier::new(count);
    thread::scope(|scope| {
        let one = || {
            barrier.wait();
            Port::reserve().unwrap()
        };
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn sv_12_five_hundred_threads_at_once_get_five_hundred_numbers() {
    alone("service::port::sv_12_five_hundred_threads_at_once_get_five_hundred_numbers", || {
        allow_many_descriptors();
        let ports = reserve_at_once(500);
        let first = numbers(&ports);
        assert_eq!(first.len(), 500);
        drop(ports);
        // The numbers are free again for other processes, but not for this one.
        let before = Census::take();
        for _ in 0..10 {
            let again = numbers(&reserve_at_once(500));
            assert_eq!(again.len(), 500);
            assert!(first.is_disjoint(&again), "a number was reserved twice");
        }
        Census::take().assert_unchanged_since(&before);
    });
}

const RESERVER: &str = "CHILDMINDER_TEST_RESERVER";

/// Runs in a child of the test below: reserves ports on request, prints them, and keeps them until its input
/// ends.
fn run_reserver() {
    let mut input = std::io::stdin().lock();
    input.read_line(&mut String::new()).unwrap();
    let ports: Vec<Port> = (0..50).map(|_| Port::reserve().unwrap()).collect();
    let list: Vec<String> = ports.iter().map(Port::to_string).collect();
    // On a new line: the test harness has begun one.
    println!("\nreserved {}", list.join(" "));
    input.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn sv_12_eight_processes_at_once_get_fifty_numbers_each() {
    const NAME: &str = "service::port::sv_12_eight_processes_at_once_get_fifty_numbers_each";
    if std::env::var_os(RESERVER).is_some() {
        return run_reserver();
    }
    let reserver = |_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", NAME, "--nocapture"]).env(RESERVER, "1").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let mut reservers: Vec<_> = (0..8).map(reserver).collect();
    for reserver in &mut reservers {
        reserver.stdin.as_mut().unwrap().write_all(b"now\n").unwrap();
    }
    let mut all = Vec::new();
    for reserver in &mut reservers {
        let output = BufReader::new(reserver.stdout.as_mut().unwrap());
        let mut lines = output.lines().map(Result::unwrap);
        let line = lines.find_map(|line| line.strip_prefix("reserved ").map(str::to_owned)).unwrap();
        all.extend(line.split(' ').map(|number| number.parse::<u16>().unwrap()));
    }
    assert_eq!(all.len(), 8 * 50);
    assert_eq!(
        all.into_iter().collect::<BTreeSet<_>>().len(),
        8 * 50,
        "two processes have reserved the same number"
    );
    for mut reserver in reservers {
        drop(reserver.stdin.take());
        assert!(reserver.wait().unwrap().success());
    }
}

#[test]
fn sv_12_a_bind_to_port_0_never_gets_a_reserved_number() {
    let ports: Vec<Port> = (0..100).map(|_| Port::reserve().unwrap()).collect();
    let reserved = numbers(&ports);
    assert_eq!(reserved.len(), 100);
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for _ in 0..5_000 {
        // This listener sets SO_REUSEADDR, so it could bind a reserved number.
        let foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert!(!reserved.contains(&foreign.port()));
        let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        assert!(!reserved.contains(&client.local_addr().unwrap().port()));
        drop(server.accept().unwrap());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn one_listener_of_std_at_a_time_can_bind_it() {
    // A child of another test has a copy of the listening socket between its fork and its exec.
    alone("service::port::one_listener_of_std_at_a_time_can_bind_it", || {
        let port = Port::reserve().unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).expect_err("no server listens yet");
        for _ in 0..2 {
            let server = TcpListener::bind((Ipv4Addr::LOCALHOST, u16::from(&port))).unwrap();
            port.listen().expect_err("a server listens");
            let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).unwrap();
            let (mut served, _) = server.accept().unwrap();
            // The server closes first, so its port would be in TIME_WAIT.
            served.write_all(b"hello").unwrap();
            drop(served);
            let mut heard = String::new();
            (&client).read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "hello");
        }
        let server = port.listen().unwrap();
        assert_eq!(server.local_addr().unwrap(), (Ipv4Addr::LOCALHOST, port.number()).into());
    });
}

#[test]
fn a_python_server_can_bind_it() {
    const NAME: &str = "service::port::a_python_server_can_bind_it";
    if Command::new("python3").arg("--version").output().is_err() {
        return skip(NAME, "python3 is missing");
    }
    let port = Port::reserve().unwrap();
    if !cfg!(target_os = "linux") {
        port.release();
    }
    let arguments = ["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()];
    let _server = Child::start(&Spec::new("python3").args(arguments)).unwrap();
    let begin = Instant::now();
    let mut connection = loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())) {
            Ok(connection) => break connection,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
        }
        thread::yield_now();
    };
    connection.write_all(b"HEAD / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
}
