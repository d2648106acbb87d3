//! Supervises a database, a server that needs it, and a worker that needs the server: they are started in the
//! order of their readiness, and recover when the database is killed.
//!
//! The database is PostgreSQL if it is installed, and otherwise a stand-in. The server and the worker are
//! this program with other arguments.

use std::env;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use childminder::machine::{Dependency, NoticeKind, OnEnd};
use childminder::{Condition, Notice, Policy, Port, ProcessMonitor, Restart, Signal, Spec, System, Until};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => supervise(),
        ["database", port] => run_database(port.parse()?),
        ["server", port, database] => run_server(port.parse()?, database.parse()?),
        ["worker", server] => run_worker(server.parse()?),
        _ => Err("unknown arguments".into()),
    }
}

fn supervise() -> Result<(), Box<dyn Error>> {
    let dir = env::temp_dir().join(format!("childminder-tiers-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    // No other program gets these ports while they are reserved.
    let reserved = (Port::reserve()?, Port::reserve()?);
    let (db_port, server_port) = (reserved.0.number(), reserved.1.number());
    let (db_setup, db) = database(&dir, db_port)?;

    let program = env::current_exe()?;
    let server = Spec::new(&program)
        .args(["server", &server_port.to_string(), &db_port.to_string()])
        // The server keeps no connection over a restart of the database, so it is restarted as well.
        .after_with(Dependency { on_end: OnEnd::Restart, ..Dependency::new("db".parse()?, Until::Ready) })
        .ready(Condition::http(server_port, "/"));
    let worker = Spec::new(&program)
        .args(["worker", &server_port.to_string()])
        // The worker copes with a server that is away for a while.
        .after("server", Until::Ready)
        .ready(Condition::output("job 1 is done"));

    let policy = Policy {
        kill_time: Duration::from_secs(10),
        min_restart_delay: Duration::from_millis(100),
        ..Policy::default()
    };
    let monitor = ProcessMonitor::builder().policy(policy).tail(10).background(System::new())?;
    // The order of these calls does not matter.
    monitor.add_process("worker", worker)?;
    monitor.add_process("server", server)?;
    monitor.add_process("db", db.after("db-setup", Until::Completed))?;
    monitor.add_process("db-setup", db_setup.policy(Policy { restart: Restart::Never, ..policy }))?;

    let start = monitor.now();
    let mut notices = monitor.notices();
    let log = thread::spawn(move || {
        for notice in notices.iter().flatten() {
            if !matches!(notice.kind, NoticeKind::Added | NoticeKind::Stopping { .. }) {
                println!("{:6.2} s  {notice}", notice.at.saturating_duration_since(start).as_secs_f64());
            }
        }
    });
    monitor.start_service()?;
    monitor.wait_ready("worker")?.wait()?;
    println!("everything is ready; now the database is killed");

    let run_of = |name: &str| monitor.status(name).and_then(|status| status.run);
    let worker_run = run_of("worker");
    let mut events = monitor.notices();
    monitor.signal_process("db", Signal::KILL)?;
    for notice in events.iter() {
        match notice? {
            Notice { name, kind: NoticeKind::Blocked { .. }, .. } => {
                // Why a process is in its state, from the process itself to the root cause.
                println!("why: {}", monitor.why(&name).map(|why| why.to_string()).unwrap_or_default());
            }
            Notice { name, kind: NoticeKind::Ready, .. } if &*name == "server" => break,
            _ => {}
        }
    }
    println!("the server is ready again; the worker runs on: {}", run_of("worker") == worker_run);

    println!("a stop takes at most {:?}", monitor.stop_bound());
    monitor.stop_service().wait()?;
    monitor.close().wait()?;
    log.join().expect("the printing thread does not panic");
    std::fs::remove_dir_all(&dir)?;
    println!("stopped");
    Ok(())
}

/// Returns the process that sets up the database, and the database.
fn database(dir: &Path, port: u16) -> Result<(Spec, Spec), Box<dyn Error>> {
    let data = dir.join("data");
    if let Some(bin) = find_postgres() {
        // PostgreSQL refuses to run as root.
        let user = |spec: Spec| if is_root() { spec.user("postgres") } else { spec };
        let setup = user(Spec::new(bin.join("initdb")).args(["-A", "trust", "-N", "-D"]).arg(&data));
        let db = user(Spec::new(bin.join("postgres")).arg("-D").arg(&data).args([
            "-p",
            &port.to_string(),
            "-c",
            "fsync=off",
            "-c",
            "unix_socket_directories=",
        ]));
        if setup.check().is_ok() {
            std::os::unix::fs::chown(dir, setup.get_uid(), setup.get_gid())?;
            println!("the database is PostgreSQL");
            // A fast shutdown instead of one that waits for the clients.
            return Ok((setup, db.stop_signal(Signal::INT).ready(Condition::port(port))));
        }
    }
    println!("the database is a stand-in");
    let db = Spec::new(env::current_exe()?).args(["database", &port.to_string()]);
    Ok((Spec::new("mkdir").arg(data), db.ready(Condition::port(port))))
}

fn find_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let places = versions.map(|version| version.path().join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = places.chain(env::split_paths(&path).collect::<Vec<_>>());
    places.find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run_database(port: u16) -> Result<(), Box<dyn Error>> {
    for connection in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
        connection?.write_all(b"42")?;
    }
    Ok(())
}

/// Answers HTTP requests: with 200 if the database accepts connections.
fn run_server(port: u16, database: u16) -> Result<(), Box<dyn Error>> {
    for connection in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
        let mut connection = connection?;
        let _ = connection.read(&mut [0; 1024])?;
        let status = match TcpStream::connect((Ipv4Addr::LOCALHOST, database)) {
            Ok(_) => "200 OK",
            Err(_) => "503 Service Unavailable",
        };
        let _ = write!(connection, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the worker does a job every 50 ms")]
fn run_worker(server: u16) -> Result<(), Box<dyn Error>> {
    let mut done = 0;
    loop {
        if let Ok(mut connection) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) {
            let mut answer = String::new();
            connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            let _ = connection.read_to_string(&mut answer);
            if answer.starts_with("HTTP/1.1 200") {
                done += 1;
                println!("job {done} is done");
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
}
