//! Values of a chart: its profile, what the fields of an entry say, and its values as they stand, in this order.

use helm_chart::Overrides;
use mcpt_core::chain;
use serde_json::{Map, Value};

use super::{
    super::chart::{self, ServerChart},
    Attempt,
};

impl Attempt<'_> {
    /// The profile's values, those of the entry's fields over them, and its `values` over all.
    pub(super) fn layered(
        &mut self,
        found: &ServerChart,
        own: Map<String, Value>,
    ) -> Option<Map<String, Value>> {
        let mut overrides = Overrides::default();
        if let Some(profile) = self
            .choices
            .profile
            .as_ref()
            .or(self.entry.profile.as_ref())
        {
            match chart::profile(&found.chart, profile) {
                Ok(text) => overrides.files.push((format!("profile {profile}"), text)),
                Err(fault) => {
                    self.faults.add(fault.field(), fault.to_string());
                    return None;
                }
            }
        }
        for (name, values) in [("fields", own), ("values", self.entry.values.clone())] {
            // JSON is YAML.
            overrides
                .files
                .push((name.to_owned(), Value::Object(values).to_string()));
        }
        overrides
            .merge()
            .map_err(|error| self.faults.add("/values", chain(&error)))
            .ok()
    }
}
