//! The addresses on which a server can and cannot listen.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use childminder::TidyServer;
use childminder::server::{Endpoint, TidyError, line_echo};

use super::{assert_closes, exchange, kinds, wait, wait_for_connections};
use crate::support::{Scratch, alone};

#[test]
fn td_2_tcp_listens_on_loopback_at_a_port_that_the_system_chooses() {
    // In a process of its own: between fork and exec, a child of another test holds a copy of the listening
    // socket.
    alone("server::places::td_2_tcp_listens_on_loopback_at_a_port_that_the_system_chooses", || {
        let server = TidyServer::tcp().listen(line_echo).unwrap();
        let port = server.port().unwrap();
        assert!(port > 0);
        assert_eq!(*server.address(), Endpoint::Tcp(([127, 0, 0, 1], port).into()));
        assert_eq!(server.path(), None);
        let client = wait(server.connect()).unwrap();
        assert_eq!(client.peer(), server.address());
        assert_eq!(wait(exchange(&client, "by address\n")).unwrap(), "by address\n");
        assert_closes(&server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the listener is closed");
    });
}

#[test]
fn td_2_clients_that_the_handle_did_not_make_are_served_too() {
    fn echo(stream: impl io::Read + Write) {
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(b"a client\n").unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, "a client\n");
    }
    for kind in kinds() {
        let server = kind.listen(line_echo).unwrap();
        match server.address() {
            Endpoint::Tcp(address) => echo(TcpStream::connect(address).unwrap()),
            Endpoint::Unix(path) => echo(UnixStream::connect(path).unwrap()),
            other => panic!("a server at {other}"),
        }
        assert_closes(&server);
    }
}

#[test]
fn td_3_the_directory_of_a_unix_socket_is_private_and_removed_with_the_server() {
    let scratch = Scratch::new();
    let server = TidyServer::unix_in(scratch.path()).listen(line_echo).unwrap();
    let path = server.path().unwrap().to_owned();
    assert_eq!(path.file_name().unwrap(), "tidy_unix_server");
    assert_eq!(server.port(), None);
    let directory = path.parent().unwrap();
    assert_eq!(directory.parent().unwrap(), scratch.path());
    assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
    let client = wait(server.connect()).unwrap();
    assert_eq!(wait(exchange(&client, "by path\n")).unwrap(), "by path\n");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(files.collect::<Vec<_>>(), [&*path], "a client leaves no file");
    assert_closes(&server);
    scratch.assert_empty();
}

#[test]
fn td_3_a_path_that_is_too_long_is_an_error_with_the_path_and_the_limit() {
    let scratch = Scratch::new();
    let deep = scratch.path().join("d".repeat(120));
    fs::create_dir(&deep).unwrap();
    let error = TidyServer::unix_in(&deep).listen(line_echo).unwrap_err();
    let TidyError::PathTooLong { path, longest } = &error else { panic!("{error:?}") };
    assert!(path.starts_with(&deep) && *longest >= 90 && *longest < 120, "{error:?}");
    let message = error.to_string();
    let head = format!("cannot create the socket `{}`: its path has ", path.display());
    let tail = format!("the limit is {longest}; choose a directory with a shorter path");
    assert!(message.starts_with(&head) && message.ends_with(&tail), "{message}");
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 0, "the failed attempt leaves nothing");
    // The longest path that fits works, so the limit is that of the system.
    let name = "/childminder-123456/tidy_unix_server".len();
    let (fits, too_long) = (longest - name, longest - name + 1);
    for (length, works) in [(fits, true), (too_long, false)] {
        let directory = scratch.path().join("x".repeat(length - scratch.path().as_os_str().len() - 1));
        fs::create_dir(&directory).unwrap();
        let server = TidyServer::unix_in(&directory).listen(line_echo);
        assert_eq!(server.is_ok(), works, "{length}: {server:?}");
        if let Ok(server) = server {
            let client = wait(server.connect()).unwrap();
            assert_eq!(wait(exchange(&client, "just fits\n")).unwrap(), "just fits\n");
            assert_closes(&server);
        }
    }
}

#[test]
fn a_port_in_use_is_an_error_with_its_number() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = TidyServer::tcp_at(address).listen(line_echo).unwrap_err();
    assert!(matches!(error, TidyError::PortInUse { address: named } if named == address), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {address}: port {} is already in use", address.port())
    );
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn an_address_of_another_machine_is_an_error() {
    // An address that is reserved for documentation.
    let error = TidyServer::tcp_at(([192, 0, 2, 1], 0)).listen(line_echo).unwrap_err();
    assert!(matches!(error, TidyError::Address { .. }), "{error:?}");
    assert!(error.to_string().starts_with("cannot listen on 192.0.2.1:0: "), "{error}");
    assert!(error.source().is_some());
}

#[test]
fn a_missing_directory_is_an_error() {
    let scratch = Scratch::new();
    let missing = scratch.path().join("missing");
    let error = TidyServer::unix_in(&missing).listen(line_echo).unwrap_err();
    let TidyError::Directory { path, source } = &error else { panic!("{error:?}") };
    assert_eq!((path, source.kind()), (&missing, io::ErrorKind::NotFound));
    assert!(error.to_string().starts_with(&format!("cannot create a socket in `{}`: ", missing.display())));
}

#[test]
fn a_fixed_port_can_be_reused_at_once() {
    // In a process of its own: between fork and exec, a child of another test holds a copy of the listening
    // socket.
    alone("server::places::a_fixed_port_can_be_reused_at_once", || {
        let port = childminder::Port::reserve().unwrap();
        port.release();
        for round in 0..3 {
            let server = TidyServer::tcp_at(([127, 0, 0, 1], port.number())).listen(line_echo).unwrap();
            assert_eq!(server.port(), Some(port.number()));
            let client = wait(server.connect()).unwrap();
            // The server closes first, so that its port has a connection in TIME_WAIT.
            assert_eq!(wait(exchange(&client, "again\n")).unwrap(), "again\n", "round {round}");
            wait_for_connections(&server, 1);
            assert_closes(&server);
        }
    });
}
