//! Aligned columns as kubectl prints them.

use std::fmt::Write as _;

use crate::readable;

/// Space between columns.
const GAP: usize = 3;

/// Rows below a header.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// With the names of its columns.
    pub(crate) fn new(header: &[&str]) -> Self {
        Self {
            rows: vec![header.iter().map(|name| (*name).to_owned()).collect()],
            indent: 0,
        }
    }

    /// Adds a row; an empty cell shows as `-`.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                // A cell that has two lines would forge a row.
                readable::line(&cell).into_owned()
            }
        });
        self.rows.push(cells.collect());
    }

    /// Sets every row this far in.
    #[must_use]
    pub(crate) fn indented(mut self, by: usize) -> Self {
        self.indent = by;
        self
    }

    /// The text. With a width, lines are cut so that they fit.
    pub(crate) fn text(&self, width: Option<usize>) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows
                    .iter()
                    .filter_map(|row| Some(row.get(column)?.chars().count()))
                    .max()
            })
            .map(Option::unwrap_or_default)
            .collect();
        let indent = " ".repeat(self.indent);
        let mut text = String::new();
        for row in &self.rows {
            let mut line = indent.clone();
            for (cell, width) in row.iter().zip(&widths) {
                // Writing to a string cannot fail.
                let _ = write!(line, "{cell:<0$}", width + GAP);
            }
            text.push_str(&fitted(line.trim_end(), width));
            text.push('\n');
        }
        text
    }
}

/// Facts about one thing, a line each; those without a value are left out.
pub(crate) fn facts<const N: usize>(facts: [(&str, Option<String>); N]) -> String {
    let mut text = String::new();
    for (name, value) in facts {
        if let Some(value) = value {
            let value = readable::line(&value);
            let _ = writeln!(text, "{:<12}{value}", format!("{name}:"));
        }
    }
    text
}

/// A line cut to a width.
fn fitted(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() > width => {
            let mut cut: String = line.chars().take(width.saturating_sub(1)).collect();
            cut.truncate(cut.trim_end().len());
            cut.push('…');
            cut
        }
        _ => line.to_owned(),
    }
}

/// Columns of the terminal on standard output; `None` when it is none, so that nothing is cut.
pub(crate) fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cut() {
        let mut table = Table::new(&["NAME", "STATE", "TEXT"]);
        table.row(["a".to_owned(), String::new(), "one two three".to_owned()]);
        table.row(["longer".to_owned(), "running".to_owned(), "x".to_owned()]);
        assert_eq!(
            table.text(None),
            "NAME     STATE     TEXT\na        -         one two three\nlonger   running   x\n"
        );
        table.row([
            "x\ny".to_owned(),
            "\x1b[31mred\x1b[0m".to_owned(),
            "\u{202e}".to_owned(),
        ]);
        assert!(
            table
                .text(None)
                .ends_with("x\\x0ay   red       \\u{202e}\n"),
            "{}",
            table.text(None)
        );
        table.rows.pop();
        assert_eq!(
            table.text(Some(24)),
            "NAME     STATE     TEXT\na        -         one…\nlonger   running   x\n"
        );
    }
}
