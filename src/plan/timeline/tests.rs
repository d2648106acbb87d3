//! Pictures of journals that are hard to draw, and of random ones.

mod samples;

use std::fs;

#[test]
#[ignore = "writes the pictures to a directory, to be looked at"]
fn pictures() {
    let folder = std::env::var("TIMELINE_PICTURES").expect("a directory");
    for (name, journal) in [
        ("small", samples::small()),
        ("ten", samples::ten()),
        ("hundred", samples::hundred()),
        ("short", samples::short()),
        ("long", samples::long()),
        ("crashes", samples::crashes()),
        ("early", samples::early()),
        ("cut_off", samples::cut_off()),
        ("empty", samples::empty()),
        ("not_begun", samples::not_begun()),
    ] {
        fs::write(format!("{folder}/{name}.svg"), journal.timeline_svg()).expect("it can be written");
    }
}
