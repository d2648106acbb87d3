//! The pipe through which a plan sends input to a process.

use std::io;
use std::os::fd::OwnedFd;

use async_io::Async;

use crate::host::Stdin;
use crate::sys::write_without_sigpipe;

/// The write end of the pipe that a process reads as its standard input. Dropping it ends the input.
///
/// The process reads end-of-file when no copy of the write end is open; no process inherits one.
#[derive(Debug)]
pub(super) struct Input(Async<OwnedFd>);

impl Input {
    /// Creates a pipe. Returns its write end, and the read end for the process, which is in blocking mode as
    /// programs expect.
    ///
    /// The [`Stdin`] must be dropped after the start, with the spec that contains it: while it exists, the
    /// pipe has a reader, and a process that stops reading is not noticed.
    ///
    /// # Errors
    ///
    /// The error of the system or of the event loop.
    pub(super) fn new() -> io::Result<(Self, Stdin)> {
        let (reader, writer) = io::pipe()?;
        let writer = OwnedFd::from(writer);
        rustix::io::ioctl_fionbio(&writer, true)?;
        Ok((Self(Async::new_nonblocking(writer)?), Stdin::descriptor(reader)))
    }

    /// Writes all of `bytes`, and waits while the pipe is full. Bytes that were written need not have been
    /// read: a pipe holds some 64 KiB. If the future is dropped early, a part may have been written.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if the pipe has no reader, regardless of the disposition of SIGPIPE in this process.
    pub(super) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.0.write_with(|writer| write_without_sigpipe(writer, bytes)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::future::poll_fn;
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use futures_lite::future::{block_on, or, poll_once, zip};
    use rustix::fs::OFlags;
    use rustix::io::FdFlags;

    use super::*;
    use crate::host::{Host, Process, Spec};
    use crate::machine::{Exit, Stream};
    use crate::sys::System;

    /// More than any pipe holds.
    const LARGE: usize = 4 << 20;

    /// Runs a future to its end, with a deadline.
    fn with_deadline<T>(future: impl Future<Output = T>) -> T {
        let deadline = async {
            async_io::Timer::after(Duration::from_secs(20)).await;
            panic!("the future did not end in 20 s")
        };
        block_on(or(future, deadline))
    }

    /// Returns the end that a process would inherit.
    fn reader_of(stdin: Stdin) -> File {
        let Stdin::Descriptor(descriptor) = stdin else { panic!("{stdin:?}") };
        descriptor.as_fd().try_clone_to_owned().expect("an open descriptor").into()
    }

    /// Starts a process, and drops the spec with the read end in it.
    fn start(spec: Spec) -> Box<dyn Process> {
        System::new().spawn(&spec).expect("the process starts")
    }

    /// Returns the next output of a process.
    async fn read(process: &mut dyn Process) -> String {
        let mut buf = [0; 100];
        let length = poll_fn(|cx| process.poll_read(Stream::Stdout, cx, &mut buf)).await.expect("read");
        String::from_utf8_lossy(&buf[..length]).into_owned()
    }

    #[test]
    fn a_process_reads_what_is_sent_and_sees_the_end() {
        let (input, stdin) = Input::new().expect("a pipe");
        let mut cat = start(Spec::new("cat").stdin(stdin));
        for text in ["one\n", "two"] {
            with_deadline(input.send(text.as_bytes())).expect("the pipe has a reader");
            assert_eq!(with_deadline(read(&mut *cat)), text);
        }
        drop(input);
        assert_eq!(with_deadline(read(&mut *cat)), "");
        assert_eq!(with_deadline(poll_fn(|cx| cat.poll_exit(cx))), Exit::Code(0));
    }

    #[test]
    fn sending_more_than_a_pipe_holds_waits_for_the_reader() {
        let (input, stdin) = Input::new().expect("a pipe");
        let large = vec![b'.'; LARGE];
        with_deadline(async {
            let mut sending = Box::pin(async {
                input.send(&large).await.expect("the pipe has a reader");
                drop(input);
            });
            assert!(poll_once(&mut sending).await.is_none(), "the pipe is full");
            let mut wc = start(Spec::new("wc").arg("-c").stdin(stdin));
            let (read, ()) = zip(read(&mut *wc), sending).await;
            assert_eq!(read.trim(), LARGE.to_string());
        });
    }

    #[test]
    fn a_pipe_without_reader_is_an_error_for_waiting_and_later_writes() {
        let (input, stdin) = Input::new().expect("a pipe");
        with_deadline(async {
            let mut sending = Box::pin(input.send(&[b'.'; LARGE]));
            assert!(poll_once(&mut sending).await.is_none());
            drop(stdin);
            assert_eq!(sending.await.expect_err("the pipe has no reader").kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(
                input.send(b"x").await.expect_err("the pipe has no reader").kind(),
                io::ErrorKind::BrokenPipe
            );
            input.send(b"").await.expect("nothing to write");
        });
    }

    #[test]
    fn both_ends_are_close_on_exec_and_only_the_write_end_is_nonblocking() {
        let (input, stdin) = Input::new().expect("a pipe");
        let mut reader = reader_of(stdin);
        for (fd, blocks) in [(input.0.as_fd(), false), (reader.as_fd(), true)] {
            assert!(rustix::io::fcntl_getfd(fd).expect("an open descriptor").contains(FdFlags::CLOEXEC));
            assert_ne!(
                rustix::fs::fcntl_getfl(fd).expect("an open descriptor").contains(OFlags::NONBLOCK),
                blocks
            );
        }
        drop(input);
        assert_eq!(reader.read(&mut [0]).expect("end-of-file"), 0);
    }
}
