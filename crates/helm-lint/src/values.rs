//! Rules for `values.yaml`: it reads, and its own schema holds for it with the user's values.

use crate::{Fault, fault};
use helm_chart::{Chart, Values, coalesce_values, validate_schema};

use crate::parts::{Part, Parts};
use crate::{Options, Report, Severity};

const FILE: &str = "values.yaml";

pub(crate) fn check(parts: &Parts, options: &Options, report: &mut Report) {
    if matches!(parts.values, Part::Absent) {
        let text = "file does not exist".to_owned();
        report.rule(Severity::Info, FILE, fault(text));
        return;
    }
    report.error(FILE, file(parts, options));
}

fn file(parts: &Parts, options: &Options) -> Result<(), Fault> {
    let unparsed = |why: &str| Fault(format!("unable to parse YAML: {why}"));
    let values = match &parts.values {
        Part::File(data) => {
            let text = std::str::from_utf8(data).map_err(|_| {
                unparsed("error converting YAML to JSON: yaml: invalid leading UTF-8 octet")
            })?;
            // The type is named as Helm names it.
            goyaml::map_from_str(text).map_err(|error| {
                unparsed(
                    &error
                        .to_string()
                        .replace("map[string]interface {}", "common.Values"),
                )
            })?
        }
        Part::Folder => {
            return Err(unparsed(&format!(
                "read {}/{FILE}: is a directory",
                parts.place
            )));
        }
        Part::Unreadable(why) => return Err(unparsed(why)),
        Part::Absent => return Ok(()),
    };
    let Part::File(schema) = &parts.schema else {
        return Ok(());
    };
    if options.skip_schema_validation || schema.is_empty() {
        return Ok(());
    }
    against(schema, values, &options.values)
}

/// Subcharts are not looked at here.
fn against(schema: &[u8], values: Values, user: &Values) -> Result<(), Fault> {
    let chart = Chart {
        values,
        schema: Some(schema.to_vec()),
        ..Chart::default()
    };
    let coalesced = coalesce_values(&chart, user).map_err(Fault::of)?;
    validate_schema(&chart, &coalesced.values).map_err(|error| match error {
        // Of a single schema Helm tells no chart.
        helm_chart::Error::Schema(found) => {
            Fault::of(found.text.strip_prefix(":\n").unwrap_or(&found.text))
        }
        other => Fault::of(other),
    })
}
