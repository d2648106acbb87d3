//! Converts the bytes of a line to text that is safe to show.
//!
//! A line of output becomes one line of text. Control characters are escaped, so that a process can neither
//! imitate the output of another nor control the terminal. Tab and colours (`ESC [ … m`) stay; colours that a
//! line does not reset are reset when it ends, because they would colour, or hide, the lines after it.

use std::borrow::Cow;
use std::str;

const RESET: &str = "\x1b[0m";

/// The notation for a line that is not valid UTF-8.
///
/// ```
/// use childminder::output::{InvalidUtf8, Line};
///
/// let line = Line::new(b"caf\xe9 \xe2\x82\xac");
/// assert_eq!(line.text(), r"b'caf\xe9 \xe2\x82\xac'");
/// assert_eq!(line.invalid_utf8(InvalidUtf8::Escape).text(), r"caf\xe9 €");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidUtf8 {
    /// Shows the whole line in Python's notation for bytes, as Twisted does: `b'caf\xe9'`. The default.
    #[default]
    Repr,
    /// Shows the invalid bytes as `\xe9` and everything else as text.
    Escape,
}

/// Returns the text of `line`; borrowed unless something has to be escaped.
pub(super) fn text(line: &[u8], invalid: InvalidUtf8) -> Cow<'_, str> {
    match str::from_utf8(line) {
        Ok(text) if is_plain_line(line) || has_no_special_start(line) || special(text).is_none() => {
            Cow::Borrowed(text)
        }
        _ => {
            let mut out = Vec::with_capacity(line.len() + 16);
            push_text(line, invalid, &mut out);
            Cow::Owned(String::from_utf8(out).expect("escaping yields text"))
        }
    }
}

/// Appends the text of `line` to `out`.
pub(super) fn push_text(line: &[u8], invalid: InvalidUtf8, out: &mut Vec<u8>) {
    if is_plain_line(line) {
        return out.extend_from_slice(line);
    }
    match (str::from_utf8(line), invalid) {
        (Ok(_), _) if has_no_special_start(line) => out.extend_from_slice(line),
        (Err(_), InvalidUtf8::Repr) => push_repr(line, out),
        (Ok(_), _) | (Err(_), InvalidUtf8::Escape) => push_escaped(line, out),
    }
}

/// Whether the lines consist of printable ASCII, tabs and line feeds only, so that nothing has to be escaped.
/// This nearly always answers the question for all lines of a read at once.
pub(super) fn is_plain(lines: &[u8]) -> bool {
    all(lines, |byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n'))
}

/// Whether a single line is plain. It contains no line feed, unless a caller of
/// [`Line::new`](super::Line::new) has put one there.
fn is_plain_line(line: &[u8]) -> bool {
    all(line, |byte| matches!(byte, b' '..=b'~' | b'\t'))
}

/// Whether no byte is the first one of a [`special`] character, which is true for most text beyond ASCII.
fn has_no_special_start(line: &[u8]) -> bool {
    all(line, |byte| !matches!(byte, 0x00..=0x08 | 0x0a..=0x1f | 0x7f | 0xc2 | 0xe2))
}

/// Whether `is` holds for all bytes. There is no branch within a block, so that the compiler can vectorize
/// the loop.
fn all(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes.chunks(64).all(|block| block.iter().fold(true, |all, &byte| all & is(byte)))
}

/// Returns the position of the first character that has an effect beyond showing itself: C0 except tab, DEL,
/// C1, the line and paragraph separators, and the characters that change the direction of writing.
fn special(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    // In valid UTF-8 these byte sequences are always the whole character.
    (0..bytes.len()).find(|&at| match bytes[at] {
        b'\t' => false,
        0x00..=0x1f | 0x7f => true,
        0xc2 => matches!(bytes[at..], [_, 0x80..=0x9f, ..]),
        0xe2 => matches!(bytes[at..], [_, 0x80, 0xa8..=0xae, ..] | [_, 0x81, 0xa6..=0xa9, ..]),
        _ => false,
    })
}

/// Appends `line` with special characters and invalid bytes escaped, and the colours reset if need be.
fn push_escaped(line: &[u8], out: &mut Vec<u8>) {
    let mut coloured = false;
    for chunk in line.utf8_chunks() {
        coloured = push_valid(chunk.valid(), coloured, out);
        chunk.invalid().iter().for_each(|byte| push_hex(*byte, out));
    }
    if coloured {
        out.extend_from_slice(RESET.as_bytes());
    }
}

/// Appends `text` with special characters escaped. Takes and returns whether a colour is switched on.
fn push_valid(text: &str, mut coloured: bool, out: &mut Vec<u8>) -> bool {
    let mut rest = text;
    while let Some(at) = special(rest) {
        let (shown, special) = rest.split_at(at);
        out.extend_from_slice(shown.as_bytes());
        let length = match colour(special) {
            Some(sequence) => {
                coloured = !matches!(sequence, "\x1b[m" | RESET);
                out.extend_from_slice(sequence.as_bytes());
                sequence.len()
            }
            None => {
                let c = special.chars().next().expect("a special character was found");
                push_control(c, out);
                c.len_utf8()
            }
        };
        rest = &special[length..];
    }
    out.extend_from_slice(rest.as_bytes());
    coloured
}

/// Returns the colour sequence at the beginning of `text`: ESC, `[`, digits, `;` and `:`, and `m`.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    parameters[end..].starts_with('m').then(|| &text[..2 + end + 1])
}

fn push_control(c: char, out: &mut Vec<u8>) {
    match c {
        '\0' => out.extend_from_slice(b"\\0"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\x01'..='\x7f' => push_hex(c as u8, out),
        _ => out.extend(c.escape_unicode().map(|c| c as u8)),
    }
}

/// Appends Python's `repr` of a `bytes` object: in single quotes, unless it contains single quotes and no
/// double ones.
fn push_repr(line: &[u8], out: &mut Vec<u8>) {
    let quote = if line.contains(&b'\'') && !line.contains(&b'"') { b'"' } else { b'\'' };
    out.extend_from_slice(&[b'b', quote]);
    for &byte in line {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ if byte == quote => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => push_hex(byte, out),
        }
    }
    out.push(quote);
}

fn push_hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[b'\\', b'x', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_63_lp_7_plain_bytes_are_shown_unchanged_at_every_position() {
        for byte in 0..=u8::MAX {
            for at in [0, 63, 64, 98] {
                let mut line = [b'x'; 99];
                line[at] = byte;
                // A line contains no line feed: it ends the line.
                let unchanged =
                    byte == b'\n' || (matches!(str::from_utf8(&line), Ok(line) if special(line).is_none()));
                assert_eq!(is_plain(&line), unchanged, "{byte:#x} at {at}");
            }
        }
    }
}
