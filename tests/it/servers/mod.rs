//! Real servers as test fixtures: ready when the start returns, used by a client, and gone without a trace.

mod nginx;
mod postgres;
#[cfg(feature = "servers")]
mod ready_made;
mod redis;

use std::time::Duration;

use childminder::{Port, RunningService, Service};

use crate::support::{Census, PATIENCE, listens};

/// The number of times that each server is started.
const TIMES: u32 = 20;

/// Starts and stops a server several times, each time on a port of its own and with a client that uses it.
/// After each time this process must have the same resources as after the first, which created the event
/// loop. For a test that runs alone.
fn start_and_stop_repeatedly(server: impl Fn(&Port) -> Service, client: impl Fn(&RunningService)) {
    let (mut before, mut ready) = (None, Duration::ZERO);
    for _ in 0..TIMES {
        let port = Port::reserve().unwrap();
        let service = server(&port).start().unwrap();
        assert_eq!(service.port(), Some(port.number()));
        assert!(listens(port.number()));
        ready += service.took();
        client(&service);
        let ended = service.stop().unwrap().expect("the server was started");
        assert!(ended.asked && !ended.killed && !ended.leaked, "{ended:?}");
        assert!(!listens(port.number()));
        drop(port);
        let census = Census::settled();
        census.assert_unchanged_since(before.get_or_insert_with(|| census.clone()));
    }
    println!("{TIMES} times started and stopped; ready after {:?} on average", ready / TIMES);
}

/// Connects to a running server, with a timeout for responses.
fn connect(port: u16) -> std::net::TcpStream {
    let connection = std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}
