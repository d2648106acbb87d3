//! Many clients, many servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use childminder::TidyServer;
use childminder::server::line_echo;

use super::{LONG, assert_closes, exchange, kinds, rest, wait, wait_for_connections};

#[test]
fn td_4_many_servers_are_independent() {
    let servers: Vec<TidyServer> =
        (0..10).flat_map(|_| kinds()).map(|kind| kind.listen(line_echo).unwrap()).collect();
    let clients: Vec<_> = servers.iter().map(|server| wait(server.connect()).unwrap()).collect();
    for (closing, server) in servers.iter().enumerate() {
        for (i, client) in clients.iter().enumerate().skip(closing) {
            let line = format!("server {i}\n");
            assert_eq!(wait(exchange(client, &line)).unwrap(), line);
        }
        assert_closes(server);
        assert_eq!(wait(rest(&clients[closing])).unwrap(), "");
    }
}

#[test]
fn many_clients_are_served_concurrently() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(line_echo).unwrap();
        let clients: Vec<_> = (0..100).map(|_| wait(server.connect()).unwrap()).collect();
        for round in 0..3 {
            for (i, client) in clients.iter().enumerate().rev() {
                let line = format!("client {i}, round {round}\n");
                assert_eq!(wait(exchange(client, &line)).unwrap(), line);
            }
        }
        wait_for_connections(&server, 100);
        assert_closes(&server);
        assert_eq!(server.connections(), 0);
    }
}

#[test]
fn many_clients_that_connect_at_once_are_served() {
    for kind in kinds() {
        let served = Arc::new(AtomicUsize::new(0));
        let count = served.clone();
        let server = kind.grace(LONG).listen(async move |stream| {
            count.fetch_add(1, Ordering::Relaxed);
            line_echo(stream).await
        });
        let server = server.unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let connecting: Vec<_> = (0..50).map(|_| server.connect()).collect();
                    for (i, connecting) in connecting.into_iter().enumerate() {
                        let client = wait(connecting).unwrap();
                        let line = format!("one of {i}\n");
                        assert_eq!(wait(exchange(&client, &line)).unwrap(), line);
                    }
                });
            }
        });
        assert_eq!(served.load(Ordering::Relaxed), 200);
        wait_for_connections(&server, 0);
        assert_closes(&server);
    }
}
