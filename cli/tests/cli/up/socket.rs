//! The control socket under abuse: refused, bounded, without effect.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::Project;
use crate::skip::skip;
use crate::supervisor::PROGRAM;

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

#[test]
fn f_257_another_user_is_refused_even_if_the_directory_was_opened() {
    let setpriv = Command::new("setpriv").args(["--reuid=65534", "--clear-groups", "true"]).output();
    if !setpriv.is_ok_and(|output| output.status.success()) {
        return skip(
            "up::socket::f_257_another_user_is_refused_even_if_the_directory_was_opened",
            "needs root and setpriv",
        );
    }
    let project = Project::new(FILE);
    let up = project.up(&[]);
    project.wait();
    let as_another_user = || {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--clear-groups", PROGRAM, "status", "-f"])
            .arg(project.path().join("childminder.toml"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let open =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(project.path(), 0o755);
    let (status, err) = as_another_user();
    assert_eq!(status, Some(1), "{err}");
    assert!(err.contains("Permission denied"), "{err}");
    open(&project.path().join(".childminder"), 0o755);
    open(&project.socket(), 0o666);
    let (status, err) = as_another_user();
    assert_eq!(status, Some(1), "{err}");
    assert!(err.contains("user 65534 may not control processes of user 0"), "{err}");
    assert_eq!(up.stop().status, 0);
}
