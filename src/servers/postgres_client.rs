//! A client of PostgreSQL that can do one thing: run statements, over TCP and without a password.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};

use async_io::Async;
use futures_lite::io::{AsyncReadExt, AsyncWriteExt};

/// Version 3.0 of the protocol.
const VERSION: u32 = 3 << 16;

/// The largest message that is read.
const LARGEST: usize = 16 * 1024 * 1024;

/// The error of a statement that was run for
/// [`fresh_database`](super::RunningServer::fresh_database) or for the template of a
/// [`Postgres`](super::Postgres) server.
#[derive(Debug)]
pub struct QueryError {
    what: String,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Io(io::Error),
    /// The message of the server.
    Server(String),
    /// The server wants a password, or the address cannot be used.
    Unsupported(&'static str),
}

impl QueryError {
    pub(super) fn unsupported(url: &str) -> Self {
        let why = "an address such as postgresql://USER@HOST:PORT/DATABASE is required";
        Self { what: format!("connect to {url}"), problem: Problem::Unsupported(why) }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, problem } = self;
        match problem {
            Problem::Io(error) => write!(f, "cannot run `{what}`: {error}"),
            Problem::Server(message) => write!(f, "PostgreSQL refused `{what}`: {message}"),
            Problem::Unsupported(why) => write!(f, "cannot run `{what}`: {why}"),
        }
    }
}

impl std::error::Error for QueryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            Problem::Server(_) | Problem::Unsupported(_) => None,
        }
    }
}

/// The parts of an address such as `postgresql://postgres@127.0.0.1:5432/postgres`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
}

impl Address {
    /// Parses an address. A password and parameters are ignored.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"))?;
        let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("postgres", authority));
        let user = user.split_once(':').map_or(user, |(user, _)| user);
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (host, 5432),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let database = if database.is_empty() { user } else { database };
        let own = str::to_owned;
        Some(Self { user: own(user), host: own(host), port, database: own(database) })
    }
}

/// Runs statements, one after the other, each by itself and outside of a transaction.
pub(super) async fn run(address: &Address, statements: &[&str]) -> Result<(), QueryError> {
    let error = |what: &str, problem| QueryError { what: what.to_owned(), problem };
    let connect = format!("connect to {}:{}", address.host, address.port);
    let mut session = Session::open(address).await.map_err(|problem| error(&connect, problem))?;
    for statement in statements {
        session.run(statement).await.map_err(|problem| error(statement, problem))?;
    }
    // Without this message the server logs that the client has gone away.
    let _ = session.connection.write_all(b"X\0\0\0\x04").await;
    Ok(())
}

struct Session {
    connection: Async<TcpStream>,
}

impl Session {
    async fn open(address: &Address) -> Result<Self, Problem> {
        let target = (address.host.as_str(), address.port).to_socket_addrs().map_err(Problem::Io)?.next();
        let target = target.ok_or(Problem::Unsupported("the host has no address"))?;
        let connection = Async::<TcpStream>::connect(target).await.map_err(Problem::Io)?;
        let mut session = Self { connection };
        let mut startup = VERSION.to_be_bytes().to_vec();
        for text in
            ["user", &address.user, "database", &address.database, "application_name", "childminder", ""]
        {
            startup.extend_from_slice(text.as_bytes());
            startup.push(0);
        }
        session.send(None, &startup).await?;
        session.read_until_idle().await?;
        Ok(session)
    }

    async fn run(&mut self, statement: &str) -> Result<(), Problem> {
        self.send(Some(b'Q'), &[statement.as_bytes(), b"\0"].concat()).await?;
        self.read_until_idle().await
    }

    async fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<(), Problem> {
        let length = u32::try_from(body.len() + 4).map_err(|_| Problem::Unsupported("it is too long"))?;
        let message: Vec<u8> =
            kind.into_iter().chain(length.to_be_bytes()).chain(body.iter().copied()).collect();
        self.connection.write_all(&message).await.map_err(Problem::Io)
    }

    /// Reads up to the message that the server waits for the next statement, and returns the first error.
    async fn read_until_idle(&mut self) -> Result<(), Problem> {
        let mut result = Ok(());
        loop {
            let mut head = [0; 5];
            if let Err(error) = self.connection.read_exact(&mut head).await {
                // The server closes the connection after a fatal error.
                return result.and(Err(Problem::Io(error)));
            }
            let [kind, length @ ..] = head;
            let length = (u32::from_be_bytes(length) as usize).saturating_sub(4);
            if length > LARGEST {
                return Err(Problem::Unsupported("its answer is too long"));
            }
            let mut body = vec![0; length];
            self.connection.read_exact(&mut body).await.map_err(Problem::Io)?;
            match kind {
                b'Z' => return result,
                b'R' if body.get(..4) != Some(&[0; 4]) => {
                    return Err(Problem::Unsupported("the server asks for a password; allow `trust` for it"));
                }
                b'E' if result.is_ok() => result = Err(Problem::Server(message(&body))),
                _ => {}
            }
        }
    }
}

/// Returns the text of an error message, whose fields have a letter each.
fn message(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0).filter_map(|field| field.split_first());
    let text = |wanted: u8| {
        fields
            .clone()
            .find(|(kind, _)| **kind == wanted)
            .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
    };
    let main = text(b'M').unwrap_or_else(|| "an error without a message".to_owned());
    [Some(main), text(b'D'), text(b'H')].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_with_their_defaults() {
        let address = |user: &str, host: &str, port, database: &str| {
            let own = str::to_owned;
            Some(Address { user: own(user), host: own(host), port, database: own(database) })
        };
        for (url, expected) in [
            ("postgresql://me@127.0.0.1:4711/shop", address("me", "127.0.0.1", 4711, "shop")),
            ("postgres://me:secret@db/shop?sslmode=disable", address("me", "db", 5432, "shop")),
            ("postgresql://[::1]:4711", address("postgres", "::1", 4711, "postgres")),
            ("postgresql://[::1]/a", address("postgres", "::1", 5432, "a")),
            ("mysql://root@localhost/", None),
            ("postgresql://localhost:none/", None),
        ] {
            assert_eq!(Address::parse(url), expected, "{url}");
        }
    }
}
