//! The control socket under abuse: refused, bounded, without effect.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::unistd::chown;
use serde_json::Value;

use super::Project;
use crate::skip::skip;
use crate::supervisor::{PROGRAM, Supervisor};

const FILE: &str = "[process.a]\ncommand = \"sleep 1000\"\n";

/// Sends bytes and returns the reply.
fn send(project: &Project, bytes: &[u8]) -> Value {
    let mut client = project.connect();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may have refused it and closed the connection before it is complete.
    let _ = client.write_all(bytes);
    let mut line = String::new();
    match BufReader::new(client).read_line(&mut line) {
        Ok(_) => serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}")),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Value::Null,
        Err(error) => panic!("no reply: {error}"),
    }
}

#[test]
fn f_258_garbage_half_a_line_and_a_line_without_end_are_refused() {
    let project = Project::new(FILE);
    let up = project.up(&[]);
    project.wait();
    let pid = project.status_of("a")["pid"].clone();
    for bytes in [
        &b"hello\n"[..],
        b"\n",
        b"\xff\xfe\n",
        b"{}\n",
        b"[[[[[[\n",
        b"{\"version\":1,\"command\":\"fly\"}\n",
    ] {
        let reply = send(&project, bytes);
        assert_eq!(reply["reply"], "error", "{bytes:?}: {reply}");
    }
    // A line of 10 MB is refused after 64 KiB.
    let reply = send(&project, &[b'x'; 10_000_000]);
    assert!(
        reply.is_null() || reply["message"].as_str().unwrap().contains("longer than 65536 bytes"),
        "{reply}"
    );
    // Half a line, then the end.
    let mut client = project.connect();
    client.write_all(b"{\"version\":1,\"comm").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert!(reply.contains("does not end with a line feed"), "{reply}");
    // A client that closes only its own direction gets its answer.
    let mut client = project.connect();
    client.write_all(b"{\"version\":1,\"command\":\"status\"}\n").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert!(reply.contains(r#""name":"a""#) && reply.ends_with("{\"reply\":\"done\"}\n"), "{reply}");
    assert_eq!(project.status_of("a")["pid"], pid);
    assert_eq!(up.stop().status, 0);
}

#[test]
fn f_258_fifty_clients_are_served_and_too_many_are_refused() {
    let project = Project::new(FILE);
    let up = project.up(&[]);
    project.wait();
    // These have sent half a request, and hold a place each.
    let slow: Vec<_> = (0..14)
        .map(|_| {
            let mut client = project.connect();
            client.write_all(b"{").unwrap();
            client
        })
        .collect();
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let reply = send(&project, b"{\"version\":1,\"command\":\"status\"}\n");
                    assert_eq!(reply["processes"][0]["state"], "up", "{reply}");
                }
            });
        }
    });
    drop(slow);
    let held: Vec<_> = (0..80).map(|_| project.connect()).collect();
    let refused = held.into_iter().filter_map(|client| {
        client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).ok()?;
        line.contains("clients already").then_some(())
    });
    assert!(refused.count() >= 10);
    // They are gone, so there is room again.
    let begin = (0..200).any(|_| {
        let mut command = project.command(&["status", "--json"]);
        command.output().unwrap().status.success()
    });
    assert!(begin);
    assert_eq!(up.stop().status, 0);
}

/// Returns a command that another user runs.
fn as_user(uid: u32) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={uid}")).arg("--clear-groups");
    command
}

/// Whether this process can become another user. Otherwise the test is skipped.
fn can_become_another_user(test: &str) -> bool {
    let can = as_user(65534).arg("true").output().is_ok_and(|output| output.status.success());
    if !can {
        skip(&format!("up::socket::{test}"), "needs root and setpriv");
    }
    can
}

/// Runs `status` as another user, which must fail. Returns what it prints.
fn refused_status(project: &Project) -> String {
    let file = project.path().join("childminder.toml");
    let output = as_user(65534).args([PROGRAM, "status", "-f"]).arg(file).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    err
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn f_78_257_another_user_is_refused_even_if_the_directory_was_opened() {
    if !can_become_another_user("f_78_257_another_user_is_refused_even_if_the_directory_was_opened") {
        return;
    }
    let project = Project::new(FILE);
    let up = project.up(&[]);
    project.wait();
    set_mode(project.path(), 0o755);
    let err = refused_status(&project);
    assert!(err.contains("Permission denied"), "{err}");
    set_mode(&project.path().join(".childminder"), 0o755);
    set_mode(&project.socket(), 0o666);
    let err = refused_status(&project);
    assert!(err.contains("user 65534 may not control processes of user 0"), "{err}");
    assert_eq!(up.stop().status, 0);
}

#[test]
fn f_78_80_a_socket_of_another_user_is_not_trusted() {
    if !can_become_another_user("f_78_80_a_socket_of_another_user_is_not_trusted") {
        return;
    }
    let project = Project::new(FILE);
    set_mode(project.path(), 0o755);
    chown(project.path(), Some(65533.into()), None).unwrap();
    let up = Supervisor::start(as_user(65533).args([PROGRAM, "up"]).current_dir(project.path()));
    // Root controls the processes of every user.
    project.wait();
    set_mode(&project.path().join(".childminder"), 0o755);
    set_mode(&project.socket(), 0o666);
    let err = refused_status(&project);
    assert!(err.contains("it belongs to user 65533, not to user 65534"), "{err}");
    assert_eq!(up.stop().status, 0);
}
