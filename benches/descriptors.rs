//! Descriptors: the start of a child by a program that has 10,000 descriptors open. The figure is the time
//! from the start until the child is reaped; the child exits at once.

use std::future::poll_fn;
use std::process::Command;

use childminder::{Host, Spec, System};
use futures_lite::future::block_on;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::figures::{pairs, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

const DESCRIPTORS: usize = 10_000;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let (rounds, starts) = (bench.sample(7, 2), bench.sample(200, 50));
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let words = [DESCRIPTORS.to_string(), starts.to_string(), bench.baseline.program("sprinter")];
    let time = |program: &[String]| -> Outcome<f64> {
        let output = Command::new(&program[0]).args(&program[1..]).args(&words).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(String::from_utf8(output.stdout)?.trim_end().parse::<f64>()? / 1e9 / starts as f64)
    };
    let (ours, bare) = (bench.baseline.contender("descriptors")?, [bench.baseline.program("burdened")]);
    let turns = take_turns(rounds, || time(&ours), || time(&bare))?;
    let row = "start with 10,000 descriptors";
    Ok(vec![Row::ratio(row, Unit::Time, &pairs(&turns, |time| *time), Target::AtMost(0.3))])
}

/// Opens descriptors and starts children one after the other, as `burdened.c` does.
pub(crate) fn contend(args: &[String]) -> Outcome<()> {
    let [descriptors, starts, program] = args else {
        return Err("the arguments are two numbers and a program".into());
    };
    let system = System::new();
    let null = || open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let _open = (0..descriptors.parse()?).map(|_| null()).collect::<Result<Vec<_>, _>>()?;
    let spec = Spec::new(program);
    let before = clock::now();
    for _ in 0..starts.parse()? {
        let mut process = system.spawn(&spec)?;
        block_on(poll_fn(|cx| process.poll_exit(cx)));
        if !process.remaining().is_empty() {
            return Err("the child has left processes behind".into());
        }
    }
    println!("{}", before.elapsed().as_nanos());
    Ok(())
}
