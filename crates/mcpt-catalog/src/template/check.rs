//! Checks of a template: syntax, format, and what no schema can say.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use mcpt_core::{Failure, FailureKind, near};
use serde_json::{Map, Value};

use super::{
    ConfigSchema, Raw, TransportSpec,
    position::{Positions, escape},
};
use crate::{
    compile::typed,
    schema_error::{explain, plain},
};

/// A template that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, in the order of the file; never empty.
    pub problems: Vec<TemplateProblem>,
}

/// One thing that is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateProblem {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1, if known.
    pub column: Option<usize>,
    /// Field as `transport.port` or `tags[1]`; empty for the file as a whole.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// `LINE[:COLUMN]: [FIELD: ]MESSAGE`, to be put behind a file's name.
impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        f.write_str(": ")?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// One line per problem, each with the file's name.
impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let line_end = if i == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}:{problem}", self.file.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for TemplateError {}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        let what = format!("cannot read the template {}", error.file.display());
        let hint = "the format is in the guide's chapter on templates and values";
        error
            .problems
            .iter()
            .fold(
                Failure::new(FailureKind::Usage, what),
                |failure, problem| failure.because(format!("{}:{problem}", error.file.display())),
            )
            .hint(hint)
    }
}

/// The format's own schema, and a validator for it.
#[expect(
    clippy::expect_used,
    reason = "the schema is part of the program; every test of a template needs it"
)]
static FORMAT: LazyLock<(Value, Validator)> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(include_str!("../../schema/template.schema.json"))
        .expect("the schema of the format is JSON");
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("the schema of the format is a schema");
    (schema, validator)
});

/// Parses the text and checks it: against the format's schema, and what no schema can say.
pub(super) fn read(file: &Path, text: &str) -> Result<Raw, TemplateError> {
    let syntax_error = |error: &serde_json::Error| TemplateError {
        file: file.to_owned(),
        problems: vec![TemplateProblem {
            line: error.line(),
            column: Some(error.column()),
            field: String::new(),
            message: without_place(error),
        }],
    };
    let value: Value = serde_json::from_str(text).map_err(|error| syntax_error(&error))?;
    let mut report = Report::new(file, text);
    for (pointer, line) in std::mem::take(&mut report.positions.duplicates) {
        report.problems.push(TemplateProblem {
            line,
            column: None,
            field: field_of(&pointer),
            message: "it is given twice".to_owned(),
        });
    }
    let (schema, validator) = &*FORMAT;
    for error in validator.iter_errors(&value) {
        report.format_error(schema, &error);
    }
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
    report.end()?;
    raw.map_err(|error| syntax_error(&error))
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

/// `serde_json` ends its texts with the place, which a problem shows in its own way.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Checks what the schema of the format cannot say.
fn meaning(transport: Option<TransportSpec>, config: &ConfigSchema, report: &mut Report<'_>) {
    report.refused = report
        .problems
        .iter()
        .map(|problem| problem.field.clone())
        .collect();
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
                        Err(problem) => report.add(&at, problem),
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
    if report.problems.is_empty()
        && let Err(error) = jsonschema::options().build(&config.json_schema())
    {
        report.add("/config_schema", format!("not a valid schema: {error}"));
    }
}

/// Collects problems with their lines.
struct Report<'a> {
    file: &'a Path,
    positions: Positions,
    problems: Vec<TemplateProblem>,
    /// Fields that the format refuses: what they mean is not another problem.
    refused: Vec<String>,
}

impl<'a> Report<'a> {
    fn new(file: &'a Path, text: &str) -> Self {
        Self {
            file,
            positions: Positions::of(text),
            problems: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn add(&mut self, pointer: &str, message: String) {
        let field = field_of(pointer);
        let refused = |other: &String| is_within(other, &field) || is_within(&field, other);
        if self.refused.iter().any(refused) {
            return;
        }
        self.problems.push(TemplateProblem {
            line: self.positions.line(pointer),
            column: None,
            field,
            message,
        });
    }

    fn format_error(&mut self, schema: &Value, error: &ValidationError<'_>) {
        let pointer = error.instance_path().as_str();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = known_fields(schema, error.schema_path().as_str());
                for key in unexpected {
                    let hint = near::hint(key, known.iter().copied());
                    self.add(
                        &format!("{pointer}/{}", escape(key)),
                        format!("unknown field{hint}"),
                    );
                }
            }
            ValidationErrorKind::AnyOf { .. } if pointer.is_empty() => {
                self.add("", "docker_image or local_command is missing".to_owned());
            }
            ValidationErrorKind::AnyOf { context } => {
                let branches: Vec<_> = context
                    .iter()
                    .filter_map(|errors| errors.first())
                    .map(|error| explain(error, false))
                    .collect();
                self.add(pointer, branches.join(", and "));
            }
            ValidationErrorKind::Required { property } => {
                self.add(pointer, format!("{} is missing", plain(property)));
            }
            _ => self.add(pointer, explain(error, false)),
        }
    }

    fn end(mut self) -> Result<(), TemplateError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|problem| problem.line);
        Err(TemplateError {
            file: self.file.to_owned(),
            problems: self.problems,
        })
    }
}

/// Names that the object, in whose schema the keyword stands, may have.
fn known_fields<'a>(schema: &'a Value, keyword_path: &str) -> Vec<&'a str> {
    keyword_path
        .rfind('/')
        .and_then(|end| schema.pointer(&keyword_path[..end]))
        .and_then(|object| object.get("properties")?.as_object())
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

/// Whether a field is another one or a part of it.
fn is_within(field: &str, other: &str) -> bool {
    field
        .strip_prefix(other)
        .is_some_and(|rest| !other.is_empty() && (rest.is_empty() || rest.starts_with(['.', '['])))
}

/// A JSON pointer as people write it: `tags[1]`, `transport.port`.
fn field_of(pointer: &str) -> String {
    let mut field = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            field = format!("{field}[{part}]");
        } else {
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(&part);
        }
    }
    field
}
