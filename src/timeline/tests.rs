//! Pictures of journals that are hard to draw, and of random ones.
//!
//! Two pictures are compared as a whole. When they are to look different, draw all of them anew, look at them, and copy
//! those two:
//!
//! ```text
//! TIMELINE_PICTURES=/tmp cargo test --lib timeline::tests::pictures -- --ignored
//! ```

mod random;
mod samples;
mod sound;

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use super::chart::Chart;
use super::layout;
use super::shape::{Shape, Text};
use crate::journal::Journal;

fn all() -> [(&'static str, Journal); 12] {
    [
        ("small", samples::small()),
        ("ten", samples::ten()),
        ("hundred", samples::hundred()),
        ("short", samples::short()),
        ("long", samples::long()),
        ("crashes", samples::crashes()),
        ("early", samples::early()),
        ("many", samples::many()),
        ("foreign", samples::foreign()),
        ("cut_off", samples::cut_off()),
        ("empty", samples::empty()),
        ("not_begun", samples::not_begun()),
    ]
}

#[test]
#[ignore = "writes the pictures to a directory, to be looked at"]
fn pictures() {
    let folder = std::env::var("TIMELINE_PICTURES").expect("a directory");
    for (name, journal) in all() {
        fs::write(format!("{folder}/{name}.svg"), journal.timeline_svg()).expect("it can be written");
    }
}

#[test]
fn a_small_picture_is_as_it_was() {
    assert_eq!(samples::small().timeline_svg(), include_str!("tests/small.svg"));
}

#[test]
fn the_picture_of_the_readme_is_as_it_was() {
    assert_eq!(samples::ten().timeline_svg(), include_str!("tests/ten.svg"));
}

#[test]
fn every_picture_is_sound() {
    for (name, journal) in all() {
        sound::check(&journal).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    }
}

#[test]
fn narrow_steps_share_a_number_and_the_failed_one_has_its_own() {
    let numbers = |journal: &Journal| {
        let texts = texts(journal);
        let is_number = |text: &&Text| text.text.chars().all(|c| c.is_ascii_digit() || c == '–');
        let top = texts.iter().filter(is_number).map(|text| text.baseline).fold(f64::MAX, f64::min);
        let row = texts.iter().filter(|text| text.baseline == top);
        row.map(|text| text.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&samples::long()), ["1–24", "26–50"]);
    assert_eq!(numbers(&samples::early()), ["4", "1–3"], "the failed one has its place first");
}

#[test]
fn a_failure_is_told_in_full() {
    let journal = samples::early();
    let told: Vec<String> =
        texts(&journal).into_iter().filter(|text| text.class == "ink").map(|text| text.text).collect();
    let told = told.join(" ");
    assert!(told.contains("client ended with code -1, & nobody <expected> it:"), "{told}");
    assert_eq!(told.matches("the whole story of it").count(), 30);
    assert_eq!(told.matches('x').count(), 400 + "expected ".matches('x').count());
    let svg = journal.timeline_svg();
    assert!(svg.contains("&amp; nobody &lt;expected&gt; it:"));
    assert!(svg.contains(&"a very long text ".repeat(30)), "the title of a step has its whole text");
    let is_red =
        |name: &str| texts(&journal).iter().any(|text| text.text == name && text.class == "red bold");
    assert_eq!(["server", "client", "another"].map(is_red), [false, true, false], "whose fault it is");
}

#[test]
fn every_end_has_its_words() {
    let all: Vec<String> =
        [samples::ten(), samples::crashes(), samples::long(), samples::early(), samples::cut_off()]
            .iter()
            .flat_map(texts)
            .map(|text| text.text)
            .collect();
    for end in [
        "exit 0",
        "exit 3",
        "exit -1",
        "TERM",
        "KILL",
        "ABRT, core",
        "lost",
        "still there",
        "crash",
        "never started",
    ] {
        assert!(all.iter().any(|text| text == end), "{end}");
    }
    assert!(all.iter().any(|text| text == "HUP×2 USR1 TERM"), "signals that come together share a label");
    assert!(
        all.iter().any(|text| text.starts_with("not started: cannot execute missing: Permission denied"))
    );
}

#[test]
fn every_colour_is_in_some_picture() {
    let pictures: String = all().iter().map(|(_, journal)| journal.timeline_svg()).collect();
    let classes: HashSet<&str> = pictures
        .split(" class=\"")
        .skip(1)
        .flat_map(|rest| rest.split('"').next().unwrap().split(' '))
        .collect();
    for (selector, ..) in super::style::COLORS {
        assert!(classes.contains(selector.trim_start_matches('.')), "{selector}");
    }
}

#[test]
fn endless_output_does_not_make_an_endless_picture() {
    let mut story = samples::Scenario::new("endless", &["yes"], &["spawn yes"]);
    story.step().starts("yes");
    for _ in 0..100_000 {
        story.after(20_000).prints("yes", crate::machine::Stream::Stdout, 65_536, 32_768);
    }
    let journal = story.journal();
    assert_eq!(journal.entries().len(), 100_002);
    assert!(journal.timeline_svg().len() < 200_000);
}

#[test]
fn lanes_get_lower_but_stay_legible() {
    let sizes = |count| {
        let measure = super::lane::Measure::new(count);
        (measure.height, measure.name)
    };
    assert_eq!(sizes(0), sizes(1));
    assert_eq!(sizes(10), (38.0, 12.0));
    assert_eq!(sizes(25), (29.0, 12.0));
    assert_eq!(sizes(100), (24.0, 10.0));
    assert_eq!(Chart::new(&samples::hundred()).length, Duration::from_micros(482_000));
}

/// All texts of the picture.
fn texts(journal: &Journal) -> Vec<Text> {
    fn collect(shapes: Vec<Shape>, texts: &mut Vec<Text>) {
        for shape in shapes {
            match shape {
                Shape::Group { shapes, .. } => collect(shapes, texts),
                Shape::Text(text) => texts.push(text),
                Shape::Rect { .. } | Shape::Line { .. } | Shape::Polygon { .. } | Shape::Circle { .. } => {}
            }
        }
    }
    let mut texts = Vec::new();
    collect(layout::picture(&Chart::new(journal)).shapes, &mut texts);
    texts
}
