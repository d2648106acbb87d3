//! PostgreSQL: many processes, another user, a socket in the file system, and a special stop signal.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use childminder::{Condition, Port, Service, Signal, Spec};
use log::kv::Key;
use tempfile::TempDir;

use super::{connect, start_and_stop_repeatedly};
use crate::support::{alone, required};

/// A database directory, and the user that may serve it, since PostgreSQL refuses to run as root.
struct Cluster {
    postgres: PathBuf,
    dir: TempDir,
    user: Option<(u32, u32)>,
}

impl Cluster {
    /// Creates the database, which takes some seconds.
    fn new(postgres: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let user = rustix::process::getuid().is_root().then(|| (id("-u"), id("-g")));
        let mut initdb = Command::new(postgres.with_file_name("initdb"));
        initdb.args(["--no-sync", "--no-instructions", "--auth=trust", "--username=postgres", "--locale=C"]);
        initdb.arg("-D").arg(dir.path().join("data")).current_dir(dir.path());
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(dir.path(), Some(uid), Some(gid)).unwrap();
            initdb.uid(uid).gid(gid);
        }
        let output = initdb.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { postgres: postgres.to_owned(), dir, user }
    }

    fn socket(&self, port: &Port) -> PathBuf {
        self.dir.path().join(format!(".s.PGSQL.{port}"))
    }

    fn server(&self, port: &Port) -> Service {
        let spec = Spec::new(&self.postgres).cwd(self.dir.path());
        let spec = match self.user {
            Some((uid, gid)) => spec.uid(uid).gid(gid).groups([gid]),
            None => spec,
        };
        Service::from_spec(spec)
            .arg("-D")
            .arg(self.dir.path().join("data"))
            .args(["-F", "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-p", &port.to_string()])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.dir.path().display()))
            .stop_signal(Signal::INT) // "fast": it does not wait for its clients
            .port(port)
            .expect_output("database system is ready to accept connections")
            .expect(Condition::unix(self.socket(port)))
            .min_uptime(Duration::ZERO)
    }
}

/// Returns the user or group id of the user `postgres`.
fn id(what: &str) -> u32 {
    let output = Command::new("id").args([what, "postgres"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().expect("there is a user postgres")
}

/// Opens a session, has the server add 20 and 22, and returns the result.
fn sum(port: u16) -> String {
    const VERSION: u32 = 3 << 16;
    let mut connection = connect(port);
    let names = b"user\0postgres\0database\0postgres\0\0";
    let length = u32::try_from(4 + 4 + names.len()).unwrap();
    connection.write_all(&[&length.to_be_bytes(), &VERSION.to_be_bytes(), &names[..]].concat()).unwrap();
    read_until(&mut connection, b'Z');
    let query = b"SELECT 20 + 22\0";
    let length = u32::try_from(4 + query.len()).unwrap();
    connection.write_all(&[&b"Q"[..], &length.to_be_bytes(), query].concat()).unwrap();
    let row = read_until(&mut connection, b'D');
    // The number of columns, the length of the first one, and its value.
    String::from_utf8(row[6..].to_owned()).unwrap()
}

/// Reads messages up to one of this kind, and returns its content.
fn read_until(connection: &mut impl Read, kind: u8) -> Vec<u8> {
    loop {
        let mut head = [0; 5];
        connection.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(head[1..].try_into().unwrap());
        let mut body = vec![0; length as usize - 4];
        connection.read_exact(&mut body).unwrap();
        assert_ne!(head[0], b'E', "{}", String::from_utf8_lossy(&body));
        if head[0] == kind {
            return body;
        }
    }
}

#[test]
fn postgres_is_started_twenty_times() {
    const NAME: &str = "servers::postgres::postgres_is_started_twenty_times";
    let Some(postgres) = required(NAME, "postgres") else { return };
    alone(NAME, || {
        let cluster = Cluster::new(&postgres);
        let names = || fs::read_dir(cluster.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let before: BTreeSet<_> = names().collect();
        start_and_stop_repeatedly(
            |port| cluster.server(port),
            |service| assert_eq!(sum(service.port().unwrap()), "42"),
        );
        assert_eq!(names().collect::<BTreeSet<_>>(), before, "no socket and no lock file is left");
    });
}

/// Keeps the log records of a test that runs alone: level, target, message, and whether there is a date.
struct Kept(Mutex<Vec<String>>);

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let value = |key| record.key_values().get(Key::from_str(key)).map(|value| value.to_string());
        let (service, word) = (value("service"), value("level"));
        let date = value("timestamp").map(|date| date.len());
        let text = format!("{} {service:?} {word:?} {date:?} {}", record.level(), record.args());
        self.0.lock().unwrap().push(text);
    }

    fn flush(&self) {}
}

#[test]
fn sv_27_35_log_lines_of_postgres_are_logged_with_their_own_level_and_date() {
    const NAME: &str =
        "servers::postgres::sv_27_35_log_lines_of_postgres_are_logged_with_their_own_level_and_date";
    let Some(postgres) = required(NAME, "postgres") else { return };
    alone(NAME, || {
        log::set_logger(&KEPT).unwrap();
        log::set_max_level(log::LevelFilter::Info);
        let cluster = Cluster::new(&postgres);
        let port = Port::reserve().unwrap();
        let service = cluster
            .server(&port)
            .args(["-c", "log_timezone=UTC", "-c", "log_line_prefix=%m [%p] "])
            .output_format(r"{Y}-{m}-{d} {H}:{M}:{S}\.{msecs} UTC \[[0-9]+\] {levelname}:  {message}")
            .start()
            .unwrap();
        sum(port.number());
        service.stop().unwrap();
        let records = KEPT.0.lock().unwrap();
        let message = "database system is ready to accept connections";
        let expected = format!("INFO Some(\"postgres\") Some(\"LOG\") Some(24) {message}");
        assert!(records.contains(&expected), "{records:#?}");
    });
}
