//! Lines in a file that is rotated, moved, removed, or cannot be written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use childminder::Sink;
use childminder::machine::{RunId, Stream};
use childminder::output::{FileSink, FileSinkStep, LoggingProtocol, Rotation};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{alone, skip};

/// Writes numbered lines to a file sink.
struct Writer {
    protocol: LoggingProtocol,
    sink: FileSink,
    next: u32,
}

impl Writer {
    fn open(path: &Path, rotation: Rotation) -> Self {
        let protocol = LoggingProtocol::new("web".parse().expect("a name"), RunId::unmanaged(1));
        Self { protocol, sink: FileSink::open(path, rotation).expect("it opens"), next: 0 }
    }

    /// Writes `count` lines of ten bytes.
    fn lines(&mut self, count: u32) {
        for number in self.next..self.next + count {
            let line = format!("{number:03}\n");
            self.protocol.data_received(Stream::Stdout, line.as_bytes(), &mut self.sink);
        }
        self.next += count;
        self.sink.flush();
    }
}

/// Returns these lines, as they are in a file.
fn rendered(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("[web] {number:03}\n")).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn f_61_219_each_line_is_in_one_file_and_no_file_is_too_large() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("web.log");
    let file = |number: u32| dir.path().join(format!("web.log.{number}"));
    // Three lines of ten bytes fit.
    let rotation = Rotation::default().max_size(39).keep(2);
    let mut writer = Writer::open(&path, rotation);
    writer.lines(2);
    assert_eq!(read(&path), rendered(0..2));
    // One buffer for three files.
    writer.lines(6);
    assert_eq!(
        [read(&file(2)), read(&file(1)), read(&path)],
        [rendered(0..3), rendered(3..6), rendered(6..8)]
    );
    writer.lines(2);
    assert_eq!(
        [read(&file(2)), read(&file(1)), read(&path)],
        [rendered(3..6), rendered(6..9), rendered(9..10)]
    );
    assert!(!file(3).exists());
    // Another sink appends to what is there.
    let mut writer = Writer { next: 10, ..Writer::open(&path, rotation) };
    writer.lines(3);
    assert_eq!([read(&file(1)), read(&path)], [rendered(9..12), rendered(12..13)]);
    // A line that is longer than a file has one of its own.
    let long = "x".repeat(50);
    writer.protocol.data_received(Stream::Stdout, format!("{long}\n").as_bytes(), &mut writer.sink);
    writer.lines(1);
    assert_eq!([read(&file(2)), read(&file(1))], [rendered(12..13), format!("[web] {long}\n")]);
    assert_eq!(read(&path), rendered(13..14));
}

#[test]
fn with_no_old_files_the_file_is_emptied() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("web.log");
    let mut writer = Writer::open(&path, Rotation::default().max_size(30).keep(0));
    writer.lines(4);
    assert_eq!(read(&path), rendered(3..4));
    assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 1);
}

#[test]
fn f_61_219_a_file_that_was_moved_removed_or_truncated_is_begun_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, moved) = (dir.path().join("web.log"), dir.path().join("moved"));
    let mut writer = Writer::open(&path, Rotation::NEVER);
    writer.lines(1);
    fs::rename(&path, &moved).expect("it is there");
    writer.lines(1);
    assert_eq!([read(&moved), read(&path)], [rendered(0..1), rendered(1..2)]);
    fs::remove_file(&path).expect("it is there");
    writer.lines(1);
    assert_eq!(read(&path), rendered(2..3));
    fs::File::options().write(true).open(&path).expect("it is there").set_len(0).expect("it is ours");
    writer.lines(1);
    assert_eq!(read(&path), rendered(3..4), "no gap before the line");
}

#[test]
fn f_218_lines_that_a_full_disk_has_refused_are_written_later() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("web.log");
    symlink("/dev/full", &path).expect("a link");
    let mut writer = Writer::open(&path, Rotation::NEVER);
    writer.lines(3);
    writer.lines(2);
    let health = writer.sink.health();
    assert!(health.failures() > 0 && health.lost() == 0 && !health.is_broken(), "{health:?}");
    fs::remove_file(&path).expect("it is there");
    writer.lines(1);
    assert_eq!((read(&path), health.lost()), (rendered(0..6), 0));
}

#[test]
#[expect(unsafe_code, reason = "a signal is ignored")]
fn f_218_a_line_that_was_written_in_part_is_completed_in_its_file() {
    alone("output::file::f_218_a_line_that_was_written_in_part_is_completed_in_its_file", || {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, moved) = (dir.path().join("web.log"), dir.path().join("moved"));
        let mut writer = Writer::open(&path, Rotation::NEVER);
        let unlimited = getrlimit(Resource::Fsize);
        // SAFETY: `SIG_IGN` runs no code.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        setrlimit(Resource::Fsize, Rlimit { current: Some(15), ..unlimited }).expect("a lower limit");
        writer.lines(3);
        setrlimit(Resource::Fsize, unlimited).expect("the old limit");
        assert_eq!(read(&path), rendered(0..2)[..15]);
        fs::rename(&path, &moved).expect("it is there");
        writer.lines(1);
        assert_eq!([read(&moved), read(&path)], [rendered(0..2), rendered(2..4)]);
    });
}

#[test]
fn f_218_a_directory_that_is_gone_is_no_reason_to_lose_lines() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("log");
    fs::create_dir(&folder).expect("mkdir");
    let path = folder.join("web.log");
    let mut writer = Writer::open(&path, Rotation::default());
    writer.lines(1);
    fs::remove_dir_all(&folder).expect("it is ours");
    writer.lines(1);
    assert!(writer.sink.health().failures() > 0);
    fs::create_dir(&folder).expect("mkdir");
    writer.lines(1);
    assert_eq!(read(&path), rendered(1..3));
}

#[test]
fn f_217_a_file_that_cannot_be_used_is_an_error_when_it_is_opened() {
    const NAME: &str = "output::file::f_217_a_file_that_cannot_be_used_is_an_error_when_it_is_opened";
    let dir = tempfile::tempdir().expect("a directory");
    let step = |path: &Path, rotation| FileSink::open(path, rotation).expect_err("it cannot be used").step();
    assert_eq!(step(dir.path(), Rotation::default()), FileSinkStep::Open);
    assert_eq!(step(&dir.path().join("none/web.log"), Rotation::default()), FileSinkStep::Open);
    assert_eq!(step(&dir.path().join("web.log"), Rotation::default().max_size(0)), FileSinkStep::MaxSize);
    assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 0, "nothing was created");
    if !rustix::process::geteuid().is_root() {
        return skip(NAME, "only root can make a directory that this test may not write to");
    }
    alone(NAME, || {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("web.log");
        fs::write(&path, "").expect("it is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("it is ours");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        act_as(65_534);
        let (default, never) =
            (FileSink::open(&path, Rotation::default()), FileSink::open(&path, Rotation::NEVER));
        act_as(0);
        let error = default.expect_err("it could not be rotated");
        assert_eq!((error.step(), error.path()), (FileSinkStep::Rotate, &*path));
        assert!(error.to_string().contains("its directory is not writable"), "{error}");
        assert!(never.is_ok());
    });
}

/// Changes the effective user of this thread.
#[expect(unsafe_code, reason = "no safe function changes the user of one thread")]
fn act_as(uid: libc::uid_t) {
    // SAFETY: takes no pointers.
    let done = unsafe { libc::syscall(libc::SYS_setresuid, -1, uid, -1) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}
