//! Timelines for the tests: two processes and two hundred, three seconds and a week.

use std::time::{Duration, UNIX_EPOCH};

use crate::machine::{Exit, Signal, Until};
use crate::timeline::model::{Arrow, Lane, Mark, MarkKind, Span, SpanKind, Timeline};

/// 2026-11-23 00:00:00 UTC.
const MONDAY: u64 = 1_795_392_000;

/// Writes a lane from left to right.
pub(super) struct Pen {
    pub(super) lane: Lane,
    now: Duration,
    run: u64,
}

impl Pen {
    pub(super) fn new(name: &str) -> Self {
        Self { lane: Lane::new(name), now: Duration::ZERO, run: 0 }
    }

    pub(super) fn span(&mut self, millis: u64, kind: SpanKind) -> &mut Self {
        if kind == SpanKind::Starting {
            self.run += 1;
        }
        let until = self.now + Duration::from_millis(millis);
        let runs = !matches!(kind, SpanKind::Blocked | SpanKind::BackOff | SpanKind::Down | SpanKind::Held);
        let run = runs.then_some(self.run);
        self.lane.spans.push(Span { run, ..Span::new(self.now, until, kind) });
        self.now = until;
        self
    }

    fn said(&mut self, text: &str) -> &mut Self {
        self.lane.spans.last_mut().unwrap().text = text.to_owned();
        self
    }

    pub(super) fn mark(&mut self, kind: MarkKind, text: &str) -> &mut Self {
        self.lane.marks.push(Mark { run: Some(self.run), ..Mark::new(self.now, kind, text) });
        self
    }

    fn exit(&mut self, code: i32) -> &mut Self {
        self.mark(MarkKind::Exit(Exit::Code(code)), &format!("exited with code {code}"));
        let run = self.run;
        let lines = (1..=3).map(|line| format!("run {run}, line {line} before the end"));
        self.lane.marks.last_mut().unwrap().last_lines = lines.collect();
        self
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A database that is ready after a second, and a server that waits for it and crashes once.
pub(super) fn two_short() -> Timeline {
    let (mut db, mut web) = (Pen::new("db"), Pen::new("web"));
    db.span(12, SpanKind::Starting).span(890, SpanKind::Up).span(2098, SpanKind::Ready);
    web.span(902, SpanKind::Blocked).said("waits for db (ready)");
    web.span(9, SpanKind::Starting).span(110, SpanKind::Up).span(600, SpanKind::Ready).exit(1);
    web.span(500, SpanKind::BackOff)
        .span(8, SpanKind::Starting)
        .span(90, SpanKind::Up)
        .span(781, SpanKind::Ready);
    web.lane.after.push((0, Until::Ready));
    let mut timeline = Timeline::new("shop", ms(3000));
    timeline.began = Some(UNIX_EPOCH + Duration::from_secs(MONDAY + 3 * 3600 + 7));
    timeline.lanes = vec![db.lane, web.lane];
    timeline.arrows.push(Arrow::new(0, ms(902), 1, ms(902)));
    timeline
}

/// Both for a week: a restart each night, a leak that ends in KILL, and an hour of crashes.
pub(super) fn two_week() -> Timeline {
    const HOUR: u64 = 3_600_000;
    let (mut db, mut web) = (Pen::new("db"), Pen::new("web"));
    web.lane.after.push((0, Until::Ready));
    for day in 0..7 {
        db.span(20, SpanKind::Starting).span(4000, SpanKind::Up);
        db.span(3 * HOUR - 4020, SpanKind::Ready).mark(MarkKind::Command, "was stopped by a command");
        db.span(30_000, SpanKind::Stopping).mark(MarkKind::Killed, "killed");
        db.span(5000, SpanKind::Killed)
            .mark(MarkKind::Exit(Exit::Signal { signal: Signal::KILL, core: false }), "stopped with KILL");
        db.span(20, SpanKind::Starting)
            .span(60_000, SpanKind::Up)
            .span(21 * HOUR - 95_020, SpanKind::Ready)
            .exit(0);
        web.span(4020, SpanKind::Blocked).span(20, SpanKind::Starting);
        if day == 4 {
            web.span(10 * HOUR, SpanKind::Ready);
            for _ in 0..400 {
                web.span(20, SpanKind::Starting)
                    .span(3000, SpanKind::Up)
                    .exit(1)
                    .span(5980, SpanKind::BackOff);
            }
            web.span(13 * HOUR - 4040, SpanKind::Ready).exit(0);
        } else {
            web.span(20 * HOUR, SpanKind::Ready).mark(MarkKind::Unhealthy, "is unhealthy: no answer");
            web.span(2 * HOUR, SpanKind::Unhealthy).span(2 * HOUR - 4040, SpanKind::Ready).exit(0);
        }
    }
    let mut timeline = Timeline::new("a week of the shop", ms(7 * 24 * HOUR));
    timeline.began = Some(UNIX_EPOCH + Duration::from_secs(MONDAY));
    timeline.lanes = vec![db.lane, web.lane];
    for day in 0..7 {
        timeline.arrows.push(Arrow::new(0, ms(day * 24 * HOUR + 4020), 1, ms(day * 24 * HOUR + 4020)));
    }
    timeline
}

fn many(title: &str, length: Duration) -> Timeline {
    let mut timeline = Timeline::new(title, length);
    timeline.began = Some(UNIX_EPOCH + Duration::from_secs(MONDAY));
    timeline.utc_offset = 3600;
    timeline
}

/// Two hundred processes in three seconds, in groups of ten that wait for the first one of the group.
pub(super) fn many_short() -> Timeline {
    let mut timeline = many("two hundred at once", ms(3000));
    for i in 0..200_u64 {
        let mut pen = Pen::new(&format!("worker-{i:03}"));
        let leader = i as usize / 10 * 10;
        let ready = 200 + i % 7 * 90;
        if i % 10 == 0 {
            pen.span(5 + i % 9, SpanKind::Starting).span(ready - 14, SpanKind::Up);
        } else {
            let ready = 205 + leader as u64 % 9 - 14 + leader as u64 % 7 * 90;
            pen.lane.after.push((leader, Until::Ready));
            pen.span(ready, SpanKind::Blocked).span(6, SpanKind::Starting).span(100 + i % 50, SpanKind::Up);
            timeline.arrows.push(Arrow::new(leader, ms(ready), i as usize, ms(ready)));
        }
        let now = pen.now;
        if i % 23 == 5 {
            pen.span(700, SpanKind::Ready).exit(2).span(300, SpanKind::BackOff).span(7, SpanKind::Starting);
        }
        let left = 3000 - u64::try_from(pen.now.as_millis()).unwrap();
        assert!(now < ms(3000));
        pen.span(left, SpanKind::Ready);
        timeline.lanes.push(pen.lane);
    }
    timeline
}

/// Two hundred processes in a week, with more than a hundred thousand events.
pub(super) fn many_week() -> Timeline {
    const WEEK: u64 = 7 * 24 * 3_600_000;
    let mut timeline = many("a week of two hundred", ms(WEEK));
    let mut random = fastrand::Rng::with_seed(7);
    for i in 0..200_u64 {
        let mut pen = Pen::new(&format!("service-{i:03}"));
        let mean = WEEK / if i % 20 == 3 { 1500 } else { 80 };
        while pen.now < ms(WEEK - 2 * mean) {
            pen.span(random.u64(5..40), SpanKind::Starting).span(random.u64(100..9000), SpanKind::Up);
            pen.span(random.u64(mean / 2..mean), SpanKind::Ready);
            match random.u8(0..10) {
                0 => pen.mark(MarkKind::Unhealthy, "is unhealthy: no answer on port 80"),
                1..4 => pen.exit(0),
                _ => pen.exit(i32::from(random.u8(1..4))),
            };
            pen.span(random.u64(1000..60_000), SpanKind::BackOff);
        }
        let left = WEEK - u64::try_from(pen.now.as_millis()).unwrap();
        match i % 31 {
            7 => pen
                .mark(MarkKind::GaveUp, "is given up after 5 failures in 10 s")
                .span(left, SpanKind::GaveUp),
            9 => pen.span(left, SpanKind::Completed),
            _ => pen.span(left, SpanKind::Ready),
        };
        timeline.lanes.push(pen.lane);
    }
    timeline
}

/// One process that crashes this often in a week.
pub(super) fn crash_loop(crashes: u64) -> Timeline {
    let each = 7 * 24 * 3_600_000 / crashes;
    let mut pen = Pen::new("web");
    for _ in 0..crashes {
        pen.span(20, SpanKind::Starting).span(each / 3, SpanKind::Up).exit(1);
        pen.span(each - each / 3 - 20, SpanKind::BackOff);
    }
    let mut timeline = many("a crash loop", pen.now);
    timeline.lanes.push(pen.lane);
    timeline
}

/// Everything that there is.
pub(super) fn kinds() -> Timeline {
    let mut pen = Pen::new("all");
    for kind in SpanKind::ALL {
        pen.span(60_000, kind);
    }
    let mut marks = Pen::new("marks");
    marks.exit(0);
    let signal = Exit::Signal { signal: Signal::ABRT, core: true };
    for (kind, text) in [
        (MarkKind::Exit(signal), "exited with ABRT"),
        (MarkKind::Exit(Exit::Lost), "exited with an unknown status"),
        (MarkKind::SpawnFailed, "not started"),
        (MarkKind::Killed, "killed"),
        (MarkKind::Unhealthy, "is unhealthy"),
        (MarkKind::GaveUp, "is given up"),
        (MarkKind::Survived, "still not gone after KILL"),
        (MarkKind::Signal(Signal::HUP), "was sent HUP by a command"),
        (MarkKind::Command, "is held"),
    ] {
        marks.span(60_000, SpanKind::Up).mark(kind, text);
    }
    marks.span(120_000, SpanKind::Up).exit(7);
    let mut timeline = Timeline::new("all kinds", ms(13 * 60_000));
    timeline.lanes = vec![pen.lane, marks.lane];
    timeline.arrows.push(Arrow::new(0, ms(60_000), 1, ms(240_000)));
    timeline
}
