//! Redis, which prints a message when it listens.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process;
use std::time::{Duration, Instant};

use childminder::service::NotReadyReason;
use childminder::{Condition, Exit, NotReady, Port, Service};

use super::{connect, start_and_stop_repeatedly};
use crate::support::{PATIENCE, alone, required};

/// Returns a server without a database file, so that it needs no directory.
fn redis(port: &Port) -> Service {
    Service::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
        .port(port)
        .expect_output("Ready to accept connections")
        .min_uptime(Duration::ZERO)
}

/// Sends a command and returns the first line of the response.
fn ask(mut connection: &TcpStream, command: &str) -> std::io::Result<String> {
    write!(connection, "{command}\r\n")?;
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// Returns the error of a start that fails.
fn refused(service: &Service) -> NotReady {
    service.start().expect_err("it must not become ready")
}

#[test]
fn redis_is_started_twenty_times() {
    const NAME: &str = "servers::redis::redis_is_started_twenty_times";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    alone(NAME, || {
        // The socket is removed with the server.
        let socket = std::env::temp_dir().join("redis.sock");
        let server =
            |port: &Port| redis(port).arg("--unixsocket").arg(&socket).expect(Condition::unix(&socket));
        start_and_stop_repeatedly(server, |service| {
            assert_eq!(ask(&connect(service.port().unwrap()), "PING").unwrap(), "+PONG");
        });
    });
}

#[test]
fn an_outage_of_redis_ends_with_a_new_process_on_the_same_port() {
    const NAME: &str = "servers::redis::an_outage_of_redis_ends_with_a_new_process_on_the_same_port";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let service = redis(&port).start().unwrap();
    let before = connect(port.number());
    assert_eq!(ask(&before, "SET key value").unwrap(), "+OK");
    let first = service.pid();
    let refused = service.stopped(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).unwrap_err());
    assert_eq!(refused.unwrap().kind(), ErrorKind::ConnectionRefused);
    assert_ne!(service.pid(), first);
    assert_ne!(ask(&before, "PING").unwrap_or_default(), "+PONG", "the old connection is dead");
    assert_eq!(ask(&connect(port.number()), "GET key").unwrap(), "$-1", "the new process has no data");
}

#[test]
fn a_pause_of_redis_makes_its_clients_wait() {
    const NAME: &str = "servers::redis::a_pause_of_redis_makes_its_clients_wait";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let service = redis(&port).start().unwrap();
    let client = connect(port.number());
    assert_eq!(ask(&client, "PING").unwrap(), "+PONG");
    service.paused(|| {
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        // It takes effect a moment after it was requested.
        let begin = Instant::now();
        let error = loop {
            match ask(&client, "PING") {
                Ok(_) => assert!(begin.elapsed() < PATIENCE, "redis still answers"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    // The command sent during the pause is executed now.
    let mut answer = String::new();
    BufReader::new(&client).read_line(&mut answer).unwrap();
    assert_eq!(answer, "+PONG\r\n");
    assert!(service.is_alive());
}

#[test]
fn sv_18_f_82_a_stranger_on_the_port_of_redis_is_named() {
    const NAME: &str = "servers::redis::sv_18_f_82_a_stranger_on_the_port_of_redis_is_named";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let _stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
    let error = refused(&redis(&port));
    assert!(matches!(error.reason(), NotReadyReason::AddressInUse(_)), "{error}");
    assert!(error.to_string().contains(&format!("pid {}", process::id())), "{error}");
}

#[test]
fn f_82_a_second_redis_on_the_same_port_is_refused() {
    const NAME: &str = "servers::redis::f_82_a_second_redis_on_the_same_port_is_refused";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let first = redis(&port).start().unwrap();
    let error = refused(&redis(&port));
    let text = error.to_string();
    assert!(matches!(error.reason(), NotReadyReason::AddressInUse(_)), "{text}");
    assert!(text.contains(&format!("port {port} is already in use")), "{text}");
    assert!(text.contains(&format!("pid {}", first.pid())), "{text}");
    assert!(first.is_alive(), "the first one keeps running");
}

#[test]
fn sv_10_f_82_a_listening_grandchild_belongs_to_the_service() {
    const NAME: &str = "servers::redis::sv_10_f_82_a_listening_grandchild_belongs_to_the_service";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let wrapper = Service::new("sh")
        .args(["-c", r#"redis-server --bind 127.0.0.1 --port "$0" --save "" & wait"#, &port.to_string()])
        .port(&port)
        .min_uptime(Duration::ZERO)
        .start()
        .unwrap();
    let client = connect(port.number());
    assert_eq!(ask(&client, "PING").unwrap(), "+PONG");
    wrapper.stop().unwrap();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).expect_err("the grandchild is gone, too");
}

#[test]
fn sv_19_a_failing_redis_is_reported_with_its_output() {
    const NAME: &str = "servers::redis::sv_19_a_failing_redis_is_reported_with_its_output";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let error = refused(&redis(&port).args(["--no-such-option", "7"]));
    assert!(matches!(error.reason(), NotReadyReason::Exited { exit: Exit::Code(1), .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("service redis-server is not ready: it exited with code 1 after "), "{text}");
    for part in [
        &format!("\n  command: redis-server --bind 127.0.0.1 --port {port} --save '' --no-such-option 7\n"),
        "\n  output \"Ready to accept connections\": missing after ",
        "\n  its last lines:\n",
        "FATAL CONFIG FILE ERROR",
        "\n    >>> 'no-such-option \"7\"'\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
