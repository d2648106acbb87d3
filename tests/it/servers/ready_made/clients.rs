//! Clients for servers whose packages have none, and the programs of those that have one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::servers::connect;

/// Runs a client program and returns what it prints.
pub(super) fn program(program: &str, args: &[&str]) -> String {
    let output =
        Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A client of a protocol of lines.
pub(super) struct Lines(BufReader<TcpStream>);

impl Lines {
    pub(super) fn connect(port: u16) -> Self {
        Self(BufReader::new(connect(port)))
    }

    /// Sends a command and returns the next line.
    pub(super) fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.line()
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// Returns the whole response to a GET request.
pub(super) fn http_get(port: u16, path: &str) -> String {
    let mut connection = connect(port);
    connection.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn read<const N: usize>(connection: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    connection.read_exact(&mut bytes).unwrap();
    bytes
}

/// Subscribes to a topic of an MQTT broker, publishes a message there, and receives it.
pub(super) fn mqtt_echo(port: u16) {
    let mut connection = connect(port);
    // CONNECT: version 3.1.1, a clean session, 60 s, no client id.
    connection.write_all(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00").unwrap();
    assert_eq!(read(&mut connection), [0x20, 2, 0, 0], "CONNACK");
    // SUBSCRIBE with the number 1 to "a", quality 0.
    connection.write_all(b"\x82\x06\x00\x01\x00\x01a\x00").unwrap();
    assert_eq!(read(&mut connection), [0x90, 3, 0, 1, 0], "SUBACK");
    let publish = b"\x30\x08\x00\x01ahello";
    connection.write_all(publish).unwrap();
    assert_eq!(&read::<10>(&mut connection), publish);
    connection.write_all(b"\xe0\x00").unwrap();
}

/// Opens a connection to an AMQP 0-9-1 broker as the user `guest`, up to its virtual host.
pub(super) fn amqp_login(port: u16) {
    let mut connection = connect(port);
    connection.write_all(b"AMQP\0\0\x09\x01").unwrap();
    assert_eq!(method(&mut connection), [0, 10, 0, 10], "start");
    // start-ok: no properties, PLAIN, user and password, the language.
    let mut start_ok = vec![0, 10, 0, 11, 0, 0, 0, 0, 5];
    start_ok.extend_from_slice(b"PLAIN\0\0\0\x0c\0guest\0guest\x05en_US");
    send(&mut connection, &start_ok);
    assert_eq!(method(&mut connection), [0, 10, 0, 30], "tune");
    // tune-ok: up to 1 channel, frames of 128 KiB, no heartbeat. open: the virtual host "/".
    send(&mut connection, &[0, 10, 0, 31, 0, 1, 0, 2, 0, 0, 0, 0]);
    send(&mut connection, b"\0\x0a\0\x28\x01/\0\0");
    assert_eq!(method(&mut connection), [0, 10, 0, 41], "open-ok");
    // close, so that the broker does not log an error.
    send(&mut connection, &[0, 10, 0, 50, 0, 200, 0, 0, 0, 0, 0]);
    assert_eq!(method(&mut connection), [0, 10, 0, 51], "close-ok");
}

/// Sends a frame with a method on channel 0.
fn send(connection: &mut TcpStream, method: &[u8]) {
    let length = u32::try_from(method.len()).unwrap().to_be_bytes();
    connection.write_all(&[&[1, 0, 0], &length[..], method, &[0xce]].concat()).unwrap();
}

/// Reads a frame, and returns the number of its method.
fn method(connection: &mut TcpStream) -> [u8; 4] {
    let head: [u8; 7] = read(connection);
    assert_eq!(head[0], 1, "a frame with a method");
    let mut body = vec![0; u32::from_be_bytes(head[3..].try_into().unwrap()) as usize + 1];
    connection.read_exact(&mut body).unwrap();
    body[..4].try_into().unwrap()
}
