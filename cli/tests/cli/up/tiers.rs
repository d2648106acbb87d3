//! A real stack of three tiers: PostgreSQL with a migration, an application server, and nginx before it.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, chown, geteuid};

use super::Project;
use crate::skip::skip;
use crate::supervisor::{PATIENCE, Supervisor};

const NAME: &str = "up::tiers::three_tiers_recover_in_their_order_from_random_kills";

/// The tiers. Each one depends on that before it, and restarts with it.
const TIERS: [&str; 3] = ["db", "app", "web"];

/// Answers each request with the number of notes in the database.
const APP: &str = r#"
import http.server, subprocess, sys

class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = subprocess.run(sys.argv[2:] + ["-Atc", "select count(*) from notes"], capture_output=True)
        self.send_response(200 if query.returncode == 0 else 500)
        self.end_headers()
        self.wfile.write(b"notes: " + query.stdout + query.stderr)

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
"#;

const NGINX: &str = "daemon off; worker_processes 2; pid @DIR@/nginx.pid; error_log stderr error; @USER@
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path @DIR@/body; proxy_temp_path @DIR@/proxy; fastcgi_temp_path @DIR@/fastcgi;
    uwsgi_temp_path @DIR@/uwsgi; scgi_temp_path @DIR@/scgi;
    server { listen 127.0.0.1:@WEB@; location / { proxy_pass http://127.0.0.1:@APP@; } }
}
";

/// Finds a program, or skips the test. In CI it must be there.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.map(|version| version.expect("an entry").path().join("bin"));
    let system = ["/usr/bin", "/usr/sbin"].map(PathBuf::from);
    let folders = versions.chain(system).chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join(program)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "{program} is missing");
        skip(NAME, &format!("{program} is missing"));
    }
    found
}

/// Creates the database and the files of the tiers.
fn project() -> Option<Project> {
    let [initdb, postgres, pg_isready, psql, python, nginx] =
        ["initdb", "postgres", "pg_isready", "psql", "python3", "nginx"].map(find);
    let (initdb, postgres, pg_isready) = (initdb?, postgres?, pg_isready?);
    let (psql, python, nginx) = (psql?, python?, nginx?);
    let project = Project::new("");
    let dir = fs::canonicalize(project.path()).unwrap();
    let cluster = dir.join("cluster");
    fs::create_dir(&cluster).unwrap();
    let mut create = Command::new(initdb);
    create.args(["--no-sync", "--auth=trust", "--username=postgres", "--locale=C", "-D"]);
    create.arg(cluster.join("data")).current_dir(&cluster);
    // PostgreSQL refuses to run as root.
    let is_root = geteuid().is_root();
    if is_root {
        let user = User::from_name("postgres").unwrap().expect("the package has created a user");
        fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        chown(&cluster, Some(user.uid), Some(user.gid)).unwrap();
        create.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let output = create.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    project.write("app.py", APP);
    let nginx_user = if is_root { "user root;" } else { "" };
    project
        .write("nginx.conf.in", &NGINX.replace("@DIR@", dir.to_str().unwrap()).replace("@USER@", nginx_user));
    let user = if is_root { "user = \"postgres\"" } else { "" };
    let [postgres, pg_isready, psql, python, nginx, dir] =
        [&postgres, &pg_isready, &psql, &python, &nginx, &dir].map(|path| path.display());
    project.write(
        "childminder.toml",
        &format!(
            r#"[defaults]
min-restart-delay = 0.05
max-restart-delay = 0.05
kill-time = 60

[process.web]
command = ["sh", "-c", "sed -e s/@WEB@/{{port}}/ -e s/@APP@/{{port.app}}/ nginx.conf.in > nginx.conf && exec {nginx} -e stderr -p {dir} -c {dir}/nginx.conf"]
port = "auto"
after = {{ app = {{ until = "ready", on-end = "restart" }} }}
ready = {{ http = "http://127.0.0.1:{{port}}/" }}
stop-signal = "QUIT"

[process.app]
command = "{python} app.py {{port}} {psql} -h 127.0.0.1 -p {{port.db}} -U postgres postgres"
port = "auto"
after = {{ db = {{ until = "ready", on-end = "restart" }}, migrate = "completed" }}
ready = {{ http = "http://127.0.0.1:{{port}}/" }}

[process.migrate]
command = ["{psql}", "-h", "127.0.0.1", "-p", "{{port.db}}", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-c", "create table notes (id int)", "-c", "insert into notes values (1)", "postgres"]
after = {{ db = "ready" }}
restart = "never"

[process.db]
command = ["{postgres}", "-D", "data", "-F", "-p", "{{port}}", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories={dir}/cluster"]
cwd = "cluster"
port = "auto"
ready = {{ exec = "{pg_isready} -h 127.0.0.1 -p {{port}}" }}
stop-signal = "INT"
{user}
"#
        ),
    );
    Some(project)
}

/// Reads the events up to `last`, and returns the starts and the readiness of the tiers, without the numbers
/// of the runs.
fn events_until(up: &mut Supervisor, last: &str) -> Vec<String> {
    let mut events = Vec::new();
    while events.last().is_none_or(|event| event != last) {
        let line = up.err.next();
        let Some((before, after)) = line.split_once('#') else { continue };
        let name = before.rsplit(' ').next().unwrap_or_default();
        for (text, event) in
            [(" started, pid", "starts"), (" is ready", "is ready"), (" exited with code 0", "ends")]
        {
            if after.contains(text) {
                events.push(format!("{name} {event}"));
            }
        }
    }
    events
}

/// Requests a page from nginx, whose content comes from the database.
fn page(port: u16) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("nginx listens");
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// Returns the processes that work in a directory. Unlike a mark in the environment, which PostgreSQL
/// overwrites with its titles, this finds all of them.
fn working_in(dir: &Path) -> Vec<(PathBuf, String)> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let here = processes.filter(|path| fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir)));
    here.map(|path| (path.clone(), fs::read_to_string(path.join("cmdline")).unwrap_or_default())).collect()
}

/// CHILDMINDER_KILLS is the number of kills.
#[test]
fn three_tiers_recover_in_their_order_from_random_kills() {
    let Some(project) = project() else { return };
    let kills = std::env::var("CHILDMINDER_KILLS").map_or(10, |kills| kills.parse().expect("a number"));
    let dir = fs::canonicalize(project.path()).unwrap();
    let mut up = project.up(&[]);
    let events = events_until(&mut up, "web is ready");
    let all = "db starts, db is ready, migrate starts, migrate ends, \
               app starts, app is ready, web starts, web is ready";
    assert_eq!(events.join(", "), all);
    project.wait();
    let pids = || TIERS.map(|name| project.status_of(name)["pid"].as_i64().expect("it runs"));
    let port = u16::try_from(project.status_of("web")["port"].as_u64().unwrap()).unwrap();
    assert!(page(port).ends_with("notes: 1\n"), "{}", page(port));
    // More than the main processes: PostgreSQL has its helpers, and nginx its workers.
    assert!(working_in(&dir).len() > 8, "{:#?}", working_in(&dir));

    let random = RandomState::new();
    for number in 0..kills {
        let before = pids();
        let mut hasher = random.build_hasher();
        hasher.write_u32(number);
        // The first kills try each tier.
        let index = if number < 3 { number as usize } else { hasher.finish() as usize % TIERS.len() };
        kill(Pid::from_raw(before[index].try_into().unwrap()), Signal::SIGKILL).unwrap();
        let events = events_until(&mut up, "web is ready");
        let expected = TIERS[index..].iter().map(|name| format!("{name} starts, {name} is ready"));
        assert_eq!(
            events.join(", "),
            expected.collect::<Vec<_>>().join(", "),
            "kill {number} of {}",
            TIERS[index]
        );
        let after = pids();
        for tier in 0..TIERS.len() {
            assert_eq!(before[tier] != after[tier], tier >= index, "{}: {before:?} {after:?}", TIERS[tier]);
        }
        // The migration did not run again.
        assert!(page(port).ends_with("notes: 1\n"), "{}", page(port));
    }
    assert_eq!(project.status_of("migrate")["state"], "completed");

    project.ctl(&["down"], 0);
    let ended = up.end();
    assert_eq!(ended.status, 0, "{}", ended.err);
    assert_eq!(working_in(&dir), []);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    for left in ["nginx.pid", "cluster/data/postmaster.pid"] {
        assert!(!dir.join(left).exists(), "{left} was left behind");
    }
    let sockets = fs::read_dir(dir.join("cluster")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(sockets.collect::<Vec<_>>(), ["data"]);
}
