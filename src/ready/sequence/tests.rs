use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::ready::line::KEPT;

const OUT: Stream = Stream::Stdout;
const ERR: Stream = Stream::Stderr;

fn text(text: &str) -> OutputMatch {
    OutputMatch::text(text)
}

fn regex(regex: &str) -> OutputMatch {
    OutputMatch::regex(regex)
}

/// How many are found in these reads of one stream, which is at its end then.
fn found<'a>(
    wanted: impl IntoIterator<Item = OutputMatch>,
    reads: impl IntoIterator<Item = &'a [u8]>,
) -> usize {
    let mut sequence = Sequence::new(wanted);
    for read in reads {
        sequence.feed(OUT, read);
    }
    sequence.feed(OUT, b"");
    sequence.found()
}

/// The same in one read.
fn found_in(wanted: impl IntoIterator<Item = OutputMatch>, output: &str) -> usize {
    found(wanted, [output.as_bytes()])
}

#[test]
fn one_is_looked_for_behind_the_one_before() {
    assert_eq!(found_in([text("one"), text("two")], "one two"), 2);
    assert_eq!(found_in([text("one"), text("two")], "two one"), 1);
    assert_eq!(found_in([text("one"), text("two")], "two two"), 0);
    assert_eq!(found_in([text("ab"), text("ba")], "aba"), 1, "they do not overlap");
    assert_eq!(found_in([text("a"), text("a"), regex("a"), text("a")], "a\na\na\na\n"), 4);
    assert_eq!(found_in([], "a"), 0);
}

#[test]
fn one_by_one_as_they_come() {
    let mut sequence = Sequence::new([text("login: "), regex("^password: $"), text("welcome").in_message()]);
    let mut after = |read: &str| {
        sequence.feed(OUT, read.as_bytes());
        sequence.found()
    };
    assert_eq!(after("log"), 0);
    assert_eq!(after("in: "), 1);
    assert_eq!(after("\npassword: "), 2);
    assert_eq!(after("\nwelcome"), 2, "the line has no end yet");
    assert_eq!(after("\n"), 3);
    assert_eq!(after("login: "), 3);
}

#[test]
fn f_83_they_are_found_wherever_the_reads_cut_them() {
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
            // The last line is given up by the one before the last, which matches within it.
            assert_eq!(found(wanted(), reads), 5, "cut at {first} and {second}");
        }
    }
    assert_eq!(found(wanted(), output.chunks(1)), 5);
}

#[test]
fn a_place_in_a_line_is_not_its_beginning() {
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
fn the_rest_of_a_line_that_was_whole_is_still_looked_at() {
    for second in [text("b"), regex("b$"), text("b").in_message(), regex("b$").in_message(), text("b\r\nc")] {
        assert_eq!(found([text("a").in_message(), second.clone()], b"a b\r\nc\n".chunks(1)), 2, "{second}");
    }
    for third in [text("c"), regex("c"), text("c").in_message()] {
        let wanted = [text("a").in_message(), text("b"), third.clone(), text("d")];
        assert_eq!(found(wanted, b"a b c d\n".chunks(1)), 4, "{third}");
    }
}

#[test]
fn a_line_that_has_not_begun_is_none() {
    assert_eq!(found_in([regex("^").times(2)], "a\n"), 0);
    assert_eq!(found_in([regex("^").times(2)], "a\nb"), 1);
    assert_eq!(found_in([text("a"), regex("^$")], "a\nb\n"), 1);
    assert_eq!(found_in([text("a"), regex("^$")], "a\n\n"), 2);
    assert_eq!(found_in([text("a"), regex("$")], "a"), 2, "the end of what has come");
}

#[test]
fn several_times_are_one_after_the_other_on_both_streams_together() {
    let mut sequence = Sequence::new([text("ready").times(3), text("go")]);
    sequence.feed(OUT, b"go ready rea");
    sequence.feed(ERR, b"ready go");
    assert_eq!(sequence.found(), 0);
    sequence.feed(OUT, b"dy go");
    assert_eq!(sequence.found(), 2, "a find on one stream cuts nothing off on the other");
}

#[test]
fn each_stream_has_a_cursor_of_its_own() {
    let wanted = || [text("one"), text("two").on(ERR), regex("^three"), regex("^four")];
    let both = [(OUT, b"one\nthree\nfour".as_slice()), (ERR, b"two\n")];
    for reads in [both, [both[1], both[0]]] {
        let mut sequence = Sequence::new(wanted());
        reads.into_iter().for_each(|(stream, read)| sequence.feed(stream, read));
        assert_eq!(sequence.found(), 4, "{reads:?}");
    }
    let mut sequence = Sequence::new(wanted());
    sequence.feed(ERR, b"zero tw");
    sequence.feed(OUT, b"one two three");
    assert_eq!(sequence.found(), 1, "it is only half there, and elsewhere");
    sequence.feed(ERR, b"o");
    assert_eq!(sequence.found(), 2);
    sequence.feed(ERR, b"three");
    assert_eq!(sequence.found(), 2, "no line of theirs begins here");
    sequence.feed(OUT, b"\nthree\nfour");
    assert_eq!(sequence.found(), 4);
}

#[test]
fn what_has_ended_is_looked_at_again_by_the_next_one() {
    let mut sequence = Sequence::new([text("a").on(ERR), text("b").in_message()]);
    sequence.feed(OUT, b"b");
    sequence.feed(OUT, b"");
    sequence.feed(ERR, b"a");
    assert_eq!(sequence.found(), 2, "its last line has no other end");
}

#[test]
fn the_end_of_a_stream_ends_its_last_line() {
    let mut sequence = Sequence::new([text("a").in_message(), regex("b$").in_message(), text("c").on(ERR)]);
    sequence.feed(OUT, b"a b");
    assert_eq!(sequence.found(), 0);
    sequence.feed(ERR, b"");
    assert_eq!(sequence.found(), 0);
    sequence.feed(OUT, b"");
    assert_eq!(sequence.found(), 2);
}

#[test]
fn what_no_check_lets_pass_is_never_found() {
    for broken in [text(""), regex("("), text("").in_message()] {
        assert_eq!(found_in([text("a"), broken, text("b")], "a\nb\n"), 1);
    }
}

#[test]
fn f_83_they_are_found_in_a_line_longer_than_any_limit() {
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
fn f_83_nothing_is_found_twice_where_a_long_line_is_cut() {
    let dots = |count: usize| vec![b'.'; count];
    let output = [&dots(KEPT + 10), b"one".as_slice(), &dots(3 * KEPT)].concat();
    for size in [output.len(), KEPT, 1000] {
        assert_eq!(found([regex("o[n]e").times(2)], output.chunks(size)), 0, "reads of {size}");
        assert_eq!(found([regex("o[n]e"), regex("[o]ne")], output.chunks(size)), 1, "reads of {size}");
    }
}

#[test]
fn what_is_kept_of_a_line_without_an_end_is_bounded() {
    for wanted in [text("no"), regex("n[o]"), text("no").in_message(), regex("no").in_message()] {
        let mut sequence = Sequence::new([text("."), wanted]);
        let read = vec![b'.'; 10 * KEPT + 1];
        (0..10).for_each(|_| sequence.feed(OUT, &read));
        let kept = match &sequence.searches[0] {
            Some(Search::Text { seam: _, first }) => first.capacity(),
            Some(Search::Regex(line)) => line.capacity(),
            Some(Search::TextInLine(line, _) | Search::RegexInLine(line, _)) => line.capacity(),
            None => panic!("it is still looked for"),
        };
        assert!(kept <= 4 * KEPT, "{kept}");
    }
}

#[test]
fn what_is_kept_behind_a_cursor_is_bounded() {
    let read = vec![b'.'; 3 * KEPT];
    for (later, most) in [(None, 0), (Some(text("one").on(ERR)), 0), (Some(text("one").on(OUT)), BEHIND)] {
        let mut sequence = Sequence::new([text("two").on(ERR)].into_iter().chain(later));
        (0..5).for_each(|_| sequence.feed(OUT, &read));
        assert_eq!(sequence.cursors[0].behind.len(), most);
    }
}

#[test]
fn when_all_were_found_nothing_is_looked_for_any_more() {
    let mut sequence = Sequence::new([text("a"), regex("b")]);
    sequence.feed(OUT, b"ab");
    assert!(sequence.searches.iter().all(Option::is_none));
}

/// What can be expected such that the reads do not matter.
fn wanted() -> impl Strategy<Value = OutputMatch> {
    const IN_LINE: [&str; 9] = ["ab", "a+b?", "^a", "b$", "(ab|a)b", r"\ba", "a*", "^$", "^"];
    const SETTLED: [&str; 7] = ["ab", "^a", "^a*b", r"\ba", r"\Bb", "a b", "^"];
    let what = prop_oneof![
        "[ab \n]{1,4}".prop_map(|wanted| text(&wanted)),
        "[ab ]{1,3}".prop_map(|wanted| text(&wanted).in_message()),
        select(IN_LINE.as_slice()).prop_map(|wanted| regex(wanted).in_message()),
        select(SETTLED.as_slice()).prop_map(regex),
    ];
    (what, 1..4_u32).prop_map(|(printed, times)| printed.times(times))
}

/// Where the next match lies that begins at `from` or later; all of the output is there.
fn find(printed: &OutputMatch, output: &[u8], from: usize) -> Option<(usize, usize)> {
    let regex = match &printed.wanted {
        Wanted::Regex(regex) => regex,
        Wanted::Text(text) => {
            let start = from + memmem::find(output.get(from..)?, text.as_bytes())?;
            return Some((start, start + text.len()));
        }
        Wanted::Broken(error) => panic!("{error}"),
    };
    let mut begin = 0;
    output.split_inclusive(|byte| *byte == b'\n').find_map(|line| {
        let (start, line) = (begin, line.strip_suffix(b"\n").unwrap_or(line));
        begin += line.len() + 1;
        let (first, end) = matches(regex, line, from.saturating_sub(start)).next()?;
        Some((start + first, start + end))
    })
}

/// How many are found in all of the output, one after the other.
fn expected(wanted: &[OutputMatch], output: &[u8]) -> usize {
    let mut place = 0;
    let find_all = |printed: &&OutputMatch| {
        let mut from = place;
        for _ in 0..printed.times {
            let Some((start, end)) = find(printed, output, from) else { return false };
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

/// Cuts a read at these places.
fn cut(read: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (read.len() + 1)).collect();
    places.extend([0, read.len()]);
    places.sort_unstable();
    places.dedup();
    places.windows(2).map(|pair| read[pair[0]..pair[1]].to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    /// In one stream there is found what is there, however the reads cut it.
    #[test]
    fn f_83_any_reads_find_what_is_in_the_whole(
        wanted in prop::collection::vec(wanted(), 1..5),
        output in output(),
        cuts in prop::collection::vec(0..40_usize, 0..8),
    ) {
        let reads = cut(&output, &cuts);
        let found = found(wanted.clone(), reads.iter().map(Vec::as_slice));
        prop_assert_eq!(found, expected(&wanted, &output), "{:?}", reads);
    }

    /// If each thing is on one stream, it does not matter where two streams are cut, nor which one is read first.
    #[test]
    fn f_83_the_order_in_which_two_streams_are_read_does_not_matter(
        wanted in prop::collection::vec((wanted(), any::<bool>()), 1..6),
        outputs in (output(), output()),
        cuts in prop::collection::vec(0..40_usize, 0..8),
        turns in prop::collection::vec(any::<bool>(), 20),
    ) {
        let wanted = || wanted.iter().cloned().map(|(printed, out)| printed.on(if out { OUT } else { ERR }));
        let (mut in_turn, mut mixed) = (Sequence::new(wanted()), Sequence::new(wanted()));
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
