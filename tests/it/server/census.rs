//! A closed server leaves nothing behind. Each test runs in a process of its own and counts its resources.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use childminder::TidyServer;
use childminder::server::{TidyPair, line_echo};
use futures_lite::AsyncWriteExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{assert_closes, closed, exchange, hang, kinds, rest, wait, wait_for_connections};
use crate::support::{Census, PATIENCE, Scratch, alone};

/// Takes a census after everything that stays for the life of the process has been started, such as the event
/// loop.
fn before() -> Census {
    assert_closes(&TidyServer::tcp().listen(line_echo).unwrap());
    Census::take()
}

#[test]
fn td_3_no_socket_thread_or_file_is_left() {
    alone("server::census::td_3_no_socket_thread_or_file_is_left", || {
        let before = before();
        for kind in kinds() {
            for clients in [0, 1, 20] {
                let server = kind.clone().listen(line_echo).unwrap();
                let clients: Vec<_> = (0..clients).map(|_| wait(server.connect()).unwrap()).collect();
                for client in &clients {
                    assert_eq!(wait(exchange(client, "counted\n")).unwrap(), "counted\n");
                }
                assert!(Census::take().descriptors() > before.descriptors());
                assert_closes(&server);
                // The handles still exist; the resources behind them do not.
                Census::take().assert_unchanged_since(&before);
                drop((server, clients));
            }
            let pair = wait(TidyPair::connect(kind)).unwrap();
            assert_eq!(wait(pair.close()), Ok(()));
            Census::take().assert_unchanged_since(&before);
        }
    });
}

#[test]
fn td_weak_7_nothing_is_left_after_any_failure() {
    alone("server::census::td_weak_7_nothing_is_left_after_any_failure", || {
        let before = before();
        // Servers that cannot listen.
        let deep = Scratch::new();
        let path = deep.path().join("d".repeat(120));
        std::fs::create_dir(&path).unwrap();
        assert!(TidyServer::unix_in(&path).listen(line_echo).is_err());
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        drop(deep);
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(TidyServer::tcp_at(taken.local_addr().unwrap()).listen(line_echo).is_err());
        drop(taken);
        Census::take().assert_unchanged_since(&before);
        for kind in kinds() {
            let kind = kind.grace(Duration::from_millis(10));
            // A handler that hangs, and a client that never reads.
            let server = kind.clone().listen(hang).unwrap();
            let mut client = wait(server.connect()).unwrap();
            wait_for_connections(&server, 1);
            wait(client.write_all(b"never read")).unwrap();
            assert_eq!(closed(&server).0.unwrap_err().connections().len(), 1);
            Census::take().assert_unchanged_since(&before);
            // A handler that panics.
            let server = kind.clone().listen(async |_| panic!("oh")).unwrap();
            let client = wait(server.connect()).unwrap();
            assert_eq!(wait(rest(&client)).unwrap(), "");
            assert!(closed(&server).0.is_err_and(|leak| leak.connections().len() == 1));
            Census::take().assert_unchanged_since(&before);
            // Servers that are not closed, by mistake or because of a panic.
            let server = kind.clone().listen(line_echo).unwrap();
            let _client = wait(server.connect()).unwrap();
            drop(server);
            Census::take().assert_unchanged_since(&before);
            let panicked = std::panic::catch_unwind(|| {
                let server = kind.listen(line_echo).unwrap();
                let _client = wait(server.connect()).unwrap();
                panic!("a test fails");
            });
            assert!(panicked.is_err());
            Census::take().assert_unchanged_since(&before);
        }
    });
}

#[test]
fn a_blocked_server_leaves_nothing_once_it_is_unblocked() {
    alone("server::census::a_blocked_server_leaves_nothing_once_it_is_unblocked", || {
        let before = before();
        let (block, blocked) = mpsc::channel::<()>();
        let (entered, is_blocked) = mpsc::channel();
        let server = TidyServer::unix().grace(Duration::ZERO).listen(async move |_| {
            entered.send(()).unwrap();
            let _ = blocked.recv();
            Ok(())
        });
        let server = server.unwrap();
        let _client = wait(server.connect()).unwrap();
        is_blocked.recv().unwrap();
        assert!(closed(&server).0.is_err());
        assert_eq!(
            Census::take().descriptors(),
            before.descriptors(),
            "the sockets are closed before the thread is free"
        );
        drop(block);
        Census::settled().assert_unchanged_since(&before);
    });
}

#[test]
fn a_server_without_descriptors_accepts_again_when_there_is_one() {
    alone("server::census::a_server_without_descriptors_accepts_again_when_there_is_one", || {
        let server = TidyServer::tcp().listen(line_echo).unwrap();
        // Everything else that the server and the event loop open is open once a client was served.
        let first = wait(server.connect()).unwrap();
        assert_eq!(wait(exchange(&first, "up\n")).unwrap(), "up\n");
        let few = Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) };
        setrlimit(Resource::Nofile, few).unwrap();
        let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        files.pop();
        // The client uses the last descriptor, and there is none for the server's end.
        let mut client = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
        assert!(File::open("/dev/null").is_err());
        drop(files);
        client.write_all(b"patience\n").unwrap();
        let mut answer = [0; 9];
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"patience\n");
        assert_closes(&server);
    });
}

#[test]
fn a_thousand_connections_leave_nothing() {
    alone("server::census::a_thousand_connections_leave_nothing", || {
        let before = before();
        // Fewer where the limit of descriptors is low.
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(4_096);
        let count = usize::try_from(limit / 2).unwrap().saturating_sub(50).min(1_000);
        for kind in kinds() {
            let server = kind.listen(line_echo).unwrap();
            let clients: Vec<_> = (0..count).map(|_| wait(server.connect()).unwrap()).collect();
            wait_for_connections(&server, count);
            assert_closes(&server);
            Census::take().assert_unchanged_since(&before);
            drop(clients);
        }
    });
}
