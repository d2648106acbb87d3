//! Journals written by hand, each with something that is hard to draw.

use std::io;
use std::time::Duration;

use crate::machine::{Exit, Name, Signal, SpawnError, SpawnStep, Stream};
use crate::plan::journal::{Journal, JournalEvent};

/// A journal under construction: all events happen at `now`, until [`after`](Self::after).
pub(super) struct Scenario {
    journal: Journal,
    now: Duration,
    step: usize,
    pid: u32,
}

impl Scenario {
    pub(super) fn new(plan: &str, processes: &[&str], steps: &[&str]) -> Self {
        let journal = Journal::new(plan, steps.iter().copied(), processes.iter().copied().map(name));
        Self { journal, now: Duration::ZERO, step: 0, pid: 4710 }
    }

    pub(super) fn after(&mut self, micros: u64) -> &mut Self {
        self.now += Duration::from_micros(micros);
        self
    }

    /// Ends the current step, and begins the next one.
    pub(super) fn step(&mut self) -> &mut Self {
        self.end();
        self.step += 1;
        self.push(JournalEvent::StepBegan { step: self.step })
    }

    pub(super) fn end(&mut self) -> &mut Self {
        match self.step {
            0 => self,
            step => self.push(JournalEvent::StepEnded { step }),
        }
    }

    pub(super) fn starts(&mut self, process: &str) -> &mut Self {
        self.pid += 1;
        self.push(JournalEvent::Started { process: name(process), pid: self.pid })
    }

    pub(super) fn prints(&mut self, process: &str, stream: Stream, bytes: u64, lines: u64) -> &mut Self {
        let until = self.now;
        self.push(JournalEvent::Printed { process: name(process), stream, bytes, lines, until })
    }

    pub(super) fn is_given(&mut self, process: &str, bytes: usize) -> &mut Self {
        self.push(JournalEvent::InputSent { process: name(process), bytes })
    }

    pub(super) fn loses_input(&mut self, process: &str, bytes: usize) -> &mut Self {
        self.push(JournalEvent::InputLost { process: name(process), bytes })
    }

    pub(super) fn is_sent(&mut self, process: &str, signal: Signal) -> &mut Self {
        self.push(JournalEvent::Signalled { process: name(process), signal })
    }

    pub(super) fn crashes(&mut self, process: &str, point: &str) -> &mut Self {
        self.push(JournalEvent::Crashed { process: name(process), point: point.to_owned() })
    }

    pub(super) fn exits(&mut self, process: &str, exit: Exit) -> &mut Self {
        self.push(JournalEvent::Exited { process: name(process), exit })
    }

    pub(super) fn is_killed(&mut self, process: &str) -> &mut Self {
        self.exits(process, Exit::Signal { signal: Signal::KILL, core: false })
    }

    pub(super) fn is_gone(&mut self, process: &str) -> &mut Self {
        self.push(JournalEvent::Gone { process: name(process) })
    }

    pub(super) fn is_not_started(&mut self, process: &str) -> &mut Self {
        let error = SpawnError::new(SpawnStep::Exec, process, io::Error::from_raw_os_error(libc::EACCES));
        self.push(JournalEvent::NotStarted { process: name(process), error })
    }

    pub(super) fn fails(&mut self, processes: &[&str], reason: &str) -> &mut Self {
        let processes = processes.iter().copied().map(name).collect();
        self.push(JournalEvent::Failed { step: self.step, processes, reason: reason.to_owned() })
    }

    pub(super) fn journal(&self) -> Journal {
        self.journal.clone()
    }

    fn push(&mut self, event: JournalEvent) -> &mut Self {
        self.journal.push(self.now, event);
        self
    }
}

fn name(process: &str) -> Name {
    process.parse().expect(process)
}

/// Two processes and a few events of several kinds, small enough to compare the whole text.
pub(super) fn small() -> Journal {
    let steps = [
        "spawn server",
        "wait for output of server: text \"ready <1>\"",
        "spawn client",
        "wait for client: code 0",
    ];
    let mut run = Scenario::new("round trip", &["server", "client"], &steps);
    run.step().after(900).starts("server").step().after(30_000);
    run.prints("server", Stream::Stderr, 80, 1).after(20_000).prints("server", Stream::Stdout, 9, 1);
    run.after(100).step().after(1_000).starts("client").step().after(50_000);
    run.is_given("server", 12).after(5_000).prints("client", Stream::Stdout, 4_000, 60).after(40_000);
    run.exits("client", Exit::Code(3)).after(200).is_gone("client");
    run.fails(&["client"], "client ended with code 3 where code 0 was expected")
        .is_sent("server", Signal::KILL)
        .after(2_000);
    run.is_killed("server").after(10_000).is_gone("server").journal()
}

/// Ten processes, one of which ends unexpectedly.
pub(super) fn ten() -> Journal {
    let workers = ["worker", "worker-1", "worker-2", "worker-3", "worker-4"];
    let processes = [
        "redis-server",
        "manager",
        "worker",
        "worker-1",
        "worker-2",
        "worker-3",
        "worker-4",
        "tail",
        "client",
        "client-1",
    ];
    let steps = [
        "spawn redis-server: /usr/bin/redis-server --port 40211",
        "wait until redis-server: port 40211",
        "spawn manager: /opt/jobs/manager --queue jobs",
        "wait for manager: output \"listening\"",
        "spawn all: worker: /opt/jobs/worker 1; worker-1: /opt/jobs/worker 2; worker-2: /opt/jobs/worker 3; \
         worker-3: /opt/jobs/worker 4; worker-4: /opt/jobs/worker 5",
        "spawn tail: /usr/bin/tail -F /var/log/jobs.log",
        "call check the queue",
        "spawn client: /opt/jobs/client submit",
        "send client: \"thumbnails/1.png\\nthumbnails/2.png\\n… (4096 bytes)\"",
        "wait for client: code 0",
        "kill worker-2 with TERM: signal TERM",
        "spawn client-1: /opt/jobs/client results --follow",
        "wait for client-1: code 0, within 10s",
        "kill tail with TERM: signal TERM",
        "kill manager with TERM: code 0",
        "kill redis-server with TERM: code 0",
    ];
    let mut run = Scenario::new("jobs-survive-a-lost-worker", &processes, &steps);
    run.step().after(2_100).starts("redis-server").step().after(31_000);
    run.prints("redis-server", Stream::Stdout, 2_300, 24).after(60_000);
    run.prints("redis-server", Stream::Stdout, 180, 2).after(31_000);
    run.step().after(1_900).starts("manager").step().after(120_000);
    run.prints("manager", Stream::Stderr, 240, 3)
        .after(41_000)
        .prints("manager", Stream::Stdout, 30, 1)
        .after(800);
    run.step();
    for worker in workers {
        run.after(1_700).starts(worker);
    }
    run.step().after(1_500).starts("tail").step().after(15_000).prints("tail", Stream::Stdout, 60, 1);
    chatter(&mut run, &workers, 12);
    run.step().after(2_000).starts("client").step().after(300).is_given("client", 4_096).step();
    chatter(&mut run, &workers, 40);
    run.prints("client", Stream::Stdout, 20_000, 320).after(4_000).exits("client", Exit::Code(0)).after(900);
    run.is_gone("client").step().is_sent("worker-2", Signal::TERM).after(61_000);
    run.prints("worker-2", Stream::Stderr, 90, 1).after(22_000);
    run.exits("worker-2", Exit::Signal { signal: Signal::TERM, core: false })
        .after(70_000)
        .is_gone("worker-2");
    run.step().after(2_000).starts("client-1").step();
    chatter(&mut run, &["worker", "worker-1", "worker-3", "worker-4"], 30);
    run.prints("worker-3", Stream::Stderr, 1_900, 26)
        .after(3_000)
        .exits("worker-3", Exit::Code(3))
        .after(900);
    run.fails(&["worker-3"], "worker-3 ended with code 3, and this step does not expect it to end");
    let left = ["redis-server", "manager", "worker", "worker-1", "worker-4", "tail", "client-1"];
    for process in left {
        run.after(300).is_sent(process, Signal::KILL);
    }
    run.is_gone("worker-3");
    for process in left {
        run.after(2_500).is_killed(process).after(1_500).is_gone(process);
    }
    run.journal()
}

/// Adds output of many processes in turn.
fn chatter(run: &mut Scenario, processes: &[&str], rounds: u64) {
    for round in 0..rounds {
        for (i, process) in processes.iter().enumerate() {
            let salt = (round * 7 + i as u64 * 13) % 11;
            if salt < 5 {
                run.prints(process, Stream::Stdout, 60 << (salt * 2), 1 + salt);
            }
            if salt == 7 {
                run.prints(process, Stream::Stderr, 200, 2);
            }
            run.after(700 + 90 * salt);
        }
        run.prints("manager", Stream::Stdout, 100 + 400 * (round % 4), 2).after(900);
        if round % 3 == 0 {
            run.prints("redis-server", Stream::Stdout, 90, 1).after(200);
        }
    }
}

/// A hundred processes; all are sent TERM in the end, and some of them KILL.
pub(super) fn hundred() -> Journal {
    let processes: Vec<String> = (0..100).map(|i| format!("echo-{i}")).collect();
    let processes: Vec<&str> = processes.iter().map(|name| &**name).collect();
    let mut run =
        Scenario::new("hundred", &processes, &["spawn 100 processes", "call talk", "kill all: signal TERM"]);
    run.step();
    for process in &processes {
        run.after(900).starts(process);
    }
    run.step();
    for round in 0..20 {
        for (i, process) in processes.iter().enumerate() {
            if (i + round) % 4 == 0 {
                run.prints(process, Stream::BOTH[usize::from(i % 16 == 0)], 10 << (i % 9), 1);
            }
            run.after(110);
        }
    }
    run.step();
    for process in &processes {
        run.is_sent(process, Signal::TERM).is_sent(process, Signal::CONT).after(40);
    }
    for (i, process) in processes.iter().enumerate() {
        match i % 9 {
            0 => run.after(9_000).is_sent(process, Signal::KILL).after(300).is_killed(process),
            1 => run.after(300).exits(process, Exit::Code(0)),
            _ => run.after(300).exits(process, Exit::Signal { signal: Signal::TERM, core: false }),
        };
        run.after(300).is_gone(process);
    }
    run.end().journal()
}

/// A run of three milliseconds.
pub(super) fn short() -> Journal {
    let mut run = Scenario::new("echo", &["echo"], &["spawn echo hello", "wait for echo: code 0"]);
    run.step()
        .after(1_204)
        .starts("echo")
        .step()
        .after(1_100)
        .prints("echo", Stream::Stdout, 6, 1)
        .after(400);
    run.exits("echo", Exit::Code(0)).after(250).is_gone("echo").after(40).end().journal()
}

/// A run of two hours. Nearly all of it is one step; the fifty others come before and after it.
pub(super) fn long() -> Journal {
    let steps: Vec<String> = (1..=51).map(|i| format!("call number {i} of the soak test")).collect();
    let steps: Vec<&str> = steps.iter().map(|step| &**step).collect();
    let mut run = Scenario::new("soak", &["server", "load", "probe"], &steps);
    run.step().starts("server").step().starts("load");
    for i in 3..=51 {
        run.step().after(if i == 25 { 6_600_000_000 } else { 1_000 });
        if i % 5 == 0 {
            run.after(40_000_000).prints("load", Stream::Stdout, 1 << i.min(30), 1);
        }
    }
    run.after(200_000_000).exits("load", Exit::Lost).is_gone("load").end().journal()
}

/// A process that is started repeatedly and killed on purpose, signals that come together, and a failed
/// start.
pub(super) fn crashes() -> Journal {
    let long = "a-process-whose-name-is-as-long-as-a-name-may-be-which-is-64-no1";
    let other = "a-process-whose-name-is-as-long-as-a-name-may-be-which-is-64-no2";
    let steps =
        ["spawn helper", "wait until helper is ready", "spawn helper again", "call use it", "spawn missing"];
    let mut run = Scenario::new("crash points", &["helper", long, other, "missing", "never"], &steps);
    run.step().starts("helper").starts(long).step().after(80_000).prints("helper", Stream::Stdout, 40, 1);
    run.crashes("helper", "stdout:1")
        .is_sent("helper", Signal::KILL)
        .after(2_000)
        .is_killed("helper")
        .after(900)
        .is_gone("helper");
    run.after(30_000).step().starts("helper").starts(other).after(8_000).exits("helper", Exit::Code(0));
    run.after(1_000)
        .starts("helper")
        .step()
        .after(150_000)
        .is_sent(long, Signal::HUP)
        .is_sent(long, Signal::HUP);
    run.after(4_000).is_sent(long, Signal::USR1).after(4_000).is_sent(long, Signal::TERM);
    run.after(9_000)
        .exits(long, Exit::Signal { signal: Signal::ABRT, core: true })
        .after(90_000)
        .is_gone(long);
    run.step().is_not_started("missing").after(30_000).journal()
}

/// A first life of two milliseconds that ends with a crash, in a run of twenty seconds that fails much later.
pub(super) fn short_life() -> Journal {
    let steps = ["spawn server", "send server: \"x\"", "wait for server: output \"x\""];
    let mut run = Scenario::new("short life", &["server"], &steps);
    run.step().after(1_000).starts("server").step().loses_input("server", 1).step();
    run.crashes("server", "step:3").is_sent("server", Signal::KILL).after(1_000).is_killed("server");
    run.is_gone("server").after(500).starts("server").after(900).prints("server", Stream::Stdout, 40, 1);
    run.after(20_000_000).fails(&["server"], "timed out after 20s while waiting for server");
    run.is_sent("server", Signal::KILL).after(1_000).is_killed("server").is_gone("server").journal()
}

/// A step that fails almost at once, a long cleanup after it, and long texts everywhere.
pub(super) fn early() -> Journal {
    let text = "wait for output of server: text \"".to_owned() + &"a very long text ".repeat(30) + "\"";
    let steps = ["spawn server", "spawn client", "spawn another", &text, "kill server: code 0"];
    let mut run =
        Scenario::new(&"a plan with a long name ".repeat(8), &["server", "client", "another"], &steps);
    run.step()
        .after(500)
        .starts("server")
        .step()
        .after(500)
        .starts("client")
        .step()
        .after(500)
        .starts("another");
    run.step().after(3_000).exits("client", Exit::Code(-1)).is_gone("client");
    let reason = "client ended with code -1, & no step <expected> it:\n".to_owned()
        + &"the whole reason of it ".repeat(30);
    run.fails(&["client"], &(reason + &"x".repeat(400)));
    run.is_sent("server", Signal::TERM).is_sent("another", Signal::TERM).after(5_000_000);
    run.is_sent("server", Signal::KILL).is_sent("another", Signal::KILL).after(3_000);
    run.is_killed("server").is_gone("server").is_killed("another").is_gone("another").journal()
}

/// A hundred and twenty steps of about the same length, of which the last one fails.
pub(super) fn many() -> Journal {
    let steps: Vec<String> = (1..=121).map(|i| format!("call number {i}")).collect();
    let steps: Vec<&str> = steps.iter().map(|step| &**step).collect();
    let mut run = Scenario::new("many", &["server"], &steps);
    run.step().after(900).starts("server");
    for i in 2..=120 {
        run.step().after(900 + 40 * (i % 7)).prints("server", Stream::Stdout, 300, 4);
    }
    run.fails(&[], "it returned an error").is_sent("server", Signal::TERM).after(9_000);
    run.exits("server", Exit::Code(0)).is_gone("server").journal()
}

/// Texts with characters of other widths, and with control characters.
pub(super) fn foreign() -> Journal {
    let steps = [
        "启动服务器",
        "wait for output: \"\u{1b}[31mready\u{1b}[0m\\r\\n\u{0}\" <&>",
        "ждать клиента",
        "🦀 👩‍👩‍👧 ﷽ שלום",
    ];
    let mut run = Scenario::new("测试 \u{202e}drawkcab\u{202c} 🦀", &["server"], &steps);
    run.step().after(50_000).starts("server").step().after(50_000).step().after(50_000).step().after(50_000);
    run.fails(&["server"], "服务器已退出，代码为三。 ".repeat(12).as_str())
        .is_killed("server")
        .is_gone("server")
        .journal()
}

/// A run that was interrupted: nothing has an end.
pub(super) fn cut_off() -> Journal {
    let mut run =
        Scenario::new("cut off", &["server", "client"], &["spawn server", "spawn client", "wait for client"]);
    run.step().after(900).starts("server").step().after(900).starts("client").after(70_000);
    run.step().after(90_000).prints("client", Stream::Stderr, 100_000, 800).journal()
}

pub(super) fn empty() -> Journal {
    Scenario::new("empty", &[], &[]).journal()
}

pub(super) fn not_begun() -> Journal {
    Scenario::new("not begun", &["server"], &["spawn server"]).journal()
}
