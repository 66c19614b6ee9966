//! Figures as a table, for a terminal and for the guide.

use super::judgement::Figures;

const HEAD: [&str; 12] = [
    "event",
    "calls",
    "failed",
    "doubled",
    "resets",
    "ended with their pod",
    "cut off by a kill",
    "connections tried again",
    "longest",
    "p50",
    "p99",
    "good call after a 404",
];

/// Columns beside each other, and a word on each line.
pub(super) fn plain(figures: &[Figures]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(figures.iter().map(cells));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let verdicts = figures
        .iter()
        .map(|figures| if figures.holds { "holds" } else { "FAILS" });
    let lines = rows.iter().zip(std::iter::once("").chain(verdicts));
    let lines = lines.map(|(row, verdict)| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("{}  {verdict}", cells.join("  "))
            .trim_end()
            .to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A table in Markdown.
pub(super) fn markdown(figures: &[Figures]) -> String {
    let row = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let mut lines = vec![row(&HEAD.map(str::to_owned))];
    lines.push(row(&HEAD.map(|_| "---".to_owned())));
    lines.extend(figures.iter().map(|figures| row(&cells(figures))));
    lines.join("\n")
}

fn cells(figures: &Figures) -> [String; 12] {
    let milliseconds = |time: f64| format!("{time:.0} ms");
    let failed: Vec<_> = figures
        .failed
        .iter()
        .map(|(kind, number)| format!("{number} {kind}"))
        .collect();
    [
        figures.event.clone(),
        figures.calls.to_string(),
        if failed.is_empty() {
            "0".to_owned()
        } else {
            failed.join(", ")
        },
        figures.doubled.to_string(),
        figures.resets.to_string(),
        figures.ended.to_string(),
        figures.cut_off.to_string(),
        figures.refused.to_string(),
        milliseconds(figures.longest_ms),
        format!("{:.1} ms", figures.p50_ms),
        milliseconds(figures.p99_ms),
        figures.again_ms.map_or_else(String::new, milliseconds),
    ]
}
