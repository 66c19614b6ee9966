//! `mcpt chart search repo`: over the cached indexes alone.

use std::cmp::Ordering;

use clap::Args;
use helm_chart::{Constraint, Version};
use helm_fetch::{IndexEntry, Repositories};
use helm_funcs::go_regex;
use mcpt_core::Failure;
use serde::Serialize;

use super::{super::places::PlaceFlags, ShownFlags, failed};
use crate::{args::Global, commands::chart::places::fetching, ending::Ending, messages};

/// Arguments of `mcpt chart search repo`.
#[derive(Debug, Args)]
pub(super) struct InRepositories {
    /// What their names, descriptions or keywords have; without it all are found
    words: Vec<String>,
    /// It is a regular expression of Go's
    #[arg(short, long)]
    regexp: bool,
    /// All versions of each chart
    #[arg(short = 'l', long)]
    versions: bool,
    /// Those alone that fit this constraint
    #[arg(long, value_name = "CONSTRAINT")]
    version: Option<String>,
    /// Pre-releases too
    #[arg(long)]
    devel: bool,
    #[command(flatten)]
    shown: ShownFlags,
    #[command(flatten)]
    places: PlaceFlags,
}

/// A version of a chart that may be found.
struct Candidate {
    /// `repository/chart`
    name: String,
    entry: IndexEntry,
    /// What is searched: the entry's name, description, full name and keywords.
    fields: [String; 4],
    /// The first of them that the words are in.
    found_in: usize,
}

#[derive(Serialize)]
struct Element {
    name: String,
    version: String,
    app_version: String,
    description: String,
}

impl InRepositories {
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let mut found = self.matching(self.candidates(global)?)?;
        found.sort_by(|a, b| {
            let key = |one: &Candidate| (one.found_in, one.name.clone());
            key(a).cmp(&key(b)).then_with(|| newest_first(a, b))
        });
        let elements: Vec<Element> = self
            .fitting(found)?
            .into_iter()
            .map(Element::from)
            .collect();
        let head = ["NAME", "CHART VERSION", "APP VERSION", "DESCRIPTION"];
        self.shown.print(global, &elements, &head, |element| {
            vec![
                element.name.clone(),
                element.version.clone(),
                element.app_version.clone(),
                element.description.clone(),
            ]
        })
    }

    /// All that is in the cached indexes.
    fn candidates(&self, global: &Global) -> Result<Vec<Candidate>, Ending> {
        let places = self.places.places();
        let known = Repositories::load(&places).map_err(|error| fetching(&error))?;
        if known.list.is_empty() {
            return Err(failed("no repositories configured".to_owned()).into());
        }
        let mut candidates = Vec::new();
        for repository in &known.list {
            let index = match repository.cached_index(&places) {
                Ok(index) => index,
                Err(error) => {
                    let name = &repository.name;
                    let text = format!(
                        "repo {name} is corrupt or missing: {error}; try 'mcpt chart repo update'"
                    );
                    messages::warning(global, &text);
                    continue;
                }
            };
            for chart in index.names() {
                let versions = index.versions(chart).unwrap_or_default();
                for entry in versions {
                    candidates.push(Candidate::new(&repository.name, chart, entry));
                }
            }
        }
        Ok(candidates)
    }

    /// Those in which the words are.
    fn matching(&self, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, Failure> {
        if self.words.is_empty() {
            return Ok(candidates);
        }
        let words = self.words.join(" ");
        let expression = if self.regexp {
            Some(go_regex(&words).map_err(|error| failed(error.to_string()))?)
        } else {
            None
        };
        let words = words.to_lowercase();
        let found = candidates.into_iter().filter_map(|mut candidate| {
            // As helm, over all fields at once: an expression may go over the end of one.
            let mut line = candidate.fields.join("\u{b}");
            let at = if let Some(expression) = &expression {
                expression.find(&line)?.start()
            } else {
                line = line.to_lowercase();
                line.find(&words)?
            };
            candidate.found_in = line[..at].matches('\u{b}').count();
            Some(candidate)
        });
        Ok(found.collect())
    }

    /// Those whose versions are wanted; of each chart the newest, unless all are.
    fn fitting(&self, found: Vec<Candidate>) -> Result<Vec<Candidate>, Failure> {
        let constraint = match &self.version {
            Some(constraint) => constraint,
            None if self.devel => ">0.0.0-0",
            None => ">0.0.0",
        };
        let constraint = Constraint::parse(constraint)
            .map_err(|error| failed(format!("an invalid version/constraint format: {error}")))?;
        let mut fitting: Vec<Candidate> = Vec::new();
        for candidate in found {
            if !self.versions && fitting.iter().any(|known| known.name == candidate.name) {
                continue;
            }
            let version = Version::parse(candidate.entry.version());
            if version.is_ok_and(|version| constraint.check(&version)) {
                fitting.push(candidate);
            }
        }
        Ok(fitting)
    }
}

impl Candidate {
    fn new(repository: &str, chart: &str, entry: &IndexEntry) -> Self {
        let texts = [
            entry.name().to_owned(),
            entry.description().to_owned(),
            format!("{repository}/{}", entry.name()),
            entry.keywords().join(" "),
        ];
        Self {
            name: format!("{repository}/{chart}"),
            entry: entry.clone(),
            fields: texts,
            found_in: 0,
        }
    }
}

impl From<Candidate> for Element {
    fn from(found: Candidate) -> Self {
        Self {
            name: found.name,
            version: found.entry.version().to_owned(),
            app_version: found.entry.app_version().to_owned(),
            description: found.entry.description().to_owned(),
        }
    }
}

fn newest_first(a: &Candidate, b: &Candidate) -> Ordering {
    let version = |one: &Candidate| Version::parse(one.entry.version());
    match (version(a), version(b)) {
        (Ok(a), Ok(b)) => b.compare(&a),
        _ => Ordering::Equal,
    }
}
