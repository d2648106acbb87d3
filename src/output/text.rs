//! A line as text that is safe to show.
//!
//! One line of output is one line of text, and shows what it is: control characters are escaped, so that a child can
//! neither pose as another nor drive the terminal (F-63). Tab stays, and so do colours (`ESC [ … m`); a line that does
//! not put the colours back has that done for it, or it would colour, or hide, the lines after it.
//!
//! A line that is not valid UTF-8 is shown as a whole in Python's notation for bytes, as Twisted did (LP-6).

use std::borrow::Cow;
use std::str;

const RESET: &str = "\x1b[0m";

/// The text of `line`; borrowed unless something in it has to be escaped.
pub(super) fn text(line: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(line) {
        Ok(text) if is_plain_line(line) || is_tame(line) || special(text).is_none() => Cow::Borrowed(text),
        _ => {
            let mut out = Vec::with_capacity(line.len() + 16);
            push_text(line, &mut out);
            Cow::Owned(String::from_utf8(out).expect("escaping made text out of text, or ASCII out of bytes"))
        }
    }
}

/// Appends the text of `line` to `out`.
pub(super) fn push_text(line: &[u8], out: &mut Vec<u8>) {
    if is_plain_line(line) {
        return out.extend_from_slice(line);
    }
    match str::from_utf8(line) {
        Ok(_) if is_tame(line) => out.extend_from_slice(line),
        Ok(text) => push_escaped(text, out),
        Err(_) => push_bytes(line, out),
    }
}

/// Whether there is nothing but printable ASCII, tabs and the line feeds between lines: nothing to escape, and nothing
/// that could be invalid. It nearly always settles the matter for all lines of a read at once.
pub(super) fn is_plain(lines: &[u8]) -> bool {
    each(lines, |byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n'))
}

/// The same for one line, which has no line feed in it; but whoever makes a [`Line`](super::Line) may put one there.
fn is_plain_line(line: &[u8]) -> bool {
    each(line, |byte| matches!(byte, b' '..=b'~' | b'\t'))
}

/// Whether no byte is one that a [`special`] character begins with: that settles it for most text beyond ASCII.
fn is_tame(line: &[u8]) -> bool {
    each(line, |byte| !matches!(byte, 0x00..=0x08 | 0x0a..=0x1f | 0x7f | 0xc2 | 0xe2))
}

/// Whether all bytes are such. Without a branch inside of a block, so that the compiler looks at many of them at a time.
fn each(bytes: &[u8], such: impl Fn(u8) -> bool) -> bool {
    bytes.chunks(64).all(|block| block.iter().fold(true, |all, &byte| all & such(byte)))
}

/// Where the first character is that does more than to show itself: C0 but tab, DEL, C1, the line and paragraph
/// separators, and what reverses the direction of writing. In valid UTF-8 these few bytes can be nothing else.
fn special(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|&at| match bytes[at] {
        b'\t' => false,
        0x00..=0x1f | 0x7f => true,
        0xc2 => matches!(bytes[at..], [_, 0x80..=0x9f, ..]),
        0xe2 => matches!(bytes[at..], [_, 0x80, 0xa8..=0xae, ..] | [_, 0x81, 0xa6..=0xa9, ..]),
        _ => false,
    })
}

fn push_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    let mut coloured = false;
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
                let c = special.chars().next().expect("there is a special one");
                push_control(c, out);
                c.len_utf8()
            }
        };
        rest = &special[length..];
    }
    out.extend_from_slice(rest.as_bytes());
    if coloured {
        out.extend_from_slice(RESET.as_bytes());
    }
}

/// The colour sequence that `text` begins with: ESC, `[`, digits, `;` and `:`, and `m`.
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

/// Python's `repr` of a `bytes` object: single quotes, unless the bytes have a single quote and no double one.
fn push_bytes(line: &[u8], out: &mut Vec<u8>) {
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
    fn f_63_lp_7_what_is_plain_is_shown_as_it_is_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for at in [0, 63, 64, 98] {
                let mut line = [b'x'; 99];
                line[at] = byte;
                // A line feed never comes here: it ends the line.
                let as_it_is =
                    byte == b'\n' || (matches!(str::from_utf8(&line), Ok(line) if special(line).is_none()));
                assert_eq!(is_plain(&line), as_it_is, "{byte:#x} at {at}");
            }
        }
    }
}
