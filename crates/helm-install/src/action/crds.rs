//! The definitions of kinds that a chart brings in `crds/`: installed before it is rendered, never changed later, never removed.

use std::time::Duration;

use helm_chart::{Chart, Values, process_dependencies};
use kube_access::is_unknown;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Action, ActionError, Result};
use crate::{Expected, Object, manifest, readiness::Until, until_ready};

/// How long the API server may take to serve new kinds.
const ESTABLISHING: Duration = Duration::from_mins(1);
/// Between two looks at whether it tells of them.
const PAUSE: Duration = Duration::from_millis(200);

/// The files with definitions, of the chart and of those of its subcharts that take part.
///
/// # Errors
/// When the values do not fit the dependencies.
pub(super) fn definitions(chart: &Chart, values: &Values) -> Result<Vec<(String, String)>> {
    let mut chart = chart.clone();
    process_dependencies(&mut chart, values)?;
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    let files = chart.crds().into_iter();
    Ok(files.map(|(name, file)| (name, text(&file.data))).collect())
}

impl Action<'_> {
    /// Installs definitions and waits until their kinds are served.
    ///
    /// # Errors
    /// When one is refused, or is not served in time.
    pub(super) async fn install_definitions(&self, files: &[(String, String)]) -> Result<()> {
        let mut all = Vec::new();
        for (file, text) in files {
            let of_file = |source: ActionError| ActionError::Definition {
                file: file.clone(),
                source: Box::new(source),
            };
            let objects = manifest::parse(text).map_err(|error| of_file(error.into()))?;
            self.step(format!("installing {file}"));
            for object in &objects {
                let expected = Expected {
                    ours: false,
                    by_update: false,
                };
                let applied = self.apply_one(object, expected).await;
                applied.map_err(of_file)?;
            }
            all.extend(objects);
        }
        let progress = self.told.progress;
        let begun = Instant::now();
        let ready = until_ready(&self.applier, &all, Until::Ready, ESTABLISHING, progress);
        ready.await??;
        // A kind is established a moment before the API server tells those of it who ask which kinds there are.
        for (api_version, kind) in all.iter().flat_map(served) {
            while begun.elapsed() < ESTABLISHING {
                match self.applier.kinds().get(&api_version, &kind).await {
                    Err(error) if is_unknown(&error) => sleep(PAUSE).await,
                    // What else is wrong is told when it is asked for an object.
                    _ => break,
                }
            }
        }
        Ok(())
    }
}

/// The kinds that a definition has served, each with its `apiVersion`.
fn served(definition: &Object) -> Vec<(String, String)> {
    let text = |pointer: &str| definition.body.pointer(pointer).and_then(Value::as_str);
    let (Some(group), Some(kind)) = (text("/spec/group"), text("/spec/names/kind")) else {
        return Vec::new();
    };
    let versions = definition.body.pointer("/spec/versions");
    let versions = versions.and_then(Value::as_array).into_iter().flatten();
    let of_served = versions.filter(|version| version["served"] == true);
    let names = of_served.filter_map(|version| version["name"].as_str());
    names
        .map(|name| (format!("{group}/{name}"), kind.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_that_a_definition_has_served() {
        let text = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  names: {kind: Thing}
  versions: [{name: v1, served: true}, {name: v0, served: false}, {name: v2beta1, served: true}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
";
        let all = manifest::parse(text).unwrap();
        let kinds: Vec<_> = all.iter().flat_map(served).collect();
        let thing = |version: &str| (version.to_owned(), "Thing".to_owned());
        let expected = [thing("example.com/v1"), thing("example.com/v2beta1")];
        assert_eq!(kinds, expected);
    }
}
