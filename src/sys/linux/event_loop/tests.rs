//! Tests of the event loop: no event is lost, and no sleep ends early.

use std::future::poll_fn;
use std::sync::mpsc;
use std::thread;

use futures_lite::future::{or, yield_now, zip};
use futures_timer::Delay;

use rustix::time::timerfd_gettime;

use super::super::watched::Watched;
use super::sleep::sleep_until;
use super::*;

/// Returns a pipe whose reading end is watched, and the writing end.
fn pipe() -> (Watched, OwnedFd) {
    let (ours, theirs) = io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&ours, true).expect("a pipe can be non-blocking");
    (Watched::new(ours.into()).expect("it can be watched"), theirs.into())
}

/// Reads until the end, and asks for an event before every read.
async fn read_all(mut pipe: Watched) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = [0; 8];
    loop {
        poll_fn(|cx| pipe.poll_readable(cx)).await.expect("the event loop works");
        // Read like the driver does: until a read does not fill the buffer.
        loop {
            match rustix::io::read(&pipe, &mut buf) {
                Ok(0) => return all,
                Ok(length) => {
                    all.extend_from_slice(&buf[..length]);
                    if length < buf.len() {
                        break;
                    }
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(errno) => panic!("{errno}"),
            }
        }
    }
}

fn write(pipe: &OwnedFd, text: &[u8]) {
    assert_eq!(rustix::io::write(pipe, text), Ok(text.len()));
}

/// Polls `pipe` for an event once.
async fn is_readable(pipe: &mut Watched) -> bool {
    poll_fn(|cx| Poll::Ready(pipe.poll_readable(cx).is_ready())).await
}

/// Waits for the next turn of the loop.
async fn next_turn() {
    let before = turn();
    while turn() == before {
        yield_now().await;
    }
}

#[test]
fn f_225_the_end_of_a_pipe_is_known_without_a_read_unless_data_is_left() {
    block_on(async {
        let [(mut empty, writer), (full, other)] = [pipe(), pipe()];
        assert!(!empty.begin_read() && !full.begin_read(), "they are open");
        write(&other, b"x");
        drop((writer, other));
        next_turn().await;
        assert!(empty.begin_read());
        assert!(!full.begin_read(), "there is something to read");
        assert_eq!(rustix::io::read(&full, &mut [0; 8]), Ok(1));
        assert_eq!(read_all(full).await, b"", "the end is reported as well");
        assert!(is_readable(&mut empty).await, "a read is not wrong either");
    });
}

#[test]
fn f_220_an_event_that_was_taken_has_happened_before_this_turn() {
    block_on(async {
        let (ours, writer) = pipe();
        assert_eq!(ours.take_event(), None);
        write(&writer, b"x");
        next_turn().await;
        let taken = ours.take_event().expect("an event");
        assert_eq!((Some(taken), ours.take_event()), (turn(), None));
        write(&writer, b"x");
        next_turn().await;
        assert!(ours.take_event() > Some(taken), "turns are counted upwards");
        write(&writer, b"x");
        next_turn().await;
        let elsewhere =
            || assert_eq!(ours.take_event(), None, "the turns of this thread say nothing about it");
        thread::scope(|scope| scope.spawn(elsewhere).join().expect("it is true"));
    });
    assert_eq!(turn(), None, "there is no loop");
}

/// The number of this descriptor says what its other end sees.
fn has_reader(writer: &OwnedFd) -> bool {
    rustix::io::write(writer, b"x") != Err(rustix::io::Errno::PIPE)
}

/// Drops as many descriptors as are closed at once in a turn.
fn drop_some() {
    for _ in 0..CLOSED_AT_ONCE {
        let (ours, writer) = pipe();
        drop(ours);
        assert!(!has_reader(&writer), "it is one of the first of this turn");
    }
}

#[test]
fn f_220_a_descriptor_of_a_crowd_is_closed_when_there_is_no_event_left() {
    block_on(async {
        drop_some();
        let (ours, writer) = pipe();
        drop(ours);
        assert!(has_reader(&writer), "closed at once");
        // This wakes the task in every turn, so there is always something to do.
        while has_reader(&writer) {
            let begin = now();
            yield_now().await;
            assert!(now() - begin < Duration::from_secs(10));
        }
        drop_some();
        let (ours, writer) = pipe();
        drop(ours);
        let begin = now();
        sleep_until(begin + CLOSE_WITHIN / 2).await;
        assert!(!has_reader(&writer) || now() - begin >= CLOSE_WITHIN, "the thread was idle");
        drop_some();
        let (ours, writer) = pipe();
        drop(ours);
        assert!(close_discarded() && !has_reader(&writer) && !close_discarded());
    });
    let (reader, writer) = block_on(async { pipe() });
    drop(reader);
    assert!(!has_reader(&writer), "there is no loop that would close it");
    let left = block_on(async {
        drop_some();
        let (ours, writer) = pipe();
        drop(ours);
        writer
    });
    assert!(!has_reader(&left), "the loop has ended");
}

/// A stale event must not be taken for one of the descriptor that has the key now.
#[test]
fn f_225_a_key_is_used_again_only_after_its_descriptor_is_closed() {
    block_on(async {
        let (first, writer) = pipe();
        drop_some();
        drop(first);
        let (second, other) = pipe();
        drop(writer);
        next_turn().await;
        assert!(!second.begin_read(), "the end of another pipe");
        drop(other);
        next_turn().await;
        assert!(second.begin_read());
        drop_some();
        drop(second);
        let event_loop = current().expect("this is it");
        assert!(close_discarded());
        let state = event_loop.state.lock();
        assert_eq!(state.free.len(), state.sources.len());
    });
}

#[test]
fn a_thread_that_waits_is_woken_by_another_one() {
    for delay in [0, 1, 5] {
        let (sender, receiver) = async_channel::bounded(1);
        let other = thread::spawn(move || {
            futures_lite::future::block_on(Delay::new(Duration::from_millis(delay)));
            sender.send_blocking(7).expect("it is received");
        });
        assert_eq!(block_on(receiver.recv()), Ok(7));
        other.join().expect("it has sent");
    }
}

#[test]
fn sleeps_end_in_order_and_never_early() {
    let begin = now();
    let ended = Lock::new(Vec::new());
    let sleep = |millis: u64| {
        let ended = &ended;
        async move {
            let at = begin + Duration::from_millis(millis);
            sleep_until(at).await;
            assert!(now() >= at, "{millis} ms");
            ended.lock().push(millis);
        }
    };
    block_on(async {
        // One that is dropped does not end.
        let dropped = or(sleep(10), async { sleep_until(begin + Duration::from_millis(1)).await });
        zip(zip(sleep(30), sleep(20)), zip(dropped, sleep(0))).await;
    });
    assert_eq!(*ended.lock(), [0, 20, 30]);
}

#[test]
fn f_225_everything_written_before_the_end_of_a_pipe_is_read() {
    for text in [&b""[..], b"short", b"12345678", b"longer than one read", &[b'x'; 1000]] {
        let read = block_on(async {
            let (ours, theirs) = pipe();
            write(&theirs, text);
            // The data and the end are one event.
            drop(theirs);
            read_all(ours).await
        });
        assert_eq!(read, text);
    }
}

#[test]
fn f_225_every_write_is_an_event() {
    block_on(async {
        let (ours, theirs) = pipe();
        let (turn, turns) = async_channel::bounded::<()>(1);
        let writer = thread::spawn(move || {
            for _ in 0..100 {
                write(&theirs, b"ab");
                turns.recv_blocking().expect("the reader takes turns");
            }
        });
        let mut ours = ours;
        for _ in 0..100 {
            poll_fn(|cx| ours.poll_readable(cx)).await.expect("an event");
            let mut buf = [0; 8];
            assert_eq!(rustix::io::read(&ours, &mut buf), Ok(2));
            turn.send(()).await.expect("the writer waits");
        }
        assert_eq!(read_all(ours).await, b"");
        writer.join().expect("it has written");
    });
}

#[test]
fn f_225_a_pipe_and_a_sleep_outlive_their_loop() {
    let (mut ours, theirs, mut sleep) = block_on(async {
        let (mut ours, theirs) = pipe();
        let mut sleep = sleep_until(now() + Duration::from_millis(20));
        poll_fn(|cx| {
            assert!(ours.poll_readable(cx).is_pending());
            assert!(sleep.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        (ours, theirs, sleep)
    });
    write(&theirs, b"late");
    drop(theirs);
    futures_lite::future::block_on(async {
        poll_fn(|cx| ours.poll_readable(cx)).await.expect("the other event loop works");
        assert_eq!(read_all(ours).await, b"late");
        sleep.as_mut().await;
    });
}

#[test]
fn f_225_a_waiter_is_woken_when_the_loop_ends() {
    let (sender, receiver) = mpsc::channel();
    let waiter = block_on(async {
        let (mut ours, theirs) = pipe();
        let waiter = thread::spawn(move || {
            futures_lite::future::block_on(poll_fn(|cx| {
                let poll = ours.poll_readable(cx);
                let _ = sender.send(());
                poll
            }))
            .expect("the other event loop works");
            read_some(&ours)
        });
        receiver.recv().expect("it was polled");
        (waiter, theirs)
    });
    let (waiter, theirs) = waiter;
    write(&theirs, b"x");
    assert_eq!(waiter.join().expect("it was woken"), 1);
}

fn read_some(pipe: &Watched) -> usize {
    rustix::io::read(pipe, &mut [0; 8]).expect("there is something to read")
}

#[test]
fn a_loop_within_a_loop_does_not_disturb_it() {
    block_on(async {
        let (ours, theirs) = pipe();
        let inner = block_on(async {
            let (ours, theirs) = pipe();
            write(&theirs, b"inner");
            drop(theirs);
            read_all(ours).await
        });
        assert_eq!(inner, b"inner");
        yield_now().await;
        write(&theirs, b"outer");
        drop(theirs);
        assert_eq!(read_all(ours).await, b"outer");
    });
}

#[test]
fn a_loop_does_not_wake_up_for_a_sleep_that_was_dropped() {
    let is_set = |event_loop: &EventLoop| {
        timerfd_gettime(&event_loop.timer).is_ok_and(|timer| timer.it_value.tv_sec > 0)
    };
    let begin = now();
    block_on(async {
        let event_loop = current().expect("this thread has a loop");
        let mut sleep = sleep_until(begin + Duration::from_secs(3600));
        poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await;
        next_turn().await;
        assert!(is_set(&event_loop));
        drop(sleep);
        let (mut ours, writer) = pipe();
        let observer = thread::spawn(move || {
            // It waits for this thread now, and for nothing else.
            while is_set(&event_loop) {
                assert!(now() < begin + Duration::from_secs(30), "the timer is still set");
                thread::yield_now();
            }
            write(&writer, b"x");
        });
        poll_fn(|cx| ours.poll_readable(cx)).await.expect("the event loop works");
        observer.join().expect("the timer is not set");
    });
}
