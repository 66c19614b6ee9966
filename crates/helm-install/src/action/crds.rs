//! The definitions of kinds that a chart brings in `crds/`: installed before it is rendered, never changed later, never removed.

use std::time::Duration;

use helm_chart::{Chart, Values, process_dependencies};

use super::{Action, ActionError, Result};
use crate::{Expected, manifest, readiness::Until, until_ready};

/// How long the API server may take to serve new kinds.
const ESTABLISHING: Duration = Duration::from_mins(1);

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
        let ready = until_ready(&self.applier, &all, Until::Ready, ESTABLISHING, progress);
        Ok(ready.await??)
    }
}
