//! Ready-made servers for tests: PostgreSQL, Redis or Valkey, MariaDB, nginx, RabbitMQ, Memcached, Mosquitto
//! and NATS, each in one line.
//!
//! ```no_run
//! use childminder::servers::Postgres;
//!
//! let db = Postgres::new().start()?;
//! println!("{}", db.url()); // postgresql://postgres@127.0.0.1:40123/postgres
//! # Ok::<(), childminder::NotReady>(())
//! ```
//!
//! Each is a [`Service`](crate::Service) with a scratch directory and a free port, which
//! [`adjust`](Server::adjust) changes like any other. The program is found in PATH and in the directories of
//! Debian, Fedora, Homebrew and Nix; if it is missing, the error names the package. It runs without
//! privileges and with settings that are fast instead of durable, since its data ends with the test. If the
//! test runs as root, the server runs as the user of its package, or as the user with the fewest rights.
//!
//! In this room `server` has what all servers share, `find` looks up programs, and the other files describe
//! one or more servers each.

mod brokers;
mod caches;
mod find;
mod mariadb;
mod nginx;
mod postgres;
mod postgres_client;
mod server;

pub use brokers::{Mosquitto, MosquittoKind, Nats, NatsKind, RabbitMq, RabbitMqKind};
pub use caches::{Memcached, MemcachedKind, Redis, RedisKind};
pub use mariadb::{MariaDb, MariaDbKind};
pub use nginx::{Nginx, NginxKind};
pub use postgres::{FreshDatabase, Postgres, PostgresKind};
pub use postgres_client::QueryError;
pub use server::{RunningServer, Server, ServerKind};
