//! What can be wrong with a YAML document, worded as go-yaml and sigs.k8s.io/yaml word it.

/// A document that cannot be read or a value that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not YAML, or holds what JSON cannot.
    #[error("error converting YAML to JSON: yaml: {}{message}", line_prefix(*.line))]
    Read {
        /// The line of the problem, counted from 1, where one is known.
        line: Option<usize>,
        /// What is wrong, in go-yaml's words where they are known.
        message: String,
    },
    /// The text is YAML, but it has no form in JSON.
    #[error("error converting YAML to JSON: {0}")]
    NotJson(String),
    /// Strict reading found keys twice in one map.
    #[error("error converting YAML to JSON: yaml: unmarshal errors:\n{}", indented(.0))]
    Duplicates(Vec<Duplicate>),
    /// The document is YAML but not a map of keys to values.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
    )]
    NotAMap {
        /// The JSON kind that was found instead.
        found: &'static str,
    },
    /// Something stands behind the `---` between two documents.
    #[error("error reading yaml document: invalid Yaml document separator: {0}")]
    Separator(String),
    /// The value cannot be written; Go fails on it too, since it reads its own JSON back as YAML.
    #[error("yaml: {0}")]
    Write(String),
}

/// One key that is set twice in a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The line of the second value, counted from 1.
    pub line: usize,
    /// The key.
    pub key: String,
}

impl Error {
    pub(crate) fn read(line: Option<usize>, message: impl Into<String>) -> Self {
        Self::Read {
            line,
            message: message.into(),
        }
    }

    /// The line of the problem, counted from 1, where one is known.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Read { line, .. } => *line,
            Self::Duplicates(all) => all.first().map(|duplicate| duplicate.line),
            Self::NotJson(_) | Self::NotAMap { .. } | Self::Separator(_) | Self::Write(_) => None,
        }
    }
}

fn line_prefix(line: Option<usize>) -> String {
    line.map(|line| format!("line {line}: "))
        .unwrap_or_default()
}

fn indented(duplicates: &[Duplicate]) -> String {
    duplicates
        .iter()
        .map(|Duplicate { line, key }| format!("  line {line}: key {key:?} already set in map"))
        .collect::<Vec<_>>()
        .join("\n")
}
