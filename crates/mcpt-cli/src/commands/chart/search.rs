//! `mcpt chart search repo|hub WORDS`: charts of the repositories that were added, and of a hub.

mod hub;
mod repo;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{columns, failed, releases::go_json};
use crate::{
    args::{Format, Global},
    ending::Ending,
    output,
};

/// Arguments of `mcpt chart search`.
#[derive(Debug, Args)]
pub(crate) struct Search {
    #[command(subcommand)]
    place: SearchIn,
}

#[derive(Debug, Subcommand)]
enum SearchIn {
    /// Find charts in the repositories that were added
    Repo(Box<repo::InRepositories>),
    /// Find charts at a hub, Artifact Hub or one that has its way of searching
    Hub(hub::AtHub),
}

impl Search {
    /// Finds them.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        match &self.place {
            SearchIn::Repo(repo) => repo.run(global),
            SearchIn::Hub(hub) => hub.run(global),
        }
    }
}

/// How what was found is shown.
#[derive(Debug, Args)]
struct ShownFlags {
    /// Widest column
    #[arg(long, value_name = "CHARACTERS", default_value_t = 50)]
    max_col_width: usize,
    /// It is a failure when nothing is found
    #[arg(long)]
    fail_on_no_result: bool,
}

impl ShownFlags {
    /// Prints what was found: `all` for programs, and the cells of each for people.
    fn print<T: Serialize>(
        &self,
        global: &Global,
        all: &[T],
        head: &[&str],
        cells: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Ending> {
        if all.is_empty() && self.fail_on_no_result {
            return Err(failed("no results found".to_owned()).into());
        }
        match global.output {
            Format::Json => go_json(&all),
            Format::Yaml => output::yaml(&all),
            _ if all.is_empty() => output::line("No results found"),
            _ => {
                let mut rows = vec![head.iter().map(|cell| (*cell).to_owned()).collect()];
                rows.extend(all.iter().map(cells));
                output::text(&columns::text(&rows, self.max_col_width))
            }
        }
    }
}
