//! Servers from Debian's packages whose processes leave the group.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use childminder::Spec;
use childminder::machine::Containment;

use super::{CLIENT, Case, Until, eventually};
use crate::support::{required, skip};

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
