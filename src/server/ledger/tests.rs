//! The ledger alone: what it reports after each event, and random sequences compared with a naive model.

use std::net::{Ipv4Addr, SocketAddr};

use super::*;

fn peer(port: u16) -> Endpoint {
    Endpoint::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Accepts a connection whose socket is represented by its id.
fn accept(ledger: &mut Ledger<Id>, port: u16) -> Id {
    ledger.accept(peer(port), |id| id).expect("the server is open")
}

fn connect(ledger: &mut Ledger<Id>) -> Id {
    ledger.connect(|id| id).expect("the server is open")
}

fn leaked(port: u16, connected: Option<Line>, cause: LeakCause) -> LeakedConnection {
    LeakedConnection { peer: peer(port), connected, cause }
}

#[test]
fn td_weak_1_connections_that_ended_earlier_are_not_waited_for() {
    let mut ledger = Ledger::new();
    let (first, second) = (accept(&mut ledger, 1), accept(&mut ledger, 2));
    assert_eq!(ledger.open(), 2);
    ledger.handler_ended(first, None);
    assert_eq!(ledger.open(), 2, "its stream was passed on");
    ledger.socket_closed(first);
    ledger.socket_closed(second);
    assert_eq!(ledger.open(), 1, "its handler still runs");
    ledger.close();
    assert!(!ledger.is_quiet());
    ledger.handler_ended(second, None);
    assert!(ledger.is_quiet() && ledger.open() == 0);
    assert_eq!(ledger.conclude(&LeakCause::Unfinished), []);
}

#[test]
fn td_weak_4_each_connection_leaks_by_itself() {
    let mut ledger = Ledger::new();
    let ids: Vec<Id> = (1..=3).map(|port| accept(&mut ledger, port)).collect();
    ledger.close();
    ledger.handler_ended(ids[1], None);
    ledger.socket_closed(ids[1]);
    let unfinished = |port| leaked(port, None, LeakCause::Unfinished);
    assert_eq!(ledger.conclude(&LeakCause::Unfinished), [unfinished(1), unfinished(3)]);
}

#[test]
fn td_weak_5_no_connection_is_admitted_after_the_close() {
    let mut ledger = Ledger::new();
    ledger.close();
    assert!(ledger.is_quiet());
    assert_eq!(ledger.accept(peer(1), |id| id), None);
    assert_eq!(ledger.connect(|id| id), None);
    assert!(ledger.is_quiet() && ledger.sockets().is_empty());
}

#[test]
fn the_source_line_is_known_whichever_end_is_first_and_is_removed_with_the_connection() {
    let line = Location::caller();
    let mut ledger = Ledger::new();
    let (early, late) = (accept(&mut ledger, 1), accept(&mut ledger, 2));
    ledger.announce(peer(1), line);
    ledger.handler_ended(late, None);
    ledger.socket_closed(late);
    // The system reuses the port for another client.
    let other = accept(&mut ledger, 2);
    ledger.announce(peer(3), line);
    ledger.renounce(&peer(3));
    assert_eq!(ledger.lines.len(), 1);
    let unfinished = |port, line| leaked(port, line, LeakCause::Unfinished);
    assert_eq!(ledger.conclude(&LeakCause::Unfinished), [unfinished(1, Some(line)), unfinished(2, None)]);
    for id in [early, other] {
        ledger.socket_closed(id);
        ledger.handler_ended(id, Some("too late".to_owned()));
    }
    assert!(ledger.lines.is_empty() && ledger.open() == 0);
}

#[test]
fn a_panic_is_reported_and_the_verdict_is_final() {
    let mut ledger = Ledger::new();
    let (hangs, panics) = (accept(&mut ledger, 1), accept(&mut ledger, 2));
    ledger.handler_ended(panics, Some("boom".to_owned()));
    ledger.socket_closed(panics);
    ledger.close();
    let verdict = ledger.conclude(&LeakCause::Blocked);
    let panicked = leaked(2, None, LeakCause::Panicked("boom".to_owned()));
    assert_eq!(verdict, [leaked(1, None, LeakCause::Blocked), panicked.clone()]);
    ledger.handler_ended(hangs, Some("too late".to_owned()));
    assert_eq!(ledger.conclude(&LeakCause::Unfinished), [panicked], "no connection leaks twice");
}

#[test]
fn accepted_sockets_are_closed_before_clients() {
    let mut ledger = Ledger::new();
    let client = connect(&mut ledger);
    let accepted = accept(&mut ledger, 1);
    assert_eq!(ledger.sockets(), [accepted, client]);
    ledger.socket_closed(accepted);
    assert_eq!(ledger.sockets(), [client]);
}

/// One end of a connection in a naive model, which never forgets anything.
#[derive(Debug)]
struct Known {
    id: Id,
    /// `None`: a client.
    port: Option<u16>,
    socket: bool,
    running: bool,
    aborted: bool,
    panicked: bool,
}

#[test]
fn random_sequences_agree_with_a_naive_model() {
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut ledger: Ledger<Id> = Ledger::new();
        let mut known: Vec<Known> = Vec::new();
        let (mut asked, mut over) = (false, false);
        for step in 0..100 {
            let context = || format!("seed {seed}, step {step}");
            match random.u8(0..100) {
                0..30 => {
                    let port = random.u16(1..50);
                    let id = ledger.accept(peer(port), |id| id);
                    assert_eq!(id.is_some(), !asked, "{}", context());
                    known.extend(id.map(|id| Known {
                        id,
                        port: Some(port),
                        socket: true,
                        running: true,
                        aborted: false,
                        panicked: false,
                    }));
                }
                30..45 => {
                    let id = ledger.connect(|id| id);
                    assert_eq!(id.is_some(), !asked, "{}", context());
                    known.extend(id.map(|id| Known {
                        id,
                        port: None,
                        socket: true,
                        running: false,
                        aborted: false,
                        panicked: false,
                    }));
                }
                45..70 => {
                    if let Some(one) = random.choice(&mut known) {
                        ledger.socket_closed(one.id);
                        one.socket = false;
                    }
                }
                70..95 => {
                    if let Some(one) = random.choice(&mut known) {
                        let panic = random.bool();
                        ledger.handler_ended(one.id, panic.then(String::new));
                        one.panicked |= one.running && panic;
                        one.running = false;
                    }
                }
                95..99 => {
                    ledger.close();
                    asked = true;
                }
                _ => {
                    let verdict = ledger.conclude(&LeakCause::Unfinished);
                    let named: Vec<Option<u16>> =
                        known.iter().filter(|one| one.running || one.panicked).map(|one| one.port).collect();
                    assert_eq!(
                        verdict.iter().map(|leaked| leaked.peer.clone()).collect::<Vec<_>>(),
                        named.into_iter().flatten().map(peer).collect::<Vec<_>>(),
                        "{}",
                        context()
                    );
                    known.iter_mut().for_each(|one| one.aborted |= one.running);
                    known.iter_mut().for_each(|one| one.running = false);
                    (asked, over) = (true, true);
                }
            }
            let running = known.iter().any(|one| one.running);
            assert_eq!(ledger.is_quiet(), asked && !running, "{}", context());
            assert!(!over || ledger.is_quiet(), "{}", context());
            let open = known.iter().filter(|one| one.port.is_some() && (one.socket || one.running)).count();
            assert_eq!(ledger.open(), open, "{}", context());
            let mut sockets = ledger.sockets();
            sockets.sort();
            let expected: Vec<Id> = known.iter().filter(|one| one.socket).map(|one| one.id).collect();
            assert_eq!(sockets, expected, "{}", context());
        }
    }
}
