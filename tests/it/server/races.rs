//! Connections that end just before, during and just after the close.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use childminder::TidyServer;
use childminder::server::{Endpoint, TidyStream, line_echo};
use futures_lite::AsyncWriteExt;

use super::{LONG, assert_closes, exchange, kinds, rest, wait};

/// Connects and disconnects at once.
fn connect_and_drop(server: &TidyServer) {
    match server.address() {
        Endpoint::Tcp(address) => drop(TcpStream::connect(address).unwrap()),
        Endpoint::Unix(path) => drop(UnixStream::connect(path).unwrap()),
        other => panic!("a server at {other}"),
    }
}

#[test]
fn td_11_a_client_that_disconnects_at_once_does_not_delay_the_close() {
    // The server may notice that before the close, during the close, or never.
    for round in 0..1_000 {
        let kind = if round % 2 == 0 { TidyServer::tcp() } else { TidyServer::unix() };
        let server = kind.grace(LONG).listen(line_echo).unwrap();
        match round / 2 % 2 {
            0 => connect_and_drop(&server),
            _ => drop(wait(server.connect()).unwrap()),
        }
        assert_closes(&server);
    }
}

#[test]
fn td_11_a_thousand_clients_that_disconnect_at_once_do_not_stop_the_server() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(line_echo).unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..500).for_each(|_| connect_and_drop(&server)));
            }
        });
        let client = wait(server.connect()).unwrap();
        assert_eq!(wait(exchange(&client, "still here\n")).unwrap(), "still here\n");
        assert_closes(&server);
    }
}

#[test]
fn td_weak_5_a_client_that_connects_during_the_close_is_waited_for_or_refused() {
    for round in 0..50 {
        for kind in kinds() {
            let server = kind.grace(LONG).listen(line_echo).unwrap();
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while let Ok(client) = wait(server.connect()) {
                            // It may fail at any point, but it always ends.
                            let _ = wait(exchange(&client, "hello\n"));
                        }
                    });
                }
                // Lets them run for a while, which differs from round to round.
                for _ in 0..10_000 {
                    if server.connections() >= round % 3 {
                        break;
                    }
                    thread::yield_now();
                }
                assert_closes(&server);
            });
            assert_eq!(server.connections(), 0);
            assert!(
                server.path().is_none_or(|path| !path.parent().unwrap().exists()),
                "its directory still exists"
            );
        }
    }
}

/// The behaviour of a client.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    LeaveAtOnce,
    Send,
    SendAndLeave,
    SendHalfALine,
    ReadInTheBackground,
    CloseHalf,
    LeaveDuringTheClose,
    LeaveAfterTheClose,
    ConnectAndDrop,
}

const BEHAVIOURS: [Behaviour; 9] = [
    Behaviour::LeaveAtOnce,
    Behaviour::Send,
    Behaviour::SendAndLeave,
    Behaviour::SendHalfALine,
    Behaviour::ReadInTheBackground,
    Behaviour::CloseHalf,
    Behaviour::LeaveDuringTheClose,
    Behaviour::LeaveAfterTheClose,
    Behaviour::ConnectAndDrop,
];

#[test]
fn td_10_every_mixture_of_clients_is_closed_cleanly() {
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let kinds = kinds();
        let kind = random.choice(&kinds).expect("there are some").clone();
        let server = kind.grace(LONG).listen(line_echo).unwrap();
        let mut held: Vec<TidyStream> = Vec::new();
        let mut leaving: Vec<TidyStream> = Vec::new();
        let mut threads = Vec::new();
        let behaviours: Vec<Behaviour> =
            (0..random.usize(0..12)).map(|_| *random.choice(BEHAVIOURS.iter()).expect("some")).collect();
        for behaviour in &behaviours {
            if let Behaviour::ConnectAndDrop = behaviour {
                connect_and_drop(&server);
                continue;
            }
            let mut client = wait(server.connect()).unwrap();
            match behaviour {
                Behaviour::LeaveAtOnce => drop(client),
                Behaviour::Send => {
                    assert_eq!(wait(exchange(&client, "hello\n")).unwrap(), "hello\n");
                    held.push(client);
                }
                Behaviour::SendAndLeave => wait(client.write_all(b"hello\n")).unwrap(),
                Behaviour::SendHalfALine => {
                    wait(client.write_all(b"hel")).unwrap();
                    held.push(client);
                }
                // It reads end-of-file or an error.
                Behaviour::ReadInTheBackground => {
                    threads.push(thread::spawn(move || drop(wait(rest(&client)))))
                }
                Behaviour::CloseHalf => {
                    wait(client.close()).unwrap();
                    held.push(client);
                }
                Behaviour::LeaveDuringTheClose => leaving.push(client),
                Behaviour::LeaveAfterTheClose => held.push(client),
                Behaviour::ConnectAndDrop => unreachable!("handled above"),
            }
        }
        let leaver = thread::spawn(move || {
            leaving.into_iter().for_each(|client| {
                drop(client);
                thread::yield_now();
            })
        });
        let answer = wait(server.close());
        assert_eq!(answer, Ok(()), "seed {seed}: {behaviours:?}");
        assert_eq!(server.connections(), 0, "seed {seed}: {behaviours:?}");
        leaver.join().unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(held);
    }
}

#[test]
fn a_grace_of_zero_does_not_hang() {
    for kind in kinds() {
        let server = kind.grace(Duration::ZERO).listen(line_echo).unwrap();
        let _clients = [(); 5].map(|()| wait(server.connect()).unwrap());
        // The handlers may or may not be fast enough.
        let answer = wait(server.close());
        assert!(answer.is_ok() || answer.is_err_and(|leak| leak.connections().len() <= 5));
        assert_eq!(server.connections(), 0);
    }
}
