//! Splits a byte stream into lines.
//!
//! A line ends at LF; a CR directly before the LF belongs to the ending. A line longer than the limit is cut
//! into pieces of at most that length, and every piece after the first is marked *continued*, so that the
//! rest of a long line cannot be mistaken for a line of its own.
//!
//! Where a line is cut depends on its bytes alone, never on how they were divided into reads:
//!
//! * A piece is handed over only when a byte is known that belongs to the next one. So `max` bytes followed
//!   by LF are one whole line.
//! * A CR at that position decides nothing, because LF may follow. It is kept, so the framer buffers at most
//!   `max + 1` bytes.
//! * A cut never splits a character: it moves up to three bytes towards the front instead.
//!
//! The one exception is [`Framer::show_partial`], which hands over an unfinished line when its stream has
//! paused.

use std::borrow::Cow;
use std::mem;

use memchr::{memchr, memrchr};

use super::text::{InvalidUtf8, is_plain, push_text, text};

/// The default maximum length of a line in bytes, without the ending. Twisted has the same limit.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// The smallest limit: room for a few characters, so that every cut makes progress.
pub(super) const LEAST_MAX_LINE: usize = 16;

/// One line, or one piece of a line that was handed over in several.
///
/// ```
/// use childminder::output::{InvalidUtf8, Line};
///
/// assert_eq!(Line::new("grüße\t1".as_bytes()).text(), "grüße\t1");
/// assert_eq!(Line::new(b"a\x07\0b\x1b[2J").text(), r"a\x07\0b\x1b[2J");
/// assert_eq!(Line::new(b"\xffhello world!").text(), r"b'\xffhello world!'");
/// let escaped = Line::new(b"\xffhello world!").invalid_utf8(InvalidUtf8::Escape);
/// assert_eq!(escaped.text(), r"\xffhello world!");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line<'a> {
    /// The bytes as they were written, without the ending: LF, or CR and LF.
    pub bytes: &'a [u8],
    /// Whether this is the rest of the line before it in the same stream, which was too long or
    /// [partial](Self::partial).
    pub continued: bool,
    /// Whether the line had not ended when it was handed over, because the process paused in the middle of
    /// it: a prompt, or the state of a progress bar. If more of the line comes, it follows as a continued
    /// line.
    pub partial: bool,
    invalid_utf8: InvalidUtf8,
}

impl<'a> Line<'a> {
    /// Creates a whole line of `bytes`, which should not contain the ending.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, continued: false, partial: false, invalid_utf8: InvalidUtf8::default() }
    }

    /// Sets how [`text`](Self::text) shows bytes that are not valid UTF-8. Default: [`InvalidUtf8::Repr`].
    #[must_use]
    pub fn invalid_utf8(self, invalid_utf8: InvalidUtf8) -> Self {
        Self { invalid_utf8, ..self }
    }

    /// Returns the line as text that is safe to show on one line of a terminal or a log.
    ///
    /// Control characters are escaped as `\x1b`, `\r`, `\0` or `\u{202e}`: C0, DEL, C1, the line and
    /// paragraph separators, and the characters that change the direction of writing. Tab, backslash and
    /// colours (`ESC [ … m`) stay as they are; colours that the line leaves switched on are reset after it.
    /// Bytes that are not valid UTF-8 are shown as [`InvalidUtf8`] says.
    ///
    /// Of a [partial](Self::partial) line, and of a continued line that begins with CR, only the part after
    /// the last CR is shown: a terminal would have overwritten the rest, as a progress bar intends.
    ///
    /// The text is borrowed if nothing has to be escaped, which is nearly always.
    pub fn text(&self) -> Cow<'a, str> {
        text(self.visible(), self.invalid_utf8)
    }

    /// Appends [`text`](Self::text) to `out` without allocating a string.
    pub fn push_text(&self, out: &mut Vec<u8>) {
        push_text(self.visible(), self.invalid_utf8, out);
    }

    fn visible(&self) -> &'a [u8] {
        let overwrites = self.partial || self.continued && self.bytes.starts_with(b"\r");
        let line = if overwrites { without_cr(self.bytes) } else { return self.bytes };
        memrchr(b'\r', line).map_or(line, |cr| &line[cr + 1..])
    }
}

/// Splits one stream into lines.
#[derive(Debug)]
pub(super) struct Framer {
    max: usize,
    invalid_utf8: InvalidUtf8,
    /// The beginning of a line whose end has not been read yet. Empty without an allocation.
    partial: Vec<u8>,
    /// Whether `partial` continues a line of which something was handed over.
    continued: bool,
}

impl Framer {
    pub(super) fn new(max: usize, invalid_utf8: InvalidUtf8) -> Self {
        Self { max: max.max(LEAST_MAX_LINE), invalid_utf8, partial: Vec::new(), continued: false }
    }

    /// Adds the next bytes of the stream, and hands over all lines that are whole now, if there are any.
    ///
    /// All bookkeeping is done before the call of `hand_over`, so that a panic in it loses only the lines of
    /// this call.
    pub(super) fn data(&mut self, bytes: &[u8], hand_over: impl FnOnce(Lines<'_>)) {
        let (mut head, mut body) = (mem::take(&mut self.partial), bytes);
        if !head.is_empty() {
            let end = memchr(b'\n', bytes).map_or(bytes.len(), |lf| lf + 1);
            head.extend_from_slice(&bytes[..end]);
            body = &bytes[end..];
        }
        if self.continued {
            // The ending of a line that was shown as far as it went is no further line.
            let first = if head.is_empty() { body } else { &head };
            if let Some(ending) = [&b"\n"[..], b"\r\n"].into_iter().find(|ending| first.starts_with(ending)) {
                self.continued = false;
                if head.is_empty() { body = &body[ending.len()..] } else { head = Vec::new() }
            }
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
        hand_over(Lines { head, body, continued, goes_on, ..self.no_lines() });
    }

    /// Hands over the unfinished line at the end of the stream so far, if there is one, as a partial line.
    ///
    /// A CR as the last byte is kept, because it may belong to the ending, and so is an incomplete character.
    pub(super) fn show_partial(&mut self, hand_over: impl FnOnce(Lines<'_>)) {
        let shown = complete_characters(without_cr(&self.partial)).len();
        if shown == 0 {
            return;
        }
        let rest = self.partial.split_off(shown);
        let head = mem::replace(&mut self.partial, rest);
        let continued = mem::replace(&mut self.continued, true);
        hand_over(Lines { head: &head, continued, goes_on: true, partial: true, ..self.no_lines() });
    }

    /// Ends the stream: hands over the unfinished line, if there is one.
    pub(super) fn finish(&mut self, hand_over: impl FnOnce(Lines<'_>)) {
        let head = mem::take(&mut self.partial);
        let continued = mem::take(&mut self.continued);
        // A CR that was kept when the line before it was shown is an ending without its LF.
        let is_ending = continued && head == b"\r";
        if !head.is_empty() && !is_ending {
            hand_over(Lines { head: &head, continued, ..self.no_lines() });
        }
    }

    /// Returns the number of bytes that are kept of an unfinished line.
    pub(super) fn kept(&self) -> usize {
        self.partial.len()
    }

    fn no_lines(&self) -> Lines<'static> {
        Lines {
            head: &[],
            body: &[],
            max: self.max,
            invalid_utf8: self.invalid_utf8,
            continued: false,
            goes_on: false,
            partial: false,
        }
    }
}

/// Whole lines and pieces of lines, found one by one while iterating.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    /// The beginning that was kept from earlier reads, completed.
    head: &'a [u8],
    /// The lines after it, in the read buffer.
    body: &'a [u8],
    max: usize,
    invalid_utf8: InvalidUtf8,
    continued: bool,
    /// Whether the last of them is continued by the next lines of the stream.
    goes_on: bool,
    /// Whether the only one of them is partial.
    partial: bool,
}

impl Lines<'_> {
    /// Whether none of the lines contains anything that has to be escaped.
    pub(super) fn are_plain(&self) -> bool {
        is_plain(self.head) && is_plain(self.body)
    }

    /// Whether the last line is a piece, continued by the next lines of the stream.
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
        Some(Line {
            bytes,
            continued: mem::replace(&mut self.continued, ended.is_none()),
            partial: self.partial,
            invalid_utf8: self.invalid_utf8,
        })
    }
}

/// Returns how many of the bytes are in whole lines, or in pieces of a line that are certain to be continued.
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

/// Returns where to cut a line that goes on behind `max`: there, or where the character begins that crosses
/// it.
fn cut(line: &[u8], max: usize) -> usize {
    let first = (max - 3..=max).rev().find(|&at| !is_continuation(line[at])).unwrap_or(max);
    let width = line[first].leading_ones() as usize;
    if first + width > max { first } else { max }
}

/// Returns `line` without an incomplete character as its last one.
fn complete_characters(line: &[u8]) -> &[u8] {
    let tail = line.len().saturating_sub(3);
    match (tail..line.len()).rev().find(|&at| !is_continuation(line[at])) {
        Some(first) if first + line[first].leading_ones() as usize > line.len() => &line[..first],
        _ => line,
    }
}

fn is_continuation(byte: u8) -> bool {
    matches!(byte, 0x80..=0xBF)
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Owned = Vec<(Vec<u8>, bool)>;

    /// Returns the lines of these chunks, and the largest buffer that the framer needed.
    fn framed<'a>(max: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Owned, usize) {
        let (mut framer, mut lines, mut kept) = (Framer::new(max, InvalidUtf8::Repr), Vec::new(), 0);
        let mut collect =
            |batch: Lines<'_>| lines.extend(batch.map(|line| (line.bytes.to_vec(), line.continued)));
        for chunk in chunks {
            framer.data(chunk, &mut collect);
            kept = kept.max(framer.partial.capacity());
        }
        framer.finish(&mut collect);
        assert_eq!(framer.partial.capacity(), 0, "memory is freed");
        (lines, kept)
    }

    /// Returns the lines of the whole stream, straight from the definition.
    fn by_definition(max: usize, stream: &[u8]) -> Owned {
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
            let expected = by_definition(max, stream);
            prop_assert_eq!(&framed(max, chunks).0, &expected);
            prop_assert_eq!(&framed(max, stream.chunks(1)).0, &expected);
        }

        #[test]
        fn f_55_no_byte_is_lost_in_any_chunks(
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
            // `glued` does not contain leading empty lines, so they are skipped on both sides.
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
        // Whether sixteen bytes and CR are a whole line depends on the next byte.
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
    fn a_cut_never_splits_a_character() {
        for (lead, widths) in [("", [15, 15]), ("a", [16, 15]), ("aa", [14, 15])] {
            let line = format!("{lead}{}", "€".repeat(20));
            let pieces = pieces(16, line.as_bytes());
            assert_eq!([pieces[0].0, pieces[1].0], widths, "{line}");
        }
    }

    /// Returns the lines of these chunks, the partial lines after a pause behind each chunk included.
    fn with_pauses(chunks: &[&str]) -> Vec<String> {
        let (mut framer, mut lines) = (Framer::new(16, InvalidUtf8::Repr), Vec::new());
        let mut collect = |batch: Lines<'_>| {
            assert!(batch.clone().next().is_some(), "a batch is never empty");
            lines.extend(batch.map(|line| {
                let marks = [(line.continued, "+"), (line.partial, "~")];
                let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
                format!("{marks}{}", line.text())
            }));
        };
        for chunk in chunks {
            framer.data(chunk.as_bytes(), &mut collect);
            framer.show_partial(&mut collect);
        }
        framer.finish(&mut collect);
        lines
    }

    #[test]
    fn a_partial_line_is_shown_once_and_its_rest_is_continued() {
        assert_eq!(with_pauses(&["name? ", "you\nnext\n"]), ["~name? ", "+you", "next"]);
        assert_eq!(with_pauses(&["a", "b", "c\n"]), ["~a", "+~b", "+c"]);
        assert_eq!(with_pauses(&["whole\n", "last"]), ["whole", "~last"]);
        for ending in ["\n", "\r\n"] {
            assert_eq!(with_pauses(&["name? ", ending, "next\n"]), ["~name? ", "next"]);
            assert_eq!(with_pauses(&["name? ", &format!("{ending}next\n")]), ["~name? ", "next"]);
        }
        assert_eq!(with_pauses(&["name? \r", "\n\n"]), ["~name? ", ""]);
        assert_eq!(with_pauses(&["0123456789abcdef", "g\n"]), ["~0123456789abcdef", "+g"]);
        assert_eq!(with_pauses(&["0123456789abcdefg", "h\n"]), ["0123456789abcdef", "+~g", "+h"]);
    }

    #[test]
    fn a_partial_line_shows_the_last_state_of_a_progress_bar() {
        assert_eq!(with_pauses(&["1 %\r2 %\r", "3 %\r", "done\n"]), ["~2 %", "+~3 %", "+done"]);
        assert_eq!(with_pauses(&["\r1 %", "\r2 %", "\r3 %\r4 %\n"]), ["~1 %", "+~2 %", "+4 %"]);
        assert_eq!(with_pauses(&["1 %\r"]), ["~1 %"]);
        // Nothing was shown before, so nothing is hidden now.
        assert_eq!(framed(16, [&b"1 %\r2 %\n"[..]]).0, [(b"1 %\r2 %".to_vec(), false)]);
    }

    #[test]
    fn a_partial_line_never_ends_within_a_character() {
        let mut framer = Framer::new(16, InvalidUtf8::Repr);
        framer.data(b"5 \xe2\x82", |_| panic!("no line has ended"));
        framer.show_partial(|mut lines| assert_eq!(lines.next().unwrap().text(), "5 "));
        framer.show_partial(|_| panic!("there is nothing new"));
        framer.data(b"\xac\n", |mut lines| assert_eq!(lines.next().unwrap().text(), "€"));
    }
}
