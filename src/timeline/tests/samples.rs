//! Journals written by hand, each with something that is hard to draw.

use std::io;
use std::time::Duration;

use crate::journal::{Journal, JournalEvent};
use crate::machine::{Exit, Name, Signal, SpawnError, SpawnStep, Stream};

/// A journal being written: everything happens at `now`, until [`after`](Self::after).
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

    /// The step that is on ends, and the next one begins.
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

/// Two processes and a bit of everything, for the whole text.
pub(super) fn small() -> Journal {
    let steps = [
        "spawn server",
        "wait for output of server: text \"ready <1>\"",
        "spawn client",
        "wait for client: code 0",
    ];
    let mut story = Scenario::new("round trip", &["server", "client"], &steps);
    story.step().after(900).starts("server").step().after(30_000);
    story.prints("server", Stream::Stderr, 80, 1).after(20_000).prints("server", Stream::Stdout, 9, 1);
    story.after(100).step().after(1_000).starts("client").step().after(50_000);
    story.is_given("server", 12).after(5_000).prints("client", Stream::Stdout, 4_000, 60).after(40_000);
    story.exits("client", Exit::Code(3)).after(200).is_gone("client");
    story
        .fails(&["client"], "client ended with code 3 where code 0 was expected")
        .is_sent("server", Signal::KILL)
        .after(2_000);
    story.is_killed("server").after(10_000).is_gone("server").journal()
}

/// Ten processes, of which one ends when nobody expects it.
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
    let mut story = Scenario::new("jobs-survive-a-lost-worker", &processes, &steps);
    story.step().after(2_100).starts("redis-server").step().after(31_000);
    story.prints("redis-server", Stream::Stdout, 2_300, 24).after(60_000);
    story.prints("redis-server", Stream::Stdout, 180, 2).after(31_000);
    story.step().after(1_900).starts("manager").step().after(120_000);
    story
        .prints("manager", Stream::Stderr, 240, 3)
        .after(41_000)
        .prints("manager", Stream::Stdout, 30, 1)
        .after(800);
    story.step();
    for worker in workers {
        story.after(1_700).starts(worker);
    }
    story.step().after(1_500).starts("tail").step().after(15_000).prints("tail", Stream::Stdout, 60, 1);
    chatter(&mut story, &workers, 12);
    story.step().after(2_000).starts("client").step().after(300).is_given("client", 4_096).step();
    chatter(&mut story, &workers, 40);
    story
        .prints("client", Stream::Stdout, 20_000, 320)
        .after(4_000)
        .exits("client", Exit::Code(0))
        .after(900);
    story.is_gone("client").step().is_sent("worker-2", Signal::TERM).after(61_000);
    story.prints("worker-2", Stream::Stderr, 90, 1).after(22_000);
    story
        .exits("worker-2", Exit::Signal { signal: Signal::TERM, core: false })
        .after(70_000)
        .is_gone("worker-2");
    story.step().after(2_000).starts("client-1").step();
    chatter(&mut story, &["worker", "worker-1", "worker-3", "worker-4"], 30);
    story
        .prints("worker-3", Stream::Stderr, 1_900, 26)
        .after(3_000)
        .exits("worker-3", Exit::Code(3))
        .after(900);
    story.fails(&["worker-3"], "worker-3 ended with code 3, and this step does not expect it to end");
    let left = ["redis-server", "manager", "worker", "worker-1", "worker-4", "tail", "client-1"];
    for process in left {
        story.after(300).is_sent(process, Signal::KILL);
    }
    story.is_gone("worker-3");
    for process in left {
        story.after(2_500).is_killed(process).after(1_500).is_gone(process);
    }
    story.journal()
}

/// Output of many, to and fro.
fn chatter(story: &mut Scenario, processes: &[&str], rounds: u64) {
    for round in 0..rounds {
        for (i, process) in processes.iter().enumerate() {
            let salt = (round * 7 + i as u64 * 13) % 11;
            if salt < 5 {
                story.prints(process, Stream::Stdout, 60 << (salt * 2), 1 + salt);
            }
            if salt == 7 {
                story.prints(process, Stream::Stderr, 200, 2);
            }
            story.after(700 + 90 * salt);
        }
        story.prints("manager", Stream::Stdout, 100 + 400 * (round % 4), 2).after(900);
        if round % 3 == 0 {
            story.prints("redis-server", Stream::Stdout, 90, 1).after(200);
        }
    }
}

/// A hundred processes; all are sent TERM in the end, and some of them KILL.
pub(super) fn hundred() -> Journal {
    let processes: Vec<String> = (0..100).map(|i| format!("echo-{i}")).collect();
    let processes: Vec<&str> = processes.iter().map(|name| &**name).collect();
    let mut story =
        Scenario::new("hundred", &processes, &["spawn 100 processes", "call talk", "kill all: signal TERM"]);
    story.step();
    for process in &processes {
        story.after(900).starts(process);
    }
    story.step();
    for round in 0..20 {
        for (i, process) in processes.iter().enumerate() {
            if (i + round) % 4 == 0 {
                story.prints(process, Stream::BOTH[usize::from(i % 16 == 0)], 10 << (i % 9), 1);
            }
            story.after(110);
        }
    }
    story.step();
    for process in &processes {
        story.is_sent(process, Signal::TERM).is_sent(process, Signal::CONT).after(40);
    }
    for (i, process) in processes.iter().enumerate() {
        match i % 9 {
            0 => story.after(9_000).is_sent(process, Signal::KILL).after(300).is_killed(process),
            1 => story.after(300).exits(process, Exit::Code(0)),
            _ => story.after(300).exits(process, Exit::Signal { signal: Signal::TERM, core: false }),
        };
        story.after(300).is_gone(process);
    }
    story.end().journal()
}

/// Three milliseconds.
pub(super) fn short() -> Journal {
    let mut story = Scenario::new("echo", &["echo"], &["spawn echo hello", "wait for echo: code 0"]);
    story
        .step()
        .after(1_204)
        .starts("echo")
        .step()
        .after(1_100)
        .prints("echo", Stream::Stdout, 6, 1)
        .after(400);
    story.exits("echo", Exit::Code(0)).after(250).is_gone("echo").after(40).end().journal()
}

/// Two hours, of which nearly all is one step; the fifty others come before and behind it.
pub(super) fn long() -> Journal {
    let steps: Vec<String> = (1..=51).map(|i| format!("call number {i} of the soak test")).collect();
    let steps: Vec<&str> = steps.iter().map(|step| &**step).collect();
    let mut story = Scenario::new("soak", &["server", "load", "probe"], &steps);
    story.step().starts("server").step().starts("load");
    for i in 3..=51 {
        story.step().after(if i == 25 { 6_600_000_000 } else { 1_000 });
        if i % 5 == 0 {
            story.after(40_000_000).prints("load", Stream::Stdout, 1 << i.min(30), 1);
        }
    }
    story.after(200_000_000).exits("load", Exit::Lost).is_gone("load").end().journal()
}

/// The same process again and again, killed on purpose; signals that come together; a start that fails.
pub(super) fn crashes() -> Journal {
    let long = "a-process-whose-name-is-as-long-as-a-name-may-be-which-is-64-no1";
    let other = "a-process-whose-name-is-as-long-as-a-name-may-be-which-is-64-no2";
    let steps =
        ["spawn helper", "wait until helper is ready", "spawn helper again", "call use it", "spawn missing"];
    let mut story = Scenario::new("crash points", &["helper", long, other, "missing", "never"], &steps);
    story.step().starts("helper").starts(long).step().after(80_000).prints("helper", Stream::Stdout, 40, 1);
    story
        .crashes("helper", "stdout:1")
        .is_sent("helper", Signal::KILL)
        .after(2_000)
        .is_killed("helper")
        .after(900)
        .is_gone("helper");
    story.after(30_000).step().starts("helper").starts(other).after(8_000).exits("helper", Exit::Code(0));
    story
        .after(1_000)
        .starts("helper")
        .step()
        .after(150_000)
        .is_sent(long, Signal::HUP)
        .is_sent(long, Signal::HUP);
    story.after(4_000).is_sent(long, Signal::USR1).after(4_000).is_sent(long, Signal::TERM);
    story
        .after(9_000)
        .exits(long, Exit::Signal { signal: Signal::ABRT, core: true })
        .after(90_000)
        .is_gone(long);
    story.step().is_not_started("missing").after(30_000).journal()
}

/// A step that fails when hardly any time has gone by, and a long cleaning up behind it; nothing in it is short.
pub(super) fn early() -> Journal {
    let text = "wait for output of server: text \"".to_owned() + &"a very long text ".repeat(30) + "\"";
    let steps = ["spawn server", "spawn client", "spawn another", &text, "kill server: code 0"];
    let mut story =
        Scenario::new(&"a plan with a long name ".repeat(8), &["server", "client", "another"], &steps);
    story
        .step()
        .after(500)
        .starts("server")
        .step()
        .after(500)
        .starts("client")
        .step()
        .after(500)
        .starts("another");
    story.step().after(3_000).exits("client", Exit::Code(-1)).is_gone("client");
    let reason = "client ended with code -1, & nobody <expected> it:\n".to_owned()
        + &"the whole story of it ".repeat(30);
    story.fails(&["client"], &(reason + &"x".repeat(400)));
    story.is_sent("server", Signal::TERM).is_sent("another", Signal::TERM).after(5_000_000);
    story.is_sent("server", Signal::KILL).is_sent("another", Signal::KILL).after(3_000);
    story.is_killed("server").is_gone("server").is_killed("another").is_gone("another").journal()
}

/// A hundred and twenty steps of about the same length, of which the last one fails.
pub(super) fn many() -> Journal {
    let steps: Vec<String> = (1..=121).map(|i| format!("call number {i}")).collect();
    let steps: Vec<&str> = steps.iter().map(|step| &**step).collect();
    let mut story = Scenario::new("many", &["server"], &steps);
    story.step().after(900).starts("server");
    for i in 2..=120 {
        story.step().after(900 + 40 * (i % 7)).prints("server", Stream::Stdout, 300, 4);
    }
    story.fails(&[], "it returned an error").is_sent("server", Signal::TERM).after(9_000);
    story.exits("server", Exit::Code(0)).is_gone("server").journal()
}

/// Texts of letters that have another width, and of what is no letter.
pub(super) fn foreign() -> Journal {
    let steps = [
        "启动服务器",
        "wait for output: \"\u{1b}[31mready\u{1b}[0m\\r\\n\u{0}\" <&>",
        "ждать клиента",
        "🦀 👩‍👩‍👧 ﷽ שלום",
    ];
    let mut story = Scenario::new("测试 \u{202e}drawkcab\u{202c} 🦀", &["server"], &steps);
    story
        .step()
        .after(50_000)
        .starts("server")
        .step()
        .after(50_000)
        .step()
        .after(50_000)
        .step()
        .after(50_000);
    story
        .fails(&["server"], "服务器已退出，代码为三。 ".repeat(12).as_str())
        .is_killed("server")
        .is_gone("server")
        .journal()
}

/// Cut off in the middle: no end of anything.
pub(super) fn cut_off() -> Journal {
    let mut story =
        Scenario::new("cut off", &["server", "client"], &["spawn server", "spawn client", "wait for client"]);
    story.step().after(900).starts("server").step().after(900).starts("client").after(70_000);
    story.step().after(90_000).prints("client", Stream::Stderr, 100_000, 800).journal()
}

pub(super) fn empty() -> Journal {
    Scenario::new("empty", &[], &[]).journal()
}

pub(super) fn not_begun() -> Journal {
    Scenario::new("not begun", &["server"], &["spawn server"]).journal()
}
