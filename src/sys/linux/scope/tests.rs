//! Tests of what each process of a run receives.

#![expect(unsafe_code, reason = "a blocked signal, and the descriptor that counts it")]

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{mem, ptr, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::cgroup::CgroupRoot;
use super::super::clone::Created;
use super::*;
use crate::sys::exit::alone::passes_alone;

/// A real-time signal: the kernel counts how often it was sent to a process that blocks it.
const SIGNAL: c_int = 40;

/// The length of what `signalfd` returns for each signal.
const EACH: usize = 128;

/// Waits until it may begin, starts a member of its group, and waits until both are to show what they have
/// received.
const SCRIPT: &str =
    "read begin <&8; (read show <&8; exec cat <&9) & echo ready; read show <&8; exec cat <&9";

/// A leader with one member in its group.
struct Pair {
    child: Child,
    /// Lines for the two processes.
    orders: PipeWriter,
    leader: Leader,
}

impl Pair {
    fn start() -> Self {
        let (theirs, orders): (PipeReader, PipeWriter) = io::pipe().expect("a pipe");
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
        let prepare = move || {
            // SAFETY: all pointers are to a set on this stack, which `sigemptyset` fills.
            unsafe {
                let mut set: libc::sigset_t = mem::zeroed();
                libc::sigemptyset(&raw mut set);
                libc::sigaddset(&raw mut set, SIGNAL);
                libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
                let counter = libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK);
                // Those at 8 and 9 may be one of them.
                let (from, counter) = (libc::dup(theirs.as_raw_fd()), libc::dup(counter));
                libc::dup2(from, 8);
                libc::dup2(counter, 9);
            }
            Ok(())
        };
        // SAFETY: the closure makes system calls only.
        let child = unsafe { command.pre_exec(prepare) }.spawn().expect("sh");
        drop(command);
        let pid = Pid::from_child(&child);
        let leader = Leader::new(Created { pid, pidfd: None }).expect("a pidfd");
        Self { child, orders, leader }
    }

    /// Lets the leader start the member.
    fn begin(&mut self) {
        self.orders.write_all(b"begin\n").expect("it reads");
        let mut ready = [0; 6];
        self.child.stdout.as_mut().expect("a pipe").read_exact(&mut ready).expect("it writes");
        assert_eq!(&ready, b"ready\n");
    }

    /// Returns how many signals both have received together.
    fn received(self) -> usize {
        let Self { mut child, orders, leader } = self;
        drop(orders);
        let mut shown = Vec::new();
        child.stdout.take().expect("a pipe").read_to_end(&mut shown).expect("both end");
        drop(leader);
        child.wait().expect("wait");
        shown.len() / EACH
    }
}

/// A second TERM makes many programs end at once, and leave behind what they would have saved.
#[test]
fn f_380_a_signal_to_a_family_reaches_each_process_of_the_group_once() {
    let spec = Spec::new("sh");
    let mut pair = Pair::start();
    let mut scope = Scope::new(&spec, &pair.leader, &Tier::Family, RunMark::next(), None);
    pair.begin();
    scope.signal(&pair.leader, SignalTarget::Family, SIGNAL).expect("they are ours");
    assert_eq!(pair.received(), 2, "in a family");

    let Ok(root) = CgroupRoot::find() else { return };
    let cgroup = root.create().expect("a control group");
    let procs = format!("/proc/self/fd/{}/cgroup.procs", cgroup.directory().as_raw_fd());
    let mut pair = Pair::start();
    fs::write(&procs, pair.child.id().to_string()).expect("it is ours");
    let tier = Tier::Cgroup(std::sync::Arc::new(root));
    let mut scope = Scope::new(&spec, &pair.leader, &tier, RunMark::next(), Some(cgroup));
    pair.begin();
    assert_eq!(fs::read_to_string(procs).expect("it is ours").lines().count(), 2, "both are in it");
    scope.signal(&pair.leader, SignalTarget::Family, SIGNAL).expect("they are ours");
    assert_eq!(pair.received(), 2, "in a control group");
}

/// Starts a leader with a member in its group; both end with their standard input. The leader may end before.
fn family(leader: &str) -> (Child, Leader, Scope) {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec 3<&0; cat <&3 & echo; {leader}")]).process_group(0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh");
    child.stdout.as_mut().expect("a pipe").read_exact(&mut [0]).expect("it writes");
    let leader = Leader::new(Created { pid: Pid::from_child(&child), pidfd: None }).expect("a pidfd");
    let scope = Scope::new(&Spec::new("sh"), &leader, &Tier::Family, RunMark::next(), None);
    (child, leader, scope)
}

#[test]
fn f_383_two_monitors_without_descriptors_do_not_wait_for_each_other() {
    let name = "sys::linux::scope::tests::f_383_two_monitors_without_descriptors_do_not_wait_for_each_other";
    passes_alone(name, || {
        const ROUNDS: u32 = 2_000;
        reserve::keep_descriptors();
        let (mut signalled, leader, mut scope) = family("exec cat");
        let (mut searched, mut dead, mut its_scope) = family("exit 0");
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).expect("a lower limit");
        let is_over = AtomicBool::new(false);
        thread::scope(|threads| {
            // Takes every descriptor that becomes free.
            threads.spawn(|| {
                let mut hogs = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    hogs.extend(fs::File::open("/dev/null"));
                }
            });
            let signals = threads
                .spawn(|| (0..ROUNDS).for_each(|_| drop(scope.signal(&leader, SignalTarget::Family, 0))));
            (0..ROUNDS).for_each(|_| drop(its_scope.remaining(&mut dead)));
            signals.join().expect("it does not panic");
            is_over.store(true, Ordering::Relaxed);
        });
        for child in [&mut signalled, &mut searched] {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    });
}
