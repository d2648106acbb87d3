//! Bytes to lines: one framer for each stream of each run.
//!
//! A line ends at LF; a CR right before it belongs to the ending. A line longer than the limit is cut into pieces of
//! at most that length, and every piece after the first is marked *continued*, so that the rest of a long line can
//! never be taken for a line of its own (F-54).
//!
//! Where a line is cut depends on its bytes alone, never on how they arrived. Two details take care of that. A piece
//! is handed out only when a byte is known that belongs to the next one: `max` bytes and then LF are one whole line
//! (LP-8). And a CR at that place tells nothing yet, for LF may follow; so it is kept, and the framer holds `max + 1`
//! bytes at most. A cut never goes through a character: it moves up to three bytes to the front instead.

use std::mem;

use memchr::{memchr, memrchr};

use super::Line;
use super::text::is_plain;

/// The default limit in bytes, the ending not counted. Twisted's, too.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// The least limit: room for a few characters, so that a cut always makes progress.
pub(super) const LEAST_MAX_LINE: usize = 16;

/// Cuts one stream into lines.
#[derive(Debug)]
pub(super) struct Framer {
    max: usize,
    /// The beginning of a line whose end has not come yet. Without an allocation when there is none.
    partial: Vec<u8>,
    /// Whether `partial` continues a line that was cut.
    continued: bool,
}

impl Framer {
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(LEAST_MAX_LINE), partial: Vec::new(), continued: false }
    }

    /// Takes the next bytes of the stream. If they end any line, hands over all lines that are whole now.
    ///
    /// All bookkeeping is done before, so a panic in there loses only what was being handed over.
    pub(super) fn data(&mut self, bytes: &[u8], hand_over: impl FnOnce(Lines<'_>)) {
        let (mut head, mut body) = (mem::take(&mut self.partial), bytes);
        if !head.is_empty() {
            let end = memchr(b'\n', bytes).map_or(bytes.len(), |lf| lf + 1);
            head.extend_from_slice(&bytes[..end]);
            body = &bytes[end..];
        }
        let (in_head, in_body) = (whole(&head, self.max), whole(body, self.max));
        if in_head + in_body == 0 {
            self.partial = if head.is_empty() { body.to_vec() } else { head };
            return;
        }
        // One of the two is empty: the body begins only where a line of the head has ended.
        self.partial = [&head[in_head..], &body[in_body..]].concat();
        let (head, body) = (&head[..in_head], &body[..in_body]);
        let last = if body.is_empty() { head } else { body };
        let goes_on = !last.ends_with(b"\n");
        let continued = mem::replace(&mut self.continued, goes_on);
        hand_over(Lines { head, body, max: self.max, continued, goes_on });
    }

    /// The stream is at its end: hands over what is left of it, if anything.
    pub(super) fn finish(&mut self, hand_over: impl FnOnce(Lines<'_>)) {
        let head = mem::take(&mut self.partial);
        let continued = mem::take(&mut self.continued);
        if !head.is_empty() {
            hand_over(Lines { head: &head, body: &[], max: self.max, continued, goes_on: false });
        }
    }
}

/// Whole lines and pieces, found one by one as they are asked for.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    /// What was kept from before, completed.
    head: &'a [u8],
    /// What follows, where it was read.
    body: &'a [u8],
    max: usize,
    continued: bool,
    /// Whether the last of them is continued by what will be handed over next.
    goes_on: bool,
}

impl Lines<'_> {
    /// Whether no line of these has anything in it that would have to be escaped.
    pub(super) fn are_plain(&self) -> bool {
        is_plain(self.head) && is_plain(self.body)
    }

    /// Whether the last line of these is a piece, with more of it to come in the next lines of the stream.
    pub(super) fn go_on(&self) -> bool {
        self.goes_on
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.head.is_empty() {
            self.head = mem::take(&mut self.body);
        }
        let (rest, max) = (self.head, self.max);
        if rest.is_empty() {
            return None;
        }
        let ending = memchr(b'\n', &rest[..rest.len().min(max + 2)]);
        let ended = ending.map(|lf| (without_cr(&rest[..lf]), lf + 1)).filter(|(line, _)| line.len() <= max);
        let (bytes, used) = match ended {
            Some(line_and_ending) => line_and_ending,
            None if rest.len() <= max => (rest, rest.len()),
            None => {
                let at = cut(rest, max);
                (&rest[..at], at)
            }
        };
        self.head = &rest[used..];
        Some(Line { bytes, continued: mem::replace(&mut self.continued, ended.is_none()) })
    }
}

/// How many of these bytes are in whole lines, or in pieces of a line that are certain to be continued.
fn whole(bytes: &[u8], max: usize) -> usize {
    let mut whole = memrchr(b'\n', bytes).map_or(0, |lf| lf + 1);
    while let rest = &bytes[whole..]
        && rest.len() > max
        && rest[max..] != *b"\r"
    {
        whole += cut(rest, max);
    }
    whole
}

/// Where a line that goes on behind `max` is cut: there, or where the character begins that crosses it.
fn cut(line: &[u8], max: usize) -> usize {
    let is_inner = |at: usize| matches!(line[at], 0x80..=0xBF);
    let first = (max - 3..=max).rev().find(|&at| !is_inner(at)).unwrap_or(max);
    let width = line[first].leading_ones() as usize;
    if first + width > max { first } else { max }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Owned = Vec<(Vec<u8>, bool)>;

    /// What the framer makes of these chunks, and how much it kept at most.
    fn framed<'a>(max: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Owned, usize) {
        let (mut framer, mut lines, mut kept) = (Framer::new(max), Vec::new(), 0);
        let mut take =
            |batch: Lines<'_>| lines.extend(batch.map(|line| (line.bytes.to_vec(), line.continued)));
        for chunk in chunks {
            framer.data(chunk, &mut take);
            kept = kept.max(framer.partial.capacity());
        }
        framer.finish(&mut take);
        assert_eq!(framer.partial.capacity(), 0, "memory is given back");
        (lines, kept)
    }

    /// The same, from the definition: the whole stream at once, one line after the other.
    fn defined(max: usize, stream: &[u8]) -> Owned {
        let mut lines = Vec::new();
        for line in stream.split_inclusive(|&byte| byte == b'\n') {
            let mut line = match line.strip_suffix(b"\n") {
                Some(line) => without_cr(line),
                None => line,
            };
            let mut continued = false;
            while line.len() > max {
                let crosses = |at: &usize| {
                    std::str::from_utf8(&line[*at..])
                        .is_ok_and(|text| text.chars().next().is_some_and(|c| at + c.len_utf8() > max))
                };
                let at = (max - 3..max).find(crosses).unwrap_or(max);
                lines.push((line[..at].to_vec(), continued));
                (line, continued) = (&line[at..], true);
            }
            lines.push((line.to_vec(), continued));
        }
        lines
    }

    fn pieces(max: usize, stream: &[u8]) -> Vec<(usize, bool)> {
        framed(max, [stream]).0.into_iter().map(|(bytes, continued)| (bytes.len(), continued)).collect()
    }

    proptest! {
        #[test]
        fn f_54_55_56_lp_3_12_any_chunking_gives_the_lines_of_the_definition(
            stream in "[ab\r\n\n]{0,40}([ä€😀\r\n]{0,12}[a\r\n]{0,5}){0,8}",
            cuts in prop::collection::vec(0..300_usize, 0..12),
            max in 16..24_usize,
        ) {
            let stream = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]]);
            let expected = defined(max, stream);
            prop_assert_eq!(&framed(max, chunks).0, &expected);
            prop_assert_eq!(&framed(max, stream.chunks(1)).0, &expected);
        }

        #[test]
        fn f_55_any_bytes_in_any_chunks_are_all_there(
            stream in prop::collection::vec(prop::sample::select(b"a\r\n\x80\xbf\xc3\xe2\xf0\xff\0".to_vec()), 0..200),
            chunk in 1..40_usize,
        ) {
            let (lines, _) = framed(16, stream.chunks(chunk));
            prop_assert_eq!(&lines, &framed(16, [&stream[..]]).0);
            let glued = |lines: &[(Vec<u8>, bool)]| lines.iter().fold(Vec::new(), |mut all, (bytes, continued)| {
                if !continued && !all.is_empty() { all.push(b'\n'); }
                all.extend_from_slice(bytes);
                all
            });
            let expected: Vec<&[u8]> = stream.split_inclusive(|&b| b == b'\n').map(|line| {
                line.strip_suffix(b"\n").map_or(line, without_cr)
            }).collect();
            // Empty lines at the front leave no trace in `glued`, so compare behind them.
            let skipped = |bytes: Vec<u8>| bytes.iter().copied().skip_while(|&b| b == b'\n').collect::<Vec<u8>>();
            prop_assert_eq!(skipped(glued(&lines)), skipped(expected.join(&b'\n')));
            prop_assert!(lines.iter().all(|(bytes, _)| bytes.len() <= 16));
        }
    }

    #[test]
    fn lp_8_9_a_line_of_the_limit_is_whole_and_a_longer_one_is_cut() {
        for (length, expected) in [
            (16_383, vec![(16_383, false)]),
            (16_384, vec![(16_384, false)]),
            (16_385, vec![(16_384, false), (1, true)]),
            (32_768, vec![(16_384, false), (16_384, true)]),
            (65_536, vec![(16_384, false), (16_384, true), (16_384, true), (16_384, true)]),
        ] {
            let line = vec![b'x'; length];
            assert_eq!(pieces(MAX_LINE, &line), expected, "{length} bytes, no ending");
            for ending in ["\n", "\r\n"] {
                let mut with_next = expected.clone();
                with_next.push((4, false));
                let stream = [&line, ending.as_bytes(), b"next\n"].concat();
                assert_eq!(pieces(MAX_LINE, &stream), with_next, "{length} bytes, then {ending:?}");
            }
        }
    }

    #[test]
    fn lp_7_a_cr_belongs_to_the_ending_only_right_before_it() {
        let lines = |stream: &[u8]| framed(16, stream.chunks(1)).0;
        assert_eq!(
            lines(b"a\r\n\r\nb\r\r\n\rc\r"),
            [
                (b"a".to_vec(), false),
                (b"".to_vec(), false),
                (b"b\r".to_vec(), false),
                (b"\rc\r".to_vec(), false),
            ]
        );
        // Sixteen bytes and CR: what they are is known only from what follows.
        assert_eq!(lines(b"0123456789abcdef\r\n"), [(b"0123456789abcdef".to_vec(), false)]);
        assert_eq!(
            lines(b"0123456789abcdef\rx"),
            [(b"0123456789abcdef".to_vec(), false), (b"\rx".to_vec(), true)]
        );
        assert_eq!(
            lines(b"0123456789abcdef\r"),
            [(b"0123456789abcdef".to_vec(), false), (b"\r".to_vec(), true)]
        );
    }

    #[test]
    fn f_54_an_endless_line_takes_no_more_memory_than_its_limit() {
        let chunk = vec![b'x'; 256 * 1024];
        let (lines, kept) = framed(MAX_LINE, std::iter::repeat_n(&chunk[..], 64).chain([&b"\nnext"[..]]));
        assert!(kept <= MAX_LINE + 1, "kept {kept} bytes");
        assert_eq!(lines.len(), 16 * 64 + 1);
        assert!(lines[1..1024].iter().all(|(bytes, continued)| bytes.len() == MAX_LINE && *continued));
        assert_eq!(lines[1024], (b"next".to_vec(), false));
    }

    #[test]
    fn a_cut_never_goes_through_a_character() {
        for (lead, widths) in [("", [15, 15]), ("a", [16, 15]), ("aa", [14, 15])] {
            let line = format!("{lead}{}", "€".repeat(20));
            let pieces = pieces(16, line.as_bytes());
            assert_eq!([pieces[0].0, pieces[1].0], widths, "{line}");
        }
    }
}
