//! The standard input of a process that a plan writes to.

use std::io;
use std::os::fd::OwnedFd;

use async_io::Async;

use crate::host::Stdin;
use crate::sys::write_without_sigpipe;

/// Our end of a pipe that a process reads from. Dropping it is the end of the input.
///
/// The end is seen by the process when no copy of our end is open any more; nothing that is started gets one.
#[derive(Debug)]
pub(super) struct Input(Async<OwnedFd>);

impl Input {
    /// A pipe: our end, and what the process is to read from. Theirs blocks, as programs expect of their input.
    ///
    /// Whoever has the [`Stdin`] counts as a reader, a spec that it is part of included. So it should go with the start:
    /// otherwise nobody is told that the process has stopped reading.
    ///
    /// # Errors
    ///
    /// What the system says to the pipe, or the event loop to our end.
    pub(super) fn new() -> io::Result<(Self, Stdin)> {
        let (theirs, ours) = io::pipe()?;
        let ours = OwnedFd::from(ours);
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((Self(Async::new_nonblocking(ours)?), Stdin::descriptor(theirs)))
    }

    /// Writes all of `bytes`, and waits while the pipe is full. That all was written does not mean that it was read: a
    /// pipe holds some 64 KiB. When this is dropped before its end some of it may have been written.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when nobody can read any more, however SIGPIPE is dealt with in this process.
    pub(super) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.0.write_with(|ours| write_without_sigpipe(ours, bytes)).await?;
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
    const MUCH: usize = 4 << 20;

    /// Runs a future to its end, which must come.
    fn soon<T>(future: impl Future<Output = T>) -> T {
        let late = async {
            async_io::Timer::after(Duration::from_secs(20)).await;
            panic!("this does not end")
        };
        block_on(or(future, late))
    }

    /// The end that a process would get.
    fn theirs(stdin: Stdin) -> File {
        let Stdin::Descriptor(descriptor) = stdin else { panic!("{stdin:?}") };
        descriptor.as_fd().try_clone_to_owned().expect("it is open").into()
    }

    /// Starts a process that has the other end to itself.
    fn start(spec: Spec) -> Box<dyn Process> {
        System::new().spawn(&spec).expect("it starts")
    }

    /// The next output of a process.
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
            soon(input.send(text.as_bytes())).expect("it reads");
            assert_eq!(soon(read(&mut *cat)), text);
        }
        drop(input);
        assert_eq!(soon(read(&mut *cat)), "");
        assert_eq!(soon(poll_fn(|cx| cat.poll_exit(cx))), Exit::Code(0));
    }

    #[test]
    fn who_sends_more_than_a_pipe_holds_waits_for_the_reader() {
        let (input, stdin) = Input::new().expect("a pipe");
        let much = vec![b'.'; MUCH];
        soon(async {
            let mut sending = Box::pin(async {
                input.send(&much).await.expect("it reads");
                drop(input);
            });
            assert!(poll_once(&mut sending).await.is_none(), "nobody reads yet");
            let mut wc = start(Spec::new("wc").arg("-c").stdin(stdin));
            let (read, ()) = zip(read(&mut *wc), sending).await;
            assert_eq!(read.trim(), MUCH.to_string());
        });
    }

    #[test]
    fn a_reader_that_goes_is_an_error_for_who_waits_and_for_who_comes() {
        let (input, stdin) = Input::new().expect("a pipe");
        soon(async {
            let mut sending = Box::pin(input.send(&[b'.'; MUCH]));
            assert!(poll_once(&mut sending).await.is_none());
            drop(stdin);
            assert_eq!(sending.await.expect_err("nobody reads").kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(input.send(b"x").await.expect_err("nobody reads").kind(), io::ErrorKind::BrokenPipe);
            input.send(b"").await.expect("there is nothing to read");
        });
    }

    #[test]
    fn neither_end_is_inherited_and_only_ours_does_not_block() {
        let (input, stdin) = Input::new().expect("a pipe");
        let mut theirs = theirs(stdin);
        for (fd, blocks) in [(input.0.as_fd(), false), (theirs.as_fd(), true)] {
            assert!(rustix::io::fcntl_getfd(fd).expect("open").contains(FdFlags::CLOEXEC));
            assert_ne!(rustix::fs::fcntl_getfl(fd).expect("open").contains(OFlags::NONBLOCK), blocks);
        }
        drop(input);
        assert_eq!(theirs.read(&mut [0]).expect("the end"), 0);
    }
}
