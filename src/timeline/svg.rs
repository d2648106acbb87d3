//! The output as SVG.
//!
//! There is one element per line. Positions are rounded to tenths, which is finer than the eye, so that two
//! pictures of the same run are the same text.

use std::fmt::Write;

use super::shape::{Anchor, Bounds, Picture, Point, Shape, Text};
use super::style::Sheet;
use super::text;

/// Returns the whole document.
pub(crate) fn document(picture: &Picture, sheet: &Sheet) -> String {
    let (width, height) = (number(picture.width), number(picture.height));
    let mut out = String::new();
    push(
        &mut out,
        format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="{}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" xml:space="preserve">"#,
            sheet.root
        ),
    );
    push(&mut out, format_args!("<title>{}</title>", escaped(&picture.title)));
    push(&mut out, format_args!("<style>\n{}</style>", sheet.text()));
    for shape in &picture.shapes {
        element(shape, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

fn element(shape: &Shape, out: &mut String) {
    match shape {
        Shape::Group { class, title, shapes } => {
            push(out, format_args!(r#"<g class="{class}"><title>{}</title>"#, escaped(title)));
            for shape in shapes {
                element(shape, out);
            }
            push(out, format_args!("</g>"));
        }
        Shape::Rect { class, bounds, radius } => rect(class, bounds, *radius, out),
        Shape::Line { class, from, to } => {
            let [x1, y1, x2, y2] = [from.x, from.y, to.x, to.y].map(number);
            push(out, format_args!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
        }
        Shape::Polygon { class, corners } => {
            let corners = corners.iter().map(|Point { x, y }| format!("{},{}", number(*x), number(*y)));
            let corners = corners.collect::<Vec<_>>().join(" ");
            push(out, format_args!(r#"<polygon class="{class}" points="{corners}"/>"#));
        }
        Shape::Tiles { class, tiles } => {
            // One path for all: a picture may have a hundred thousand.
            out.push_str(&format!(r#"<path class="{class}" d=""#));
            for Bounds { left, top, right, bottom } in tiles {
                let [x, y, width, height] = [*left, *top, right - left, bottom - top].map(number);
                write!(out, "M{x} {y}h{width}v{height}h-{width}z").expect("a string accepts all text");
            }
            push(out, format_args!(r#""/>"#));
        }
        Shape::Circle { class, center, radius } => {
            let [x, y, radius] = [center.x, center.y, *radius].map(number);
            push(out, format_args!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"/>"#));
        }
        Shape::Text(text) => line_of_text(text, out),
    }
}

fn rect(class: &str, bounds: &Bounds, radius: f64, out: &mut String) {
    let [x, y, width, height] = [bounds.left, bounds.top, bounds.width(), bounds.height()].map(number);
    let round = if radius > 0.0 { format!(r#" rx="{}""#, number(radius)) } else { String::new() };
    push(
        out,
        format_args!(r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"{round}/>"#),
    );
}

fn line_of_text(line: &Text, out: &mut String) {
    let Text { class, x, anchor, baseline, size, text } = line;
    let [x, y, size] = [*x, *baseline, *size].map(number);
    let anchor = match anchor {
        Anchor::Start => "",
        Anchor::Middle => r#" text-anchor="middle""#,
        Anchor::End => r#" text-anchor="end""#,
    };
    // The actual font may be wider than assumed. Then the viewer adjusts the text.
    let fit = if text::is_plain(text) {
        String::new()
    } else {
        format!(r#" textLength="{}" lengthAdjust="spacingAndGlyphs""#, number(line.bounds().width()))
    };
    let text = escaped(text);
    push(
        out,
        format_args!(
            r#"<text class="{class}" x="{x}" y="{y}" font-size="{size}"{anchor}{fit}>{text}</text>"#
        ),
    );
}

/// Returns text escaped for XML. Control characters, which XML forbids even when escaped, are replaced by
/// pictures of them.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            _ => out.push(text::picture(c)),
        }
    }
    out
}

fn push(out: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(out, "{element}").expect("a string accepts all text");
}

fn number(number: f64) -> String {
    let text = format!("{number:.1}");
    let short = text.strip_suffix(".0").unwrap_or(&text);
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_forbids_is_shown_and_not_written() {
        let nasty = "<a href=\"x\">&amp;</a>\n\t\0\u{1}\u{8}\u{b}\u{1f}\u{7f}\u{9f}\u{fffe}\u{ffff}]]>";
        let expected =
            "&lt;a href=&quot;x&quot;&gt;&amp;amp;&lt;/a&gt;\n\t␀␁␈␋␟␡\u{fffd}\u{fffd}\u{fffd}]]&gt;";
        assert_eq!(escaped(nasty), expected);
    }

    #[test]
    fn numbers_have_one_digit_behind_the_point_if_any() {
        assert_eq!([0.0, -0.04, 12.0, 12.25, 1200.96].map(number), ["0", "0", "12", "12.2", "1201"]);
    }
}
