//! Values of environment variables that are expressions: Go templates over the user's values, with Helm's functions.

use std::fmt;

use gotmpl::{MissingKey, TemplateSet};
use helm_funcs::{Sources, WARN_END, WARN_START, functions};
use mcpt_core::{Secret, redact};
use serde_json::{Map, Number, Value};

/// Name of the template in the engine; its error texts begin with it.
const NAME: &str = "env";

/// Fewest characters of a value that is hidden in error texts.
const SHORTEST_SECRET: usize = 4;

/// Functions by which an expression itself says what holds when a value is missing.
const PROVISIONS: [&str; 12] = [
    "default", "coalesce", "required", "if", "with", "or", "and", "ternary", "empty", "hasKey",
    "get", "dig",
];

/// The value of an environment variable of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// As it stands.
    Text(String),
    /// A template over the user's values; what it makes is a secret.
    Expression(String),
}

impl EnvValue {
    /// Anything with `{{` is an expression.
    pub(super) fn of(text: String) -> Self {
        if is_one(&text) {
            Self::Expression(text)
        } else {
            Self::Text(text)
        }
    }
}

/// As it is written in the registry.
impl fmt::Display for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Expression(text) => f.write_str(text),
        }
    }
}

/// Whether a text is an expression.
pub(super) fn is_one(text: &str) -> bool {
    text.contains("{{")
}

/// Whether an expression may read a value of the user by its first key. Looks at the text alone: an expression that takes
/// all values at once reads any.
pub(super) fn may_read(text: &str, key: &str) -> bool {
    let whole = text.match_indices(".Values").any(|(at, word)| {
        !text[at + word.len()..]
            .trim_start_matches([')', ' '])
            .starts_with(['.', '"'])
    });
    whole || text.contains(key)
}

fn engine(missing_key: MissingKey) -> TemplateSet {
    TemplateSet::new(NAME, functions(&Sources::system()), missing_key)
}

/// An expression that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be parsed: {0}")]
pub(super) struct Unparsable(String);

/// Parses an expression.
pub(super) fn check(text: &str) -> Result<(), Unparsable> {
    engine(MissingKey::Error)
        .parse(NAME, text)
        .map_err(|error| Unparsable(without_name(&error)))
}

/// Why an expression has no value. Contains no value of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unrendered {
    /// A value is not given: its path as the expression writes it, without `.Values.`.
    Missing(String),
    /// Something else.
    Failed(String),
}

/// Why one execution made nothing. May contain values of the user.
enum Fault {
    /// This part of the expression has no value.
    Missing(String),
    /// The expression itself says so, with `required` or `fail`.
    Said(String),
    /// The engine says so.
    Engine(String),
    /// What it makes is no text.
    NotUtf8,
}

/// The value of an expression. It contains no `<no value>`: what is missing is an error unless the expression itself
/// says what holds then, with `default` and the like.
pub(super) fn render(text: &str, values: &Map<String, Value>) -> Result<Secret, Unrendered> {
    let user = whole_numbers(Value::Object(values.clone()));
    let data = helm_funcs::from_json(&Value::Object(Map::from_iter([("Values".into(), user)])));
    let failed = |said: &str| Unrendered::Failed(hidden(said, values));
    let fault = match execute(text, &data, MissingKey::Error) {
        Ok(rendered) if !has_nothing(&rendered) => return Ok(Secret::new(rendered)),
        Ok(_) => return Err(Unrendered::Missing(first_path(text))),
        Err(fault) => fault,
    };
    match fault {
        Fault::Missing(path) if provides(text) => match execute(text, &data, MissingKey::Zero) {
            Ok(rendered) if !has_nothing(&rendered) => Ok(Secret::new(rendered)),
            Err(Fault::Said(said)) => Err(failed(&said)),
            Ok(_) | Err(_) => Err(Unrendered::Missing(path)),
        },
        Fault::Missing(path) => Err(Unrendered::Missing(path)),
        Fault::Said(said) | Fault::Engine(said) => Err(failed(&said)),
        Fault::NotUtf8 => Err(failed("what it makes is not UTF-8")),
    }
}

fn execute(text: &str, data: &gotmpl::Value, missing_key: MissingKey) -> Result<String, Fault> {
    let mut set = engine(missing_key);
    let parsed = set.parse(NAME, text);
    let bytes = parsed
        .and_then(|()| set.execute(NAME, data))
        .map_err(|error| Fault::of(&error))?;
    String::from_utf8(bytes).map_err(|_| Fault::NotUtf8)
}

impl Fault {
    fn of(error: &gotmpl::Error) -> Self {
        if let Some(expression) = error.missing() {
            return Self::Missing(without_values(expression));
        }
        // What `required` and `fail` are given to say stands between these marks.
        let text = error.to_string();
        let said = text
            .split_once(WARN_START)
            .and_then(|(_, rest)| rest.split_once(WARN_END));
        match said {
            Some((said, _)) => Self::Said(said.to_owned()),
            None => Self::Engine(without_name(error)),
        }
    }
}

/// Go prints these where a value was nil.
fn has_nothing(rendered: &str) -> bool {
    rendered.contains("<no value>") || rendered.contains("(<nil>)")
}

/// Whether the expression says by itself what holds when a value is missing.
fn provides(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| PROVISIONS.contains(&word))
}

/// The first path that an expression reads.
fn first_path(text: &str) -> String {
    let Some((_, path)) = text.split_once(".Values") else {
        return text.to_owned();
    };
    let end = path
        .find(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-'))
        .unwrap_or(path.len());
    path[..end].trim_start_matches('.').to_owned()
}

fn without_values(path: &str) -> String {
    let path = path.strip_prefix("$").unwrap_or(path);
    path.strip_prefix(".Values.").unwrap_or(path).to_owned()
}

/// The engine's texts begin with the template's name, which is of no use here.
fn without_name(error: &gotmpl::Error) -> String {
    let text = error.to_string();
    let text = text
        .strip_prefix("template: env:")
        .map_or(text.as_str(), |rest| {
            // `LINE:COLUMN: ` or `LINE: `
            rest.split_once(": ").map_or(rest, |(_, message)| message)
        });
    text.strip_prefix("executing \"env\" ")
        .unwrap_or(text)
        .to_owned()
}

/// Functions put their arguments into their errors. Values that stand in any text by chance are left: they are no secrets.
fn hidden(error: &str, values: &Map<String, Value>) -> String {
    let mut secrets = Vec::new();
    collect(&Value::Object(values.clone()), &mut secrets);
    secrets.retain(|secret| secret.expose().chars().count() >= SHORTEST_SECRET);
    redact(error, &secrets)
}

fn collect(value: &Value, secrets: &mut Vec<Secret>) {
    match value {
        Value::String(text) => secrets.push(Secret::new(text.as_str())),
        Value::Number(number) => secrets.push(Secret::new(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, secrets)),
        Value::Object(entries) => entries.values().for_each(|item| collect(item, secrets)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Helm reads every number as floating point and prints `1e+06`; for a variable the number itself is meant.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            // Up to here floating point holds every whole number exactly.
            Some(float)
                if number.is_f64()
                    && float.fract() == 0.0
                    && float.abs() <= 9_007_199_254_740_992.0 =>
            {
                Value::Number(Number::from(float as i64))
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, whole_numbers(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values() -> Map<String, Value> {
        json!({"github": {"token": "ghp_abc", "none": null}, "id": 123_456_789.0, "half": 0.5, "on": true, "a-b": "c",
               "b64": "aHVudGVyMg=="})
        .as_object()
        .unwrap()
        .clone()
    }

    #[test]
    fn expressions_have_values() {
        for (text, expected) in [
            ("{{.Values.github.token}}", "ghp_abc"),
            ("Bearer {{ .Values.github.token }}", "Bearer ghp_abc"),
            ("{{ .Values.id }}", "123456789"),
            ("{{ .Values.half }}{{ .Values.on }}", "0.5true"),
            ("{{ index .Values \"a-b\" }}", "c"),
            ("{{ .Values.b64 | b64dec }}", "hunter2"),
            ("{{ .Values.nothing | default \"x\" }}", "x"),
            ("{{ default \"x\" .Values.github.none }}", "x"),
            ("{{ if .Values.nothing }}a{{ else }}b{{ end }}", "b"),
            ("{{ required \"say it\" .Values.github.token }}", "ghp_abc"),
            ("{{ `{{` }}", "{{"),
        ] {
            check(text).unwrap();
            let rendered = render(text, &values()).map(|secret| secret.expose().to_owned());
            assert_eq!(rendered.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, path) in [
            ("{{.Values.gitlab.token}}", "gitlab.token"),
            ("{{.Values.github.tokn}}", "github.tokn"),
            ("{{ $.Values.github.tokn }}", "github.tokn"),
            ("{{.Values.github.none}}", "github.none"),
            ("{{.Values.nothing | quote}}", "nothing"),
            ("{{.Values.nothing | b64enc}}", "nothing"),
            ("{{ printf \"Bearer %s\" .Values.nothing }}", "nothing"),
            (
                "{{ printf \"Bearer %s\" .Values.github.none }}",
                "github.none",
            ),
            (
                "{{ if .Values.on }}{{ .Values.nothing }}{{ end }}",
                "nothing",
            ),
            (
                "{{ .Values.on | default 1 }}{{ printf \"%s\" .Values.nothing }}",
                "nothing",
            ),
        ] {
            assert_eq!(
                render(text, &values()).map(|_| ()),
                Err(Unrendered::Missing(path.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn faults_show_no_value() {
        for (text, said) in [
            (
                "{{ required \"give a token\" .Values.nothing }}",
                "give a token",
            ),
            ("{{ fail .Values.github.token }}", "[redacted]"),
            ("{{ .Values.github.token.x }}", "can't evaluate field x"),
            ("{{ .Values.id | b64dec }}", "expected string"),
        ] {
            let Err(Unrendered::Failed(error)) = render(text, &values()) else {
                panic!("{text}");
            };
            assert!(error.contains(said), "{text}: {error}");
            assert!(!error.contains("ghp_abc"), "{error}");
        }
        for (text, said) in [
            ("{{ .Values.x", "unclosed action"),
            ("{{ nosuch 1 }}", "\"nosuch\" not defined"),
            ("{{ env \"HOME\" }}", "\"env\" not defined"),
        ] {
            let error = check(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn which_values_an_expression_may_read() {
        for (text, key, expected) in [
            ("{{.Values.github.token}}", "github", true),
            ("{{.Values.github.token}}", "gitlab", false),
            ("{{ index .Values \"a-b\" }}", "a-b", true),
            ("{{ index .Values \"a-b\" }}", "c", false),
            ("{{ .Values | toJson }}", "gitlab", true),
            ("{{ (.Values).x }}", "y", false),
        ] {
            assert_eq!(may_read(text, key), expected, "{text} {key}");
        }
    }
}
