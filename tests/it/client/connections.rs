//! Connections: noticing their end, and their behaviour afterwards.

use std::io;

use childminder::client::{ClientState, ClientStates, ConnectError, Connection};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{Harness, Stream, secs};

fn connected() -> (Harness, Connection<Stream>) {
    let harness = Harness::new();
    harness.start();
    let link = harness.sim.block_on(harness.service.when_connected(None)).unwrap();
    harness.sim.clear_trace();
    (harness, link)
}

fn read(harness: &Harness, mut link: &Connection<Stream>, length: usize) -> Result<String, io::ErrorKind> {
    let mut words = vec![0; length];
    let length = harness.sim.block_on(link.read(&mut words)).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&words[..length]).into_owned())
}

fn write(harness: &Harness, mut link: &Connection<Stream>) -> Result<(), io::ErrorKind> {
    harness.sim.block_on(link.write_all(b"x")).map_err(|error| error.kind())
}

#[test]
fn the_end_of_an_unused_connection_is_noticed_at_once() {
    let (harness, link) = connected();
    harness.server.peer(1).close();
    harness.expect("0.0 drop 1\n 0.0 waiting 1.5s: the peer closed the connection");
    assert_eq!(read(&harness, &link, 9), Ok(String::new()));
    assert_eq!(write(&harness, &link), Err(io::ErrorKind::BrokenPipe));
}

/// Not the old one, although the service may not have noticed its end yet.
#[test]
fn a_task_that_has_read_the_end_of_a_connection_receives_the_next_one() {
    let (harness, mut link) = connected();
    let (service, sim) = (harness.service.clone(), harness.sim.clone());
    harness.sim.spawn(async move {
        let length = link.read(&mut [0]).await.unwrap();
        let next = service.when_connected(None).await.unwrap();
        sim.note(format_args!("reads {length} and gets {}", next.number()));
    });
    harness.sim.run_until_idle();
    harness.server.peer(1).close();
    harness.advance(1.5);
    let trace = harness.sim.trace();
    assert!(trace.ends_with("1.5 reads 0 and gets 2\n"), "{trace}");
}

#[test]
fn data_that_arrived_before_the_end_can_be_read_after_it() {
    let (harness, link) = connected();
    harness.server.peer(1).send("last words");
    harness.sim.run_until_idle();
    harness.server.peer(1).reset();
    // The end is behind the unread data, and not noticed yet.
    harness.expect("");
    assert_eq!(read(&harness, &link, 4), Ok("last".to_owned()));
    assert_eq!(read(&harness, &link, 9), Ok(" words".to_owned()));
    harness.expect("0.0 drop 1\n 0.0 waiting 1.5s: the connection failed: connection reset");
    assert_eq!(read(&harness, &link, 9), Err(io::ErrorKind::ConnectionReset));
    assert_eq!(write(&harness, &link), Err(io::ErrorKind::ConnectionReset));
}

#[test]
fn a_write_that_fails_is_the_end_of_the_connection() {
    let (harness, link) = connected();
    harness.server.peer(1).send("unread");
    harness.sim.run_until_idle();
    harness.server.peer(1).reset();
    assert_eq!(write(&harness, &link), Err(io::ErrorKind::ConnectionReset));
    harness.expect("0.0 drop 1\n 0.0 waiting 1.5s: the connection failed: connection reset");
}

#[test]
fn a_peer_whose_data_is_not_read_feels_back_pressure_and_causes_no_work() {
    let (harness, link) = connected();
    let peer = harness.server.peer(1);
    peer.send(&"a".repeat(5000));
    harness.advance(1.0);
    let polls = peer.polls();
    for _ in 0..100 {
        peer.send("b");
        harness.advance(1.0);
    }
    assert_eq!(peer.polls(), polls, "it reads more than one chunk ahead");
    let mut all = String::new();
    while all.len() < 5100 {
        all += &read(&harness, &link, 700).unwrap();
    }
    assert_eq!(all, "a".repeat(5000) + &"b".repeat(100));
    peer.close();
    harness.sim.run_until_idle();
    assert!(!link.is_up());
}

#[test]
fn each_of_several_tasks_that_read_is_woken() {
    let (harness, link) = connected();
    for name in ["a", "b"] {
        let (mut link, sim) = (link.clone(), harness.sim.clone());
        harness.sim.spawn(async move {
            let mut word = [0; 3];
            match link.read_exact(&mut word).await {
                Ok(()) => sim.note(format_args!("{name} reads {}", String::from_utf8_lossy(&word))),
                Err(error) => sim.note(format_args!("{name}: {error}")),
            }
        });
    }
    harness.sim.run_until_idle();
    harness.server.peer(1).send("one");
    harness.expect("0.0 a reads one");
    harness.server.peer(1).close();
    harness.sim.run_until_idle();
    let trace = harness.sim.trace();
    assert!(trace.contains("0.0 b: ") && trace.contains("0.0 drop 1"), "{trace}");
}

#[test]
fn after_a_stop_connections_return_errors_and_nothing_is_open() {
    let (harness, link) = connected();
    harness.server.peer(1).stay_open();
    let (mut reader, sim) = (link.clone(), harness.sim.clone());
    harness.sim.spawn(async move {
        let error = reader.read(&mut [0; 9]).await.unwrap_err();
        sim.note(format_args!("the reader: {error}"));
    });
    harness.sim.run_until_idle();
    harness.stop("stop");
    harness.expect("0.0 shut 1\n 0.0 closing\n 0.0 the reader: the connection was closed by this process");
    assert_eq!(write(&harness, &link), Err(io::ErrorKind::ConnectionAborted));
    harness.advance(5.0);
    assert_eq!(harness.server.open(), 0);
    assert_eq!(read(&harness, &link, 1), Err(io::ErrorKind::ConnectionAborted));
}

#[test]
fn a_user_may_abort_a_connection_whose_peer_violates_the_protocol() {
    let (harness, link) = connected();
    link.abort();
    harness.advance(1.5);
    harness.expect(
        "0.0 drop 1
         0.0 waiting 1.5s: the connection was aborted by its user
         1.5 attempt 2
         1.5 open 2
         1.5 connecting
         1.5 connected",
    );
    assert_eq!(read(&harness, &link, 1), Err(io::ErrorKind::ConnectionAborted));
    // The service has dropped this connection already.
    link.abort();
    harness.expect("");
}

#[test]
fn a_panic_of_the_stream_is_the_end_of_the_connection() {
    let (harness, _link) = connected();
    harness.server.peer(1).panic_on_read();
    harness.advance(1.5);
    harness.expect(
        "0.0 drop 1
         0.0 waiting 1.5s: the connection failed: the stream panicked: a bug in the stream
         1.5 attempt 2
         1.5 open 2
         1.5 connecting
         1.5 connected",
    );
}

#[test]
fn a_ping_without_an_answer_ends_the_connection() {
    let harness = Harness::with(|builder| {
        builder.keep_alive(secs(10.0), |mut link| async move {
            link.write_all(b"ping").await?;
            link.read_exact(&mut [0; 4]).await?;
            Ok::<_, ConnectError>(())
        })
    });
    harness.start();
    harness.advance(10.0);
    harness.server.peer(1).send("pong");
    harness.advance(15.0);
    harness.expect("0.0 attempt 1\n 0.0 open 1\n 0.0 connecting\n 0.0 connected");
    assert_eq!(harness.server.peer(1).received(), "pingping");
    harness.advance(10.0);
    harness.expect(
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
    let (harness, _link) = connected();
    assert!(matches!(harness.service.state(), ClientState::Connected { .. }));
    let mut states = harness.service.states();
    for _ in 0..200 {
        drop(harness.service.stop_service());
        harness.sim.run_until_idle();
        harness.start();
    }
    harness.stop("stop");
    let lagged = states.wait().unwrap().unwrap_err();
    assert!(lagged.missed() > 200, "{lagged}");
    let seen: Vec<_> =
        states.iter().take(ClientStates::CAPACITY).map(|state| super::describe(&state.unwrap())).collect();
    assert_eq!(seen.last().unwrap(), "stopped");
    let fresh = harness.service.states().wait().unwrap();
    assert!(matches!(fresh, Ok(ClientState::Stopped)));
}
