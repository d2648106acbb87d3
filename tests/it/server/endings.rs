//! Closing a server whose handlers and clients behave well, after all sorts of events.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use async_channel::Receiver;
use childminder::TidyServer;
use childminder::server::{TidyError, TidyServerBuilder, line_echo};
use futures_lite::AsyncReadExt;
use futures_lite::future::{pending, poll_once};

use super::{LONG, assert_closes, closed, exchange, kinds, read_only, rest, wait, wait_for_connections};
use crate::support::{PATIENCE, recorded};

/// Returns a server that reports when a handler begins and ends.
fn reporting(kind: TidyServerBuilder) -> (TidyServer, Receiver<&'static str>) {
    let (reporter, reports) = async_channel::unbounded();
    let server = kind.grace(LONG).listen(async move |stream| {
        reporter.try_send("made").unwrap();
        rest(&stream).await?;
        reporter.try_send("lost").unwrap();
        Ok(())
    });
    (server.unwrap(), reports)
}

fn all(reports: &Receiver<&'static str>) -> Vec<&'static str> {
    std::iter::from_fn(|| reports.try_recv().ok()).collect()
}

#[test]
fn td_1_when_close_returns_both_ends_are_closed_and_there_is_no_listener() {
    for kind in kinds() {
        let (server, reports) = reporting(kind);
        let client = wait(server.connect()).unwrap();
        assert_eq!(wait(reports.recv()), Ok("made"));
        assert!(wait(async { poll_once(rest(&client)).await }).is_none(), "the client is connected");
        assert_closes(&server);
        assert_eq!(all(&reports), ["lost"]);
        assert_eq!(wait(rest(&client)).unwrap(), "", "the client reads end-of-file");
        assert_eq!(server.connections(), 0);
        assert!(wait(server.connect()).is_err());
    }
}

#[test]
fn td_6_connecting_is_impossible_before_listen_and_an_error_after_close() {
    for kind in kinds() {
        // Before: `TidyServerBuilder` has no `connect`.
        let server = kind.listen(line_echo).unwrap();
        assert_closes(&server);
        let error = wait(server.connect()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TidyError>());
        assert!(
            matches!(inner, Some(TidyError::Closed { server: at }) if at == server.address()),
            "{error:?}"
        );
        assert_eq!(error.to_string(), format!("the server at {} is closed", server.address()));
    }
}

#[test]
fn td_7_connect_does_not_wait_until_the_server_accepts() {
    for kind in kinds() {
        let (block, blocked) = mpsc::channel::<()>();
        let (entered, is_blocked) = mpsc::channel();
        let server = kind.listen(async move |_| {
            entered.send(()).unwrap();
            let _ = blocked.recv();
            Ok(())
        });
        let server = server.unwrap();
        let first = wait(server.connect()).unwrap();
        is_blocked.recv_timeout(PATIENCE).unwrap();
        let second = wait(server.connect()).unwrap();
        assert_eq!(server.connections(), 1, "the second cannot be accepted");
        drop((block, first, second));
        wait_for_connections(&server, 0);
        assert_closes(&server);
    }
}

#[test]
fn td_9_a_server_without_clients_closes_at_once() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(line_echo).unwrap();
        assert_closes(&server);
    }
}

#[test]
fn td_10_clients_that_are_in_use_are_closed_with_the_server() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(line_echo).unwrap();
        let clients: Vec<_> = (0..5).map(|_| wait(server.connect()).unwrap()).collect();
        for client in &clients {
            assert_eq!(wait(exchange(client, "held\n")).unwrap(), "held\n");
        }
        assert_closes(&server);
        for client in &clients {
            assert_eq!(wait(rest(client)).unwrap(), "");
            let error = wait(exchange(client, "too late\n")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        }
    }
}

#[test]
fn td_10_a_client_that_the_handle_did_not_make_does_not_delay_the_close() {
    let server = TidyServer::tcp().grace(LONG).listen(line_echo).unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    wait_for_connections(&server, 1);
    assert_closes(&server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn td_weak_1_connections_that_ended_earlier_are_not_waited_for() {
    for kind in kinds() {
        // The client disconnects.
        let server = kind.clone().grace(LONG).listen(line_echo).unwrap();
        let client = wait(server.connect()).unwrap();
        assert_eq!(wait(exchange(&client, "hello\n")).unwrap(), "hello\n");
        drop(client);
        wait_for_connections(&server, 0);
        assert_closes(&server);
        // The handler returns.
        let server = kind.grace(LONG).listen(async |_| Ok(())).unwrap();
        let client = wait(server.connect()).unwrap();
        assert_eq!(wait(rest(&client)).unwrap(), "");
        wait_for_connections(&server, 0);
        assert_closes(&server);
    }
}

#[test]
fn td_weak_2_every_client_is_closed_not_only_the_last_one() {
    for kind in kinds() {
        let (server, reports) = reporting(kind);
        let clients = [(); 3].map(|()| wait(server.connect()).unwrap());
        wait_for_connections(&server, 3);
        assert_closes(&server);
        let mut all = all(&reports);
        all.sort_unstable();
        assert_eq!(all, ["lost", "lost", "lost", "made", "made", "made"]);
        for client in clients {
            assert_eq!(wait(rest(&client)).unwrap(), "");
        }
    }
}

#[test]
fn td_weak_3_a_second_close_gives_an_equal_result() {
    for kind in kinds() {
        let server = kind.clone().listen(line_echo).unwrap();
        let (first, second) = (server.close(), server.close());
        assert_eq!((wait(first), wait(second)), (Ok(()), Ok(())));
        assert_eq!(closed(&server).0, Ok(()));
        // Dropping the future cancels nothing.
        let server = kind.listen(line_echo).unwrap();
        drop(server.close());
        assert_eq!(closed(&server).0, Ok(()));
        let at_once = thread::scope(|scope| {
            let closers = [(); 4].map(|()| scope.spawn(|| closed(&server).0));
            closers.map(|closer| closer.join().unwrap())
        });
        assert_eq!(at_once, [const { Ok(()) }; 4]);
    }
}

#[test]
fn td_weak_8_each_listen_starts_a_server_of_its_own() {
    for kind in kinds() {
        let servers = [(); 2].map(|()| kind.clone().listen(line_echo).unwrap());
        assert_ne!(servers[0].address(), servers[1].address());
        let clients = servers.each_ref().map(|server| wait(server.connect()).unwrap());
        assert_closes(&servers[0]);
        assert_eq!(wait(exchange(&clients[1], "still here\n")).unwrap(), "still here\n");
        assert_closes(&servers[1]);
    }
}

#[test]
fn a_handler_that_reads_end_of_file_may_still_write() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(async |stream| {
            rest(&stream).await?;
            assert!(stream.is_closing());
            exchange(&stream, "bye\n").await.map(drop)
        });
        let server = server.unwrap();
        let client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        let reader = thread::spawn(move || wait(async { (&client).read(&mut [0; 4]).await }));
        // The last read of the handler fails at end-of-file, which counts as a disconnect and not as a
        // failure.
        assert_closes(&server);
        assert_eq!(reader.join().unwrap().unwrap(), 4);
    }
}

#[test]
fn a_handler_that_waits_for_something_else_can_wait_for_the_close_as_well() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(async |stream| {
            futures_lite::future::or(stream.closing(), pending()).await;
            Ok(())
        });
        let server = server.unwrap();
        let _clients = [(); 2].map(|()| wait(server.connect()).unwrap());
        wait_for_connections(&server, 2);
        assert_closes(&server);
    }
}

#[test]
fn a_drop_without_close_closes_and_warns_with_the_line_that_made_the_server() {
    for kind in kinds() {
        let (line, server) = (line!(), kind.grace(LONG).listen(read_only).unwrap());
        let (address, path) = (server.address().clone(), server.path().map(ToOwned::to_owned));
        let client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        let begin = Instant::now();
        let log = recorded(|| drop(server));
        assert!(begin.elapsed() < PATIENCE);
        let file = file!();
        let [warning] = &log[..] else { panic!("{log:?}") };
        let expected = format!("childminder::server WARN the server at {address}, started at {file}:{line}:");
        assert!(warning.starts_with(&expected), "{warning}");
        assert!(warning.ends_with(", was dropped without close()"), "{warning}");
        assert_eq!(wait(rest(&client)).unwrap(), "");
        assert!(path.is_none_or(|path| !path.parent().unwrap().exists()));
    }
}

#[test]
fn a_drop_after_close_logs_nothing() {
    let server = TidyServer::unix().listen(line_echo).unwrap();
    assert_closes(&server);
    assert_eq!(recorded(|| drop(server)), [""; 0]);
    let server = TidyServer::unix().listen(line_echo).unwrap();
    drop(server.close());
    assert_eq!(recorded(|| drop(server)), [""; 0]);
}

#[test]
fn a_handler_may_drop_its_own_server() {
    let (give, server) = async_channel::bounded::<TidyServer>(1);
    let (dropped, is_dropped) = mpsc::channel();
    let itself = TidyServer::tcp().grace(LONG).listen(async move |_| {
        drop(server.recv().await);
        dropped.send(()).unwrap();
        Ok(())
    });
    let itself = itself.unwrap();
    let client = wait(itself.connect()).unwrap();
    give.try_send(itself).unwrap();
    is_dropped.recv_timeout(PATIENCE).unwrap();
    assert_eq!(wait(rest(&client)).unwrap(), "");
}
