//! The watch over real processes. Every wait is bounded by the timeout of the watch.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Command;
use std::thread;

use futures_lite::future::{block_on, zip};

use super::*;
use crate::host::{ProbeOwner, ProbeTarget};
use crate::ready::OutputMatch;
use crate::sys::System;

/// The timeout of a start. Only a test that fails takes this long.
const TIMEOUT: Duration = Duration::from_secs(20);

fn watch(condition: Condition) -> Watch {
    Watch::new(Arc::new(System::new()), condition, TIMEOUT, None)
}

/// Starts `spec` and drives it until the verdict, then kills it.
fn verdict(watch: &Watch, spec: Spec) -> Result<Ready, Failure> {
    let spec = watch.equip(spec).expect("the notification channels are created");
    let (until, host) = (watch.arm(), watch.host());
    block_on(or(until, async {
        drive(host, spec).await;
        std::future::pending().await
    }))
}

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script])
}

#[test]
fn f_83_a_real_prompt_is_found_on_either_stream() {
    for script in ["printf 'login: '; sleep 1000", "printf 'log' >&2; printf 'in: ' >&2; sleep 1000"] {
        let ready = verdict(&watch(Condition::output("login: ")), sh(script)).unwrap();
        assert!(ready.progress[0].is_met());
    }
}

#[test]
fn f_83_a_real_text_far_into_a_line_without_end_is_found() {
    let script = "head -c 300000 /dev/zero | tr '\\0' '.'; printf ready; sleep 1000";
    verdict(&watch(Condition::output("ready")), sh(script)).unwrap();
    verdict(&watch(OutputMatch::regex("re(a)dy$").into()), sh(script)).unwrap();
}

#[test]
fn sv_19_a_real_death_ends_the_wait_at_once() {
    for code in [0, 3] {
        let failure = verdict(&watch(Condition::output("x")), sh(&format!("exit {code}"))).unwrap_err();
        assert!(
            matches!(failure.cause, FailureCause::Exited(Exit::Code(exited)) if exited == code),
            "{failure:?}"
        );
        assert!(failure.took < TIMEOUT);
    }
    let failure = verdict(&watch(Condition::output("x")), Spec::new("/nonexistent/program")).unwrap_err();
    assert!(matches!(failure.cause, FailureCause::SpawnFailed(_)), "{failure:?}");
}

#[test]
fn a_real_command_is_repeated_until_it_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("flag");
    let flag = flag.to_str().unwrap();
    let check = Spec::new("test").args(["-e", flag]);
    let ready = verdict(&watch(Condition::command(check)), sh(&format!("sleep 0.2; : > {flag}; sleep 1000")));
    assert!(ready.unwrap().took >= millis(200));
}

#[test]
fn sv_16_18_a_real_port_is_probed_and_no_connection_stays_open() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ready = verdict(&watch(Condition::port(port).by_any_process()), sh("sleep 1000")).unwrap();
    let remark = ready.progress[0].remark.as_deref().unwrap();
    listener.set_nonblocking(true).unwrap();
    let connection = listener.accept();
    if cfg!(target_os = "linux") {
        assert!(remark.starts_with("answered by pid "), "{remark}");
        assert_eq!(connection.unwrap_err().kind(), io::ErrorKind::WouldBlock, "no connection was made");
    } else {
        assert_eq!(connection.unwrap().0.read(&mut [0]).unwrap(), 0, "the probe has closed the connection");
    }
}

/// A listening socket that is passed on belongs to the process, even if it never accepts.
#[test]
#[cfg(target_os = "linux")]
fn f_82_a_real_port_counts_if_the_process_owns_it_and_not_if_a_stranger_does() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let condition = Condition::port(listener.local_addr().unwrap().port());
    let failure = verdict(&watch(condition.clone()), sh("sleep 0.3")).unwrap_err();
    let remark = failure.progress[0].remark.as_deref().unwrap();
    assert!(remark.starts_with("held by a stranger: "), "{remark}");

    let ready = verdict(&watch(condition), sh("sleep 1000").listener(listener)).unwrap();
    assert_eq!((ready.progress[0].is_met(), &ready.progress[0].remark), (true, &None));
}

#[test]
fn f_82_a_real_address_is_free_or_in_use() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let is_free = |condition: Condition| -> Result<(), AddressInUse> {
        let host: Arc<dyn Host> = Arc::new(System::new());
        block_on(check_free(&host, &condition, &Spec::new("x")))
    };
    let in_use = is_free(Condition::http(port, "/")).unwrap_err();
    assert_eq!(in_use.target, ProbeTarget::Port(port));
    assert_ne!(in_use.by, ProbeOwner::Own);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    is_free(Condition::unix(&path)).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    is_free(Condition::unix(&path)).expect("no process listens on the socket");
}

#[test]
fn a_real_line_feed_on_the_descriptor_is_a_notification() {
    let watch = watch(Condition::notify(5));
    for _ in 0..3 {
        let ready = verdict(&watch, sh("echo >&5; sleep 1000")).unwrap();
        assert!(ready.progress[0].is_met());
    }
    let failure = verdict(&watch, sh("printf x >&5; exit 0")).unwrap_err();
    assert!(matches!(failure.cause, FailureCause::Exited(Exit::Code(0))), "{failure:?}");
}

/// The sender is this test, which does not belong to the run.
#[test]
#[cfg(target_os = "linux")]
fn f_124_a_real_datagram_of_a_foreign_process_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let script = format!("printf %s \"$NOTIFY_SOCKET\" > {}; sleep 1", fifo.display());
    let sender = thread::spawn(move || {
        let path = fs::read_to_string(fifo).unwrap();
        UnixDatagram::unbound().unwrap().send_to(b"READY=1\n", path).unwrap();
    });
    let failure = verdict(&watch(Condition::sd_notify()), sh(&script)).unwrap_err();
    let remark = failure.progress[0].remark.as_deref().unwrap();
    assert!(
        remark.starts_with(&format!("ignored a notification of pid {} ", std::process::id())),
        "{remark}"
    );
    sender.join().unwrap();
}

#[test]
fn f_84_real_watches_do_not_influence_each_other() {
    let (one, two) = (watch(Condition::output("one")), watch(Condition::output("two")));
    let (until_one, until_two) = (one.arm(), two.arm());
    let driving =
        zip(drive(one.host(), sh("echo one; sleep 1000")), drive(two.host(), sh("echo two; exit 3")));
    let (first, second) = block_on(or(zip(until_one, until_two), async {
        driving.await;
        std::future::pending().await
    }));
    assert!(first.is_ok(), "{first:?}");
    if let Err(failure) = second {
        assert!(matches!(failure.cause, FailureCause::Exited(Exit::Code(3))), "{failure:?}");
    }
}
