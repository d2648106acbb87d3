//! Scale: a thousand idle children, and more. The figures are the time to start and to stop them, and their
//! cost while they are idle.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use childminder::machine::NoticeKind;
use childminder::{Notice, ProcessMonitor, Spec, System};

use super::census::Census;
use super::figures::{Pair, median, pairs, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

/// The descriptors that a contender uses for itself, at most.
const OWN_DESCRIPTORS: usize = 100;

/// The argument that asks for merged output.
const MERGED: &str = "merged";

/// Measures a thousand children.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let (rounds, idle) = (bench.sample(7, 2), Duration::from_secs(bench.sample(10, 2) as u64));
    raise_descriptor_limit()?;
    let crowd = Crowd::new(bench, 1000)?;
    let turns = crowd.take_turns(rounds)?;
    let calm = Measurement::take(&crowd.ours, Some(idle))?;
    let ours = || turns.iter().map(|(ours, _)| ours);
    let threads = median(&ours().map(|taken| taken.up.threads).collect::<Vec<_>>());
    let descriptors =
        ours().map(|taken| (taken.up.descriptors - taken.ready.descriptors) / 1000.0).collect::<Vec<_>>();
    let memory = ours().map(|taken| taken.memory_per_child(1000)).collect::<Vec<_>>();
    Ok(vec![
        Row::ratio("start 1,000 idle children", Unit::Time, &pairs(&turns, |v| v.start), Target::AtMost(0.8)),
        Row::ratio("stop 1,000 idle children", Unit::Time, &pairs(&turns, |v| v.stop), Target::AtMost(1.3)),
        Row::alone("memory per idle child", Unit::Memory, median(&memory), Target::AtMost(2.0)),
        Row::alone("descriptors per child", Unit::Count, median(&descriptors), Target::AtMost(3.0)),
        Row::alone("threads in all", Unit::Count, threads, Target::AtMost(5.0)),
        Row::alone("idle for a while, switches", Unit::Count, calm.switches(), Target::AtMost(0.0)),
        Row::alone("idle for a while, CPU", Unit::Time, calm.cpu(), Target::AtMost(0.0)),
    ])
}

/// Measures 5,000 children.
pub(crate) fn measure_thousands(bench: &Bench) -> Outcome<Vec<Row>> {
    let limit = raise_descriptor_limit()?;
    let crowd = Crowd::new(bench, bench.sample(5000, 2000).min(limit.saturating_sub(OWN_DESCRIPTORS) / 3))?;
    crowd.report_if_less_than(5000);
    let turns = crowd.take_turns(bench.sample(3, 1))?;
    Ok(vec![
        Row::ratio("start 5,000 idle children", Unit::Time, &pairs(&turns, |v| v.start), Target::AtMost(0.4)),
        Row::ratio("stop 5,000 idle children", Unit::Time, &pairs(&turns, |v| v.stop), Target::AtMost(1.3)),
    ])
}

/// Measures 10,000 children, or as many as the limit of open descriptors allows. If it does not allow three
/// descriptors for each, their output is merged, and they need two.
pub(crate) fn measure_many(bench: &Bench) -> Outcome<Vec<Row>> {
    let room = raise_descriptor_limit()?.saturating_sub(OWN_DESCRIPTORS);
    let wanted = bench.sample(10_000, 2000);
    let crowd = if wanted <= room / 3 {
        Crowd::new(bench, wanted)?
    } else {
        Crowd::with_merged_output(bench, wanted.min(room / 2))?
    };
    let idle = Duration::from_secs(bench.sample(60, 2) as u64);
    let (ours, bare) = (Measurement::take(&crowd.ours, Some(idle))?, Measurement::take(&crowd.bare, None)?);
    let children = crowd.describe();
    let pair = |figure: fn(&Measurement) -> f64| [Pair { ours: figure(&ours), bare: figure(&bare) }];
    let memory = ours.memory_per_child(crowd.count);
    let seconds = idle.as_secs();
    Ok(vec![
        Row::ratio(format!("start {children}"), Unit::Time, &pair(|v| v.start), Target::AtMost(0.4)),
        Row::ratio(format!("stop {children}"), Unit::Time, &pair(|v| v.stop), Target::AtMost(2.0)),
        Row::alone(format!("memory per child, {children}"), Unit::Memory, memory, Target::AtMost(2.0)),
        Row::alone(
            format!("idle for {seconds} s, {children}, switches"),
            Unit::Count,
            ours.switches(),
            Target::AtMost(0.0),
        ),
        Row::alone(
            format!("idle for {seconds} s, {children}, CPU"),
            Unit::Time,
            ours.cpu(),
            Target::AtMost(0.0),
        ),
    ])
}

/// The contenders that start and stop the same number of children.
#[derive(Debug)]
struct Crowd {
    count: usize,
    is_merged: bool,
    ours: Vec<String>,
    bare: Vec<String>,
}

impl Crowd {
    fn new(bench: &Bench, count: usize) -> Outcome<Self> {
        Self::with(bench, count, false)
    }

    fn with_merged_output(bench: &Bench, count: usize) -> Outcome<Self> {
        Self::with(bench, count, true)
    }

    fn with(bench: &Bench, count: usize, is_merged: bool) -> Outcome<Self> {
        let mut children = vec![count.to_string(), bench.baseline.program("idler")];
        children.extend(is_merged.then(|| MERGED.to_owned()));
        Ok(Self {
            count,
            is_merged,
            ours: [bench.baseline.contender("scale")?, children.clone()].concat(),
            bare: [&[bench.baseline.program("crowd")][..], &children].concat(),
        })
    }

    /// Returns their number and kind, for the name of a row.
    fn describe(&self) -> String {
        let (thousands, rest) = (self.count / 1000, self.count % 1000);
        format!("{thousands},{rest:03} children{}", if self.is_merged { " with one pipe" } else { "" })
    }

    fn take_turns(&self, rounds: usize) -> Outcome<Vec<(Measurement, Measurement)>> {
        let [ours, bare] = [&self.ours, &self.bare].map(|command| || Measurement::take(command, None));
        take_turns(rounds, ours, bare)
    }

    fn report_if_less_than(&self, count: usize) {
        if self.count < count {
            eprintln!("these are {} children instead of {count}", self.count);
        }
    }
}

/// The measurements of one contender.
#[derive(Debug)]
struct Measurement {
    /// The resources before the first start.
    ready: Census,
    /// The resources with all children.
    up: Census,
    /// The resources after an idle time.
    later: Census,
    /// The time to start all children, in seconds.
    start: f64,
    /// The time to stop all children, in seconds.
    stop: f64,
}

impl Measurement {
    /// Leads the contender through its steps, with an idle time in between.
    fn take(command: &[String], idle: Option<Duration>) -> Outcome<Self> {
        let mut contender = Contender::start(command)?;
        let pid = contender.process.id();
        contender.read_line()?;
        let ready = Census::of(pid)?;
        let start = contender.step()?;
        // Threads may still be settling.
        clock::wait(Duration::from_millis(500));
        let up = Census::of(pid)?;
        clock::wait(idle.unwrap_or_default());
        let later = Census::of(pid)?;
        let stop = contender.step()?;
        contender.process.wait()?;
        Ok(Self { ready, up, later, start, stop })
    }
}

impl Measurement {
    /// Returns the growth of the memory with each child, in KiB.
    fn memory_per_child(&self, count: usize) -> f64 {
        (self.up.pss_kib - self.ready.pss_kib) / count as f64
    }

    /// Returns the number of context switches in the idle time.
    fn switches(&self) -> f64 {
        self.later.switches - self.up.switches
    }

    /// Returns the CPU time that was used in the idle time, in seconds.
    fn cpu(&self) -> f64 {
        self.later.cpu - self.up.cpu
    }
}

/// A process that takes one step for each line of input, and prints the time of the step in nanoseconds.
#[derive(Debug)]
struct Contender {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Contender {
    fn start(command: &[String]) -> Outcome<Self> {
        let mut process = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(process.stdout.take().expect("it has a pipe"));
        Ok(Self { process, output })
    }

    fn read_line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }

    fn step(&mut self) -> Outcome<f64> {
        self.process.stdin.as_mut().expect("it has a pipe").write_all(b"\n")?;
        Ok(self.read_line()?.trim_end().parse::<f64>()? / 1e9)
    }
}

/// Starts and stops a number of children step by step, as `crowd.c` does.
pub(crate) fn contend(args: &[String]) -> Outcome<()> {
    let (count, program, is_merged) = match args {
        [count, program] => (count, program, false),
        [count, program, merged] if merged == MERGED => (count, program, true),
        _ => return Err("the arguments are a number and a program".into()),
    };
    let count: usize = count.parse()?;
    let monitor = ProcessMonitor::background(System::new())?;
    let mut notices = monitor.notices();
    // The memory of the code and of what all children share is not that of a child.
    monitor.add_process("first", Spec::new(program))?;
    monitor.start_service()?;
    monitor.stop_service().wait()?;
    monitor.remove_process("first")?.wait()?;
    while !matches!(notices.wait(), None | Some(Ok(Notice { kind: NoticeKind::Removed, .. }))) {}
    print_and_wait("ready")?;

    let before = clock::now();
    for number in 0..count {
        monitor.add_process(&number.to_string(), Spec::new(program).merge_output(is_merged))?;
    }
    monitor.start_service()?;
    // They start in their order. The oldest notices are dropped if this thread falls behind.
    let last = (count - 1).to_string();
    loop {
        match notices.wait() {
            Some(Ok(Notice { kind: NoticeKind::Started { .. }, name, .. })) if name == *last => break,
            Some(Ok(Notice { kind: NoticeKind::Started { .. } | NoticeKind::Added, .. }) | Err(_)) => {}
            other => return Err(format!("expected a start, not {other:?}").into()),
        }
    }
    print_and_wait(&before.elapsed().as_nanos().to_string())?;

    let before = clock::now();
    monitor.stop_service().wait()?;
    println!("{}", before.elapsed().as_nanos());
    Ok(())
}

fn print_and_wait(what: &str) -> Outcome<()> {
    println!("{what}");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Raises the limit of open descriptors: each child needs three, which exceeds the default of many systems.
/// Returns the limit.
fn raise_descriptor_limit() -> Outcome<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.map_or(usize::MAX, |limit| limit as usize))
}
