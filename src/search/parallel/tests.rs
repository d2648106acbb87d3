use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::search::line::KEPT;

const OUT: Stream = Stream::Stdout;
const ERR: Stream = Stream::Stderr;

/// Searches for one output without ever reaching the required number of matches.
fn matcher(wanted: OutputMatch) -> ParallelSearch {
    ParallelSearch::new([(0, &wanted.times(u32::MAX))].into_iter(), None)
}

fn text(text: &str) -> ParallelSearch {
    matcher(OutputMatch::text(text))
}

fn regex(regex: &str) -> ParallelSearch {
    matcher(OutputMatch::regex(regex))
}

/// Returns the number of matches after all reads.
fn count<'a>(mut matcher: ParallelSearch, reads: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    for read in reads {
        matcher.feed(OUT, read);
    }
    matcher.searches.first().expect("the required number is never reached").count
}

#[test]
fn f_83_a_text_is_found_wherever_the_reads_cut_it() {
    let output = b"starting\nready to serve\n".as_slice();
    for first in 0..output.len() {
        for second in first..output.len() {
            let reads = [&output[..first], &output[first..second], &output[second..]];
            assert_eq!(count(text("ready to"), reads), 1, "cut at {first} and {second}");
            assert_eq!(count(regex("ready t."), reads), 1, "cut at {first} and {second}");
        }
    }
    assert_eq!(count(text("ready to"), output.chunks(1)), 1);
    assert_eq!(count(regex("^ready t."), output.chunks(1)), 1);
}

#[test]
fn f_83_a_prompt_without_a_line_end_is_found() {
    assert_eq!(count(text("login: "), [b"Welcome\nlogin: ".as_slice()]), 1);
    assert_eq!(count(regex("^login: $"), [b"Welcome\nlogin: ".as_slice()]), 1);
}

#[test]
fn f_83_a_match_is_found_in_an_overlong_line_and_across_its_cuts() {
    for before in [KEPT - 3, KEPT, 2 * KEPT - 3, 2 * KEPT, 5 * KEPT - 3] {
        let mut output = vec![b'.'; before];
        output.extend_from_slice(b"ready");
        output.extend_from_slice(&vec![b'.'; 3 * KEPT]);
        for size in [output.len(), KEPT, 1000] {
            assert_eq!(count(text("ready"), output.chunks(size)), 1, "{before} before, reads of {size}");
            assert_eq!(count(regex("re[a]dy"), output.chunks(size)), 1, "{before} before, reads of {size}");
        }
    }
}

#[test]
fn f_83_a_match_is_found_beside_invalid_utf_8() {
    assert_eq!(count(text("ready"), [b"\xff\xfeready\xff".as_slice()]), 1);
    assert_eq!(count(regex(r"re\w+"), [b"\xff\xferead\xff".as_slice()]), 1);
}

#[test]
fn the_beginning_of_an_overlong_line_matches_once() {
    let line = vec![b'a'; 4 * KEPT];
    assert_eq!(count(regex("^a"), line.chunks(1000)), 1);
    assert_eq!(count(regex(r"\ba"), line.chunks(1000)), 1);
}

#[test]
fn sv_25_streams_are_searched_separately_and_counted_together() {
    let mut matcher = text("ready");
    assert_eq!(matcher.feed(OUT, b"rea"), []);
    assert_eq!(matcher.feed(ERR, b"dy"), [], "a match does not continue on the other stream");
    assert_eq!(matcher.feed(ERR, b"rea"), []);
    assert_eq!(
        matcher.feed(OUT, b"dy"),
        [MatchCount { id: 0, count: 1 }],
        "a match is not hidden by the other stream"
    );
    assert_eq!(matcher.feed(ERR, b"dy"), [MatchCount { id: 0, count: 2 }]);
}

#[test]
fn a_match_on_the_other_stream_does_not_count() {
    let mut matcher = matcher(OutputMatch::text("ready").on(ERR));
    assert_eq!(matcher.feed(OUT, b"ready"), []);
    assert_eq!(matcher.feed(ERR, b"ready"), [MatchCount { id: 0, count: 1 }]);
}

#[test]
fn an_output_found_often_enough_is_not_searched_for_any_more() {
    let (once, twice) = (OutputMatch::text("a"), OutputMatch::regex("b").times(2));
    let mut matcher = ParallelSearch::new([(3, &once), (5, &twice)].into_iter(), None);
    assert_eq!(matcher.feed(OUT, b"a a b"), [MatchCount { id: 3, count: 2 }, MatchCount { id: 5, count: 1 }]);
    assert_eq!(matcher.feed(OUT, b"a"), []);
    assert_eq!(matcher.feed(OUT, b"b"), [MatchCount { id: 5, count: 2 }]);
    assert!(matcher.searches.is_empty());
}

#[test]
fn occurrences_do_not_overlap() {
    assert_eq!(count(text("aa"), b"aaaaa".chunks(1)), 2);
    assert_eq!(count(text("abab"), [b"ababab".as_slice()]), 1);
    assert_eq!(count(regex("aa"), b"aaaaa".chunks(1)), 2);
}

/// Returns the message of a line `time level message`.
fn third_word(line: &[u8]) -> &[u8] {
    line.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or(line)
}

fn in_message(wanted: OutputMatch) -> ParallelSearch {
    let wanted = wanted.in_message().times(u32::MAX);
    ParallelSearch::new([(0, &wanted)].into_iter(), Some(Arc::new(third_word)))
}

/// The original behaves in the same way: only the message of a line is searched, without the fields that the
/// format recognizes.
#[test]
fn sv_34_test_when_line_contains() {
    let line = b"12:00 INFO all is ready\n".as_slice();
    assert_eq!(count(in_message(OutputMatch::text("ready")), line.chunks(5)), 1);
    assert_eq!(count(in_message(OutputMatch::regex("^all is ready$")), line.chunks(5)), 1);
    assert_eq!(count(in_message(OutputMatch::text("INFO")), line.chunks(5)), 0);
    assert_eq!(count(in_message(OutputMatch::regex("^12")), line.chunks(5)), 0);
}

#[test]
fn sv_34_a_message_is_searched_when_its_line_is_complete() {
    let mut matcher = in_message(OutputMatch::text("ready"));
    assert_eq!(matcher.feed(OUT, b"12:00 INFO ready"), []);
    assert_eq!(matcher.feed(OUT, b"\r\n"), [MatchCount { id: 0, count: 1 }]);
    assert_eq!(matcher.feed(OUT, b"12:01 INFO ready"), []);
    assert_eq!(
        matcher.feed(OUT, b""),
        [MatchCount { id: 0, count: 2 }],
        "the end of the stream ends the line"
    );
}

#[test]
fn without_a_format_the_line_is_the_message() {
    let wanted = OutputMatch::text("ready").in_message().times(u32::MAX);
    let matcher = ParallelSearch::new([(0, &wanted)].into_iter(), None);
    assert_eq!(count(matcher, [b"ready\n".as_slice()]), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The count does not depend on how the reads divide the output.
    #[test]
    fn f_83_any_reads_count_the_same_as_one(
        output in prop::collection::vec(prop::sample::select(b"aab\n".as_slice()), 0..40),
        cuts in prop::collection::vec(0..40_usize, 0..8),
        wanted in "[ab\n]{1,4}",
        pattern in prop::sample::select(["ab", "a+b?", "^a", "b$", "(ab|a)b", r"\ba", "a*"].as_slice()),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(output.len())).collect();
        cuts.extend([0, output.len()]);
        cuts.sort_unstable();
        let reads = || cuts.windows(2).map(|cut| &output[cut[0]..cut[1]]);
        let whole = String::from_utf8(output.clone()).unwrap();
        prop_assert_eq!(count(text(&wanted), reads()) as usize, whole.matches(&wanted).count());
        prop_assert_eq!(count(regex(pattern), reads()), count(regex(pattern), [output.as_slice()]));
    }
}
