//! Handlers that do not end on request, and how the error names them.

use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

use childminder::TidyServer;
use childminder::server::{LeakCause, LeakError, TidyStream, line_echo};
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{
    LONG, assert_closes, closed, exchange, hang, kinds, read_only, rest, wait, wait_for_connections,
};
use crate::support::{PATIENCE, recorded};

const SHORT: Duration = Duration::from_millis(50);

/// Returns the peers of the leaked connections and the causes, without the source lines.
fn leaked(leak: &LeakError) -> Vec<(String, LeakCause)> {
    leak.connections().iter().map(|leaked| (leaked.peer.to_string(), leaked.cause.clone())).collect()
}

#[test]
fn a_leak_names_every_connection_that_is_still_open_and_where_it_was_opened() {
    for kind in kinds() {
        let server = kind.grace(SHORT).listen(hang).unwrap();
        let (line, first) = (line!(), wait(server.connect()).unwrap());
        let second = wait(server.connect()).unwrap();
        wait_for_connections(&server, 2);
        let (answer, took) = closed(&server);
        assert!(took >= SHORT && took < PATIENCE, "{took:?}");
        let leak = answer.unwrap_err();
        assert_eq!((leak.server(), leak.grace()), (server.address(), SHORT));
        let unfinished = |stream: &TidyStream| (stream.local().to_string(), LeakCause::Unfinished);
        assert_eq!(leaked(&leak), [unfinished(&first), unfinished(&second)]);
        let lines = leak.connections().iter().map(|leaked| leaked.connected.expect("a client of the handle"));
        let lines: Vec<_> = lines.map(|at| (at.file(), at.line())).collect();
        assert_eq!(lines, [(file!(), line), (file!(), line + 1)]);
        let message = leak.to_string();
        let address = server.address();
        let head = format!("2 connections to {address} were not closed cleanly:\n  from ");
        assert!(message.starts_with(&head), "{message}");
        let tail = format!("{}:{}:", file!(), line);
        assert!(message.contains(&format!("\n  from {}, connected at {tail}", first.local())), "{message}");
        assert!(message.ends_with(": its handler was still running after 50ms"), "{message}");
        assert_eq!(wait(server.close()), Err(leak), "an equal result");
        assert_eq!(server.connections(), 0, "it is closed nevertheless");
        assert_eq!(wait(rest(&first)).unwrap(), "");
    }
}

#[test]
fn a_leaked_client_that_the_handle_did_not_make_has_no_line() {
    let server = TidyServer::tcp().grace(SHORT).listen(hang).unwrap();
    let client = std::net::TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    wait_for_connections(&server, 1);
    let leak = closed(&server).0.unwrap_err();
    assert_eq!(leaked(&leak), [(client.local_addr().unwrap().to_string(), LeakCause::Unfinished)]);
    assert_eq!(leak.connections()[0].connected, None);
}

#[test]
fn a_leak_knows_the_line_of_a_client_that_has_gone() {
    for kind in kinds() {
        let server = kind.grace(SHORT).listen(hang).unwrap();
        let client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        drop(client);
        let leak = closed(&server).0.unwrap_err();
        assert!(leak.connections()[0].connected.is_some_and(|line| line.file() == file!()), "{leak}");
    }
}

#[test]
fn td_weak_4_a_handler_that_hangs_does_not_hide_those_that_end() {
    for kind in kinds() {
        let server = kind.grace(SHORT).listen(async |stream| match &*exchange(&stream, "?").await? {
            "h" => hang(stream).await,
            _ => read_only(stream).await,
        });
        let server = server.unwrap();
        let clients = ["e", "h", "e"].map(|kind| {
            let mut client = wait(server.connect()).unwrap();
            wait(async { (&client).read_exact(&mut [0]).await }).unwrap();
            wait(client.write_all(kind.as_bytes())).unwrap();
            client
        });
        // Each client has sent its kind, and its handler reads that before it can read end-of-file.
        let leak = closed(&server).0.unwrap_err();
        assert_eq!(leaked(&leak), [(clients[1].local().to_string(), LeakCause::Unfinished)]);
    }
}

#[test]
fn td_weak_6_a_peer_that_never_reads_does_not_delay_the_close() {
    for kind in kinds() {
        // It writes until it is asked to end, which it never notices.
        let server = kind.clone().grace(SHORT).listen(async |mut stream| {
            loop {
                stream.write_all(&[0; 65_536]).await?;
            }
        });
        let server = server.unwrap();
        let client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        let (answer, took) = closed(&server);
        assert!(took < PATIENCE, "{took:?}");
        assert_eq!(leaked(&answer.unwrap_err()), [(client.local().to_string(), LeakCause::Unfinished)]);
        // There may be more than is kept. Then there is an error instead of end-of-file.
        let mut some = Vec::new();
        let all = wait(async { (&client).read_to_end(&mut some).await });
        assert!(!some.is_empty() && some.len() <= 1 << 20, "{}", some.len());
        assert!(all.is_err() || some.len() < 1 << 20);
        // A handler that waits for the close as well ends in time.
        let server = kind.grace(LONG).listen(async |mut stream| {
            let closing = stream.closing();
            let write = async {
                loop {
                    stream.write_all(&[0; 65_536]).await?;
                }
            };
            let closing = async {
                closing.await;
                Ok(())
            };
            or(closing, write).await
        });
        let server = server.unwrap();
        let _client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        assert_closes(&server);
    }
}

#[test]
fn td_weak_6_a_peer_that_writes_without_end_does_not_delay_the_close() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(read_only).unwrap();
        let mut client = wait(server.connect()).unwrap();
        let flood = std::thread::spawn(move || {
            wait(async { while client.write_all(&[b'x'; 65_536]).await.is_ok() {} })
        });
        wait_for_connections(&server, 1);
        assert_closes(&server);
        flood.join().unwrap();
    }
}

#[test]
fn a_handler_that_never_waits_does_not_starve_the_others() {
    for kind in kinds() {
        let server = kind.grace(SHORT).listen(async |stream| {
            if exchange(&stream, "?").await? == "e" {
                return line_echo(stream).await;
            }
            loop {
                // An empty write always succeeds at once.
                (&stream).write(&[]).await?;
            }
        });
        let server = server.unwrap();
        let [_busy, echo] = ["b", "e"].map(|kind| {
            let mut client = wait(server.connect()).unwrap();
            wait(async { (&client).read_exact(&mut [0]).await }).unwrap();
            wait(client.write_all(kind.as_bytes())).unwrap();
            client
        });
        assert_eq!(wait(exchange(&echo, "my turn\n")).unwrap(), "my turn\n");
        assert_eq!(closed(&server).0.unwrap_err().connections().len(), 1);
    }
}

#[test]
fn a_panic_in_a_handler_is_caught_and_reported_by_close() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(async |stream| {
            let answer = exchange(&stream, "?").await?;
            assert_eq!(answer, "!", "manners");
            line_echo(stream).await
        });
        let server = server.unwrap();
        let [rude, polite] = ["?", "!"].map(|word| {
            let mut client = wait(server.connect()).unwrap();
            wait(async { (&client).read_exact(&mut [0]).await }).unwrap();
            wait(client.write_all(word.as_bytes())).unwrap();
            client
        });
        assert_eq!(wait(rest(&rude)).unwrap(), "", "its connection is over");
        assert_eq!(wait(exchange(&polite, "go on\n")).unwrap(), "go on\n", "the others go on");
        let leak = closed(&server).0.unwrap_err();
        let [leaked] = leak.connections() else { panic!("{leak}") };
        assert_eq!(leaked.peer, *rude.local());
        assert!(leaked.connected.is_some());
        let LeakCause::Panicked(message) = &leaked.cause else { panic!("{leak}") };
        assert!(message.ends_with("manners\n  left: \"?\"\n right: \"!\""), "{message}");
        assert!(leak.to_string().contains(": its handler panicked: "), "{leak}");
    }
}

#[test]
fn a_panic_before_the_handler_begins_and_one_when_it_is_dropped_are_caught() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the bomb");
        }
    }
    let server = TidyServer::unix().grace(SHORT).listen(async |_| {
        let _bomb = Bomb;
        pending().await
    });
    let server = server.unwrap();
    let client = wait(server.connect()).unwrap();
    wait_for_connections(&server, 1);
    let leak = closed(&server).0.unwrap_err();
    assert_eq!(leaked(&leak), [(client.local().to_string(), LeakCause::Unfinished)]);
    // It panics before there is a future.
    let server = TidyServer::unix()
        .listen(|_: TidyStream| -> std::future::Ready<std::io::Result<()>> { panic!("no future") });
    let server = server.unwrap();
    let client = wait(server.connect()).unwrap();
    assert_eq!(wait(rest(&client)).unwrap(), "");
    let leak = closed(&server).0.unwrap_err();
    assert_eq!(leak.connections()[0].cause, LeakCause::Panicked("no future".to_owned()));
}

#[test]
fn td_weak_6_a_handler_that_blocks_the_thread_is_named_and_its_sockets_are_closed() {
    let (block, blocked) = mpsc::channel::<()>();
    let (entered, is_blocked) = mpsc::channel();
    let server = TidyServer::unix().grace(Duration::ZERO).listen(async move |_held| {
        entered.send(()).unwrap();
        let _ = blocked.recv();
        Ok(())
    });
    let server = server.unwrap();
    let directory = server.path().unwrap().parent().unwrap().to_owned();
    let client = wait(server.connect()).unwrap();
    is_blocked.recv_timeout(PATIENCE).unwrap();
    let (answer, took) = closed(&server);
    assert!(took < PATIENCE, "{took:?}");
    let leak = answer.unwrap_err();
    assert_eq!(leaked(&leak), [(client.local().to_string(), LeakCause::Blocked)]);
    assert!(
        leak.to_string().ends_with(": its handler was still running, and the server's thread is blocked")
    );
    assert!(!directory.exists());
    assert_eq!(wait(rest(&client)).unwrap(), "", "its socket is closed although the handler holds it");
    let (again, took) = closed(&server);
    assert_eq!(again, Err(leak));
    assert!(took < Duration::from_secs(2), "the second close waits for the thread again: {took:?}");
    assert_eq!(recorded(|| drop(server)), [""; 0]);
    drop(block);
}
