//! The tests of the original, under their own names. It subclassed protocol classes to learn of connections
//! that are made and lost; here a handler begins and ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use childminder::TidyServer;
use childminder::server::{TidyServerBuilder, TidyStream, line_echo};
use futures_lite::AsyncWriteExt;

use super::{assert_closes, exchange, kinds, rest, wait};
use crate::support::PATIENCE;

/// A callback of a protocol class in the original.
#[derive(Debug, PartialEq, Eq)]
enum Callback {
    Made,
    Lost { closing: bool },
}

async fn report(stream: TidyStream, reporter: &Sender<Callback>) -> io::Result<()> {
    reporter.send(Callback::Made).expect("the test receives");
    // The connection is lost with or without an error.
    let _ = rest(&stream).await;
    reporter.send(Callback::Lost { closing: stream.is_closing() }).expect("the test receives");
    Ok(())
}

fn reporting(kind: TidyServerBuilder) -> (TidyServer, Receiver<Callback>) {
    let (sender, reports) = mpsc::channel();
    (kind.listen(async move |stream| report(stream, &sender).await).unwrap(), reports)
}

fn next(reports: &Receiver<Callback>) -> Callback {
    reports.recv_timeout(PATIENCE).expect("a report")
}

#[test]
fn td_4_test_single_server() {
    for kind in kinds() {
        let server = kind.listen(line_echo).unwrap();
        let client = wait(server.connect()).unwrap();
        assert_eq!(wait(exchange(&client, "ping\n")).unwrap(), "ping\n");
        assert_closes(&server);
    }
}

#[test]
fn td_4_test_multiple_server() {
    for kind in kinds() {
        let served = Arc::new(AtomicUsize::new(0));
        let servers: Vec<_> = (0..10)
            .map(|_| {
                let served = served.clone();
                let listening = kind.clone().listen(async move |stream| {
                    served.fetch_add(1, Ordering::Relaxed);
                    line_echo(stream).await
                });
                listening.unwrap()
            })
            .collect();
        for server in &servers {
            let client = wait(server.connect()).unwrap();
            assert_eq!(wait(exchange(&client, "ping\n")).unwrap(), "ping\n");
        }
        servers.iter().for_each(assert_closes);
        assert_eq!(served.load(Ordering::Relaxed), 10);
    }
}

/// The original created an instance of a given class with given arguments; here a closure captures them.
#[test]
fn td_5_test_correct_inheritance() {
    for kind in kinds() {
        let (greeting, number) = (String::from("hello"), 7);
        let server = kind.listen(async move |mut stream| {
            stream.write_all(format!("{greeting} {number}").as_bytes()).await
        });
        let server = server.unwrap();
        for _ in 0..2 {
            assert_eq!(wait(rest(&wait(server.connect()).unwrap())).unwrap(), "hello 7");
        }
        assert_closes(&server);
    }
}

/// The counterpart of a class without a protocol: a handler that does nothing.
#[test]
fn td_5_test_correct_none_inheritance() {
    for kind in kinds() {
        let server = kind.listen(async |_| Ok(())).unwrap();
        assert_eq!(wait(rest(&wait(server.connect()).unwrap())).unwrap(), "");
        assert_closes(&server);
    }
}

#[test]
fn td_8_test_connection_made() {
    for kind in kinds() {
        let (server, reports) = reporting(kind);
        let _client = wait(server.connect()).unwrap();
        assert_eq!(next(&reports), Callback::Made);
        assert_closes(&server);
    }
}

/// Once per connection.
#[test]
fn td_8_test_connection_made_called() {
    for kind in kinds() {
        let (server, reports) = reporting(kind);
        let _clients = [(); 3].map(|()| wait(server.connect()).unwrap());
        assert_eq!([(); 3].map(|()| next(&reports)), [Callback::Made, Callback::Made, Callback::Made]);
        assert_closes(&server);
        let rest: Vec<Callback> = reports.try_iter().collect();
        assert_eq!(rest, [const { Callback::Lost { closing: true } }; 3]);
    }
}

#[test]
fn td_8_test_connection_lost_disconnecting() {
    for kind in kinds() {
        let (server, reports) = reporting(kind);
        let _client = wait(server.connect()).unwrap();
        assert_eq!(next(&reports), Callback::Made);
        assert_closes(&server);
        assert_eq!(next(&reports), Callback::Lost { closing: true });
    }
}

#[test]
fn td_8_test_connection_lost_not_disconnecting() {
    for kind in kinds() {
        let (server, reports) = reporting(kind);
        drop(wait(server.connect()).unwrap());
        assert_eq!(next(&reports), Callback::Made);
        assert_eq!(next(&reports), Callback::Lost { closing: false });
        assert_closes(&server);
    }
}

/// Once per connection, whether the client or the server ends it.
#[test]
fn td_8_test_connection_lost_called() {
    for kind in kinds() {
        let (server, reports) = reporting(kind);
        drop(wait(server.connect()).unwrap());
        assert_eq!([(); 2].map(|()| next(&reports)), [Callback::Made, Callback::Lost { closing: false }]);
        let _held = wait(server.connect()).unwrap();
        assert_eq!(next(&reports), Callback::Made);
        assert_closes(&server);
        assert_eq!(reports.try_iter().collect::<Vec<_>>(), [Callback::Lost { closing: true }]);
    }
}

#[test]
fn td_9_test_no_single_client() {
    for kind in kinds() {
        assert_closes(&kind.listen(line_echo).unwrap());
    }
}

#[test]
fn td_9_test_no_multiple_clients() {
    for kind in kinds() {
        let servers: Vec<_> = (0..10).map(|_| kind.clone().listen(line_echo).unwrap()).collect();
        servers.iter().for_each(assert_closes);
    }
}

/// The original checked two deferreds after listen: that of the client has not fired, and that of the server
/// does not exist. Here there is no deferred that could be missing, because a close waits for existing
/// connections only.
fn deferreds(kind: TidyServerBuilder) {
    let server = kind.listen(line_echo).unwrap();
    assert_eq!(server.connections(), 0);
    let client = wait(server.connect()).unwrap();
    assert!(!client.is_closing());
    assert_closes(&server);
    assert!(client.is_closing());
}

#[test]
fn td_12_test_deferreds_tcp() {
    deferreds(TidyServer::tcp());
}

#[test]
fn td_12_test_deferreds_unix() {
    deferreds(TidyServer::unix());
}

/// A test case of the original without a server had nothing to tear down. Here that is an `Option`, and a
/// builder that is never used leaves nothing either.
#[test]
fn td_13_without_a_server_there_is_nothing_to_tear_down() {
    let none: Option<TidyServer> = None;
    drop(none);
    let scratch = crate::support::Scratch::new();
    drop(TidyServer::unix_in(scratch.path()));
    scratch.assert_empty();
}
