//! A program to be tested: it counts the visits of a page in Redis.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;

/// Counts a visit of `page`, and returns the number of visits.
///
/// # Errors
///
/// The error of the connection, or one for an answer that is no number.
pub fn visit(address: &str, page: &str) -> io::Result<u64> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "INCR {page}\r\n")?;
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer)?;
    answer.trim_start_matches(':').trim_end().parse().map_err(io::Error::other)
}
