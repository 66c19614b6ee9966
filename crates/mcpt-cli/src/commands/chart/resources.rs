//! Live objects as the tables that `kubectl get` prints, under helm's headings.

use std::fmt::Write as _;

use helm_install::action::Resources;
use serde_json::Value;

// As with kubectl: fewest blanks between columns, and the width that a column has at least.
const GAP: usize = 3;
const LEAST: usize = 6;

/// All of them, by kind.
pub(super) fn text(resources: &Resources) -> String {
    if resources.is_empty() {
        return String::new();
    }
    let mut all = "RESOURCES:\n".to_owned();
    for (kind, tables) in resources {
        // Writing to a string cannot fail.
        let _ = writeln!(all, "==> {kind}");
        let mut last = Vec::new();
        for table in tables {
            let columns = columns(table);
            let names: Vec<String> = columns.iter().map(|(_, name)| name.clone()).collect();
            let mut rows = rows(table, &columns);
            // The head stands once over tables of the same columns.
            if names != last {
                rows.insert(0, names.clone());
                last = names;
            }
            all.push_str(&aligned(&rows));
        }
        all.push('\n');
    }
    all.push('\n');
    all
}

/// The columns of a table that are shown: their places and names.
fn columns(table: &Value) -> Vec<(usize, String)> {
    let all = table["columnDefinitions"].as_array().into_iter().flatten();
    let shown = all
        .enumerate()
        .filter(|(_, column)| column["priority"].as_i64() == Some(0));
    shown
        .map(|(at, column)| {
            let name = column["name"].as_str().unwrap_or_default();
            (at, name.to_uppercase())
        })
        .collect()
}

fn rows(table: &Value, columns: &[(usize, String)]) -> Vec<Vec<String>> {
    let rows = table["rows"].as_array().into_iter().flatten();
    rows.map(|row| {
        let cell = |(at, _): &(usize, String)| match &row["cells"][*at] {
            Value::String(text) => text.lines().next().unwrap_or_default().to_owned(),
            Value::Null => "<none>".to_owned(),
            other => other.to_string(),
        };
        columns.iter().map(cell).collect()
    })
    .collect()
}

/// Rows whose columns stand below one another.
fn aligned(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        (widest + GAP).max(LEAST)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut all = String::new();
    for row in rows {
        let (last, before) = row
            .split_last()
            .map_or(("", &[][..]), |(l, b)| (l.as_str(), b));
        for (cell, width) in before.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(all, "{cell:width$}");
        }
        all.push_str(last);
        all.push('\n');
    }
    all
}
