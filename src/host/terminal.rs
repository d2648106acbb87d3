//! The size of a pseudo-terminal.

use std::fmt;

/// The size of a terminal, in characters. Default: 24 rows of 80 columns.
///
/// ```
/// use childminder::host::TerminalSize;
///
/// let size = TerminalSize::new(50, 132);
/// assert_eq!((size.rows(), size.columns()), (50, 132));
/// assert_eq!(TerminalSize::default().to_string(), "24x80");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    rows: u16,
    columns: u16,
}

impl TerminalSize {
    /// Creates a size.
    pub fn new(rows: u16, columns: u16) -> Self {
        Self { rows, columns }
    }

    /// Returns the number of rows.
    pub fn rows(self) -> u16 {
        self.rows
    }

    /// Returns the number of columns.
    pub fn columns(self) -> u16 {
        self.columns
    }

    /// Whether a terminal of this size has no room for a character. Programs take it for an unknown size.
    pub(crate) fn is_empty(self) -> bool {
        self.rows == 0 || self.columns == 0
    }
}

impl Default for TerminalSize {
    fn default() -> Self {
        Self::new(24, 80)
    }
}

/// The rows and the columns, such as `24x80`.
impl fmt::Display for TerminalSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}
