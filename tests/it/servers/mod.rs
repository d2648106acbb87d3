//! Real servers, as a test has them: ready when the service says so, spoken to, and gone without a trace.

mod nginx;
mod postgres;
mod redis;

use std::time::Duration;

use childminder::{Port, RunningService, Service};

use crate::support::{Census, PATIENCE, listens};

/// How often each server is brought up.
const TIMES: u32 = 20;

/// Brings a server up and down again and again, each time on a port of its own, and has it spoken to. After each time
/// there must be as much of everything as after the first: the event loop came with that one, and stays. For a test alone.
fn up_and_down(server: impl Fn(&Port) -> Service, speak: impl Fn(&RunningService)) {
    let (mut before, mut ready) = (None, Duration::ZERO);
    for _ in 0..TIMES {
        let port = Port::reserve().unwrap();
        let service = server(&port).start().unwrap();
        assert_eq!(service.port(), Some(port.number()));
        assert!(listens(port.number()));
        ready += service.took();
        speak(&service);
        let ended = service.stop().unwrap().expect("it was up");
        assert!(ended.asked && !ended.killed && !ended.leaked, "{ended:?}");
        assert!(!listens(port.number()));
        drop(port);
        let census = Census::settled();
        census.assert_unchanged_since(before.get_or_insert_with(|| census.clone()));
    }
    println!("{TIMES} times up and down; ready after {:?} on average", ready / TIMES);
}

/// A connection to a server that is up, which gives up on an answer after a while.
fn connect(port: u16) -> std::net::TcpStream {
    let connection = std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}
