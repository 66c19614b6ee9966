//! JSON files that people write: syntax and format checked at once, each fault with its line, field and a near match.

mod position;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use mcpt_core::{Failure, FailureKind, near};
use serde_json::Value;

use self::position::Positions;
pub(crate) use self::position::escape;
use crate::schema_error::{explain, plain};

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A `template.json`.
    Template,
    /// A registry.
    Registry,
}

impl FileKind {
    fn name(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Registry => "registry",
        }
    }

    fn chapter(self) -> &'static str {
        match self {
            Self::Template => "templates and values",
            Self::Registry => "registries",
        }
    }
}

/// A file that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError {
    /// What the file is.
    pub kind: FileKind,
    /// The file.
    pub file: PathBuf,
    /// What is wrong, in the order of the file; never empty.
    pub problems: Vec<FormatProblem>,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatProblem {
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
impl fmt::Display for FormatProblem {
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
impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let line_end = if i == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}:{problem}", self.file.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for FormatError {}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Self {
        let kind = error.kind;
        let what = format!("cannot read the {} {}", kind.name(), error.file.display());
        error
            .problems
            .iter()
            .fold(
                Failure::new(FailureKind::Usage, what),
                |failure, problem| failure.because(format!("{}:{problem}", error.file.display())),
            )
            .hint(format!(
                "the format is in the guide's chapter on {}",
                kind.chapter()
            ))
    }
}

/// A format of files: its JSON Schema, and a validator for it.
pub(crate) struct Format {
    kind: FileKind,
    schema: Value,
    validator: Validator,
}

impl Format {
    /// With the text of its schema, which is part of the program.
    #[expect(
        clippy::expect_used,
        reason = "the schema is part of the program; every test of a file needs it"
    )]
    pub(crate) fn new(kind: FileKind, schema: &str) -> Self {
        let schema: Value = serde_json::from_str(schema).expect("the schema of the format is JSON");
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .expect("the schema of the format is a schema");
        Self {
            kind,
            schema,
            validator,
        }
    }

    /// Parses a text and checks it against the schema. What the format refuses is in the report, to which its reader adds what
    /// is wrong with the meaning of the rest.
    pub(crate) fn check(&self, file: &Path, text: &str) -> Result<(Value, Report), FormatError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| self.syntax_error(file, &error))?;
        let mut report = Report::new(self.kind, file, text);
        for (pointer, line) in std::mem::take(&mut report.positions.duplicates) {
            report.problems.push(FormatProblem {
                line,
                column: None,
                field: field_of(&pointer),
                message: "it is given twice".to_owned(),
            });
        }
        for error in self.validator.iter_errors(&value) {
            report.format_error(&self.schema, &error);
        }
        report.refused = report
            .problems
            .iter()
            .map(|problem| problem.field.clone())
            .collect();
        Ok((value, report))
    }

    /// What the parser says.
    pub(crate) fn syntax_error(&self, file: &Path, error: &serde_json::Error) -> FormatError {
        FormatError {
            kind: self.kind,
            file: file.to_owned(),
            problems: vec![FormatProblem {
                line: error.line(),
                column: Some(error.column()),
                field: String::new(),
                message: without_place(error),
            }],
        }
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

/// Collects problems with their lines.
pub(crate) struct Report {
    kind: FileKind,
    file: PathBuf,
    positions: Positions,
    problems: Vec<FormatProblem>,
    /// Fields that the format refuses: what they mean is not another problem.
    refused: Vec<String>,
}

impl Report {
    /// About the text of a file that is valid JSON.
    pub(crate) fn new(kind: FileKind, file: &Path, text: &str) -> Self {
        Self {
            kind,
            file: file.to_owned(),
            positions: Positions::of(text),
            problems: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Line of a value.
    pub(crate) fn line(&self, pointer: &str) -> usize {
        self.positions.line(pointer)
    }

    /// Adds a problem of the value at a JSON pointer.
    pub(crate) fn add(&mut self, pointer: &str, message: impl Into<String>) {
        let field = field_of(pointer);
        let refused = |other: &String| is_within(other, &field) || is_within(&field, other);
        if self.refused.iter().any(refused) {
            return;
        }
        self.problems.push(FormatProblem {
            line: self.positions.line(pointer),
            column: None,
            field,
            message: message.into(),
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
            ValidationErrorKind::AnyOf { context } => {
                let message = missing_one(context).unwrap_or_else(|| {
                    let branches: Vec<_> = context
                        .iter()
                        .filter_map(|errors| errors.first())
                        .map(|error| explain(error, false))
                        .collect();
                    branches.join(", and ")
                });
                self.add(pointer, message);
            }
            ValidationErrorKind::Required { property } => {
                self.add(pointer, format!("{} is missing", plain(property)));
            }
            _ => self.add(pointer, explain(error, false)),
        }
    }

    /// The error, when anything is wrong.
    pub(crate) fn end(mut self) -> Result<(), FormatError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|problem| problem.line);
        Err(FormatError {
            kind: self.kind,
            file: self.file,
            problems: self.problems,
        })
    }
}

/// `a or b is missing`, when each branch asks for nothing but a field.
fn missing_one(branches: &[Vec<ValidationError<'_>>]) -> Option<String> {
    let fields: Option<Vec<String>> = branches
        .iter()
        .map(|errors| match errors.first()?.kind() {
            ValidationErrorKind::Required { property } => Some(plain(property)),
            _ => None,
        })
        .collect();
    Some(format!("{} is missing", fields?.join(" or ")))
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
