//! Tests of the search for members: what is read, and that nothing is missed.

use std::process::{Child, Command};

use super::super::process_table::tests::READ;
use super::*;

/// Starts a program that lives until its standard input ends.
fn start(script: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(std::process::Stdio::piped());
    std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn().expect("sh")
}

/// The stop of many programs asks for the family of each. None of them may cost a look at the others.
#[test]
fn f_220_leaders_are_never_read_and_other_processes_once() {
    let mut families = Families::new();
    let mut children: Vec<Child> = (0..30).map(|_| start("exec cat")).collect();
    let keys = 1_000_000_u64..;
    for (key, child) in keys.clone().zip(&children) {
        families.register(key, child.id(), Box::default());
    }
    READ.take();
    for _ in 0..3 {
        for (key, _) in keys.clone().zip(&children) {
            assert_eq!(families.live_members(key, None).expect("/proc"), []);
        }
    }
    let read = READ.take();
    for child in &mut children {
        assert!(!read.contains(&child.id()), "a leader was read");
        drop(child.stdin.take());
        child.wait().expect("wait");
    }
}

/// A process that was created after the leaders had died is of no interest, so one search answers for all.
#[test]
fn f_220_leaders_that_have_died_in_a_turn_need_one_search() {
    let mut families = Families::new();
    let mut children: Vec<Child> = (0..3).map(|_| start("exec cat")).collect();
    let keys = [4_000_000_u64, 4_000_001, 4_000_002];
    for (key, child) in keys.into_iter().zip(&children) {
        families.register(key, child.id(), Box::default());
    }
    event_loop::block_on(async {
        futures_lite::future::yield_now().await;
        let turn = event_loop::turn();
        assert!(turn.is_some() && families.complete_in.is_none());
        assert_eq!(families.live_members(keys[0], turn).expect("/proc"), []);
        let mut later = start("exec cat");
        READ.take();
        assert_eq!(families.live_members(keys[1], turn).expect("/proc"), []);
        assert_eq!(READ.take(), [0; 0], "the answer was known");
        assert_eq!(families.live_members(keys[2], None).expect("/proc"), []);
        assert!(READ.take().contains(&later.id()), "nothing says that it had died by then");
        futures_lite::future::yield_now().await;
        assert!(event_loop::turn() > turn && !families.had_no_members(keys[1], event_loop::turn()));
        children.push(start("exec cat"));
        drop(later.stdin.take());
        later.wait().expect("wait");
    });
    for child in &mut children {
        drop(child.stdin.take());
        child.wait().expect("wait");
    }
}

/// A service that has run for days is stopped like one that has just been started.
#[test]
fn f_220_after_a_long_time_the_kernel_says_whether_ids_were_assigned_twice() {
    let mut families = Families::new();
    let mut child = start("exec cat");
    families.register(5_000_000, child.id(), Box::default());
    assert_eq!(families.live_members(5_000_000, None).expect("/proc"), []);
    let parent = rustix::process::getppid().expect("a parent").as_raw_nonzero().get().unsigned_abs();
    let mut reads_everything = |created: Option<u64>| {
        let long_ago = now().checked_sub(Duration::from_secs(3600)).expect("it was up by then");
        families.coverage.as_mut().expect("it was searched").at = long_ago;
        families.created = created;
        READ.take();
        assert_eq!(families.live_members(5_000_000, None).expect("/proc"), []);
        assert!(families.coverage.is_some_and(|coverage| coverage.is_recent()));
        READ.take().contains(&parent)
    };
    assert!(!reads_everything(created()), "few processes were created");
    assert!(reads_everything(Some(1)), "many were");
    assert!(reads_everything(None), "that is not known");
    drop(child.stdin.take());
    child.wait().expect("wait");
}

/// The table is complete from the first start on: a member that is created later is found, whichever run
/// is asked for first.
#[test]
fn f_221_a_member_is_found_when_the_run_of_a_later_leader_was_asked_for_first() {
    let mut families = Families::new();
    let mut first = start("sleep 1000 & read _; kill $!; wait");
    families.register(2_000_000, first.id(), Box::default());
    let mut second = start("exec cat");
    families.register(2_000_001, second.id(), Box::default());
    assert_eq!(families.live_members(2_000_001, None).expect("/proc"), []);
    let deadline = now() + Duration::from_secs(10);
    while families.live_members(2_000_000, None).expect("/proc").is_empty() {
        assert!(now() < deadline, "the member is not found");
    }
    for child in [&mut first, &mut second] {
        drop(child.stdin.take());
        child.wait().expect("wait");
    }
}

/// Two monitors start processes at the same time, and the file system of one program is slow.
#[test]
fn f_384_a_run_that_was_registered_late_hides_no_member_of_an_older_one() {
    let mut families = Families::new();
    let mut child = start("exec 3<&0; cat <&3 & exec cat");
    families.register(6_000_001, child.id(), Box::default());
    let mut late = start("exec cat");
    families.register(6_000_000, late.id(), Box::default());
    families.runs.get_mut(&6_000_000).expect("it is registered").since = u64::MAX;
    // It takes a moment until the shell has started the member.
    let found = (0..100_000).any(|_| !families.live_members(6_000_001, None).expect("/proc").is_empty());
    for child in [&mut child, &mut late] {
        drop(child.stdin.take());
        child.wait().expect("wait");
    }
    assert!(found);
}

#[test]
fn f_385_the_limit_of_a_process_marks_a_run_after_any_number_of_starts_and_never_two() {
    let mut families = Families::new();
    let turn =
        (0..64).map(|bit| 1_u64 << bit).find(|turn| run_mark::limit_bits(*turn) == 0).expect("no room");
    for key in [3, turn + 5] {
        families.register(key, u32::MAX, Box::default());
    }
    assert_eq!([3, 5, 7].map(|bits| families.run_with(bits)), [Some(3), Some(turn + 5), None]);
    families.register(turn + 3, u32::MAX, Box::default());
    assert_eq!(families.run_with(3), None, "it may be either");
}

/// The search for members may come while a script starts a program that is to live on.
#[test]
fn f_389_a_member_that_becomes_an_exempt_program_outside_of_the_group_is_none() {
    use std::io::Write;

    let mut families = Families::new();
    let mut child = start(
        "exec 3<&0; (read go <&3; CHILDMINDER_RUN= exec setsid cat <&3) & (read go <&3; exec setsid cat <&3) & wait",
    );
    families.register(7_000_000, child.id(), Box::default());
    // It takes a moment until the shell has started them, and until they have left the group.
    let mut members = |count: usize| {
        (0..100_000).any(|_| families.live_members(7_000_000, None).expect("/proc").len() == count)
    };
    assert!(members(2), "they are in the group");
    child.stdin.as_mut().expect("a pipe").write_all(b"go\ngo\n").expect("they read");
    let is_left = members(1);
    drop(child.stdin.take());
    child.wait().expect("wait");
    assert!(is_left, "one of them is exempt now");
}
