//! Scale: a thousand idle children. The figures are the time to start and to stop them, and their cost while
//! they are idle.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use childminder::machine::NoticeKind;
use childminder::{Notice, ProcessMonitor, Spec, System};

use super::census::Census;
use super::figures::{median, pairs, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

const CHILDREN: usize = 1000;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let (rounds, idle) = (bench.sample(7, 2), Duration::from_secs(bench.sample(10, 2) as u64));
    raise_descriptor_limit()?;
    let children = [CHILDREN.to_string(), bench.baseline.program("idler")];
    let crowd = [&[bench.baseline.program("crowd")][..], &children].concat();
    let ours = [bench.baseline.contender("scale")?, children.to_vec()].concat();

    let turns = take_turns(rounds, || Measurement::take(&ours, None), || Measurement::take(&crowd, None))?;
    let calm = Measurement::take(&ours, Some(idle))?;
    let measurements = || turns.iter().map(|(ours, _)| ours);
    let per_child = |figure: fn(&Census) -> f64| {
        let growth = measurements().map(|taken| (figure(&taken.up) - figure(&taken.ready)) / CHILDREN as f64);
        median(&growth.collect::<Vec<_>>())
    };
    let threads = median(&measurements().map(|taken| taken.up.threads).collect::<Vec<_>>());
    let during = |figure: fn(&Census) -> f64| figure(&calm.later) - figure(&calm.up);
    Ok(vec![
        Row::ratio("start 1,000 idle children", Unit::Time, &pairs(&turns, |v| v.start), Target::AtMost(1.3)),
        Row::ratio("stop 1,000 idle children", Unit::Time, &pairs(&turns, |v| v.stop), Target::AtMost(2.0)),
        Row::alone("memory per idle child", Unit::Memory, per_child(|c| c.pss_kib), Target::AtMost(4.0)),
        Row::alone("descriptors per child", Unit::Count, per_child(|c| c.descriptors), Target::AtMost(4.0)),
        Row::alone("threads in all", Unit::Count, threads, Target::AtMost(5.0)),
        Row::alone("idle for a while, switches", Unit::Count, during(|c| c.switches), Target::AtMost(0.0)),
        Row::alone("idle for a while, CPU", Unit::Time, during(|c| c.cpu), Target::AtMost(0.0)),
    ])
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
    let [count, program] = args else { return Err("the arguments are a number and a program".into()) };
    let count = count.parse()?;
    let monitor = ProcessMonitor::background(System::new())?;
    print_and_wait("ready")?;

    let before = clock::now();
    let mut notices = monitor.notices();
    for number in 0..count {
        monitor.add_process(&number.to_string(), Spec::new(program))?;
    }
    monitor.start_service()?;
    let mut started = 0;
    while started < count {
        match notices.wait() {
            Some(Ok(Notice { kind: NoticeKind::Started { .. }, .. })) => started += 1,
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
fn raise_descriptor_limit() -> Outcome<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(())
}
