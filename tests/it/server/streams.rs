//! The stream: both ends, clones, halves, and its behaviour after the close.

use std::io::{ErrorKind, Read, Write};
use std::thread;

use childminder::TidyServer;
use childminder::server::{TidyPair, line_echo};
use futures_lite::future::{poll_once, zip};
use futures_lite::io::BlockOn;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{LONG, assert_closes, exchange, hang, kinds, rest, wait, wait_for_connections};

#[test]
fn a_pair_has_both_ends_and_closes_cleanly() {
    for kind in kinds() {
        let TidyPair { .. } = wait(async {
            let mut pair = TidyPair::connect(kind).await.unwrap();
            assert_eq!(pair.client.local(), pair.server.peer());
            assert_eq!(pair.server.local(), pair.client.peer());
            pair.client.write_all(b"there").await.unwrap();
            let mut there = [0; 5];
            pair.server.read_exact(&mut there).await.unwrap();
            pair.server.write_all(b"and back").await.unwrap();
            pair.server.close().await.unwrap();
            assert_eq!(rest(&pair.client).await.unwrap(), "and back");
            assert_eq!(pair.close().await, Ok(()));
            pair
        });
    }
}

#[test]
fn f_130_a_pair_is_complete_although_other_clients_connect_first() {
    for _ in 0..50 {
        let port = childminder::Port::reserve().unwrap();
        port.release();
        let address = ([127, 0, 0, 1], port.number());
        let pair = TidyPair::connect(TidyServer::tcp_at(address));
        let _others = [(); 3].map(|()| std::net::TcpStream::connect(("127.0.0.1", port.number())).unwrap());
        let pair = wait(pair).unwrap();
        assert_eq!(pair.client.local(), pair.server.peer());
        assert_eq!(wait(pair.close()), Ok(()));
    }
}

#[test]
fn a_pair_fails_where_a_server_cannot_listen() {
    let builder = TidyServer::unix_in("/dev/null/no directory");
    let error = wait(TidyPair::connect(builder)).unwrap_err();
    assert!(error.to_string().starts_with("cannot create a socket in `"), "{error}");
}

#[test]
fn one_clone_reads_while_another_writes() {
    const MUCH: usize = 4 << 20;
    for kind in kinds() {
        let server = kind.listen(async |mut stream| {
            let mut writer = stream.clone();
            futures_lite::io::copy(&mut stream, &mut writer).await?;
            writer.close().await
        });
        let server = server.unwrap();
        let mut client = wait(server.connect()).unwrap();
        let mut writer = client.clone();
        let write = async move {
            let sent: Vec<u8> = (0..MUCH).map(|i| (i % 251) as u8).collect();
            writer.write_all(&sent).await.unwrap();
            writer.close().await.unwrap();
            sent
        };
        let read = async {
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            received
        };
        let (sent, received) = wait(zip(write, read));
        assert!(sent == received, "{} bytes of {}", received.len(), sent.len());
        assert_closes(&server);
    }
}

#[test]
fn a_socket_is_closed_with_the_last_clone() {
    for kind in kinds() {
        let server = kind.listen(line_echo).unwrap();
        let client = wait(server.connect()).unwrap();
        let clone = client.clone();
        drop(client);
        assert_eq!(wait(exchange(&clone, "one remains\n")).unwrap(), "one remains\n");
        drop(clone);
        wait_for_connections(&server, 0);
        assert_closes(&server);
    }
}

#[test]
fn a_reader_is_woken_when_the_stream_is_closed() {
    for kind in kinds() {
        let server = kind.grace(std::time::Duration::ZERO).listen(hang).unwrap();
        let client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        let reader = client.clone();
        let (waiting, is_waiting) = std::sync::mpsc::channel();
        let waiter = thread::spawn(move || {
            let mut buf = [0];
            let mut reader = &reader;
            let mut read = std::pin::pin!(reader.read(&mut buf));
            wait(async {
                assert!(poll_once(&mut read).await.is_none());
                waiting.send(()).unwrap();
                read.await
            })
        });
        is_waiting.recv().unwrap();
        let leak = wait(server.close()).unwrap_err();
        assert_eq!(leak.connections().len(), 1);
        assert_eq!(waiter.join().unwrap().unwrap(), 0);
    }
}

#[test]
fn a_writer_is_woken_when_the_stream_is_closed() {
    for kind in kinds() {
        let pair = wait(TidyPair::connect(kind)).unwrap();
        let mut writer = pair.server.clone();
        let (waiting, is_waiting) = std::sync::mpsc::channel();
        let waiter = thread::spawn(move || {
            let mut flood = std::pin::pin!(async {
                loop {
                    if let Err(error) = writer.write(&[0; 65_536]).await {
                        return error;
                    }
                }
            });
            wait(async {
                // A poll may only yield. That many in a row mean that the buffers are full.
                for _ in 0..1_000 {
                    assert!(poll_once(&mut flood).await.is_none());
                }
                waiting.send(()).unwrap();
                flood.await
            })
        });
        is_waiting.recv().unwrap();
        assert_eq!(wait(pair.close()), Ok(()));
        assert_eq!(waiter.join().unwrap().kind(), ErrorKind::ConnectionAborted);
    }
}

#[test]
fn a_client_cannot_write_during_the_close_but_reads_what_is_still_sent() {
    for kind in kinds() {
        let (open, gate) = async_channel::bounded::<()>(1);
        let server = kind.grace(LONG).listen(async move |mut stream| {
            let _ = gate.recv().await;
            stream.write_all(b"last words").await
        });
        let server = server.unwrap();
        let mut client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        let closing = server.close();
        assert_eq!(wait(client.write_all(b"but")).unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(open);
        assert_eq!(wait(rest(&client)).unwrap(), "last words");
        assert_eq!(wait(closing), Ok(()));
    }
}

#[test]
fn data_that_arrived_before_the_close_can_be_read_after_it() {
    for kind in kinds() {
        let server = kind.listen(async |mut stream| stream.write_all(b"data").await).unwrap();
        let client = wait(server.connect()).unwrap();
        let mut first = [0];
        wait(async { (&client).read_exact(&mut first).await }).unwrap();
        assert_closes(&server);
        assert_eq!(&first, b"d");
        assert_eq!(wait(rest(&client)).unwrap(), "ata");
        assert_eq!(wait(rest(&client)).unwrap(), "");
    }
}

#[test]
fn data_that_may_be_lost_is_an_error_and_not_end_of_file() {
    for kind in kinds() {
        // The handler does not read, so the connection is reset when it is closed.
        let server = kind.grace(std::time::Duration::ZERO).listen(hang).unwrap();
        let mut client = wait(server.connect()).unwrap();
        wait_for_connections(&server, 1);
        wait(client.write_all(b"unheard")).unwrap();
        assert!(wait(server.close()).is_err());
        for _ in 0..2 {
            let error = wait(rest(&client)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            assert!(error.to_string().ends_with(" is closed"), "{error}");
        }
        assert_eq!(wait(async { (&client).read(&mut []).await }).unwrap(), 0);
    }
}

#[test]
fn synchronous_code_reads_and_writes_through_block_on() {
    for kind in kinds() {
        let server = kind.listen(line_echo).unwrap();
        let mut client = BlockOn::new(server.connect().wait().unwrap());
        client.write_all(b"no async here\n").unwrap();
        let mut answer = [0; 14];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"no async here\n");
        server.close().wait().unwrap();
    }
}

#[test]
fn line_echo_sends_complete_lines_at_once_and_the_rest_at_the_end() {
    for kind in kinds() {
        let server = kind.listen(line_echo).unwrap();
        let mut client = wait(server.connect()).unwrap();
        assert_eq!(wait(exchange(&client, "\n")).unwrap(), "\n");
        wait(client.write_all(b"two\nlines\nand a ha")).unwrap();
        let mut lines = [0; 10];
        wait(client.read_exact(&mut lines)).unwrap();
        assert_eq!(&lines, b"two\nlines\n");
        assert!(wait(async { poll_once((&client).read(&mut [0])).await }).is_none(), "half a line waits");
        wait(client.write_all(b"lf")).unwrap();
        wait(client.close()).unwrap();
        assert_eq!(wait(rest(&client)).unwrap(), "and a half");
        let long = "x".repeat(1 << 20) + "\n";
        let client = wait(server.connect()).unwrap();
        let clone = client.clone();
        let write = async { (&clone).write_all(long.as_bytes()).await.unwrap() };
        let read = async {
            let mut line = vec![0; long.len()];
            (&client).read_exact(&mut line).await.unwrap();
            line
        };
        let ((), line) = wait(zip(write, read));
        assert!(line == long.as_bytes());
        assert_closes(&server);
    }
}

#[test]
fn values_of_a_server_can_cross_threads() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<TidyServer>();
    is_sync::<TidyServer>();
    is_send::<childminder::server::TidyStream>();
    is_sync::<childminder::server::TidyStream>();
    is_send::<childminder::server::CloseFuture>();
    is_sync::<childminder::server::CloseFuture>();
    is_send::<childminder::server::ConnectFuture>();
    is_send::<childminder::server::LeakError>();
    is_sync::<childminder::server::TidyError>();
    let server = TidyServer::tcp().listen(line_echo).unwrap();
    assert_eq!(format!("{server:?}"), format!("TidyServer {{ address: {:?}, .. }}", server.address()));
    let client = server.connect().wait().unwrap();
    assert!(format!("{client:?}").starts_with("TidyStream { local: Tcp(127.0.0.1:"), "{client:?}");
    assert!(!client.is_closing());
    server.close().wait().unwrap();
    assert!(client.is_closing());
}
