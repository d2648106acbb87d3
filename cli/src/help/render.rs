//! Markdown on a terminal: headings, paragraphs, lists, tables and code, as the guide uses them.

use std::mem;

/// Renders Markdown for a terminal of this width.
pub(super) fn render(markdown: &str, width: usize, is_colourful: bool) -> String {
    let mut page =
        Page { width, is_colourful, text: String::new(), paragraph: String::new(), rows: Vec::new() };
    let mut in_code = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            page.end_block();
            in_code = !in_code;
            if !in_code {
                page.text.push('\n');
            }
        } else if in_code {
            page.text.push_str(format!("    {line}").trim_end());
            page.text.push('\n');
        } else {
            page.line(line);
        }
    }
    page.end_block();
    page.text.truncate(page.text.trim_end().len());
    page.text + "\n"
}

struct Page {
    width: usize,
    is_colourful: bool,
    text: String,
    /// The lines of the paragraph or of the item of a list so far, joined.
    paragraph: String,
    /// The rows of the table so far.
    rows: Vec<Vec<String>>,
}

impl Page {
    fn line(&mut self, line: &str) {
        if let Some(cells) = line.strip_prefix('|') {
            let cells = split_cells(cells);
            // Below the heads.
            if !cells.iter().all(|cell| cell.chars().all(|c| c == '-')) {
                self.rows.push(cells);
            }
            return;
        }
        let heading = line.trim_start_matches('#');
        if line.trim().is_empty() {
            self.end_block();
        } else if heading.len() < line.len() {
            self.end_block();
            let heading = plain(heading.trim());
            let heading = if self.is_colourful { format!("\x1b[1m{heading}\x1b[0m") } else { heading };
            self.text.push_str(&format!("{heading}\n\n"));
        } else {
            if line.starts_with("- ") {
                self.end_item();
            }
            if !self.paragraph.is_empty() {
                self.paragraph.push(' ');
            }
            self.paragraph.push_str(line.trim());
        }
    }

    /// Writes what was read, and an empty line.
    fn end_block(&mut self) {
        if self.paragraph.is_empty() && self.rows.is_empty() {
            return;
        }
        self.end_item();
        self.end_table();
        self.text.push('\n');
    }

    fn end_item(&mut self) {
        let paragraph = plain(&mem::take(&mut self.paragraph));
        if paragraph.is_empty() {
            return;
        }
        let indent = if paragraph.starts_with("- ") { "  " } else { "" };
        for (number, line) in wrap(&paragraph, self.width.saturating_sub(indent.len())).iter().enumerate() {
            self.text.push_str(if number == 0 { "" } else { indent });
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// Writes a table of two columns side by side if the first one is narrow, and any other table as a
    /// paragraph for each row.
    fn end_table(&mut self) {
        let rows = mem::take(&mut self.rows);
        let Some((heads, rows)) = rows.split_first() else { return };
        let first = rows.iter().filter_map(|row| row.first()).map(|cell| cell.chars().count()).max();
        let first = first.unwrap_or(0) + 2;
        let is_narrow = heads.len() == 2 && first <= self.width / 2;
        for row in rows {
            let (name, rest) = row.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
            if is_narrow {
                let lines =
                    wrap(rest.first().map_or("", String::as_str), self.width.saturating_sub(first + 2));
                for (number, line) in lines.iter().enumerate() {
                    let name = if number == 0 { name } else { "" };
                    self.text.push_str(format!("  {name:first$}{line}").trim_end());
                    self.text.push('\n');
                }
                continue;
            }
            self.text.push_str(&format!("  {name}\n"));
            for (cell, head) in rest.iter().zip(heads.iter().skip(1)).filter(|(cell, _)| !cell.is_empty()) {
                // The head of the last column is clear from its text.
                let cell =
                    if heads.len() > 2 && rest.len() > 1 { format!("{head}: {cell}") } else { cell.clone() };
                for line in wrap(&cell, self.width.saturating_sub(6)) {
                    self.text.push_str(&format!("      {line}\n"));
                }
            }
        }
    }
}

/// Splits a row of a table, in whose cells `\|` is a bar.
fn split_cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_end_matches('|').replace("\\|", "\0");
    row.split('|').map(|cell| plain(cell.trim()).replace('\0', "|")).collect()
}

/// Removes the marks of links and of code.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let link = rest[start + 1..].split_once("](");
        let link = link.and_then(|(label, after)| Some((label, after.split_once(')')?.1)));
        // A bracket inside of code is not the start of a link.
        let in_code = rest[..start].matches('`').count() % 2 == 1;
        let Some((label, after)) = link.filter(|(label, _)| !in_code && !label.contains('[')) else {
            plain.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        };
        plain.push_str(&rest[..start]);
        plain.push_str(label);
        rest = after;
    }
    plain.push_str(rest);
    plain.replace("**", "").replace('`', "'")
}

/// Breaks a text into lines.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_288_markdown_is_readable_on_a_terminal() {
        let markdown = "\
# Title

A `word` and [a link](x.md#y) and `[code](x)`, which is
wrapped.

- one item that is longer than the width
- two

```toml
[process.a]   # | no table
```

| key | meaning |
| --- | --- |
| `a\\|b` | the first \\| key, whose text is long |
| `cc` | short |

| key | example | meaning |
| --- | --- | --- |
| `k` | `1` | a number |
";
        let expected = "\
Title

A 'word' and a link and
'[code](x)', which is wrapped.

- one item that is longer
  than the width
- two

    [process.a]   # | no table

  'a|b'  the first | key,
         whose text is long
  'cc'   short

  'k'
      example: '1'
      meaning: a number
";
        assert_eq!(render(markdown, 30, false), expected);
        assert!(render(markdown, 30, true).starts_with("\x1b[1mTitle\x1b[0m\n"));
    }
}
