//! All problems of a template's settings in one report.

use std::fmt;

use jsonschema::{ValidationError, error::ValidationErrorKind};
use mcpt_core::{Failure, FailureKind, TemplateId};
use serde_json::{Map, Value};

use crate::{
    schema_error::{explain, plain},
    template::Template,
};

/// Settings that do not fit their template, with everything that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// The template.
    pub template: TemplateId,
    /// What is wrong; never empty.
    pub problems: Vec<SettingProblem>,
}

/// One thing that is wrong with the settings. Contains no value of a secret one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// Name of the setting, if it is about one.
    pub setting: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(setting) = &self.setting {
            write!(f, "{setting}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// One line per problem.
impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings do not fit the template {}", self.template)?;
        for problem in &self.problems {
            write!(f, "\n{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileError {}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        let what = format!("the settings do not fit the template {}", error.template);
        error.problems.iter().fold(
            Failure::new(FailureKind::Usage, what),
            |failure, problem| failure.because(problem.to_string()),
        )
    }
}

/// Collects problems while a plan is compiled.
pub(super) struct Report<'a> {
    template: &'a Template,
    problems: Vec<SettingProblem>,
    /// Settings whose text could not be read as their type: they have no value, which is not another problem.
    mistyped: Vec<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(template: &'a Template) -> Self {
        Self {
            template,
            problems: Vec::new(),
            mistyped: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn into_error(self) -> CompileError {
        CompileError {
            template: self.template.id.clone(),
            problems: self.problems,
        }
    }

    pub(super) fn general(&mut self, message: String) {
        self.problems.push(SettingProblem {
            setting: None,
            message,
        });
    }

    pub(super) fn setting(&mut self, name: &str, message: String) {
        self.problems.push(SettingProblem {
            setting: Some(name.to_owned()),
            message,
        });
    }

    pub(super) fn mistyped(&mut self, name: &str, message: String) {
        self.mistyped.push(name.to_owned());
        self.setting(name, message);
    }

    /// Checks the values against the template's schema.
    pub(super) fn check_schema(&mut self, values: &Map<String, Value>) {
        let schema = self.template.config.json_schema();
        let validator = match jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
        {
            Ok(validator) => validator,
            Err(error) => {
                self.general(format!("the template's schema is not valid: {error}"));
                return;
            }
        };
        let instance = Value::Object(values.clone());
        for error in validator.iter_errors(&instance) {
            self.violation(&error);
        }
    }

    fn violation(&mut self, error: &ValidationError<'_>) {
        if let Some((name, message)) = self.about_one(error) {
            self.setting(&name, message);
            return;
        }
        // What is wrong with one setting may be all that is wrong with their combination.
        let of_combination = error.schema_path().as_str() != "/required";
        if of_combination && !self.mistyped.is_empty() {
            return;
        }
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = plain(property);
                if !self.mistyped.contains(&name) {
                    let message = self.missing(&name);
                    self.general(message);
                }
            }
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context } => {
                let mut ways: Vec<String> = Vec::new();
                for branch in context {
                    let way = self.way_out(branch);
                    if !ways.contains(&way) {
                        ways.push(way);
                    }
                }
                self.general(format!("one of these is needed: {}", ways.join("; or ")));
            }
            ValidationErrorKind::OneOfMultipleValid { .. } => {
                self.general("settings that exclude each other are given together".to_owned());
            }
            _ => self.general(format!(
                "the settings do not go together: {}",
                explain(error, true)
            )),
        }
    }

    /// `NAME is required: give -c NAME=VALUE (what it is)`.
    fn missing(&self, name: &str) -> String {
        let property = self.template.config.properties.get(name);
        let about = property
            .and_then(|property| property.description.as_ref().or(property.title.as_ref()))
            .map(|text| format!(" ({})", text.trim_end_matches('.')))
            .unwrap_or_default();
        format!("{name} is required: give -c {name}=VALUE{about}")
    }

    /// What would satisfy one branch of a condition.
    fn way_out(&self, branch: &[ValidationError<'_>]) -> String {
        let is_choice = |error: &&ValidationError<'_>| {
            matches!(error.kind(), ValidationErrorKind::Constant { .. })
        };
        // The choice first, then what it needs.
        let choices = branch.iter().filter(is_choice);
        let steps: Vec<_> = choices
            .chain(branch.iter().filter(|error| !is_choice(error)))
            .map(|error| match (error.kind(), self.about_one(error)) {
                (ValidationErrorKind::Required { property }, None) => {
                    format!("-c {}=VALUE", plain(property))
                }
                (ValidationErrorKind::Constant { expected_value }, Some((name, _)))
                    if error.instance_path().as_str() == format!("/{name}") =>
                {
                    format!("-c {name}={}", plain(expected_value))
                }
                (_, Some((name, message))) => format!("{name} otherwise ({message})"),
                (_, None) => explain(error, true),
            })
            .collect();
        steps.join(" and ")
    }

    /// The setting that an error is about, and what is wrong with it; `None` when it is about all of them.
    fn about_one(&self, error: &ValidationError<'_>) -> Option<(String, String)> {
        let path = error.instance_path().as_str().strip_prefix('/')?;
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let name = first.replace("~1", "/").replace("~0", "~");
        let property = self.template.config.properties.get(&name);
        let secret = property.is_none_or(|property| property.is_sensitive(&name));
        let mut message = explain(error, secret);
        if !rest.is_empty() && !secret {
            message = format!("at {rest}: {message}");
        }
        Some((name, message))
    }
}
