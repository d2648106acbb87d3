//! The tests of the original, under their own names. Where it had protocol classes that it subclassed, to hear of
//! connections that are made and lost, there are handlers: they begin and end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use childminder::TidyServer;
use childminder::server::{TidyServerBuilder, TidyStream, line_echo};
use futures_lite::AsyncWriteExt;

use super::{assert_closes, exchange, kinds, rest, wait};
use crate::support::PATIENCE;

/// What a protocol class of the original was told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Made,
    Lost { closing: bool },
}

async fn tell(stream: TidyStream, tell: &Sender<Told>) -> io::Result<()> {
    tell.send(Told::Made).expect("the test listens");
    // Its end is an error or not; lost it is in any case.
    let _ = rest(&stream).await;
    tell.send(Told::Lost { closing: stream.is_closing() }).expect("the test listens");
    Ok(())
}

fn telling(kind: TidyServerBuilder) -> (TidyServer, Receiver<Told>) {
    let (sender, told) = mpsc::channel();
    (kind.listen(async move |stream| tell(stream, &sender).await).unwrap(), told)
}

fn next(told: &Receiver<Told>) -> Told {
    told.recv_timeout(PATIENCE).expect("something is told")
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

/// Theirs made an instance of a given class with given arguments; a closure has them.
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

/// A class without a protocol: nobody handles anything, and it closes as well.
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
        let (server, told) = telling(kind);
        let _client = wait(server.connect()).unwrap();
        assert_eq!(next(&told), Told::Made);
        assert_closes(&server);
    }
}

/// Once for each connection, not once for all.
#[test]
fn td_8_test_connection_made_called() {
    for kind in kinds() {
        let (server, told) = telling(kind);
        let _clients = [(); 3].map(|()| wait(server.connect()).unwrap());
        assert_eq!([(); 3].map(|()| next(&told)), [Told::Made, Told::Made, Told::Made]);
        assert_closes(&server);
        let rest: Vec<Told> = told.try_iter().collect();
        assert_eq!(rest, [const { Told::Lost { closing: true } }; 3]);
    }
}

#[test]
fn td_8_test_connection_lost_disconnecting() {
    for kind in kinds() {
        let (server, told) = telling(kind);
        let _client = wait(server.connect()).unwrap();
        assert_eq!(next(&told), Told::Made);
        assert_closes(&server);
        assert_eq!(next(&told), Told::Lost { closing: true });
    }
}

#[test]
fn td_8_test_connection_lost_not_disconnecting() {
    for kind in kinds() {
        let (server, told) = telling(kind);
        drop(wait(server.connect()).unwrap());
        assert_eq!(next(&told), Told::Made);
        assert_eq!(next(&told), Told::Lost { closing: false });
        assert_closes(&server);
    }
}

/// Once, by whichever way it is lost.
#[test]
fn td_8_test_connection_lost_called() {
    for kind in kinds() {
        let (server, told) = telling(kind);
        drop(wait(server.connect()).unwrap());
        assert_eq!([(); 2].map(|()| next(&told)), [Told::Made, Told::Lost { closing: false }]);
        let _held = wait(server.connect()).unwrap();
        assert_eq!(next(&told), Told::Made);
        assert_closes(&server);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Told::Lost { closing: true }]);
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

/// Theirs looked at two signals right after listen: one of the client that has not fired, and one of the server that does
/// not exist. Ours has no signal that could be missing: who is not there is not waited for.
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

/// A test base without a server had nothing to tear down. With us it is an `Option`, and a builder that nobody listens
/// with leaves nothing either.
#[test]
fn td_13_without_a_server_there_is_nothing_to_tear_down() {
    let none: Option<TidyServer> = None;
    drop(none);
    let scratch = crate::support::Scratch::new();
    drop(TidyServer::unix_in(scratch.path()));
    scratch.assert_empty();
}
