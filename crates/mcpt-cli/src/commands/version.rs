//! `mcpt version`.

use serde_json::json;

use crate::{
    args::{Format, Global},
    ending::Ending,
    output,
};

/// Prints the version.
pub(crate) fn run(global: &Global) -> Result<(), Ending> {
    let version = env!("CARGO_PKG_VERSION");
    match global.output {
        Format::Json => output::json(&json!({ "version": version })),
        Format::Yaml => output::yaml(&json!({ "version": version })),
        Format::Table | Format::Wide | Format::Name => output::line(&format!("mcpt {version}")),
    }
}
