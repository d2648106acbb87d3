use std::future::poll_fn;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use futures_lite::future::block_on;

use super::*;

/// Returns what has arrived, and whether nothing more can arrive.
fn read_all(channel: &NotifyChannel) -> (Vec<String>, bool) {
    block_on(poll_fn(|cx| {
        let mut events = Vec::new();
        let has_ended = channel.poll(cx, &|pid| pid == std::process::id(), &mut events).is_ready();
        let events = events.into_iter().map(|event| match event {
            Notification::Ready => "ready".to_owned(),
            Notification::Remark(remark) => remark,
            Notification::Watchdog(signal) => format!("watchdog {signal:?}"),
        });
        Poll::Ready((events.collect(), has_ended))
    }))
}

/// Returns the end of the pipe that the process gets.
fn process_end(spec: &Spec) -> fs::File {
    let (number, descriptor) = spec.get_descriptors().next().expect("the spec has a descriptor");
    assert_eq!(number, 5);
    descriptor.as_fd().try_clone_to_owned().expect("the descriptor is open").into()
}

fn events(events: &[&str]) -> Vec<String> {
    events.iter().map(|event| (*event).to_owned()).collect()
}

#[test]
fn only_a_line_feed_on_the_pipe_is_a_notification() {
    let (channel, spec) = NotifyChannel::pipe(5, Spec::new("x")).unwrap();
    let mut theirs = process_end(&spec);
    assert_eq!(read_all(&channel), (Vec::new(), false));
    theirs.write_all(b"almost").unwrap();
    assert_eq!(read_all(&channel), (Vec::new(), false));
    theirs.write_all(b" there\n").unwrap();
    assert_eq!(read_all(&channel), (events(&["ready"]), true));
}

#[test]
fn a_pipe_closed_without_a_line_feed_leaves_a_remark() {
    let (channel, spec) = NotifyChannel::pipe(5, Spec::new("x")).unwrap();
    let theirs = process_end(&spec);
    drop(spec);
    drop(theirs);
    assert_eq!(read_all(&channel), (events(&["closed without a line feed"]), true));
}

#[test]
fn f_84_a_write_of_the_previous_run_does_not_notify_the_next() {
    let (_, previous) = NotifyChannel::pipe(5, Spec::new("x")).unwrap();
    let (channel, _spec) = NotifyChannel::pipe(5, Spec::new("x")).unwrap();
    assert_eq!(process_end(&previous).write_all(b"\n").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(read_all(&channel), (Vec::new(), false));
}

#[test]
fn a_datagram_with_ready_1_is_a_notification_and_the_status_is_kept() {
    let (channel, spec) = NotifyChannel::socket(Spec::new("x")).unwrap();
    let path = socket_path(&spec);
    let theirs = UnixDatagram::unbound().unwrap();
    let send = |text: &str| theirs.send_to(text.as_bytes(), &path).unwrap();
    send("STATUS=loading\nREADY=0");
    send("MAINPID=7\nXREADY=1\nREADY=11");
    assert_eq!(read_all(&channel), (events(&["status: loading"]), false));
    send("READY=1\nSTATUS=serving");
    assert_eq!(read_all(&channel), (events(&["ready", "status: serving"]), false));
}

#[test]
fn f_204_the_notifications_of_the_watchdog_are_those_of_systemd() {
    let (channel, spec) = NotifyChannel::socket(Spec::new("x")).unwrap();
    let theirs = UnixDatagram::unbound().unwrap();
    theirs.send_to(b"WATCHDOG=1\nWATCHDOG=2\nWATCHDOG_USEC=0\nWATCHDOG_USEC=x", socket_path(&spec)).unwrap();
    assert_eq!(read_all(&channel), (events(&["watchdog Alive"]), false));
    theirs.send_to(b"WATCHDOG_USEC=1500000\nWATCHDOG=trigger", socket_path(&spec)).unwrap();
    assert_eq!(read_all(&channel), (events(&["watchdog Timeout(1.5s)", "watchdog Trigger"]), false));
}

#[test]
fn the_directory_of_the_socket_is_removed_with_the_channel() {
    let (channel, spec) = NotifyChannel::socket(Spec::new("x")).unwrap();
    let path = socket_path(&spec);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let expected = if HAS_CREDENTIALS { (0o711, 0o666) } else { (0o700, 0o600) };
    assert_eq!((mode(path.parent().unwrap()), mode(&path)), expected);
    drop(channel);
    assert!(!path.parent().unwrap().exists(), "{} was not removed", path.display());
}

#[test]
#[cfg(target_os = "linux")]
fn f_124_a_notification_counts_only_from_the_run_or_from_an_exited_process_of_a_known_user() {
    let own = rustix::process::getpid();
    let sender = |pid, uid| Sender { pid, uid };
    let uid = geteuid().as_raw();
    let stranger = 4_000_000_000;
    assert!(is_trusted(sender(Some(own), stranger), None, &|_| true));
    assert!(!is_trusted(sender(Some(own), uid), None, &|_| false), "it is alive, and not of the run");
    let exited = std::process::Command::new("true").spawn().map(|mut child| (child.id(), child.wait()));
    let exited = Pid::from_raw(exited.unwrap().0.cast_signed());
    assert!(is_trusted(sender(exited, uid), None, &|_| false));
    assert!(is_trusted(sender(exited, stranger), Some(stranger), &|_| false));
    assert!(!is_trusted(sender(exited, stranger), None, &|_| false));
}

#[test]
fn f_126_the_socket_is_created_where_its_path_is_short_and_other_users_can_enter() {
    let long = PathBuf::from(format!("/{}", "x".repeat(100)));
    let dirs = socket_dirs(long.clone(), false);
    assert!(!dirs.contains(&long) && dirs.last() == Some(&PathBuf::from("/tmp")), "{dirs:?}");
    let dir = tempfile::tempdir().unwrap();
    let usual = dir.path().to_owned();
    fs::set_permissions(&usual, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(socket_dirs(usual.clone(), false).last(), Some(&usual));
    assert_ne!(socket_dirs(usual.clone(), true).last(), Some(&usual), "others cannot enter it");
    fs::set_permissions(&usual, Permissions::from_mode(0o711)).unwrap();
    let is_entered = is_open_to_others(usual.parent().unwrap());
    assert_eq!(socket_dirs(usual.clone(), true).last() == Some(&usual), is_entered);
}

fn socket_path(spec: &Spec) -> PathBuf {
    let (_, path) = spec.get_envs().find(|(name, _)| *name == "NOTIFY_SOCKET").unwrap();
    Path::new(path.unwrap()).to_owned()
}
