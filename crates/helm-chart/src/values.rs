//! Values: reading and merging them, and the way from what a user gives to what a template sees.

use serde_json::{Map, Value};

use crate::coalesce::{Coalesced, coalesce_values};
use crate::schema::validate_schema;
use crate::strvals;
use crate::{Chart, Error};

/// The values of a chart.
pub type Values = Map<String, Value>;

/// Reads a values file: one or more documents, later ones over earlier ones.
pub(crate) fn read_values(text: &str) -> Result<Values, Error> {
    let mut values = Values::new();
    for document in goyaml::documents(text)? {
        merge_maps(
            &mut values,
            goyaml::map_from_str(document).map_err(Error::Document)?,
        );
    }
    Ok(values)
}

/// Puts `over` over `base`: maps are merged at all depths, everything else is replaced, null too.
pub(crate) fn merge_maps(base: &mut Values, over: Values) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge_maps(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// What a user gives on the command line, in the classes in which Helm merges it.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `-f`: the name (for messages) and the text of each file.
    pub files: Vec<(String, String)>,
    /// `--set-json`: `path=JSON` or a whole JSON object.
    pub set_json: Vec<String>,
    /// `--set`
    pub set: Vec<String>,
    /// `--set-string`
    pub set_string: Vec<String>,
    /// `--set-file`: the path in the values and the text of the file.
    pub set_file: Vec<(String, String)>,
    /// `--set-literal`
    pub set_literal: Vec<String>,
}

impl Overrides {
    /// Merges all of it: files, then `--set-json`, `--set`, `--set-string`, `--set-file`, `--set-literal`, each class in the
    /// order given.
    ///
    /// # Errors
    /// With the first one that cannot be read.
    pub fn merge(&self) -> Result<Values, Error> {
        let mut values = Values::new();
        for (name, text) in &self.files {
            let file = read_values(text)
                .map_err(|error| Error::Set(format!("failed to parse {name}: {error}")))?;
            merge_maps(&mut values, file);
        }
        for json in &self.set_json {
            let trimmed = json.trim();
            if trimmed.starts_with('{') {
                let map = strvals::parse_json(trimmed)
                    .and_then(|value| value.as_object().cloned())
                    .ok_or_else(|| {
                        Error::Set(format!("failed parsing --set-json data JSON: {json}"))
                    })?;
                merge_maps(&mut values, map);
            } else {
                strvals::set_json(&mut values, json)
                    .map_err(|_| Error::Set(format!("failed parsing --set-json data {json}")))?;
            }
        }
        let failed =
            |flag: &str, error: &Error| Error::Set(format!("failed parsing {flag} data: {error}"));
        for line in &self.set {
            strvals::set(&mut values, line).map_err(|error| failed("--set", &error))?;
        }
        for line in &self.set_string {
            strvals::set_string(&mut values, line)
                .map_err(|error| failed("--set-string", &error))?;
        }
        for (path, text) in &self.set_file {
            strvals::set_file(&mut values, path, text)
                .map_err(|error| failed("--set-file", &error))?;
        }
        for line in &self.set_literal {
            strvals::set_literal(&mut values, line)
                .map_err(|error| failed("--set-literal", &error))?;
        }
        Ok(values)
    }
}

/// The values that a chart's templates see as `.Values`: the user's over the chart's and its subcharts', checked against
/// their schemas. Run [`process_dependencies`](crate::process_dependencies) on the chart before.
///
/// # Errors
/// When a subchart's values are no map, or values break a schema.
pub fn values_for_rendering(chart: &Chart, user: &Values) -> Result<Coalesced, Error> {
    let coalesced = coalesce_values(chart, user)?;
    validate_schema(chart, &coalesced.values)?;
    Ok(coalesced)
}

/// The table at a path, if all on the way are tables.
pub(crate) fn table<'a>(values: &'a Values, path: &str) -> Option<&'a Values> {
    path.split('.')
        .try_fold(values, |table, key| table.get(key)?.as_object())
}

/// The value at a path, if it is no table.
pub(crate) fn path_value<'a>(values: &'a Values, path: &str) -> Option<&'a Value> {
    let (parent, key) = match path.rsplit_once('.') {
        Some((parent, key)) => (table(values, parent)?, key),
        None => (values, path),
    };
    parent.get(key).filter(|value| !value.is_object())
}
