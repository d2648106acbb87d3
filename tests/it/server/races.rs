//! Connections that are lost just before, during and just after the close.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use childminder::TidyServer;
use childminder::server::{Endpoint, TidyStream, line_echo};
use futures_lite::AsyncWriteExt;

use super::{LONG, assert_closes, exchange, kinds, rest, wait};

/// A client that hangs up as soon as it is connected.
fn ring_and_run(server: &TidyServer) {
    match server.address() {
        Endpoint::Tcp(address) => drop(TcpStream::connect(address).unwrap()),
        Endpoint::Unix(path) => drop(UnixStream::connect(path).unwrap()),
        other => panic!("a server at {other}"),
    }
}

#[test]
fn td_11_a_client_that_hangs_up_at_once_holds_up_nothing() {
    // The server may see it before the close, during the close, or never.
    for round in 0..1_000 {
        let kind = if round % 2 == 0 { TidyServer::tcp() } else { TidyServer::unix() };
        let server = kind.grace(LONG).listen(line_echo).unwrap();
        match round / 2 % 2 {
            0 => ring_and_run(&server),
            _ => drop(wait(server.connect()).unwrap()),
        }
        assert_closes(&server);
    }
}

#[test]
fn td_11_a_thousand_clients_that_hang_up_at_once_leave_the_server_at_work() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(line_echo).unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..500).for_each(|_| ring_and_run(&server)));
            }
        });
        let client = wait(server.connect()).unwrap();
        assert_eq!(wait(exchange(&client, "still here\n")).unwrap(), "still here\n");
        assert_closes(&server);
    }
}

#[test]
fn td_weak_5_who_comes_in_during_the_close_is_waited_for_or_turned_away() {
    for round in 0..50 {
        for kind in kinds() {
            let server = kind.grace(LONG).listen(line_echo).unwrap();
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while let Ok(client) = wait(server.connect()) {
                            // It may be cut short at any point, but it always comes to an end.
                            let _ = wait(exchange(&client, "hello\n"));
                        }
                    });
                }
                // Let them get into it, for a different while each time.
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
                "its directory is there"
            );
        }
    }
}

/// What a client may do to a server.
#[derive(Clone, Copy, Debug)]
enum Manner {
    GoAtOnce,
    Say,
    SayAndGo,
    SayHalfALine,
    ReadInTheBackground,
    HangUpHalf,
    GoDuringTheClose,
    GoAfterTheClose,
    RingAndRun,
}

const MANNERS: [Manner; 9] = [
    Manner::GoAtOnce,
    Manner::Say,
    Manner::SayAndGo,
    Manner::SayHalfALine,
    Manner::ReadInTheBackground,
    Manner::HangUpHalf,
    Manner::GoDuringTheClose,
    Manner::GoAfterTheClose,
    Manner::RingAndRun,
];

#[test]
fn td_10_every_mixture_of_manners_comes_to_a_clean_end() {
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let kinds = kinds();
        let kind = random.choice(&kinds).expect("there are some").clone();
        let server = kind.grace(LONG).listen(line_echo).unwrap();
        let mut held: Vec<TidyStream> = Vec::new();
        let mut leaving: Vec<TidyStream> = Vec::new();
        let mut threads = Vec::new();
        let manners: Vec<Manner> =
            (0..random.usize(0..12)).map(|_| *random.choice(MANNERS.iter()).expect("some")).collect();
        for manner in &manners {
            if let Manner::RingAndRun = manner {
                ring_and_run(&server);
                continue;
            }
            let mut client = wait(server.connect()).unwrap();
            match manner {
                Manner::GoAtOnce => drop(client),
                Manner::Say => {
                    assert_eq!(wait(exchange(&client, "hello\n")).unwrap(), "hello\n");
                    held.push(client);
                }
                Manner::SayAndGo => wait(client.write_all(b"hello\n")).unwrap(),
                Manner::SayHalfALine => {
                    wait(client.write_all(b"hel")).unwrap();
                    held.push(client);
                }
                // It reads the end, or hears that it was cut off.
                Manner::ReadInTheBackground => threads.push(thread::spawn(move || drop(wait(rest(&client))))),
                Manner::HangUpHalf => {
                    wait(client.close()).unwrap();
                    held.push(client);
                }
                Manner::GoDuringTheClose => leaving.push(client),
                Manner::GoAfterTheClose => held.push(client),
                Manner::RingAndRun => unreachable!("it has no stream"),
            }
        }
        let leaver = thread::spawn(move || {
            leaving.into_iter().for_each(|client| {
                drop(client);
                thread::yield_now();
            })
        });
        let answer = wait(server.close());
        assert_eq!(answer, Ok(()), "seed {seed}: {manners:?}");
        assert_eq!(server.connections(), 0, "seed {seed}: {manners:?}");
        leaver.join().unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(held);
    }
}

#[test]
fn a_grace_of_nothing_gives_no_time_and_no_hang() {
    for kind in kinds() {
        let server = kind.grace(Duration::ZERO).listen(line_echo).unwrap();
        let _clients = [(); 5].map(|()| wait(server.connect()).unwrap());
        // The handlers may or may not be fast enough; the end comes in any case.
        let answer = wait(server.close());
        assert!(answer.is_ok() || answer.is_err_and(|leak| leak.connections.len() <= 5));
        assert_eq!(server.connections(), 0);
    }
}
