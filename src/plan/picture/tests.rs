//! Pictures of journals that are hard to draw, and of random journals.
//!
//! Two pictures are compared as a whole. When their look is to change, write all pictures to a directory,
//! look at them, and copy these two:
//!
//! ```text
//! TIMELINE_PICTURES=/tmp cargo test --lib -- plan::picture::tests::every_picture
//! ```

mod random;
mod samples;
mod sound;

use std::collections::HashSet;
use std::time::Duration;

use super::chart::Chart;
use crate::plan::journal::Journal;
use crate::timeline::shape::{Shape, Text};
use crate::timeline::tests::save;

fn all() -> [(&'static str, Journal); 13] {
    [
        ("small", samples::small()),
        ("ten", samples::ten()),
        ("hundred", samples::hundred()),
        ("short", samples::short()),
        ("long", samples::long()),
        ("crashes", samples::crashes()),
        ("short_life", samples::short_life()),
        ("early", samples::early()),
        ("many", samples::many()),
        ("foreign", samples::foreign()),
        ("cut_off", samples::cut_off()),
        ("empty", samples::empty()),
        ("not_begun", samples::not_begun()),
    ]
}

#[test]
fn the_small_picture_is_unchanged() {
    assert_eq!(samples::small().timeline_svg(), include_str!("tests/small.svg"));
}

#[test]
fn the_picture_of_the_guide_is_unchanged() {
    assert_eq!(samples::ten().timeline_svg(), include_str!("tests/ten.svg"));
}

#[test]
fn every_picture_is_sound() {
    for (name, journal) in all() {
        save(&format!("{name}.svg"), || journal.timeline_svg());
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
fn the_reason_of_a_failure_is_shown_in_full() {
    let journal = samples::early();
    let ink: Vec<String> =
        texts(&journal).into_iter().filter(|text| text.class == "ink").map(|text| text.text).collect();
    let ink = ink.join(" ");
    assert!(ink.contains("client ended with code -1, & no step <expected> it:"), "{ink}");
    assert_eq!(ink.matches("the whole reason of it").count(), 30);
    assert_eq!(ink.matches('x').count(), 400 + "expected ".matches('x').count());
    let svg = journal.timeline_svg();
    assert!(svg.contains("&amp; no step &lt;expected&gt; it:"));
    assert!(svg.contains(&"a very long text ".repeat(30)), "the title of a step has its whole text");
    let is_red =
        |name: &str| texts(&journal).iter().any(|text| text.text == name && text.class == "red bold");
    assert_eq!(
        ["server", "client", "another"].map(is_red),
        [false, true, false],
        "only the process that caused the failure is red"
    );
}

#[test]
fn every_kind_of_end_has_a_label() {
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
        "killed on purpose at stdout:1",
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
fn a_very_short_life_before_a_crash_is_visible() {
    let bars = shapes(&samples::short_life(), |shape| match shape {
        Shape::Rect { class: "bar", bounds, .. } => Some((bounds.left, bounds.right)),
        _ => None,
    });
    // The last one is in the legend.
    let [first, second, _] = bars[..] else { panic!("{bars:?}") };
    assert!(first.1 - first.0 >= 4.0 && first.1 + 8.0 < second.0, "{bars:?}");
    let texts: Vec<String> = texts(&samples::short_life()).into_iter().map(|text| text.text).collect();
    for label in [
        "server was killed on purpose at step:3, after 1 ms",
        "killed on purpose at step:3",
        "input lost in a crash",
    ] {
        assert!(texts.iter().any(|text| text == label), "{label} is not in {texts:?}");
    }
}

#[test]
fn every_colour_is_in_some_picture() {
    let pictures: String = all().iter().map(|(_, journal)| journal.timeline_svg()).collect();
    let classes: HashSet<&str> = pictures
        .split(" class=\"")
        .skip(1)
        .flat_map(|rest| rest.split('"').next().unwrap().split(' '))
        .collect();
    for (selector, ..) in crate::timeline::style::COLORS.iter().chain(super::palette::COLORS) {
        assert!(classes.contains(selector.trim_start_matches('.')), "{selector}");
    }
}

#[test]
fn endless_output_does_not_make_an_endless_picture() {
    let mut run = samples::Scenario::new("endless", &["yes"], &["spawn yes"]);
    run.step().starts("yes");
    for _ in 0..100_000 {
        run.after(20_000).prints("yes", crate::machine::Stream::Stdout, 65_536, 32_768);
    }
    let journal = run.journal();
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

/// Returns all texts of the picture.
fn texts(journal: &Journal) -> Vec<Text> {
    shapes(journal, |shape| match shape {
        Shape::Text(text) => Some(text),
        _ => None,
    })
}

/// Returns the wanted shapes of the picture, including those in groups.
fn shapes<T>(journal: &Journal, wanted: fn(Shape) -> Option<T>) -> Vec<T> {
    fn collect<T>(shapes: Vec<Shape>, wanted: fn(Shape) -> Option<T>, found: &mut Vec<T>) {
        for shape in shapes {
            match shape {
                Shape::Group { shapes, .. } => collect(shapes, wanted, found),
                shape => found.extend(wanted(shape)),
            }
        }
    }
    let mut found = Vec::new();
    collect(super::picture(&Chart::new(journal)).shapes, wanted, &mut found);
    found
}
