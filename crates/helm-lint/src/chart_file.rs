//! Rules for `Chart.yaml`.

use crate::{Fault, fault};
use helm_chart::{Constraint, Metadata, Version};
use serde_json::Value;

use crate::parts::{Part, Parts};
use crate::{Report, Severity, addresses, known_fields};

const FILE: &str = "Chart.yaml";

pub(crate) fn check(parts: &Parts, report: &mut Report) {
    if matches!(parts.chart_yaml, Part::Folder) {
        let text = "should be a file, not a directory".to_owned();
        report.error(FILE, fault(text));
    }
    let mut metadata = Metadata::default();
    let read = text(parts).and_then(|text| {
        let read = metadata.read_over(&text);
        read.map(|()| text).map_err(Fault::of)
    });
    let text = match read {
        Ok(text) => text,
        Err(error) => {
            report.error(FILE, fault(format!("unable to parse YAML\n\t{error}")));
            return;
        }
    };
    let strict = known_fields::check(&text).map_err(|error| {
        Fault(format!(
            "failed to strictly parse chart metadata file\n\t{error}"
        ))
    });
    report.warning(FILE, strict);
    let fields = goyaml::map_from_str(&text).unwrap_or_default();
    let text_or_none = |key: &str| match fields.get(key) {
        None | Some(Value::String(_)) => Ok(()),
        Some(other) => fault(format!(
            "{key} should be of type string but it's of type {}",
            go_type(other)
        )),
    };
    report.error(FILE, name(&metadata.name));
    report.error(FILE, api_version(&metadata.api_version));
    report.error(FILE, text_or_none("version"));
    report.error(FILE, version(&metadata.version));
    report.error(FILE, text_or_none("appVersion"));
    report.error(FILE, maintainers(&metadata));
    report.error(FILE, sources(&metadata));
    let has_icon = !metadata.icon.is_empty();
    let icon = has_icon.then_some(()).ok_or("icon is recommended");
    report.rule(Severity::Info, FILE, icon.map_err(Fault::of));
    if has_icon && !addresses::is_request_url(&metadata.icon) {
        let text = format!("invalid icon URL '{}'", metadata.icon);
        report.error(FILE, fault(text));
    }
    let api_version = &metadata.api_version;
    if !metadata.chart_type.is_empty() && api_version != "v2" {
        let text = format!(
            "chart type is not valid in apiVersion '{api_version}'. It is valid in apiVersion 'v2'"
        );
        report.error(FILE, fault(text));
    }
    if !metadata.dependencies.is_empty() && api_version != "v2" {
        let text = format!(
            "dependencies are not valid in the Chart file with apiVersion '{api_version}'. They are valid in apiVersion 'v2'"
        );
        report.error(FILE, fault(text));
    }
    if !is_strict(&metadata.version) {
        let text = format!("version '{}' is not a valid SemVerV2", metadata.version);
        report.warning(FILE, fault(text));
    }
}

fn text(parts: &Parts) -> Result<String, Fault> {
    match &parts.chart_yaml {
        Part::File(data) => String::from_utf8(data.clone()).map_err(|_| {
            Fault::of("error converting YAML to JSON: yaml: invalid leading UTF-8 octet")
        }),
        Part::Folder => fault(format!("read {}/{FILE}: is a directory", parts.place)),
        Part::Absent => fault(format!(
            "open {}/{FILE}: no such file or directory",
            parts.place
        )),
        Part::Unreadable(why) => fault(why.clone()),
    }
}

fn name(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return fault("name is required".to_owned());
    }
    // The last part of a path is the path.
    if name.contains('/') && name != "/" {
        return fault(format!(
            "chart name {} is invalid",
            gotmpl::fmt::quote(name.as_bytes())
        ));
    }
    Ok(())
}

fn api_version(version: &str) -> Result<(), Fault> {
    let either = "The value must be either \"v1\" or \"v2\"";
    match version {
        "v1" | "v2" => Ok(()),
        "" => fault(format!("apiVersion is required. {either}")),
        other => fault(format!("apiVersion '{other}' is not valid. {either}")),
    }
}

fn version(version: &str) -> Result<(), Fault> {
    if version.is_empty() {
        return fault("version is required".to_owned());
    }
    let parsed = Version::parse(version)
        .map_err(|_| Fault(format!("version '{version}' is not a valid SemVer")))?;
    let lowest = Constraint::parse(">0.0.0-0").map_err(Fault::of)?;
    if lowest.check(&parsed) {
        Ok(())
    } else {
        fault(format!(
            "version \"{version}\" is less than or equal to \"0.0.0-0\""
        ))
    }
}

/// Three numbers, and no `v` before them.
fn is_strict(version: &str) -> bool {
    let numbers = version.split(['-', '+']).next().unwrap_or(version);
    numbers.split('.').count() == 3 && !version.starts_with('v') && Version::parse(version).is_ok()
}

fn maintainers(metadata: &Metadata) -> Result<(), Fault> {
    for maintainer in &metadata.maintainers {
        let name = &maintainer.name;
        if name.is_empty() {
            return fault("each maintainer requires a name".to_owned());
        }
        let (email, url) = (&maintainer.email, &maintainer.url);
        if !email.is_empty() && !addresses::is_email(email) {
            return fault(format!("invalid email '{email}' for maintainer '{name}'"));
        }
        if !url.is_empty() && !addresses::is_page(url) {
            return fault(format!("invalid url '{url}' for maintainer '{name}'"));
        }
    }
    Ok(())
}

fn sources(metadata: &Metadata) -> Result<(), Fault> {
    match metadata
        .sources
        .iter()
        .find(|source| !addresses::is_request_url(source))
    {
        Some(source) => fault(format!("invalid source URL '{source}'")),
        None => Ok(()),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
