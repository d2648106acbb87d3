//! Servers from Debian's packages whose processes leave the group.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use childminder::Spec;
use childminder::machine::Containment;

use super::{CLIENT, Case, Until};
use crate::support::{eventually, required, skip};

/// Returns the ids of the user that PostgreSQL's package creates.
fn postgres_user() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"))?.to_owned();
    let mut fields = line.split(':').skip(2).map(str::parse);
    Some((fields.next()?.ok()?, fields.next()?.ok()?))
}

fn as_postgres(program: &str) -> Command {
    let (uid, gid) = postgres_user().expect("there is such a user");
    let mut command = Command::new(required("", program).expect("it is installed"));
    command.uid(uid).gid(gid).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Creates a database in `dir`, unless it is there already.
fn create_database(dir: &Path) {
    let data = dir.join("data");
    if !data.exists() {
        let mut initdb = as_postgres("initdb");
        let created = initdb.args(["--no-sync", "-A", "trust", "-D"]).arg(&data).status().expect("initdb");
        assert!(created.success());
    }
    let _ = fs::remove_file(dir.join("queried"));
}

fn postgres(dir: &Path) -> Spec {
    create_database(dir);
    let (uid, gid) = postgres_user().expect("there is such a user");
    let program = required("", "postgres").expect("it is installed");
    Spec::new(program)
        .args(["-F", "-c", "listen_addresses=", "-c"])
        .arg(format!("unix_socket_directories={}", dir.display()))
        .arg("-D")
        .arg(dir.join("data"))
        .uid(uid)
        .gid(gid)
        .cwd(dir)
}

/// Waits for the server, and starts a query that takes longer than the test.
fn has_long_query(dir: &Path) -> bool {
    let psql = |query: &str| {
        let mut psql = as_postgres("psql");
        psql.args(["-d", "postgres", "-h"]).arg(dir).args(["-Atc", query]).env(CLIENT, "1");
        psql
    };
    if !dir.join("queried").exists() {
        if psql("select 1").status().is_ok_and(|status| status.success()) {
            drop(psql("select pg_sleep(1000)").spawn().expect("psql"));
            fs::write(dir.join("queried"), "").expect("write");
        }
        return false;
    }
    let query =
        "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
    psql(query).stdout(Stdio::piped()).output().is_ok_and(|output| output.stdout == b"1\n")
}

fn has_postgresql(name: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        skip(name, "only root can start it as another user");
        return false;
    }
    required(name, "initdb").is_some()
}

#[test]
fn f_95_postgresql_with_a_backend_in_a_long_query_starts_again_in_its_directory() {
    let name =
        "family::servers::f_95_postgresql_with_a_backend_in_a_long_query_starts_again_in_its_directory";
    if has_postgresql(name) {
        let case = Case::new(name, postgres, Until::Ready(has_long_query));
        Case { tiers: &[Containment::Family], rounds: 20, ..case }.run();
    }
}

#[test]
fn f_95_postgresql_is_ended_on_the_other_tiers() {
    let name = "family::servers::f_95_postgresql_is_ended_on_the_other_tiers";
    if has_postgresql(name) {
        let case = Case::new(name, postgres, Until::Ready(has_long_query));
        Case { tiers: &[Containment::Subreaper, Containment::Cgroup], rounds: 3, ..case }.run();
    }
}

#[test]
fn f_95_a_postgresql_that_pg_ctl_has_started_is_ended() {
    let name = "family::servers::f_95_a_postgresql_that_pg_ctl_has_started_is_ended";
    if has_postgresql(name) {
        let spec = |dir: &Path| {
            create_database(dir);
            let (uid, gid) = postgres_user().expect("there is such a user");
            let options = format!("-F -c listen_addresses= -c unix_socket_directories={}", dir.display());
            Spec::new(required("", "pg_ctl").expect("it is installed"))
                .args(["start", "-w", "-l"])
                .arg(dir.join("data/log"))
                .args(["-o", &options, "-D"])
                .arg(dir.join("data"))
                .uid(uid)
                .gid(gid)
                .cwd(dir)
        };
        Case::new(name, spec, Until::Exited).run();
    }
}

#[test]
fn f_95_sshd_with_a_connected_client_is_ended() {
    let name = "family::servers::f_95_sshd_with_a_connected_client_is_ended";
    if !rustix::process::geteuid().is_root() {
        return skip(name, "only root can log in as root");
    }
    if required(name, "sshd").is_none() || required(name, "ssh").is_none() {
        return;
    }
    Case::new(name, sshd, Until::Ready(has_session)).run();
}

fn sshd(dir: &Path) -> Spec {
    for key in ["host", "user"] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join(key));
        assert!(keygen.stdin(Stdio::null()).status().expect("ssh-keygen").success());
    }
    let _ = fs::create_dir_all("/run/sshd");
    let port = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("bound").port();
    fs::write(dir.join("port"), port.to_string()).expect("write");
    let dir_name = dir.display();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir_name}/host\nAuthorizedKeysFile {dir_name}/user.pub\n\
         StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n"
    );
    fs::write(dir.join("config"), config).expect("write");
    Spec::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(dir.join("config")).cwd(dir)
}

/// Connects a client whose command runs on the server's side.
fn has_session(dir: &Path) -> bool {
    let port = fs::read_to_string(dir.join("port")).expect("read");
    let address = format!("127.0.0.1:{port}");
    eventually("sshd listens", || TcpStream::connect(&address).is_ok());
    if !dir.join("connected").exists() {
        fs::write(dir.join("connected"), "").expect("write");
        let ready = dir.join("ready").display().to_string();
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-q",
            "-F",
            "/dev/null",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args(["-p", &port, "-i"])
        .arg(dir.join("user"))
        .args(["root@127.0.0.1", &format!("touch {ready}; exec sleep 1000")])
        .env(CLIENT, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
        drop(ssh.spawn().expect("ssh"));
    }
    super::wrote_ready(dir)
}

/// The wrapper in `/usr/sbin` insists on the package's own user and directories.
const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// Erlang starts its port mapper `epmd` as a daemon in a session of its own, and its helpers in groups of
/// their own. It needs a few seconds to start, and several times as long while other tests occupy the
/// processors.
#[test]
fn f_104_rabbitmq_is_ended_with_the_port_mapper_that_it_has_started_as_a_daemon() {
    let name =
        "family::servers::f_104_rabbitmq_is_ended_with_the_port_mapper_that_it_has_started_as_a_daemon";
    if required(name, RABBITMQ).is_some() {
        let case = Case::new(name, rabbitmq, Until::Ready(has_broker_and_port_mapper));
        Case { patience: Duration::from_secs(120), ..case }.run();
    }
}

/// A broker whose files, node name and ports are its own, those of the port mapper included: it neither finds
/// a port mapper of the machine nor leaves one there.
fn rabbitmq(dir: &Path) -> Spec {
    // They are bound at the same time in order to differ.
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("bind"));
    let [broker, peers, mapper] =
        listeners.map(|listener| listener.local_addr().expect("it is bound").port().to_string());
    fs::write(dir.join("ports"), format!("{broker} {mapper}")).expect("write");
    let spec = Spec::new(RABBITMQ)
        .cwd(dir)
        .env("HOME", dir)
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", mapper)
        .env("RABBITMQ_NODENAME", "childminder@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", broker)
        .env("RABBITMQ_DIST_PORT", peers)
        .env("RABBITMQ_MNESIA_BASE", dir.join("data"))
        .env("RABBITMQ_LOG_BASE", dir.join("log"))
        .env("RABBITMQ_PID_FILE", dir.join("pid"))
        .env("RABBITMQ_CONFIG_FILE", dir.join("config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("plugins"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
    // The package creates this user. Without the right to become it, the test's own user serves as well.
    if rustix::process::geteuid().is_root() { spec.user("rabbitmq") } else { spec }
}

/// Whether the broker greets a client, and the port mapper knows the node.
fn has_broker_and_port_mapper(dir: &Path) -> bool {
    let ports = fs::read_to_string(dir.join("ports")).expect("read");
    let (broker, mapper) = ports.split_once(' ').expect("two ports");
    // A broker answers the protocol header of AMQP 0-9-1 with a method frame, whose first byte is 1. The
    // other request asks for all names.
    ask(broker, b"AMQP\x00\x00\x09\x01", 1).is_ok_and(|greeting| greeting == [1])
        && ask(mapper, b"\x00\x01n", 1000)
            .is_ok_and(|names| String::from_utf8_lossy(&names).contains("name childminder at port"))
}

/// Sends `request` to a port of this machine, and returns at most `limit` bytes of the answer.
fn ask(port: &str, request: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.take(limit).read_to_end(&mut answer)?;
    Ok(answer)
}
