//! Starts, exits and restarts.

use std::time::Duration;

use childminder::machine::{LastRun, NoticeKind, SpawnStep};
use childminder::{Exit, Phase, Policy, Spec};

use super::{Kept, builder, every_runtime, hear, sh, started, with_monitor};
use crate::support::is_alive;

every_runtime!(a_process_that_dies_comes_back, f_1_44_a_missing_program_is_reported_and_retried);

async fn a_process_that_dies_comes_back() {
    let kept = Kept::default();
    with_monitor(builder().sink(kept.clone()), async |monitor| {
        let mut notices = monitor.notices();
        monitor.add_process("once", sh("echo run; exit 3")).unwrap();
        monitor.start_service().unwrap();
        let first = started(&mut notices, "once").await;
        let second = started(&mut notices, "once").await;
        assert_ne!(first, second);
        let status = monitor.status("once").unwrap();
        assert!(status.restarts >= 1);
        assert!(matches!(status.last, Some(LastRun::Exited(Exit::Code(3)))), "{status:?}");
        monitor.stop_service().await.unwrap();
        assert!(!is_alive(first) && !is_alive(second));
    })
    .await;
    assert!(!kept.all().is_empty(), "the line of the first run is missing");
    assert!(kept.all().iter().all(|line| line == "once: run"));
}

async fn f_1_44_a_missing_program_is_reported_and_retried() {
    with_monitor(builder(), async |monitor| {
        let mut notices = monitor.notices();
        monitor.add_process("missing", Spec::new("/no/such/program")).unwrap();
        monitor.add_process("there", sh("exec sleep 1000")).unwrap();
        monitor.start_service().unwrap();
        for _ in 0..2 {
            let error = hear(&mut notices, |notice| match &notice.kind {
                NoticeKind::SpawnFailed { error } => Some(error.clone()),
                _ => None,
            })
            .await;
            assert_eq!(
                (error.step(), error.raw_os_error()),
                (SpawnStep::Find, Some(libc::ENOENT)),
                "{error}"
            );
            assert!(error.to_string().contains("/no/such/program"), "{error}");
        }
        assert_eq!(monitor.status("there").unwrap().phase, Phase::Up);
        monitor.stop_service().await.unwrap();
    })
    .await;
}

every_runtime!(pm_16_f_34_a_hold_is_kept_and_a_start_does_not_wait);

async fn pm_16_f_34_a_hold_is_kept_and_a_start_does_not_wait() {
    let never = Policy {
        min_restart_delay: Duration::from_secs(1000),
        max_restart_delay: Duration::from_secs(1000),
        ..super::hasty()
    };
    with_monitor(builder().policy(never), async |monitor| {
        let mut notices = monitor.notices();
        monitor.add_process("foo", sh("exit 1")).unwrap();
        monitor.start_service().unwrap();
        for _ in 0..3 {
            started(&mut notices, "foo").await;
            hear(&mut notices, |notice| matches!(notice.kind, NoticeKind::Restarting { .. }).then_some(()))
                .await;
            assert_eq!(monitor.status("foo").unwrap().phase, Phase::Waiting);
            monitor.start_process("foo").unwrap();
        }
        monitor.hold_process("foo").unwrap().await.unwrap();
        assert_eq!(monitor.status("foo").unwrap().phase, Phase::Held);
    })
    .await;
}
