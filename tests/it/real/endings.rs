//! Endings: groups, stubborn processes, and pipes that stay open.

use std::time::Duration;

use childminder::machine::{Containment, NoticeKind};
use childminder::{Exit, Policy, Signal, System};

use futures_lite::future::block_on;
use rustix::process::Pid;

use super::{Kept, builder, every_runtime, hasty, hear, now, sh, started, with_monitor, with_monitor_on};
use crate::support::{alone, is_alive};

/// Returns the process id that a script has printed behind `word`.
async fn pid_after(kept: &Kept, word: &str) -> u32 {
    let line = loop {
        if let Some(line) = kept.all().into_iter().find(|line| line.contains(word)) {
            break line;
        }
        futures_lite::future::yield_now().await;
    };
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

every_runtime!(
    f_24_pm_41_a_term_ignorer_is_killed_with_all_its_children,
    f_25_a_member_that_ignores_term_is_killed_although_its_leader_obeyed,
    f_26_a_stopped_process_handles_the_stop_signal,
);

async fn f_24_pm_41_a_term_ignorer_is_killed_with_all_its_children() {
    let kept = Kept::default();
    with_monitor(builder().sink(kept.clone()), async |monitor| {
        // Many short sleeps: the death of one must not end the shell.
        let script =
            "trap '' TERM; (while :; do sleep 0.05; done) & echo child $!; while :; do sleep 0.05; done";
        monitor.add_process("deaf", sh(script)).unwrap();
        let mut notices = monitor.notices();
        monitor.start_service().unwrap();
        let leader = started(&mut notices, "deaf").await;
        let child = pid_after(&kept, "child").await;
        let begin = now();
        monitor.stop_service().await.unwrap();
        let took = begin.elapsed();
        assert!(took >= hasty().kill_time, "KILL came early: {took:?}");
        assert!(!is_alive(leader) && !is_alive(child));
        let exit = hear(&mut notices, |notice| match notice.kind {
            NoticeKind::Exited { exit, asked, .. } => Some((exit, asked)),
            _ => None,
        });
        assert_eq!(exit.await, (Exit::Signal { signal: Signal::KILL, core: false }, true));
    })
    .await;
}

async fn f_25_a_member_that_ignores_term_is_killed_although_its_leader_obeyed() {
    let kept = Kept::default();
    with_monitor(builder().sink(kept.clone()), async |monitor| {
        // The member ignores TERM and closes its output, so that only the group reveals it.
        let member = r#"trap "" TERM; echo member $$; exec >/dev/null 2>&1; while :; do sleep 0.05; done"#;
        let script = format!("trap 'exit 0' TERM; sh -c '{member}' & wait");
        monitor.add_process("shell", sh(&script)).unwrap();
        let mut notices = monitor.notices();
        monitor.start_service().unwrap();
        started(&mut notices, "shell").await;
        let member = pid_after(&kept, "member").await;
        let begin = now();
        monitor.stop_service().await.unwrap();
        assert!(begin.elapsed() >= hasty().kill_time, "the member was killed too early");
        assert!(!is_alive(member));
    })
    .await;
}

async fn f_26_a_stopped_process_handles_the_stop_signal() {
    // The kill time is longer than the test, so only TERM and CONT can end the process.
    let policy = Policy { kill_time: Duration::from_secs(1000), ..hasty() };
    with_monitor(builder().policy(policy), async |monitor| {
        monitor.add_process("frozen", sh("kill -STOP $$; sleep 1000")).unwrap();
        let mut notices = monitor.notices();
        monitor.start_service().unwrap();
        let pid = started(&mut notices, "frozen").await;
        while crate::support::status_field(pid, "State").is_none_or(|state| !state.starts_with('T')) {
            futures_lite::future::yield_now().await;
        }
        monitor.stop_service().await.unwrap();
        assert!(!is_alive(pid));
    })
    .await;
}

#[test]
fn pm_38_what_a_process_leaves_in_its_group_is_killed_before_it_comes_back() {
    block_on(async {
        let kept = Kept::default();
        with_monitor(builder().sink(kept.clone()), async |monitor| {
            let mut notices = monitor.notices();
            monitor.add_process("shell", sh("sleep 1000 & echo member $!; exit 0")).unwrap();
            monitor.start_service().unwrap();
            let left = hear(&mut notices, |notice| match &notice.kind {
                NoticeKind::LeftBehind { pids } => Some(pids.clone()),
                _ => None,
            });
            let left = left.await;
            assert_eq!(left, [pid_after(&kept, "member").await]);
            started(&mut notices, "shell").await;
            assert!(!is_alive(left[0]), "it is alive beside its successor");
            monitor.stop_service().await.unwrap();
        })
        .await;
    });
}

/// Returns a system with the weakest containment.
fn group_only() -> System {
    System::builder().exactly(Containment::Group).build().expect("it is always available")
}

#[test]
fn f_17_28_pm_22_a_process_outside_the_group_that_holds_the_output_is_reported_and_not_awaited() {
    const NAME: &str = "real::endings::f_17_28_pm_22_a_process_outside_the_group_that_holds_the_output_is_reported_and_not_awaited";
    alone(NAME, || {
        let kept = Kept::default();
        // Longer than the parent of a daemon lives, also on a busy machine.
        let policy = Policy { threshold: Duration::from_secs(1000), ..hasty() };
        let builder = builder().policy(policy).sink(kept.clone());
        let escaped = block_on(with_monitor_on(group_only(), builder, async |monitor| {
            let mut notices = monitor.notices();
            // Like a daemon: it gets a session of its own, and then the parent exits with 0.
            let script = "setsid sleep 1000 & p=$!; echo escaped $p
                while read -r _ _ _ _ group _ </proc/$p/stat && [ $group != $p ]; do :; done; exit 0";
            monitor.add_process("daemon", sh(script)).unwrap();
            let begin = now();
            monitor.start_process("daemon").unwrap();
            started(&mut notices, "daemon").await;
            let daemonized = hear(&mut notices, |notice| match notice.kind {
                NoticeKind::Leaked { daemonized } => Some(daemonized),
                _ => None,
            });
            assert!(daemonized.await);
            assert!(begin.elapsed() >= hasty().leak_timeout);
            hear(&mut notices, |notice| matches!(notice.kind, NoticeKind::Exited { .. }).then_some(())).await;
            pid_after(&kept, "escaped").await
        }));
        // The process group does not include it, as the notice says.
        assert!(is_alive(escaped));
        let escaped = Pid::from_raw(i32::try_from(escaped).unwrap()).unwrap();
        rustix::process::kill_process(escaped, rustix::process::Signal::KILL).unwrap();
    });
}
