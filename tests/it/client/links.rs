//! Links: who sees the end of a connection, and what is left of it.

use std::io;

use childminder::client::{ClientState, ClientStates, ConnectError, Connection};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{Stream, Town, secs};

fn connected() -> (Town, Connection<Stream>) {
    let town = Town::new();
    town.start();
    let link = town.sim.block_on(town.service.when_connected(None)).unwrap();
    town.sim.clear_trace();
    (town, link)
}

fn read(town: &Town, mut link: &Connection<Stream>, length: usize) -> Result<String, io::ErrorKind> {
    let mut words = vec![0; length];
    let length = town.sim.block_on(link.read(&mut words)).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&words[..length]).into_owned())
}

fn write(town: &Town, mut link: &Connection<Stream>) -> Result<(), io::ErrorKind> {
    town.sim.block_on(link.write_all(b"x")).map_err(|error| error.kind())
}

#[test]
fn the_end_of_a_connection_that_nobody_uses_is_noticed_at_once() {
    let (town, link) = connected();
    town.server.peer(1).hangs_up();
    town.expect("0.0 drop 1\n 0.0 waiting 1.5s: the peer has ended the connection");
    assert_eq!(read(&town, &link, 9), Ok(String::new()));
    assert_eq!(write(&town, &link), Err(io::ErrorKind::BrokenPipe));
}

/// Not the old one once more, though the service may not have seen yet that it is gone.
#[test]
fn who_has_just_read_the_end_of_a_connection_is_given_the_next() {
    let (town, mut link) = connected();
    let (service, sim) = (town.service.clone(), town.sim.clone());
    town.sim.spawn(async move {
        let length = link.read(&mut [0]).await.unwrap();
        let next = service.when_connected(None).await.unwrap();
        sim.note(format_args!("reads {length} and gets {}", next.number()));
    });
    town.sim.run_until_idle();
    town.server.peer(1).hangs_up();
    town.advance(1.5);
    let trace = town.sim.trace();
    assert!(trace.ends_with("1.5 reads 0 and gets 2\n"), "{trace}");
}

#[test]
fn what_came_before_the_end_is_read_though_the_connection_is_gone() {
    let (town, link) = connected();
    town.server.peer(1).says("farewell");
    town.sim.run_until_idle();
    town.server.peer(1).breaks();
    // What lies there keeps the end from being seen.
    town.expect("");
    assert_eq!(read(&town, &link, 4), Ok("fare".to_owned()));
    assert_eq!(read(&town, &link, 9), Ok("well".to_owned()));
    town.expect("0.0 drop 1\n 0.0 waiting 1.5s: the connection broke: connection reset");
    assert_eq!(read(&town, &link, 9), Err(io::ErrorKind::ConnectionReset));
    assert_eq!(write(&town, &link), Err(io::ErrorKind::ConnectionReset));
}

#[test]
fn a_write_that_fails_is_the_end_of_the_connection() {
    let (town, link) = connected();
    town.server.peer(1).says("unread, so nobody looks");
    town.sim.run_until_idle();
    town.server.peer(1).breaks();
    assert_eq!(write(&town, &link), Err(io::ErrorKind::ConnectionReset));
    town.expect("0.0 drop 1\n 0.0 waiting 1.5s: the connection broke: connection reset");
}

#[test]
fn a_peer_that_talks_and_is_not_read_is_held_up_and_costs_nothing() {
    let (town, link) = connected();
    let peer = town.server.peer(1);
    peer.says(&"a".repeat(5000));
    town.advance(1.0);
    let polls = peer.polls();
    for _ in 0..100 {
        peer.says("b");
        town.advance(1.0);
    }
    assert_eq!(peer.polls(), polls, "it reads more than a piece ahead");
    let mut all = String::new();
    while all.len() < 5100 {
        all += &read(&town, &link, 700).unwrap();
    }
    assert_eq!(all, "a".repeat(5000) + &"b".repeat(100));
    peer.hangs_up();
    town.sim.run_until_idle();
    assert!(!link.is_up());
}

#[test]
fn several_tasks_read_and_write_and_each_is_woken() {
    let (town, link) = connected();
    for name in ["a", "b"] {
        let (mut link, sim) = (link.clone(), town.sim.clone());
        town.sim.spawn(async move {
            let mut word = [0; 3];
            match link.read_exact(&mut word).await {
                Ok(()) => sim.note(format_args!("{name} reads {}", String::from_utf8_lossy(&word))),
                Err(error) => sim.note(format_args!("{name}: {error}")),
            }
        });
    }
    town.sim.run_until_idle();
    town.server.peer(1).says("one");
    town.expect("0.0 a reads one");
    town.server.peer(1).hangs_up();
    town.sim.run_until_idle();
    let trace = town.sim.trace();
    assert!(trace.contains("0.0 b: ") && trace.contains("0.0 drop 1"), "{trace}");
}

#[test]
fn after_a_stop_links_give_errors_and_nothing_is_open() {
    let (town, link) = connected();
    town.server.peer(1).is_stubborn();
    let (mut reader, sim) = (link.clone(), town.sim.clone());
    town.sim.spawn(async move {
        let error = reader.read(&mut [0; 9]).await.unwrap_err();
        sim.note(format_args!("the reader: {error}"));
    });
    town.sim.run_until_idle();
    town.stop("stop");
    town.expect("0.0 shut 1\n 0.0 closing\n 0.0 the reader: the connection was closed on this side");
    assert_eq!(write(&town, &link), Err(io::ErrorKind::ConnectionAborted));
    town.advance(5.0);
    assert_eq!(town.server.open(), 0);
    assert_eq!(read(&town, &link, 1), Err(io::ErrorKind::ConnectionAborted));
}

#[test]
fn who_finds_that_the_peer_answers_nonsense_gives_the_connection_up() {
    let (town, link) = connected();
    link.abort();
    town.advance(1.5);
    town.expect(
        "0.0 drop 1
         0.0 waiting 1.5s: the connection was given up
         1.5 attempt 2
         1.5 open 2
         1.5 connecting
         1.5 connected",
    );
    assert_eq!(read(&town, &link, 1), Err(io::ErrorKind::ConnectionAborted));
    // It is not the service's any more.
    link.abort();
    town.expect("");
}

#[test]
fn a_stream_that_panics_is_a_broken_connection() {
    let (town, _link) = connected();
    town.server.peer(1).is_cursed();
    town.advance(1.5);
    town.expect(
        "0.0 drop 1
         0.0 waiting 1.5s: the connection broke: the stream has panicked: the stream is cursed
         1.5 attempt 2
         1.5 open 2
         1.5 connecting
         1.5 connected",
    );
}

#[test]
fn a_ping_that_is_not_answered_ends_a_connection_that_looks_alive() {
    let town = Town::with(|builder| {
        builder.keep_alive(secs(10.0), |mut link| async move {
            link.write_all(b"ping").await?;
            link.read_exact(&mut [0; 4]).await?;
            Ok::<_, ConnectError>(())
        })
    });
    town.start();
    town.advance(10.0);
    town.server.peer(1).says("pong");
    town.advance(15.0);
    town.expect("0.0 attempt 1\n 0.0 open 1\n 0.0 connecting\n 0.0 connected");
    assert_eq!(town.server.peer(1).heard(), "pingping");
    town.advance(10.0);
    town.expect(
        "30.0 drop 1
         30.0 waiting 1.5s: no answer to a ping within 10s
         31.5 attempt 2
         31.5 open 2
         31.5 connecting
         31.5 connected",
    );
}

#[test]
fn states_begin_with_the_current_one_and_a_slow_subscriber_loses_the_oldest() {
    let (town, _link) = connected();
    assert!(matches!(town.service.state(), ClientState::Connected { .. }));
    let mut states = town.service.states();
    for _ in 0..200 {
        drop(town.service.stop_service());
        town.sim.run_until_idle();
        town.start();
    }
    town.stop("stop");
    let lagged = states.wait().unwrap().unwrap_err();
    assert!(lagged.missed() > 200, "{lagged}");
    let seen: Vec<_> =
        states.iter().take(ClientStates::CAPACITY).map(|state| super::word(&state.unwrap())).collect();
    assert_eq!(seen.last().unwrap(), "stopped");
    let fresh = town.service.states().wait().unwrap();
    assert!(matches!(fresh, Ok(ClientState::Stopped)));
}
