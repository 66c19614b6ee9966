//! `mcpt chart show all|chart|values|readme|crds CHART`.

use clap::{Args, Subcommand};
use helm_chart::Chart;
use mcpt_core::Failure;

use super::{failed, location::ChartFlags};
use crate::{ending::Ending, output};

/// Arguments of `mcpt chart show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Print the metadata, the values, the readme and the custom resource definitions
    All(Of),
    /// Print the metadata
    Chart(Of),
    /// Print the values as they are written
    Values(Of),
    /// Print the readme
    Readme(Of),
    /// Print the custom resource definitions
    Crds(Of),
}

#[derive(Debug, Args)]
struct Of {
    #[arg(help = "A folder, an archive, repository/chart or oci://host/path/chart")]
    chart: String,
    #[command(flatten)]
    from: ChartFlags,
}

impl Show {
    /// Prints it.
    pub(super) fn run(&self) -> Result<(), Ending> {
        let (Part::All(of)
        | Part::Chart(of)
        | Part::Values(of)
        | Part::Readme(of)
        | Part::Crds(of)) = &self.part;
        let chart = of.from.load(&of.chart)?;
        let all = match &self.part {
            Part::All(_) => {
                let mut all = metadata(&chart)?;
                for text in [values(&chart), readme(&chart)].into_iter().flatten() {
                    all.push_str("---\n");
                    all.push_str(&text);
                }
                all + &crds(&chart)
            }
            Part::Chart(_) => metadata(&chart)?,
            Part::Values(_) => values(&chart).unwrap_or_default(),
            Part::Readme(_) => readme(&chart).unwrap_or_default(),
            Part::Crds(_) => crds(&chart),
        };
        output::yaml_document(&all)
    }
}

fn metadata(chart: &Chart) -> Result<String, Failure> {
    let text = chart.metadata.to_yaml();
    Ok(text.map_err(|error| failed(error.to_string()))? + "\n")
}

fn values(chart: &Chart) -> Option<String> {
    chart.values_text.as_deref().map(text)
}

fn readme(chart: &Chart) -> Option<String> {
    const NAMES: [&str; 3] = ["readme.md", "readme.txt", "readme"];
    let is_readme = |name: &str| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
    let mut files = chart.files.iter();
    let file = files.find(|file| is_readme(&file.name))?;
    Some(text(&file.data))
}

fn crds(chart: &Chart) -> String {
    let mut all = String::new();
    for (_, file) in chart.crds() {
        if !file.data.starts_with(b"---") {
            all.push_str("---\n");
        }
        all.push_str(&text(&file.data));
    }
    all
}

fn text(data: &[u8]) -> String {
    format!("{}\n", String::from_utf8_lossy(data))
}
