//! Scale: a thousand children that do nothing. How long does it take to start them, what do they cost while nothing
//! happens, and how long does it take to stop them?

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
    make_room_for_descriptors()?;
    let children = [CHILDREN.to_string(), bench.baseline.program("idler")];
    let crowd = [&[bench.baseline.program("crowd")][..], &children].concat();
    let ours = [bench.baseline.contender("scale")?, children.to_vec()].concat();

    let turns = take_turns(rounds, || Visit::pay(&ours, None), || Visit::pay(&crowd, None))?;
    let calm = Visit::pay(&ours, Some(idle))?;
    let visits = || turns.iter().map(|(ours, _)| ours);
    let per_child = |figure: fn(&Census) -> f64| {
        let growth = visits().map(|visit| (figure(&visit.up) - figure(&visit.ready)) / CHILDREN as f64);
        median(&growth.collect::<Vec<_>>())
    };
    let threads = median(&visits().map(|visit| visit.up.threads).collect::<Vec<_>>());
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

/// What was seen of a contender.
#[derive(Debug)]
struct Visit {
    /// Before there were children.
    ready: Census,
    /// With all of them.
    up: Census,
    /// Some time later.
    later: Census,
    /// How long it took to start all, in seconds.
    start: f64,
    /// And to stop them.
    stop: f64,
}

impl Visit {
    /// Leads the contender through its steps, and lets it rest for a while in between.
    fn pay(command: &[String], idle: Option<Duration>) -> Outcome<Self> {
        let mut contender = Contender::start(command)?;
        let pid = contender.process.id();
        contender.hear()?;
        let ready = Census::of(pid)?;
        let start = contender.step()?;
        // What it has just done may have an aftermath.
        clock::wait(Duration::from_millis(500));
        let up = Census::of(pid)?;
        clock::wait(idle.unwrap_or_default());
        let later = Census::of(pid)?;
        let stop = contender.step()?;
        contender.process.wait()?;
        Ok(Self { ready, up, later, start, stop })
    }
}

/// A process that takes a step for each line it is sent, and says in a line how many nanoseconds that took.
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

    fn hear(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }

    fn step(&mut self) -> Outcome<f64> {
        self.process.stdin.as_mut().expect("it has a pipe").write_all(b"\n")?;
        Ok(self.hear()?.trim_end().parse::<f64>()? / 1e9)
    }
}

/// Starts and stops so many children of a program, step by step, as `crowd.c` does.
pub(crate) fn contend(args: &[String]) -> Outcome<()> {
    let [count, program] = args else { return Err("wants a number and a program".into()) };
    let count = count.parse()?;
    let monitor = ProcessMonitor::background(System::new())?;
    say_and_wait("ready")?;

    let before = clock::now();
    let mut notices = monitor.notices();
    for number in 0..count {
        monitor.add_process(&number.to_string(), Spec::new(program))?;
    }
    monitor.start_service();
    let mut started = 0;
    while started < count {
        match notices.wait() {
            Some(Ok(Notice { kind: NoticeKind::Started { .. }, .. })) => started += 1,
            other => return Err(format!("a start was expected, not {other:?}").into()),
        }
    }
    say_and_wait(&before.elapsed().as_nanos().to_string())?;

    let before = clock::now();
    monitor.stop_service().wait()?;
    println!("{}", before.elapsed().as_nanos());
    Ok(())
}

fn say_and_wait(what: &str) -> Outcome<()> {
    println!("{what}");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Three descriptors for each child are more than many systems give without being asked.
fn make_room_for_descriptors() -> Outcome<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(())
}
