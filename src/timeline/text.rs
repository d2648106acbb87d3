//! The width of texts, and ways to make them fit.
//!
//! The font is not known before the picture is displayed. Therefore all text has a fixed width: the usual
//! fonts of this kind advance by 0.55 to 0.62 of their size, and the widest is assumed. Text with characters
//! that such fonts may lack is written with its width, and the viewer makes it fit.

use crate::machine::Exit;

/// The widest advance of the usual fixed-width fonts, relative to their size.
const ADVANCE: f64 = 0.62;

/// The advance of square characters: ideographs and emoji.
const WIDE: f64 = 1.0;

pub(crate) fn width(text: &str, size: f64) -> f64 {
    size * text.chars().map(advance).sum::<f64>()
}

/// Returns whether every fixed-width font has these characters.
pub(crate) fn is_plain(text: &str) -> bool {
    text.chars().all(is_plain_char)
}

/// Returns `text` in one line, with unprintable characters replaced by pictures of them.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c == '\t' { ' ' } else { picture(c) }).collect()
}

/// Returns the replacement of a character that XML forbids, or that changes the direction of text.
pub(crate) fn picture(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).expect("there is a picture of each"),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// Returns the beginning of the text that fits, or `None` if fewer than three characters do.
pub(crate) fn cut(text: &str, size: f64, room: f64) -> Option<String> {
    let text = visible(text);
    if width(&text, size) <= room {
        return Some(text);
    }
    let kept = fitting(text.chars(), size, room - width("…", size));
    (kept >= 3).then(|| text.chars().take(kept).chain(['…']).collect())
}

/// Returns both ends of the text, as much as fits: names often differ at their ends.
pub(crate) fn cut_middle(text: &str, size: f64, room: f64) -> String {
    let text = visible(text);
    if width(&text, size) <= room {
        return text;
    }
    let half = (room - width("…", size)) / 2.0;
    let (head, tail) = (fitting(text.chars(), size, half), fitting(text.chars().rev(), size, half));
    let count = text.chars().count();
    text.chars().take(head).chain(['…']).chain(text.chars().skip(count - tail)).collect()
}

/// Returns the whole text in lines that fit, broken between words where possible.
pub(crate) fn wrap(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines().map(visible) {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            if !line.is_empty() && width(&line, size) + width(word.trim_end(), size) > room {
                lines.push(std::mem::take(&mut line));
            }
            let mut rest = word;
            while width(rest.trim_end(), size) > room {
                let kept = fitting(rest.chars(), size, room).max(1);
                let (head, tail) = rest.split_at(rest.chars().take(kept).map(char::len_utf8).sum());
                lines.push(head.to_owned());
                rest = tail;
            }
            line.push_str(rest);
        }
        if !line.is_empty() || paragraph.is_empty() {
            lines.push(line);
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Returns the number of characters that fit.
fn fitting(chars: impl Iterator<Item = char>, size: f64, room: f64) -> usize {
    let widths = chars.scan(0.0, |sum, c| {
        *sum += size * advance(c);
        Some(*sum)
    });
    widths.take_while(|&width| width <= room).count()
}

fn advance(c: char) -> f64 {
    match c {
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' => WIDE,
        '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f000}'.. => WIDE,
        _ => ADVANCE,
    }
}

fn is_plain_char(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' | '–' | '…')
}

/// `1 byte`, `12,345 bytes`.
pub(crate) fn counted(count: impl TryInto<u64>, thing: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let plural = match thing {
        _ if count == 1 => "",
        _ if thing.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {thing}{plural}", grouped(count))
}

/// Returns a short text for an exit status, to be placed behind a bar.
pub(crate) fn end(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal { signal, core: false } => format!("{signal}"),
        Exit::Signal { signal, core: true } => format!("{signal}, core"),
        Exit::Lost => "lost".to_owned(),
    }
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The distance between two texts of a row.
pub(crate) const GAP: f64 = 5.0;

/// A row of texts between `left` and `right`. Each text claims its place, so that no two overlap.
pub(crate) struct Row {
    left: f64,
    right: f64,
    taken: Vec<(f64, f64)>,
}

impl Row {
    pub(crate) fn new(left: f64, right: f64) -> Self {
        Self { left, right, taken: Vec::new() }
    }

    /// Claims an interval if it is free. Returns whether it was.
    pub(crate) fn claim(&mut self, left: f64, right: f64) -> bool {
        let is_free = self.left <= left
            && right <= self.right
            && self.taken.iter().all(|&(from, to)| right + GAP <= from || to + GAP <= left);
        if is_free {
            self.taken.push((left, right));
        }
        is_free
    }

    /// Occupies an interval, whether it is free or not.
    pub(crate) fn block(&mut self, left: f64, right: f64) {
        self.taken.push((left, right));
    }

    /// Returns the free width to the left of `x`.
    pub(crate) fn room_left_of(&self, x: f64) -> f64 {
        let last = self.taken.iter().filter(|&&(from, _)| from - GAP < x).map(|&(_, to)| to + GAP);
        x - last.fold(self.left, f64::max)
    }

    /// Returns the free width to the right of `x`.
    pub(crate) fn room_right_of(&self, x: f64) -> f64 {
        let next = self.taken.iter().filter(|&&(_, to)| to + GAP > x).map(|&(from, _)| from - GAP);
        next.fold(self.right, f64::min) - x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A size at which ten plain characters have a width of 62.
    const SIZE: f64 = 10.0;

    #[test]
    fn what_does_not_fit_is_cut_where_it_can_be_spared() {
        assert_eq!(cut("wait for server", SIZE, 93.1).as_deref(), Some("wait for server"));
        assert_eq!(cut("wait for server", SIZE, 62.1).as_deref(), Some("wait for …"));
        assert_eq!(cut("wait for server", SIZE, 24.9).as_deref(), Some("wai…"));
        assert_eq!(cut("wait for server", SIZE, 24.7), None, "two characters say nothing");
        assert_eq!(cut_middle("worker-of-the-west-17", SIZE, 68.3), "worke…st-17");
        assert_eq!(cut_middle("worker-17", SIZE, 68.3), "worker-17");
    }

    #[test]
    fn wrapping_keeps_every_word_and_breaks_only_what_is_longer_than_a_line() {
        assert_eq!(wrap("one two three", SIZE, 62.1), ["one two", "three"]);
        assert_eq!(wrap("one\n\ntwo\n", SIZE, 62.1), ["one", "", "two"]);
        assert_eq!(wrap("a /very/long/path b", SIZE, 62.1), ["a", "/very/long", "/path b"]);
        assert_eq!(wrap("", SIZE, 62.1), [""; 0]);
        assert_eq!(wrap("\u{1f980}\u{1f980}", SIZE, 1.0), ["\u{1f980}", "\u{1f980}"], "no room, no hang");
    }

    #[test]
    fn a_control_character_is_a_picture_of_itself() {
        assert_eq!(
            visible("a\tb\n\0\u{1b}[1m\u{7f}\u{9b}\u{202e}\u{ffff}"),
            "a b␊␀␛[1m␡\u{fffd}\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn things_are_counted_as_one_would_say() {
        assert_eq!(counted(0_u64, "byte"), "0 bytes");
        assert_eq!(counted(1_u64, "process"), "1 process");
        assert_eq!(counted(2_usize, "process"), "2 processes");
        assert_eq!(counted(1_234_567_u64, "byte"), "1,234,567 bytes");
    }

    #[test]
    fn a_place_is_given_once_and_never_outside_of_the_row() {
        let mut row = Row::new(0.0, 100.0);
        assert!(row.claim(10.0, 30.0));
        assert!(
            !row.claim(29.0, 40.0) && !row.claim(0.0, 6.0) && !row.claim(12.0, 13.0),
            "taken, or too near"
        );
        assert!(!row.claim(-1.0, 2.0) && !row.claim(90.0, 101.0), "outside");
        assert_eq!((row.room_right_of(40.0), row.room_right_of(0.0)), (60.0, 5.0));
        assert_eq!((row.room_left_of(5.0), row.room_left_of(40.0)), (5.0, 5.0));
        assert!(row.claim(35.0, 100.0));
        assert!(row.room_right_of(40.0) <= 0.0);
    }
}
