//! Timelines that are hard to draw, and those of random machines.
//!
//! When their look is to change, write all pictures to a directory and look at them:
//!
//! ```text
//! TIMELINE_PICTURES=/tmp cargo test --lib -- timeline::tests::every_picture
//! ```

mod build;
mod samples;

use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::model::{Arrow, Lane, Mark, MarkKind, Span, SpanKind, Timeline};
use super::palette::SHEET;
use super::picture::picture;
use super::sound;
use crate::machine::Exit;

fn all() -> Vec<(&'static str, Timeline)> {
    vec![
        ("two-short", samples::two_short()),
        ("two-week", samples::two_week()),
        ("many-short", samples::many_short()),
        ("many-week", samples::many_week()),
        ("kinds", samples::kinds()),
        ("empty", Timeline::new("", Duration::ZERO)),
    ]
}

/// Writes a picture to the directory in the variable `TIMELINE_PICTURES`, if it is set. To be called before
/// the picture is checked.
pub(crate) fn save(file: &str, picture: impl FnOnce() -> String) {
    if let Some(folder) = std::env::var_os("TIMELINE_PICTURES") {
        fs::write(Path::new(&folder).join(file), picture()).expect("a writable directory");
    }
}

#[test]
fn every_picture_is_sound() {
    for (name, timeline) in all() {
        save(&format!("{name}.svg"), || timeline.to_svg());
        save(&format!("{name}.html"), || timeline.to_html());
        sound::check(&picture(&timeline), &SHEET).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    }
}

#[test]
fn every_kind_of_span_and_mark_is_drawn_and_explained() {
    let svg = samples::kinds().to_svg();
    for kind in SpanKind::ALL {
        assert!(svg.contains(&format!("class=\"b {}\"", kind.class())), "{kind} is not drawn");
        assert!(svg.contains(&format!(">{kind}</text>")), "{kind} is not in the legend");
    }
    for text in
        ["exit 0", "another exit code", "ended by a signal", "not started", "gave up", "survived KILL"]
    {
        assert!(svg.contains(&format!(">{text}</text>")), "{text} is not in the legend");
    }
    assert!(svg.contains("permitted the start"));
    assert!(!samples::two_week().to_svg().contains(">survived KILL<"), "a legend of what is not there");
}

#[test]
fn a_hundred_thousand_events_are_less_than_5_mb() {
    let timeline = samples::many_week();
    let events: usize = timeline.lanes.iter().map(|lane| lane.spans.len() + lane.marks.len()).sum();
    assert!(events > 100_000, "{events}");
    let (svg, html) = (timeline.to_svg().len(), timeline.to_html().len());
    assert!(svg < 5_000_000 && html < 5_000_000, "{svg} and {html} bytes");
    let one = samples::crash_loop(100_000);
    let (svg, html) = (one.to_svg().len(), samples::crash_loop(25_000).to_html().len());
    assert!(svg < 300_000, "{svg}: the size depends on the width, not on the number of events");
    assert!(html < 5_000_000, "{html}");
}

#[test]
fn what_is_too_near_to_be_seen_is_counted() {
    let svg = samples::crash_loop(1000).to_svg();
    assert!(svg.contains("× exit 1"), "no number of exits");
    assert!(svg.contains("shares of the time"), "the columns are not explained");
    assert!(!samples::two_short().to_svg().contains("shares of the time"));
}

#[test]
fn names_and_texts_are_escaped() {
    let nasty = "</script><script>alert(1)</script><b a=\"'&";
    let mut lane = Lane::new(nasty);
    lane.spans.push(Span {
        text: nasty.to_owned(),
        ..Span::new(Duration::ZERO, Duration::from_secs(9), SpanKind::Blocked)
    });
    let mark = Mark::new(Duration::from_secs(4), MarkKind::Unhealthy, nasty);
    lane.marks.push(Mark { last_lines: vec![nasty.to_owned()], ..mark });
    let mut timeline = Timeline::new(nasty, Duration::from_secs(9));
    timeline.lanes.push(lane);
    let (svg, html) = (timeline.to_svg(), timeline.to_html());
    sound::check(&picture(&timeline), &SHEET).unwrap();
    assert!(!svg.contains("<script"));
    // Its own data and its own script, each with an end.
    assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (2, 2));
    let data = html.split("application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["lanes"][0]["name"], nasty);
    assert_eq!(data["texts"], serde_json::json!(["", nasty]));
    assert_eq!(data["lanes"][0]["marks"], serde_json::json!([4_000_000, 0, 0, 1, 1]));
}

#[test]
fn the_page_has_every_colour_for_light_dark_and_paper() {
    let html = samples::two_short().to_html();
    let colours = |block: &str| -> Vec<String> {
        let block = block.split('}').next().unwrap();
        let values = block.split(';').filter(|declaration| declaration.contains('#'));
        values.map(|value| value.split(':').next().unwrap().trim().to_owned()).collect()
    };
    let blocks: Vec<Vec<String>> = html.split(":root {").skip(1).map(colours).collect();
    assert_eq!(blocks.len(), 3, "{blocks:?}");
    assert!(blocks[0].len() > 4 && blocks.iter().all(|block| *block == blocks[0]), "{blocks:#?}");
    assert!(html.contains("@media (prefers-color-scheme: dark)") && html.contains("@media print"));
}

#[test]
fn the_page_loads_nothing() {
    let html = samples::two_short().to_html();
    for word in ["http:", "https:", "url(", "@import", "src=", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn the_lines_of_the_earliest_exits_are_left_out_if_there_are_too_many() {
    let mut lane = Lane::new("web");
    for i in 0..100 {
        let mark = Mark::new(Duration::from_secs(i), MarkKind::Exit(Exit::Code(1)), "exited");
        lane.marks.push(Mark { last_lines: vec![format!("{i} {}", "x".repeat(99_996))], ..mark });
    }
    let mut timeline = Timeline::new("lines", Duration::from_secs(100));
    timeline.lanes.push(lane);
    let html = timeline.to_html();
    assert!(html.len() < 1_600_000, "{}", html.len());
    assert!(html.contains("\"leftOut\":85"), "{:?}", html.split("leftOut").nth(1).map(|rest| &rest[..6]));
    assert!(html.contains("\"99 xx") && html.contains("\"85 xx") && !html.contains("\"84 xx"));
}

fn any_timeline() -> impl Strategy<Value = Timeline> {
    let kind = (0..SpanKind::ALL.len()).prop_map(|i| SpanKind::ALL[i]);
    let marks = prop_oneof![
        (-3..200).prop_map(|code| MarkKind::Exit(Exit::Code(code))),
        Just(MarkKind::Exit(Exit::Lost)),
        Just(MarkKind::SpawnFailed),
        Just(MarkKind::Killed),
        Just(MarkKind::Unhealthy),
        Just(MarkKind::GaveUp),
        Just(MarkKind::Survived),
        Just(MarkKind::Command),
    ];
    let length = prop_oneof![Just(0_u64), 1..1000_u64, 1..1_000_000_000_u64];
    let span = (length.clone(), kind);
    let lane = (
        "[a-z<>&\"\u{1f600}\n]{0,40}",
        prop::collection::vec(span, 0..24),
        prop::collection::vec((length.clone(), marks, ".{0,20}"), 0..60),
    );
    let lanes = prop::collection::vec(lane, 0..45);
    (lanes, length, "\\PC{0,90}", any::<bool>()).prop_map(|(lanes, from, title, has_clock)| {
        let mut timeline = Timeline::new(title, Duration::ZERO);
        timeline.began = has_clock.then_some(std::time::UNIX_EPOCH);
        for (name, spans, marks) in lanes {
            let mut lane = Lane::new(name);
            let mut now = Duration::ZERO;
            for (length, kind) in spans {
                let until = now + Duration::from_micros(length);
                lane.spans.push(Span::new(now, until, kind));
                now = until;
            }
            timeline.until = timeline.until.max(now);
            let mut now = Duration::ZERO;
            for (length, kind, text) in marks {
                now += Duration::from_micros(length);
                lane.marks.push(Mark::new(now, kind, text));
            }
            timeline.until = timeline.until.max(now);
            timeline.lanes.push(lane);
        }
        if timeline.lanes.len() > 1 {
            let last = timeline.lanes.len() - 1;
            timeline.arrows.push(Arrow::new(0, timeline.until / 3, last, timeline.until / 2));
            timeline.arrows.push(Arrow::new(last, timeline.until / 2, 0, timeline.until));
        }
        timeline.cut(Duration::from_micros(from).min(timeline.until), timeline.until);
        timeline
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn every_timeline_is_drawn_soundly(timeline in any_timeline()) {
        sound::check(&picture(&timeline), &SHEET).map_err(TestCaseError::fail)?;
        let html = timeline.to_html();
        let data = html.split("application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
        prop_assert!(serde_json::from_str::<serde_json::Value>(data).is_ok());
    }
}
