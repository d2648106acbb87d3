//! The table of figures and targets, also as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::figures::{Pair, median};

/// The bound of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Seconds, shown with a suitable prefix.
    Time,
    /// Events per second.
    Rate,
    /// KiB.
    Memory,
    /// A fraction, shown in percent.
    Share,
    /// A number of things.
    Count,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    unit: Unit,
    ours: f64,
    bare: Option<f64>,
    ratio: Option<f64>,
    target: Target,
}

impl Row {
    /// Creates a row for a figure of both sides. The target applies to the median of the ratios.
    pub(crate) fn ratio(what: impl Into<String>, unit: Unit, pairs: &[Pair], target: Target) -> Self {
        let middle = |figure: fn(&Pair) -> f64| median(&pairs.iter().map(figure).collect::<Vec<_>>());
        let ratio = middle(|pair| pair.ours / pair.bare);
        Self {
            what: what.into(),
            unit,
            ours: middle(|pair| pair.ours),
            bare: Some(middle(|pair| pair.bare)),
            ratio: Some(ratio),
            target,
        }
    }

    /// Creates a row for a figure that has no counterpart in a bare loop.
    pub(crate) fn alone(what: impl Into<String>, unit: Unit, figure: f64, target: Target) -> Self {
        Self { what: what.into(), unit, ours: figure, bare: None, ratio: None, target }
    }

    fn is_met(&self) -> bool {
        self.target.admits(self.ratio.unwrap_or(self.ours))
    }

    /// Returns the cells of the table.
    fn cells(&self) -> [String; 6] {
        let show = |figure: Option<f64>| figure.map_or_else(String::new, |figure| self.unit.show(figure));
        let target = match self.ratio {
            Some(_) => self.target.show(|bound| format!("{bound}x")),
            None => self.target.show(|bound| self.unit.show(bound)),
        };
        let ratio = self.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
        let met = if self.is_met() { "yes" } else { "NO" };
        [self.what.clone(), show(Some(self.ours)), show(self.bare), ratio, target, met.to_owned()]
    }

    /// Returns the row as one JSON object; `README.md` describes it.
    fn json(&self, bench: &str) -> Value {
        let (bound, at) = match self.target {
            Target::AtMost(bound) => (bound, "at_most"),
            Target::AtLeast(bound) => (bound, "at_least"),
        };
        json!({
            "bench": bench,
            "case": self.what,
            "unit": self.unit.name(),
            "childminder": self.ours,
            "bare": self.bare,
            "ratio": self.ratio,
            "target": { at: bound },
            "met": self.is_met(),
        })
    }
}

impl Target {
    fn admits(self, figure: f64) -> bool {
        match self {
            Self::AtMost(bound) => figure <= bound,
            Self::AtLeast(bound) => figure >= bound,
        }
    }

    fn show(self, show: impl Fn(f64) -> String) -> String {
        match self {
            Self::AtMost(bound) => format!("<= {}", show(bound)),
            Self::AtLeast(bound) => format!(">= {}", show(bound)),
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Time => "seconds",
            Self::Rate => "per second",
            Self::Memory => "KiB",
            Self::Share => "share",
            Self::Count => "count",
        }
    }

    fn show(self, figure: f64) -> String {
        match self {
            Self::Time if figure == 0.0 => "0".to_owned(),
            Self::Time if figure.abs() < 1e-6 => format!("{:.0} ns", figure * 1e9),
            Self::Time if figure.abs() < 1e-3 => format!("{:.0} us", figure * 1e6),
            Self::Time if figure.abs() < 1.0 => format!("{:.2} ms", figure * 1e3),
            Self::Time => format!("{figure:.2} s"),
            Self::Rate => format!("{:.2} M/s", figure / 1e6),
            Self::Memory => format!("{figure:.1} KiB"),
            Self::Share => format!("{:.0} %", figure * 100.0),
            Self::Count if figure.fract() == 0.0 => format!("{figure}"),
            Self::Count => format!("{figure:.2}"),
        }
    }
}

/// All rows, displayed as a Markdown table.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        self.0.extend(rows);
    }

    /// Returns these rows as JSON, one object on each line.
    pub(crate) fn json_lines(bench: &str, rows: &[Row]) -> String {
        rows.iter().map(|row| format!("{}\n", row.json(bench))).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "childminder", "bare loop", "ratio", "target", "met"];
        let cells: Vec<[String; 6]> = self.0.iter().map(Row::cells).collect();
        let rows: Vec<[&str; 6]> = cells.iter().map(|row| row.each_ref().map(String::as_str)).collect();
        let all = || [head].into_iter().chain(rows.iter().copied());
        let widths: Vec<usize> = (0..head.len())
            .map(|column| all().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let line = |f: &mut fmt::Formatter<'_>, row: [&str; 6]| {
            for (column, (cell, width)) in row.into_iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "| {cell:<width$} ")?,
                    _ => write!(f, "| {cell:>width$} ")?,
                }
            }
            writeln!(f, "|")
        };
        line(f, head)?;
        for (column, width) in widths.iter().enumerate() {
            let dashes = "-".repeat(width + 1);
            write!(f, "|{dashes}{}", if column == 0 { '-' } else { ':' })?;
        }
        writeln!(f, "|")?;
        rows.into_iter().try_for_each(|row| line(f, row))
    }
}
