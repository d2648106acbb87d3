//! The ready-made servers, each started many times and used through a client.

mod clients;
mod errors;
mod postgres;

use std::path::PathBuf;

use childminder::Service;
use childminder::servers::{
    MariaDb, Memcached, Mosquitto, Nats, Nginx, Postgres, RabbitMq, Redis, RunningServer, Server, ServerKind,
};

use crate::support::{Census, PORTABLE, alone_in_parts, listens, required};

/// The number of processes that start a server, and how often each does: one process of a test may run for a
/// minute only. The portable back end has nothing of its own here but the end of a server.
const ROUNDS: [u32; 2] = if PORTABLE { [1, 3] } else { [4, 5] };

/// The numbers for RabbitMQ, which takes seconds to start and to stop.
const SLOW_ROUNDS: [u32; 2] = if PORTABLE { [2, 1] } else { [20, 1] };

/// Starts and stops a server, uses it through `client`, and checks after each time that nothing is left.
fn bring_up<K: ServerKind>(
    name: &str,
    [parts, times]: [u32; 2],
    server: &Server<K>,
    client: impl Fn(&RunningServer<K>),
) {
    if required(name, K::PROGRAMS[0]).is_none() {
        return;
    }
    alone_in_parts(parts, name, || {
        // The first service of a process creates the threads that all of them share.
        Service::new("sleep").arg("1000").scratch().start().unwrap().stop().unwrap();
        let before = Census::settled();
        for _ in 0..times {
            let running = server.start().unwrap();
            let port = running.port().unwrap();
            assert!(running.url().contains(&format!("127.0.0.1:{port}")), "{}", running.url());
            client(&running);
            let dir: PathBuf = running.service().unwrap().dir().unwrap().to_owned();
            assert!(dir.exists());
            let ended = running.stop().unwrap().expect("the server was started");
            assert!(ended.asked && !ended.killed && !ended.leaked, "{ended:?}");
            assert!(!listens(port) && !dir.exists());
            Census::settled().assert_unchanged_since(&before);
        }
    });
}

#[test]
fn postgres_is_brought_up_and_used() {
    const NAME: &str = "servers::ready_made::postgres_is_brought_up_and_used";
    bring_up(NAME, ROUNDS, &Postgres::new(), |server| {
        assert_eq!(clients::program("psql", &[server.url(), "-Atc", "SELECT 20 + 22"]), "42\n");
    });
}

#[test]
fn redis_is_brought_up_and_used() {
    const NAME: &str = "servers::ready_made::redis_is_brought_up_and_used";
    bring_up(NAME, ROUNDS, &Redis::new(), |server| {
        assert_eq!(clients::program("redis-cli", &["-u", server.url(), "SET", "key", "value"]), "OK\n");
        assert_eq!(clients::program("redis-cli", &["-u", server.url(), "GET", "key"]), "value\n");
    });
}

#[test]
fn mariadb_is_brought_up_and_used() {
    const NAME: &str = "servers::ready_made::mariadb_is_brought_up_and_used";
    bring_up(NAME, ROUNDS, &MariaDb::new(), |server| {
        let port = format!("--port={}", server.port().unwrap());
        let query = "CREATE TABLE t (n int); INSERT INTO t VALUES (20), (22); SELECT SUM(n) FROM t";
        let args = ["--no-defaults", "--host=127.0.0.1", &port, "--user=root", "-NBe", query, "test"];
        assert_eq!(clients::program("mariadb", &args), "42\n");
    });
}

#[test]
fn nginx_is_brought_up_and_used() {
    const NAME: &str = "servers::ready_made::nginx_is_brought_up_and_used";
    let server = Nginx::new()
        .location("/hello", r#"return 200 "hello from {port}\n";"#)
        .adjust(|service| service.file("html/index.html", "It works"));
    bring_up(NAME, ROUNDS, &server, |server| {
        let port = server.port().unwrap();
        let answer = clients::http_get(port, "/hello");
        assert!(answer.ends_with(&format!("\r\n\r\nhello from {port}\n")), "{answer}");
        assert!(clients::http_get(port, "/").ends_with("\r\n\r\nIt works"));
    });
}

#[test]
fn rabbitmq_is_brought_up_and_used() {
    const NAME: &str = "servers::ready_made::rabbitmq_is_brought_up_and_used";
    bring_up(NAME, SLOW_ROUNDS, &RabbitMq::new(), |server| clients::amqp_login(server.port().unwrap()));
}

#[test]
fn memcached_is_brought_up_and_used() {
    const NAME: &str = "servers::ready_made::memcached_is_brought_up_and_used";
    bring_up(NAME, ROUNDS, &Memcached::new(), |server| {
        let mut client = clients::Lines::connect(server.port().unwrap());
        assert_eq!(client.ask("set key 0 0 5\r\nvalue"), "STORED");
        assert_eq!(client.ask("get key"), "VALUE key 0 5");
        assert_eq!([client.line(), client.line()], ["value", "END"]);
    });
}

#[test]
fn mosquitto_is_brought_up_and_used() {
    const NAME: &str = "servers::ready_made::mosquitto_is_brought_up_and_used";
    bring_up(NAME, ROUNDS, &Mosquitto::new(), |server| clients::mqtt_echo(server.port().unwrap()));
}

#[test]
fn nats_is_brought_up_and_used() {
    const NAME: &str = "servers::ready_made::nats_is_brought_up_and_used";
    bring_up(NAME, ROUNDS, &Nats::new().jetstream(), |server| {
        let mut client = clients::Lines::connect(server.port().unwrap());
        assert!(client.line().starts_with("INFO {") && client.ask("CONNECT {}") == "+OK");
        assert_eq!(client.ask("SUB subject 1"), "+OK");
        assert_eq!(client.ask("PUB subject 5\r\nhello"), "+OK");
        assert_eq!([client.line(), client.line()], ["MSG subject 1 5", "hello"]);
    });
}
