//! Helm charts without a cluster: loading, metadata, dependencies, values, `--set`, schema and capabilities, as Helm 4 has them.
//!
//! Values are [`serde_json::Map`]s. Their numbers tell where they come from, as in Helm: what was read from YAML or JSON is
//! floating point (`Number::as_f64` only, also for `1`), what came from `--set` is an integer (`Number::as_i64`). A template
//! prints the first kind as Go's float64 (`1e+06`) and the second as its int64.

mod archive;
mod budget;
mod capabilities;
mod chart;
mod coalesce;
mod constraint;
mod dependencies;
mod error;
mod ignore;
mod load;
mod metadata;
mod pack;
mod path_glob;
mod schema;
mod strvals;
mod values;
mod version;

pub use capabilities::{Capabilities, HelmVersion, KubeVersion};
pub use chart::{Chart, File};
pub use coalesce::{Coalesced, coalesce_maps, coalesce_values, merge_values};
pub use constraint::Constraint;
pub use dependencies::process_dependencies;
pub use error::{Error, SchemaError, SchemaProblem};
pub use ignore::IgnoreRules;
pub use metadata::{Dependency, Lock, Maintainer, Metadata};
pub use path_glob::PathGlob;
pub use schema::validate_schema;
pub use strvals::{set, set_file, set_json, set_literal, set_string};
pub use values::{Overrides, Values, values_for_rendering};
pub use version::Version;

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
