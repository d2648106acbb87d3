use memchr::memmem;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::search::finder::StreamFinder;
use crate::search::line::{KEPT, matches};
use crate::search::output_match::Pattern;

const OUT: Stream = Stream::Stdout;
const ERR: Stream = Stream::Stderr;

fn text(text: &str) -> OutputMatch {
    OutputMatch::text(text)
}

fn regex(regex: &str) -> OutputMatch {
    OutputMatch::regex(regex)
}

/// Returns how many outputs are found in these reads of one stream, which then ends.
fn found<'a>(
    wanted: impl IntoIterator<Item = OutputMatch>,
    reads: impl IntoIterator<Item = &'a [u8]>,
) -> usize {
    let mut search = SequentialSearch::new(wanted);
    for read in reads {
        search.feed(OUT, read);
    }
    search.feed(OUT, b"");
    search.found()
}

/// Returns how many outputs are found in one read.
fn found_in(wanted: impl IntoIterator<Item = OutputMatch>, output: &str) -> usize {
    found(wanted, [output.as_bytes()])
}

#[test]
fn each_output_is_searched_for_behind_the_match_before() {
    assert_eq!(found_in([text("one"), text("two")], "one two"), 2);
    assert_eq!(found_in([text("one"), text("two")], "two one"), 1);
    assert_eq!(found_in([text("one"), text("two")], "two two"), 0);
    assert_eq!(found_in([text("ab"), text("ba")], "aba"), 1, "matches do not overlap");
    assert_eq!(found_in([text("a"), text("a"), regex("a"), text("a")], "a\na\na\na\n"), 4);
    assert_eq!(found_in([], "a"), 0);
}

#[test]
fn outputs_are_found_one_by_one_as_they_are_read() {
    let mut search =
        SequentialSearch::new([text("login: "), regex("^password: $"), text("welcome").in_message()]);
    let mut after = |read: &str| {
        search.feed(OUT, read.as_bytes());
        search.found()
    };
    assert_eq!(after("log"), 0);
    assert_eq!(after("in: "), 1);
    assert_eq!(after("\npassword: "), 2);
    assert_eq!(after("\nwelcome"), 2, "the line is not complete yet");
    assert_eq!(after("\n"), 3);
    assert_eq!(after("login: "), 3);
}

#[test]
fn f_83_outputs_are_found_wherever_the_reads_cut_them() {
    let output = b"starting\nready to serve\nserving on 80, 81\r\nready\n".as_slice();
    let wanted = || {
        [
            text("ready to"),
            regex("^serving on 80"),
            text("81").in_message(),
            text("\r\nre"),
            regex(r"\Bad"),
            regex("^ready$").in_message(),
        ]
    };
    for first in 0..output.len() {
        for second in first..output.len() {
            let reads = [&output[..first], &output[first..second], &output[second..]];
            let reads = reads.into_iter().filter(|read| !read.is_empty());
            // The last output does not match: the one before it has matched within the last line.
            assert_eq!(found(wanted(), reads), 5, "cut at {first} and {second}");
        }
    }
    assert_eq!(found(wanted(), output.chunks(1)), 5);
}

#[test]
fn a_position_in_a_line_is_not_its_beginning() {
    assert_eq!(found_in([text("a"), regex("^b")], "ab"), 1);
    assert_eq!(found_in([text("a"), regex(r"\bb")], "ab"), 1);
    assert_eq!(found_in([text("ä"), regex(r"\bb")], "äb"), 1);
    assert_eq!(found_in([regex("a"), regex("^b")], "ab"), 1);
    assert_eq!(found_in([text("a"), regex("^b").in_message()], "ab\nb\n"), 2);
    assert_eq!(found_in([text("a\n"), regex("^b")], "a\nb"), 2);
    assert_eq!(found_in([text("a").in_message(), regex("^b")], "ab\nb"), 2);
    assert_eq!(found_in([text("a").in_message(), text("b")], "ba\n"), 1);
}

#[test]
fn the_rest_of_a_complete_line_is_still_searched() {
    for second in [text("b"), regex("b$"), text("b").in_message(), regex("b$").in_message(), text("b\r\nc")] {
        assert_eq!(found([text("a").in_message(), second.clone()], b"a b\r\nc\n".chunks(1)), 2, "{second}");
    }
    for third in [text("c"), regex("c"), text("c").in_message()] {
        let wanted = [text("a").in_message(), text("b"), third.clone(), text("d")];
        assert_eq!(found(wanted, b"a b c d\n".chunks(1)), 4, "{third}");
    }
}

#[test]
fn a_line_that_has_not_begun_does_not_match() {
    assert_eq!(found_in([regex("^").times(2)], "a\n"), 0);
    assert_eq!(found_in([regex("^").times(2)], "a\nb"), 1);
    assert_eq!(found_in([text("a"), regex("^$")], "a\nb\n"), 1);
    assert_eq!(found_in([text("a"), regex("^$")], "a\n\n"), 2);
    assert_eq!(found_in([text("a"), regex("$")], "a"), 2, "the end of what has been read");
}

#[test]
fn repeated_matches_are_counted_on_both_streams_together() {
    let mut search = SequentialSearch::new([text("ready").times(3), text("go")]);
    search.feed(OUT, b"go ready rea");
    search.feed(ERR, b"ready go");
    assert_eq!(search.found(), 0);
    search.feed(OUT, b"dy go");
    assert_eq!(search.found(), 2, "a match on one stream skips nothing on the other");
}

#[test]
fn each_stream_has_a_cursor_of_its_own() {
    let wanted = || [text("one"), text("two").on(ERR), regex("^three"), regex("^four")];
    let both = [(OUT, b"one\nthree\nfour".as_slice()), (ERR, b"two\n")];
    for reads in [both, [both[1], both[0]]] {
        let mut search = SequentialSearch::new(wanted());
        reads.into_iter().for_each(|(stream, read)| search.feed(stream, read));
        assert_eq!(search.found(), 4, "{reads:?}");
    }
    let mut search = SequentialSearch::new(wanted());
    search.feed(ERR, b"zero tw");
    search.feed(OUT, b"one two three");
    assert_eq!(search.found(), 1, "half of it is on stderr, the rest on stdout");
    search.feed(ERR, b"o");
    assert_eq!(search.found(), 2);
    search.feed(ERR, b"three");
    assert_eq!(search.found(), 2, "no line begins here");
    search.feed(OUT, b"\nthree\nfour");
    assert_eq!(search.found(), 4);
}

#[test]
fn a_stream_that_has_ended_is_searched_again_for_the_next_output() {
    let mut search = SequentialSearch::new([text("a").on(ERR), text("b").in_message()]);
    search.feed(OUT, b"b");
    search.feed(OUT, b"");
    search.feed(ERR, b"a");
    assert_eq!(search.found(), 2, "the end of the stream completes the last line");
}

#[test]
fn the_end_of_a_stream_ends_its_last_line() {
    let mut search =
        SequentialSearch::new([text("a").in_message(), regex("b$").in_message(), text("c").on(ERR)]);
    search.feed(OUT, b"a b");
    assert_eq!(search.found(), 0);
    search.feed(ERR, b"");
    assert_eq!(search.found(), 0);
    search.feed(OUT, b"");
    assert_eq!(search.found(), 2);
}

#[test]
fn an_invalid_output_is_never_found() {
    for broken in [text(""), regex("("), text("").in_message()] {
        assert_eq!(found_in([text("a"), broken, text("b")], "a\nb\n"), 1);
    }
}

#[test]
fn f_83_outputs_are_found_in_an_overlong_line() {
    let dots = |count: usize| vec![b'.'; count];
    for before in [0, KEPT - 3, KEPT, 2 * KEPT - 3, 2 * KEPT, 5 * KEPT - 3] {
        let output =
            [&dots(before), b"one".as_slice(), &dots(before), b"two", &dots(3 * KEPT), b"\nend\n"].concat();
        for size in [output.len(), KEPT, 1000] {
            for wanted in [
                [text("one"), text("two")],
                [text("one"), regex("t[w]o")],
                [regex("[o]ne"), text("two")],
                [regex("[o]ne"), regex("t[w]o")],
            ] {
                let message = format!("{wanted:?}: {before} between, reads of {size}");
                let last = regex("^end$").in_message();
                assert_eq!(found(wanted.into_iter().chain([last]), output.chunks(size)), 3, "{message}");
            }
        }
    }
}

#[test]
fn f_83_nothing_is_found_twice_where_an_overlong_line_is_cut() {
    let dots = |count: usize| vec![b'.'; count];
    let output = [&dots(KEPT + 10), b"one".as_slice(), &dots(3 * KEPT)].concat();
    for size in [output.len(), KEPT, 1000] {
        assert_eq!(found([regex("o[n]e").times(2)], output.chunks(size)), 0, "reads of {size}");
        assert_eq!(found([regex("o[n]e"), regex("[o]ne")], output.chunks(size)), 1, "reads of {size}");
    }
}

#[test]
fn memory_for_a_line_without_an_end_is_bounded() {
    for wanted in [text("no"), regex("n[o]"), text("no").in_message(), regex("no").in_message()] {
        let mut search = SequentialSearch::new([text("."), wanted]);
        let read = vec![b'.'; 10 * KEPT + 1];
        (0..10).for_each(|_| search.feed(OUT, &read));
        let kept = match &search.finders[0] {
            Some(StreamFinder::Text { finder: _, ahead }) => ahead.capacity(),
            Some(StreamFinder::Regex(line)) => line.capacity(),
            Some(StreamFinder::TextInLine(line, _) | StreamFinder::RegexInLine(line, _)) => line.capacity(),
            None => panic!("the search has ended"),
        };
        assert!(kept <= 4 * KEPT, "{kept}");
    }
}

#[test]
fn memory_behind_a_cursor_is_bounded() {
    let read = vec![b'.'; 3 * KEPT];
    for (later, most) in [(None, 0), (Some(text("one").on(ERR)), 0), (Some(text("one").on(OUT)), BEHIND)] {
        let mut search = SequentialSearch::new([text("two").on(ERR)].into_iter().chain(later));
        (0..5).for_each(|_| search.feed(OUT, &read));
        assert_eq!(search.cursors[0].behind.len(), most);
    }
}

#[test]
fn the_search_ends_when_all_outputs_are_found() {
    let mut search = SequentialSearch::new([text("a"), regex("b")]);
    search.feed(OUT, b"ab");
    assert!(search.finders.iter().all(Option::is_none));
}

/// Generates outputs whose matches do not depend on the size of reads.
fn wanted() -> impl Strategy<Value = OutputMatch> {
    const IN_LINE: [&str; 9] = ["ab", "a+b?", "^a", "b$", "(ab|a)b", r"\ba", "a*", "^$", "^"];
    const SETTLED: [&str; 7] = ["ab", "^a", "^a*b", r"\ba", r"\Bb", "a b", "^"];
    let what = prop_oneof![
        "[ab \n]{1,4}".prop_map(|wanted| text(&wanted)),
        "[ab ]{1,3}".prop_map(|wanted| text(&wanted).in_message()),
        select(IN_LINE.as_slice()).prop_map(|wanted| regex(wanted).in_message()),
        select(SETTLED.as_slice()).prop_map(regex),
    ];
    (what, 1..4_u32).prop_map(|(wanted, times)| wanted.times(times))
}

/// Returns the next match in the complete output that begins at `from` or later.
fn find(wanted: &OutputMatch, output: &[u8], from: usize) -> Option<(usize, usize)> {
    let regex = match &wanted.pattern {
        Pattern::Regex(regex) => regex,
        Pattern::Text(text) => {
            let start = from + memmem::find(output.get(from..)?, text.as_bytes())?;
            return Some((start, start + text.len()));
        }
        Pattern::Invalid(error) => panic!("{error}"),
    };
    let mut begin = 0;
    output.split_inclusive(|byte| *byte == b'\n').find_map(|line| {
        let (start, line) = (begin, line.strip_suffix(b"\n").unwrap_or(line));
        begin += line.len() + 1;
        let (first, end) = matches(regex, line, from.saturating_sub(start)).next()?;
        Some((start + first, start + end))
    })
}

/// Returns how many outputs are found one after the other in the complete output.
fn expected(wanted: &[OutputMatch], output: &[u8]) -> usize {
    let mut place = 0;
    let find_all = |wanted: &&OutputMatch| {
        let mut from = place;
        for _ in 0..wanted.times {
            let Some((start, end)) = find(wanted, output, from) else { return false };
            place = end;
            from = end.max(start + 1);
        }
        true
    };
    wanted.iter().take_while(find_all).count()
}

fn output() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(select(b"aab \n".as_slice()), 1..40)
}

/// Splits a read at these offsets.
fn cut(read: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (read.len() + 1)).collect();
    places.extend([0, read.len()]);
    places.sort_unstable();
    places.dedup();
    places.windows(2).map(|pair| read[pair[0]..pair[1]].to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The result for one stream does not depend on how the reads divide it.
    #[test]
    fn f_83_any_reads_find_the_same_as_one(
        wanted in prop::collection::vec(wanted(), 1..5),
        output in output(),
        cuts in prop::collection::vec(0..40_usize, 0..8),
    ) {
        let reads = cut(&output, &cuts);
        let found = found(wanted.clone(), reads.iter().map(Vec::as_slice));
        prop_assert_eq!(found, expected(&wanted, &output), "{:?}", reads);
    }

    /// If each output names a stream, neither the reads of two streams nor their order matter.
    #[test]
    fn f_83_the_order_in_which_two_streams_are_read_does_not_matter(
        wanted in prop::collection::vec((wanted(), any::<bool>()), 1..6),
        outputs in (output(), output()),
        cuts in prop::collection::vec(0..40_usize, 0..8),
        turns in prop::collection::vec(any::<bool>(), 20),
    ) {
        let wanted = || wanted.iter().cloned().map(|(wanted, out)| wanted.on(if out { OUT } else { ERR }));
        let (mut in_turn, mut mixed) = (SequentialSearch::new(wanted()), SequentialSearch::new(wanted()));
        for (stream, output) in [(OUT, &outputs.0), (ERR, &outputs.1)] {
            in_turn.feed(stream, output);
            in_turn.feed(stream, b"");
        }
        let pieces = |output| cut(output, &cuts).into_iter().chain([Vec::new()]);
        let (mut out, mut err) = (pieces(&outputs.0), pieces(&outputs.1));
        for turn in turns.into_iter().chain([true; 10]).chain([false; 10]) {
            let (stream, piece) = if turn { (OUT, out.next()) } else { (ERR, err.next()) };
            piece.into_iter().for_each(|piece| mixed.feed(stream, &piece));
        }
        prop_assert_eq!(mixed.found(), in_turn.found());
    }
}
