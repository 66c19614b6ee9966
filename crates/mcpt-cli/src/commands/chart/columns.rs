//! Tables as helm prints them: each cell padded to its column's width, a tab between.

/// The rows, with a newline after each; what is wider than `most` ends with dots.
pub(super) fn text(rows: &[Vec<String>], most: usize) -> String {
    let shortened: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| shorten(cell, most)).collect())
        .collect();
    let count = shortened.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            let cells = shortened.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut all = String::new();
    for row in &shortened {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        all.push_str(&cells.join("\t"));
        all.push('\n');
    }
    all
}

fn shorten(cell: &str, most: usize) -> String {
    if cell.chars().count() <= most {
        return cell.to_owned();
    }
    let kept: String = cell.chars().take(most.saturating_sub(3)).collect();
    format!("{kept}...")
}

/// The rows at any width; for none an empty line, as helm prints it.
pub(super) fn text_or_blank(rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "\n".to_owned();
    }
    text(rows, usize::MAX)
}
