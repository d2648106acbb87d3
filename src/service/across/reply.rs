//! What the keeper of a service sends to the processes that use it.
//!
//! A reply is a text that ends with a zero byte: `ready` and a line for each value, or `ended` and the
//! report. `ready` comes once, and `ended` instead of it or later.

use std::io::{self, Read};
use std::path::PathBuf;

use crate::service::resources::Resources;

/// The longest report that is read.
const LONGEST: usize = 1024 * 1024;

/// A message of the keeper.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The service is ready.
    Ready(Access),
    /// The service could not be started, or has died, with this report.
    Ended(String),
}

/// The values by which a client reaches the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) pid: u32,
    pub(super) port: Option<u16>,
    pub(super) named_ports: Vec<(String, u16)>,
    pub(super) url: Option<String>,
    pub(super) dir: Option<PathBuf>,
    pub(super) captured: Vec<String>,
}

impl Access {
    pub(super) fn new(pid: u32, resources: &Resources) -> Self {
        let named = resources.named_ports.iter().map(|(name, port)| (name.clone(), port.number()));
        Self {
            pid,
            port: resources.port(),
            named_ports: named.collect(),
            url: resources.url().map(str::to_owned),
            dir: resources.dir().map(PathBuf::from),
            captured: resources.captured(),
        }
    }
}

impl Reply {
    /// Returns the bytes of the message. A value in it has no line feed and no zero byte, since it was one
    /// line of output or can be an argument.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        match self {
            Self::Ended(report) => text = format!("ended\n{}", report.replace('\0', "")),
            Self::Ready(access) => {
                let mut line = |key: &str, value: &str| {
                    text.push_str(&format!("{key} {}\n", value.replace(['\n', '\0'], " ")));
                };
                line("ready", &access.pid.to_string());
                access.port.iter().for_each(|port| line("port", &port.to_string()));
                access.named_ports.iter().for_each(|(name, port)| line("named", &format!("{port} {name}")));
                access.url.iter().for_each(|url| line("url", url));
                access.dir.iter().for_each(|dir| line("dir", &dir.to_string_lossy()));
                access.captured.iter().for_each(|value| line("captured", value));
            }
        }
        text.push('\0');
        text.into_bytes()
    }

    /// Reads the next message. The end of the connection without one is an error.
    pub(super) fn read(connection: &mut impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        loop {
            let mut byte = [0];
            match connection.read(&mut byte) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its keeper has ended")),
                Ok(_) if byte == [0] => break,
                Ok(_) if bytes.len() >= LONGEST => return Err(io::ErrorKind::InvalidData.into()),
                Ok(_) => bytes.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        Self::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a message of no keeper"))
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(report) = text.strip_prefix("ended\n") {
            return Some(Self::Ended(report.to_owned()));
        }
        let mut access = Access::default();
        for (index, line) in text.lines().enumerate() {
            let (key, value) = line.split_once(' ')?;
            match (index, key) {
                (0, "ready") => access.pid = value.parse().ok()?,
                (1.., "port") => access.port = Some(value.parse().ok()?),
                (1.., "named") => {
                    let (port, name) = value.split_once(' ')?;
                    access.named_ports.push((name.to_owned(), port.parse().ok()?));
                }
                (1.., "url") => access.url = Some(value.to_owned()),
                (1.., "dir") => access.dir = Some(value.into()),
                (1.., "captured") => access.captured.push(value.to_owned()),
                _ => return None,
            }
        }
        (!text.is_empty()).then_some(Self::Ready(access))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_sent_and_anything_else_is_refused() {
        let own = str::to_owned;
        let full = Access {
            pid: 7,
            port: Some(4711),
            named_ports: vec![(own("admin page"), 1), (own("b"), 2)],
            url: Some(own("redis://127.0.0.1:4711/")),
            dir: Some("/tmp/a b".into()),
            captured: vec![own("x y"), String::new()],
        };
        let replies = [
            Reply::Ready(full),
            Reply::Ready(Access { pid: 1, ..Access::default() }),
            Reply::Ended(own("service db is not ready\n  its last lines")),
        ];
        let bytes: Vec<u8> = replies.iter().flat_map(Reply::to_bytes).collect();
        let mut bytes = bytes.as_slice();
        for reply in replies {
            assert_eq!(Reply::read(&mut bytes).unwrap(), reply);
        }
        for wrong in ["", "ready 7\n", "\0", "ready\n\0", "ready x\n\0", "port 1\n\0", "ready 1\nport x\n\0"]
        {
            Reply::read(&mut wrong.as_bytes()).unwrap_err();
        }
    }
}
