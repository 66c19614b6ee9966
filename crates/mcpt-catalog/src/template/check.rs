//! Checks of a template: its format, and what no schema can say.

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use mcpt_core::{Image, Sessions, near};
use mcpt_source::Source;
use serde_json::{Map, Value};

use super::{ConfigSchema, Raw, TransportSpec};
use crate::{
    compile::typed,
    document::{FileKind, Format, FormatError, Report, escape},
    schema_error::explain,
};

static FORMAT: LazyLock<Format> = LazyLock::new(|| {
    let schema = include_str!("../../schema/template.schema.json");
    Format::new(FileKind::Template, schema)
});

/// A template as it is written, with what was made of its parts.
pub(super) struct Checked {
    pub(super) raw: Raw,
    pub(super) image: Option<Image>,
    pub(super) package: Option<Source>,
}

/// Parses the text and checks it: against the format's schema, and what no schema can say.
pub(super) fn read(file: &Path, text: &str) -> Result<Checked, FormatError> {
    let (value, mut report) = FORMAT.check(file, text)?;
    let raw: Result<Raw, _> = serde_json::from_str(text);
    match &raw {
        Ok(raw) => meaning(
            Some(raw.transport.clone().completed()),
            &raw.config_schema,
            &mut report,
        ),
        // Of what the format refuses in parts, the other parts still have a meaning.
        Err(_) => meaning(
            readable_transport(&value),
            &readable_config(&value),
            &mut report,
        ),
    }
    if let Ok(raw) = &raw
        && raw.sessions == Some(Sessions::Single)
    {
        let supported = raw.transport.clone().completed().supported;
        if !supported.iter().any(|transport| transport == "stdio") {
            let why = "\"single\" is for stdio servers, whose sessions the bridge begins; an http server bounds its own";
            report.add("/sessions", why.to_owned());
        }
    }
    let image = image(&value, &mut report);
    let package = raw.as_ref().ok().and_then(|raw| package(raw, &mut report));
    report.end()?;
    let raw = raw.map_err(|error| FORMAT.syntax_error(file, &error))?;
    Ok(Checked {
        raw,
        image,
        package,
    })
}

/// The image of `docker_image` and `docker_tag`.
fn image(template: &Value, report: &mut Report) -> Option<Image> {
    let reference = template.get("docker_image")?.as_str()?;
    let image = Image::parse(reference)
        .map_err(|error| report.add("/docker_image", error.to_string()))
        .ok()?;
    match template.get("docker_tag").and_then(Value::as_str) {
        None => Some(image),
        Some(tag) => image
            .with_tag(tag)
            .map_err(|error| report.add("/docker_tag", error.to_string()))
            .ok(),
    }
}

/// The package of `package` and `program`.
fn package(raw: &Raw, report: &mut Report) -> Option<Source> {
    let Some(text) = &raw.package else {
        if raw.program.is_some() {
            report.add(
                "/program",
                "it is a program of a package, and there is none".to_owned(),
            );
        }
        return None;
    };
    if !raw.local_command.is_empty() {
        let why = "both local_command and package say what runs without an image: leave one out";
        report.add("/package", why.to_owned());
    }
    packaged(text, raw.program.as_deref())
        .map_err(|why| report.add("/package", why.to_string()))
        .ok()
}

/// Why a text in a file names no package.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAPackage {
    #[error(transparent)]
    Source(#[from] mcpt_source::InvalidSource),
    #[error("{0:?} is no package: write npm:NAME@VERSION or pypi:NAME==VERSION")]
    Other(String),
}

/// A package as files name it, and the program of it that is meant.
///
/// # Errors
/// Why it is none.
pub(crate) fn packaged(text: &str, program: Option<&str>) -> Result<Source, NotAPackage> {
    match text.parse::<Source>() {
        Ok(Source::Npm(mut package)) => {
            package.bin = program.map(str::to_owned);
            Ok(Source::Npm(package))
        }
        Ok(Source::Pypi(mut package)) => {
            package.script = program.map(str::to_owned);
            Ok(Source::Pypi(package))
        }
        Ok(_) => Err(NotAPackage::Other(text.to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// The transport of a template that cannot be read as a whole.
fn readable_transport(template: &Value) -> Option<TransportSpec> {
    let transport = template.get("transport")?.clone();
    let transport: TransportSpec = serde_json::from_value(transport).ok()?;
    Some(transport.completed())
}

/// The readable settings of a template that cannot be read as a whole.
fn readable_config(template: &Value) -> ConfigSchema {
    let config = template.get("config_schema");
    let part = |name| config.and_then(|config| config.get(name));
    let properties = part("properties").and_then(Value::as_object);
    let readable = |(name, property): (&String, &Value)| {
        Some((name.clone(), serde_json::from_value(property.clone()).ok()?))
    };
    let required = part("required").and_then(Value::as_array);
    ConfigSchema {
        properties: properties
            .into_iter()
            .flatten()
            .filter_map(readable)
            .collect(),
        required: required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        conditions: Map::new(),
    }
}

/// Checks what the schema of the format cannot say.
fn meaning(transport: Option<TransportSpec>, config: &ConfigSchema, report: &mut Report) {
    if let Some(transport) = transport
        && !transport.supported.contains(&transport.default)
    {
        report.add(
            "/transport/default",
            format!(
                "{:?} is not among the supported transports {}",
                transport.default,
                transport.supported.join(", ")
            ),
        );
    }
    for (i, name) in config.required.iter().enumerate() {
        if !config.properties.contains_key(name) {
            let hint = near::hint(name, config.properties.keys().map(String::as_str));
            report.add(
                &format!("/config_schema/required/{i}"),
                format!("there is no setting {name:?}{hint}"),
            );
        }
    }
    let mut variables: BTreeMap<String, &str> = BTreeMap::new();
    for (name, property) in &config.properties {
        let at = format!("/config_schema/properties/{}", escape(name));
        if property.command_arg.is_arg() && property.is_sensitive(name) {
            report.add(
                &format!("{at}/command_arg"),
                "a secret cannot be an argument, where every process list shows it; if it is none, say \"sensitive\": false"
                    .to_owned(),
            );
        }
        if property.volume_mount && property.is_sensitive(name) {
            report.add(
                &format!("{at}/volume_mount"),
                "a folder cannot be a secret".to_owned(),
            );
        }
        if property.volume_mount && !matches!(property.type_name(), "string" | "array") {
            report.add(
                &format!("{at}/volume_mount"),
                format!(
                    "a setting of type {} cannot name folders",
                    property.type_name()
                ),
            );
        }
        if let Some(variable) = property.env_name(name)
            && let Some(other) = variables.insert(variable.clone(), name)
        {
            report.add(
                &at,
                format!("it has the same environment variable {variable} as {other}"),
            );
        }
        let schema = property.json_schema();
        match jsonschema::options().build(&schema) {
            Err(error) => report.add(&at, format!("not a valid schema: {error}")),
            Ok(validator) => {
                if let Some(default) = property.real_default() {
                    let at = format!("{at}/default");
                    match typed::from_template(property, default) {
                        Err(mistyped) => report.add(&at, format!("{default} is {mistyped}")),
                        Ok(value) => {
                            for error in validator.iter_errors(&value) {
                                report.add(&at, explain(&error, property.is_sensitive(name)));
                            }
                        }
                    }
                }
            }
        }
    }
    if report.is_empty()
        && let Err(error) = jsonschema::options().build(&config.json_schema())
    {
        report.add("/config_schema", format!("not a valid schema: {error}"));
    }
}
