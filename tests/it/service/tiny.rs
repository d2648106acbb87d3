//! A tiny server: this test binary with a test that listens if a variable is set.

use std::env;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process;
use std::time::Duration;

use childminder::{Port, Service};

/// The environment variable with the port of the server.
const PORT: &str = "CHILDMINDER_TEST_TINY";

/// Returns a server that sends its process id to each client.
pub(super) fn server(port: &Port) -> Service {
    let binary = env::current_exe().unwrap();
    with_port(Service::new(binary), port).args(["--exact", TEST, "--nocapture"])
}

/// Returns such a server that begins to listen after half a second.
pub(super) fn late_server(port: &Port) -> Service {
    let script = r#"sleep 0.5; exec "$0" --exact "$1" --nocapture"#;
    with_port(Service::new("sh"), port).args(["-c", script]).arg(env::current_exe().unwrap()).arg(TEST)
}

fn with_port(service: Service, port: &Port) -> Service {
    service.name("tiny").env(PORT, port.to_string()).port(port).min_uptime(Duration::ZERO)
}

/// Returns the process id of the server on this port.
pub(super) fn ask(port: &Port) -> u32 {
    let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).unwrap();
    std::io::read_to_string(connection).unwrap().parse().unwrap()
}

const TEST: &str = "service::tiny::is_a_server_if_a_port_is_set";

#[test]
fn is_a_server_if_a_port_is_set() {
    let Ok(port) = env::var(PORT) else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    for connection in listener.incoming() {
        // A probe does not wait for the answer.
        let _ = write!(connection.unwrap(), "{}", process::id());
    }
}
