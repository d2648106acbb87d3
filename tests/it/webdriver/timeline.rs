//! The page of a timeline in a real Chromium: zoom, move, hover, click, filter and keys, and no request.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use childminder::timeline::{Arrow, Lane, Mark, MarkKind, Span, SpanKind, Timeline};
use childminder::webdriver::{Browser, Method};
use childminder::{Exit, Until, WebDriver};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::chromium::have;
use crate::support::alone;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Writes a lane from left to right.
struct Pen {
    lane: Lane,
    now: Duration,
    run: u64,
}

impl Pen {
    fn new(name: &str) -> Self {
        Self { lane: Lane::new(name), now: Duration::ZERO, run: 0 }
    }

    fn span(&mut self, length: Duration, kind: SpanKind) {
        self.run += u64::from(kind == SpanKind::Starting);
        let mut span = Span::new(self.now, self.now + length, kind);
        span.run = (kind != SpanKind::Blocked && kind != SpanKind::BackOff).then_some(self.run);
        self.now = span.until;
        self.lane.spans.push(span);
    }

    fn exit(&mut self, code: i32) {
        let text = format!("exited with code {code}");
        let mut mark = Mark::new(self.now, MarkKind::Exit(Exit::Code(code)), text);
        mark.run = Some(self.run);
        mark.last_lines = vec!["panic: <b>out of cheese</b>".to_owned(), format!("run {}", self.run)];
        self.lane.marks.push(mark);
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A database, and a server that waits for it and crashes after two of three seconds.
fn small() -> Timeline {
    let (mut db, mut web) = (Pen::new("db"), Pen::new("web"));
    db.span(ms(500), SpanKind::Starting);
    db.span(ms(2500), SpanKind::Ready);
    web.span(ms(500), SpanKind::Blocked);
    web.span(ms(100), SpanKind::Starting);
    web.span(ms(1400), SpanKind::Ready);
    web.exit(7);
    web.span(ms(1000), SpanKind::BackOff);
    web.lane.after.push((0, Until::Ready));
    let mut timeline = Timeline::new("three seconds", ms(3000));
    timeline.lanes = vec![db.lane, web.lane];
    timeline.arrows.push(Arrow::new(0, ms(500), 1, ms(500)));
    timeline
}

/// Two hundred processes in a week. Each tenth crashes every ten minutes.
fn large() -> Timeline {
    let mut timeline = Timeline::new("a week", WEEK);
    timeline.began = Some(UNIX_EPOCH + Duration::from_secs(1_795_392_000));
    for i in 0..200 {
        let mut pen = Pen::new(&format!("service-{i:03}"));
        let life = if i % 10 == 0 { ms(590_000) } else { WEEK / 3 };
        while pen.now + life < WEEK {
            pen.span(ms(20), SpanKind::Starting);
            pen.span(life, SpanKind::Ready);
            pen.exit(i32::from(i % 10 == 0));
            pen.span(ms(9_980), SpanKind::BackOff);
        }
        timeline.lanes.push(pen.lane);
    }
    timeline
}

/// A page in a browser.
struct Page {
    browser: Browser,
    _files: TempDir,
}

impl Page {
    fn open(timeline: &Timeline) -> Self {
        let files = TempDir::new().unwrap();
        let path = files.path().join("timeline.html");
        fs::write(&path, timeline.to_html()).unwrap();
        let browser = WebDriver::chromedriver().window(1200, 700).start().unwrap();
        browser.navigate(&format!("file://{}", path.display())).unwrap();
        let page = Self { browser, _files: files };
        page.settle();
        page
    }

    fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.browser.command(Method::Post, "execute/sync", body).unwrap()
    }

    /// Waits until what is due is drawn.
    fn settle(&self) {
        let script =
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))";
        let body = json!({ "script": script, "args": [] });
        self.browser.command(Method::Post, "execute/async", body).unwrap();
    }

    fn text(&self, id: &str) -> String {
        let text = self.run(&format!("return document.getElementById('{id}').textContent"));
        text.as_str().unwrap().to_owned()
    }

    fn is_hidden(&self, id: &str) -> bool {
        self.run(&format!("return document.getElementById('{id}').hidden")) == true
    }

    fn click(&self, id: &str) {
        self.browser.click(&self.browser.find(&*format!("#{id}")).unwrap()).unwrap();
        self.settle();
    }

    /// Performs pointer actions of WebDriver, as the input of a user.
    fn act(&self, kind: &str, actions: Value) {
        let source = json!({ "type": kind, "id": kind, "actions": actions });
        self.browser.command(Method::Post, "actions", json!({ "actions": [source] })).unwrap();
        self.settle();
    }

    fn press(&self, key: &str) {
        self.act("key", json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]));
    }

    /// Returns the place of the picture that is this part of the width from its left end, in a lane or,
    /// without one, in the axis.
    fn place(&self, lane: Option<usize>, part: f64) -> (i64, i64) {
        let canvas = match lane {
            Some(lane) => format!("document.querySelectorAll('.lane canvas')[{lane}]"),
            None => "document.getElementById('axis')".to_owned(),
        };
        let place = self.run(&format!(
            "const r = {canvas}.getBoundingClientRect();
             return [Math.round(r.left + r.width * {part}), Math.round(r.top + r.height / 2)]"
        ));
        (place[0].as_i64().unwrap(), place[1].as_i64().unwrap())
    }

    fn hover(&self, lane: usize, part: f64) -> String {
        let (x, y) = self.place(Some(lane), part);
        self.act("pointer", json!([{ "type": "pointerMove", "duration": 0, "x": x, "y": y }]));
        self.text("tip")
    }

    fn click_at(&self, lane: usize, part: f64) {
        let (x, y) = self.place(Some(lane), part);
        self.act(
            "pointer",
            json!([
                { "type": "pointerMove", "duration": 0, "x": x, "y": y },
                { "type": "pointerDown", "button": 0 },
                { "type": "pointerUp", "button": 0 },
            ]),
        );
    }

    fn wheel(&self, (x, y): (i64, i64), by: i64) {
        let scroll = json!({ "type": "scroll", "duration": 0, "x": x, "y": y, "deltaX": 0, "deltaY": by });
        self.act("wheel", json!([scroll]));
    }

    /// Returns the length of the visible part, which is in brackets.
    fn length(&self) -> String {
        let range = self.text("range");
        range.split(" (").nth(1).unwrap_or(&range).trim_end_matches(')').to_owned()
    }

    fn shown(&self) -> u64 {
        self.run("return document.querySelectorAll('.lane:not([hidden])').length").as_u64().unwrap()
    }

    fn assert_no_request(&self) {
        let loaded = self.run("return performance.getEntriesByType('resource').map((entry) => entry.name)");
        assert_eq!(loaded, json!([]), "the page loads nothing");
    }
}

#[test]
fn f_362_the_page_of_two_processes_is_zoomed_filtered_and_explored() {
    let name = "webdriver::timeline::f_362_the_page_of_two_processes_is_zoomed_filtered_and_explored";
    if !have(&["chromedriver", "chromium"], name) {
        return;
    }
    alone(name, || {
        let page = Page::open(&small());
        assert_eq!(page.browser.title().unwrap(), "three seconds");
        assert_eq!((page.length(), page.shown()), ("3 s".to_owned(), 2));
        assert_eq!(page.run("return document.querySelectorAll('#arrows line').length"), 1);

        // The pointer.
        let tip = page.hover(1, 0.4);
        assert!(tip.starts_with("web#1: ready\n") && tip.contains("1.4 s"), "{tip}");
        let tip = page.hover(1, 2.0 / 3.0);
        assert!(tip.starts_with("web#1 exited with code 7"), "{tip}");
        assert!(page.hover(0, 0.5).starts_with("db#1: ready"));
        page.click_at(1, 0.4);
        assert!(page.text("what").contains("exited with code 7"), "{}", page.text("what"));
        assert_eq!(page.text("lines"), "panic: <b>out of cheese</b>\nrun 1", "the last lines, as text");

        // Zoom with buttons, keys and the wheel.
        page.press("\u{e00c}");
        assert!(page.is_hidden("details"), "Escape closes");
        page.click("in");
        assert_eq!(page.length(), "1.5 s");
        page.press("+");
        assert_eq!(page.length(), "750 ms");
        page.press("-");
        page.click("out");
        assert_eq!(page.length(), "3 s");
        page.wheel(page.place(None, 0.9), -900);
        let length = page.length();
        assert!(length.ends_with(" ms"), "{length}");
        let range = page.text("range");
        assert!(range.starts_with('2'), "the place under the pointer stays: {range}");

        // Moving by a drag and by keys.
        let ((from, y), (to, _)) = (page.place(Some(0), 0.2), page.place(Some(0), 0.6));
        page.act(
            "pointer",
            json!([
                { "type": "pointerMove", "duration": 0, "x": from, "y": y },
                { "type": "pointerDown", "button": 0 },
                { "type": "pointerMove", "duration": 0, "x": to, "y": y },
                { "type": "pointerUp", "button": 0 },
            ]),
        );
        assert_ne!(page.text("range"), range);
        let range = page.text("range");
        page.press("\u{e012}");
        assert_ne!(page.text("range"), range);
        assert_eq!(page.length(), length, "a move is no zoom");
        page.press("0");
        assert_eq!(page.length(), "3 s");

        // Without a pointer: the second process, and its next event.
        page.press("\u{e015}");
        page.press("\u{e015}");
        page.press("n");
        assert!(page.text("what").starts_with("web#1 exited with code 7"), "{}", page.text("what"));
        assert!(page.text("lines").contains("cheese"));
        page.press("\u{e007}");
        assert!(page.text("what").contains("after db (ready)"), "{}", page.text("what"));

        // The filter.
        page.press("/");
        page.act(
            "key",
            json!([
                { "type": "keyDown", "value": "D" }, { "type": "keyUp", "value": "D" },
                { "type": "keyDown", "value": "b" }, { "type": "keyUp", "value": "b" },
            ]),
        );
        assert_eq!((page.shown(), page.text("count")), (1, "1 of 2 processes".to_owned()));
        page.assert_no_request();
        page.browser.close().unwrap();
    });
}

#[test]
fn f_362_the_page_of_two_hundred_processes_and_a_week_is_as_usable() {
    let name = "webdriver::timeline::f_362_the_page_of_two_hundred_processes_and_a_week_is_as_usable";
    if !have(&["chromedriver", "chromium"], name) {
        return;
    }
    alone(name, || {
        let page = Page::open(&large());
        assert_eq!((page.length(), page.shown()), ("7 d".to_owned(), 200));
        let range = page.text("range");
        assert!(range.starts_with("Nov 23 00:00:00 – Nov 30 00:00:00"), "{range}");
        // Many events under one place are counted.
        let tip = page.hover(0, 0.5);
        assert!(tip.starts_with("service-000: ") && tip.contains(" × exit 1"), "{tip}");
        // The first lane is blue where it is ready.
        let pixel = page.run(
            "const c = document.querySelector('.lane canvas');
             return [...c.getContext('2d').getImageData(c.width / 2, c.height / 4, 1, 1).data]",
        );
        assert!(pixel[2].as_u64() > pixel[0].as_u64() && pixel[3] == 255, "{pixel}");

        // The wheel scrolls the page, and zooms on the axis.
        page.wheel(page.place(Some(3), 0.5), 300);
        assert!(page.run("return scrollY").as_f64().unwrap() > 0.0);
        assert_eq!(page.length(), "7 d");
        page.run("scrollTo(0, 0)");
        for _ in 0..8 {
            page.wheel(page.place(None, 0.5), -1000);
        }
        let length = page.length();
        assert!(length.contains("min") || length.ends_with(" s"), "{length}");
        let tip = page.hover(0, 0.3);
        assert!(tip.starts_with("service-000"), "{tip}");

        page.press("0");
        page.click("filter");
        page.act(
            "key",
            json!([
                { "type": "keyDown", "value": "0" }, { "type": "keyUp", "value": "0" },
                { "type": "keyDown", "value": "5" }, { "type": "keyUp", "value": "5" },
            ]),
        );
        assert_eq!((page.shown(), page.text("count")), (12, "12 of 200 processes".to_owned()));
        page.click("bad");
        assert_eq!(page.shown(), 1, "of service-005, 050 to 059 and 105, service-050 has failures");
        page.assert_no_request();
        page.browser.close().unwrap();
    });
}
