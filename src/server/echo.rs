//! A handler that is always useful.

use std::io;

use futures_lite::{AsyncBufReadExt, AsyncWriteExt, io::BufReader};

use super::stream::TidyStream;

/// A handler for [`listen`](super::TidyServerBuilder::listen): sends back every line as it comes, with its end. What
/// follows the last one is sent back when the stream ends. A line has no limit but memory.
///
/// # Errors
///
/// The system's, when the connection breaks.
pub async fn line_echo(stream: TidyStream) -> io::Result<()> {
    let mut lines = BufReader::new(&stream);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await? > 0 {
        (&stream).write_all(&line).await?;
        line.clear();
    }
    Ok(())
}
