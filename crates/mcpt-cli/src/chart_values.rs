//! [`ChartValues`]: values for a chart, and which file or option said each of them.

use std::collections::BTreeMap;

use helm_chart::Overrides;
use mcpt_core::{Failure, FailureKind, leaves};
use serde_json::{Map, Value};

/// Values, and who said them by their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChartValues {
    pub(crate) values: Map<String, Value>,
    pub(crate) origins: BTreeMap<String, String>,
}

impl ChartValues {
    /// Values that are all from one place.
    pub(crate) fn of(values: Map<String, Value>, origin: &str) -> Self {
        let mut origins = BTreeMap::new();
        note(&mut origins, &values, &Map::new(), origin);
        Self { values, origins }
    }

    /// What files and `--set` give as Helm merges them. A value is of the last one that changed it, or of the only one that said it.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] for a file or an option that cannot be read.
    pub(crate) fn merged(all: Overrides) -> Result<Self, Failure> {
        let mut origins = BTreeMap::new();
        let mut before = Map::new();
        let mut so_far = Overrides::default();
        for (name, text) in all.files {
            let said = name.clone();
            so_far.files.push((name, text));
            let values = merge(&so_far)?;
            note(&mut origins, &values, &before, &said);
            before = values;
        }
        so_far.set = all.set;
        let values = merge(&so_far)?;
        note(&mut origins, &values, &before, "--set");
        Ok(Self { values, origins })
    }
}

/// Chart values as Helm merges them.
///
/// # Errors
/// [`FailureKind::Usage`] for a file or an option that cannot be read.
pub(crate) fn merge(overrides: &Overrides) -> Result<Map<String, Value>, Failure> {
    overrides.merge().map_err(|error| {
        Failure::new(FailureKind::Usage, "the chart values cannot be read").caused_by(&error)
    })
}

/// Notes who made values into what they were not before.
fn note(
    origins: &mut BTreeMap<String, String>,
    values: &Map<String, Value>,
    before: &Map<String, Value>,
    origin: &str,
) {
    let known = leaves(before);
    let now = leaves(values);
    let changed = now.into_iter().filter(|leaf| !known.contains(leaf));
    origins.extend(changed.map(|(path, _)| (path, origin.to_owned())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_of_the_last_one_that_said_it() {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let merged = ChartValues::merged(Overrides {
            files: vec![
                file("profile prod", "a: {b: 1, c: 2}\nd: 3\n"),
                file("my.yaml", "a: {c: 4}\n"),
            ],
            set: vec!["d=5,e.f=6".to_owned()],
            ..Overrides::default()
        });
        let origins = merged.unwrap().origins;
        let told: Vec<_> = origins
            .iter()
            .map(|(path, origin)| format!("{path}: {origin}"))
            .collect();
        assert_eq!(
            told,
            [
                "a.b: profile prod",
                "a.c: my.yaml",
                "d: --set",
                "e.f: --set"
            ]
        );
    }
}
