//! What must hold for every picture.

use super::shape::{Bounds, Picture, Point, Shape};
use super::style::Sheet;
use super::svg;

/// Checks that nothing is outside the picture, that no text is over another, and that the document is XML.
pub(crate) fn check(picture: &Picture, sheet: &Sheet) -> Result<(), String> {
    let whole = Bounds { left: 0.0, top: 0.0, right: picture.width, bottom: picture.height };
    let mut texts = Vec::new();
    inside(&picture.shapes, &whole, &mut texts)?;
    apart(texts)?;
    well_formed(&svg::document(picture, sheet))
}

fn union(tiles: &[Bounds]) -> Bounds {
    let corners = |tile: &Bounds| {
        assert!(tile.left <= tile.right && tile.top <= tile.bottom, "{tile:?}");
        [Point { x: tile.left, y: tile.top }, Point { x: tile.right, y: tile.bottom }]
    };
    around(&tiles.iter().flat_map(corners).collect::<Vec<_>>())
}

fn inside(shapes: &[Shape], whole: &Bounds, texts: &mut Vec<(Bounds, String)>) -> Result<(), String> {
    for shape in shapes {
        let (what, bounds) = match shape {
            Shape::Group { shapes, .. } => {
                inside(shapes, whole, texts)?;
                continue;
            }
            Shape::Rect { class, bounds, .. } => (*class, *bounds),
            Shape::Line { class, from, to } => (*class, around(&[*from, *to])),
            Shape::Polygon { class, corners } => (*class, around(corners)),
            Shape::Tiles { class, tiles } => (*class, union(tiles)),
            Shape::Circle { class, center: Point { x, y }, radius } => {
                (*class, Bounds { left: x - radius, top: y - radius, right: x + radius, bottom: y + radius })
            }
            Shape::Text(text) => {
                texts.push((text.bounds(), text.text.clone()));
                (text.text.as_str(), text.bounds())
            }
        };
        let Bounds { left, top, right, bottom } = bounds;
        let is_inside =
            whole.left <= left && whole.top <= top && right <= whole.right && bottom <= whole.bottom;
        // The negations also reject a NaN, which is in no order with any number.
        if !is_inside || left > right || top > bottom {
            return Err(format!("{what} at {bounds:?} is not inside of {whole:?}"));
        }
    }
    Ok(())
}

fn around(points: &[Point]) -> Bounds {
    let xs = || points.iter().map(|point| point.x);
    let ys = || points.iter().map(|point| point.y);
    assert!(xs().chain(ys()).all(f64::is_finite), "{points:?}");
    Bounds {
        left: xs().fold(f64::MAX, f64::min),
        top: ys().fold(f64::MAX, f64::min),
        right: xs().fold(f64::MIN, f64::max),
        bottom: ys().fold(f64::MIN, f64::max),
    }
}

fn apart(mut texts: Vec<(Bounds, String)>) -> Result<(), String> {
    texts.sort_by(|(one, _), (other, _)| one.top.total_cmp(&other.top));
    for (i, (one, text)) in texts.iter().enumerate() {
        for (other, over) in texts[i + 1..].iter().take_while(|(other, _)| other.top < one.bottom) {
            if one.left < other.right && other.left < one.right {
                return Err(format!("{text:?} at {one:?} is under {over:?} at {other:?}"));
            }
        }
    }
    Ok(())
}

/// Checks a part of XML: elements are closed in order, attributes are quoted, and every character is allowed.
fn well_formed(document: &str) -> Result<(), String> {
    let is_allowed = |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if let Some(c) = document.chars().find(|&c| !is_allowed(c)) {
        return Err(format!("{c:?} is not allowed"));
    }
    let mut open = Vec::new();
    let mut rest = document;
    while let Some(start) = rest.find('<') {
        references(&rest[..start])?;
        let end = start + rest[start..].find('>').ok_or("a tag has no end")?;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let (tag, is_closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        // Between quotes there are values, and outside of them names.
        let mut parts = attributes.split('"');
        while let Some(outside) = parts.next() {
            let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || ":-".contains(c));
            match (outside.trim_start().strip_suffix('='), parts.next()) {
                (Some(name), Some(value)) if is_name(name) => references(value)?,
                (None, None) if outside.is_empty() => {}
                _ => return Err(format!("the attributes of <{tag}> are broken")),
            }
        }
        if !is_closed {
            open.push(name);
        }
    }
    if open.is_empty() && rest == "\n" { Ok(()) } else { Err(format!("{open:?} is not closed")) }
}

fn references(text: &str) -> Result<(), String> {
    let mut parts = text.split('&').skip(1);
    let known = ["amp;", "lt;", "gt;", "quot;"];
    match parts.find(|part| !known.iter().any(|known| part.starts_with(known))) {
        Some(part) => Err(format!("&{part} is not a known reference")),
        None => Ok(()),
    }
}

#[test]
fn broken_xml_is_detected() {
    well_formed("<a b=\"1\"><c/>&amp;</a>\n").unwrap();
    for broken in
        ["<a>\n", "<a></b>\n", "<a b=1/>\n", "<a>& </a>\n", "<a b=\"&x;\"/>\n", "<a>\u{1}</a>\n", "</a>\n"]
    {
        assert!(well_formed(broken).is_err(), "{broken:?}");
    }
}
