//! Lays schema errors out as Helm's validator does: a tree by schema, where several errors of one value form a group.

use std::collections::BTreeMap;
use std::fmt;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::messages::{
    bound, display, duplicates, enumeration, localized, missing, quoted, size, type_name, wanted,
};

/// What is wrong, as a tree.
pub(super) struct Report {
    causes: Vec<Entry>,
}

/// One line of the report with those below it.
struct Entry {
    /// Where in the values, as a JSON pointer.
    path: String,
    message: String,
    causes: Vec<Entry>,
    kind: EntryKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryKind {
    Problem,
    /// Several errors of one schema for one value. At the top of the report its parts take its place.
    Group,
    /// Several errors of a schema that was referred to.
    Reference,
}

impl Report {
    /// `None` without errors.
    pub(super) fn of<'a>(errors: impl Iterator<Item = ValidationError<'a>>) -> Option<Self> {
        let mut root = Schema::default();
        errors.for_each(|error| root.add(&error, &evaluation_path(&error, 0), 0));
        let entry = root.entry()?;
        Some(Self {
            causes: if entry.kind == EntryKind::Group {
                entry.causes
            } else {
                vec![entry]
            },
        })
    }

    /// The innermost problems, each with its path in the values.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        fn collect(entries: &[Entry], found: &mut Vec<(String, String)>) {
            for entry in entries {
                if entry.kind == EntryKind::Problem {
                    found.push((entry.path.clone(), entry.message.clone()));
                } else {
                    collect(&entry.causes, found);
                }
            }
        }
        let mut found = Vec::new();
        collect(&self.causes, &mut found);
        found
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_entries(f, &self.causes, 0, true)
    }
}

fn write_entries(
    f: &mut fmt::Formatter<'_>,
    entries: &[Entry],
    depth: usize,
    first: bool,
) -> fmt::Result {
    for (place, entry) in entries.iter().enumerate() {
        if !(first && place == 0) {
            writeln!(f)?;
        }
        write!(
            f,
            "{}- at {}: {}",
            "  ".repeat(depth),
            quoted(&entry.path),
            entry.message
        )?;
        write_entries(f, &entry.causes, depth + 1, false)?;
    }
    Ok(())
}

/// A step from a schema to one below it: the keyword with its argument, and the key or index in the value, if it leads there.
type Step = (String, Option<String>);

/// The errors of one schema for one value.
#[derive(Default)]
struct Schema {
    path: String,
    /// The errors of its own keywords, by the place at which Helm's validator looks at the keyword.
    own: Vec<(Rank, Finding)>,
    below: BTreeMap<Step, Schema>,
}

/// The order in which Helm's validator reports the errors of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Type,
    Const,
    Enum,
    Format,
    Reference,
    Size,
    Required,
    Members,
    AdditionalMembers,
    Other,
    Not,
    AllOf,
    AnyOf,
    OneOf,
    Branch,
}

enum Finding {
    Message(String),
    Missing(Vec<String>),
    Alternatives(String, Vec<Schema>),
}

impl Schema {
    fn at(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// Walks the evaluation path down to the schema that the error belongs to. Of the path in the values the first `depth`
    /// steps are made.
    fn add(&mut self, error: &ValidationError<'_>, evaluation: &[String], depth: usize) {
        let Some((keyword, rest)) = evaluation.split_first() else {
            return self.record(error);
        };
        let has_index = rest
            .first()
            .is_some_and(|next| next.parse::<usize>().is_ok());
        let (arguments, descends) = match keyword.as_str() {
            "properties" | "patternProperties" | "prefixItems" => (1, true),
            "items" if has_index => (1, true),
            "additionalProperties"
            | "items"
            | "additionalItems"
            | "unevaluatedProperties"
            | "unevaluatedItems" => (0, true),
            "allOf" | "dependentSchemas" | "dependencies" => (1, false),
            "$ref" | "$dynamicRef" | "$recursiveRef" | "then" | "else" => (0, false),
            _ => return self.record(error),
        };
        if rest.is_empty() || rest.len() < arguments {
            return self.record(error);
        }
        let (argument, rest) = rest.split_at(arguments);
        let argument = argument.join("/");
        let member = match keyword.as_str() {
            _ if !descends => None,
            // An error about the name of a property comes without that name in its path.
            "properties" => Some(argument.clone()),
            _ => error
                .instance_path()
                .iter()
                .nth(depth)
                .map(|member| member.to_string()),
        };
        let path = match &member {
            Some(member) => format!("{}/{}", self.path, escaped(member)),
            None => self.path.clone(),
        };
        let below = self.below.entry((format!("{keyword}/{argument}"), member));
        let below = below.or_insert_with(|| Self::at(&path));
        below.add(error, rest, depth + usize::from(descends));
    }

    fn record(&mut self, error: &ValidationError<'_>) {
        let (rank, finding) = finding(error);
        if let Finding::Missing(property) = &finding {
            let earlier = self.own.iter_mut().find_map(|(_, finding)| match finding {
                Finding::Missing(properties) => Some(properties),
                _ => None,
            });
            if let Some(earlier) = earlier {
                earlier.extend(property.iter().cloned());
                return;
            }
        }
        self.own.push((rank, finding));
    }

    fn entry(mut self) -> Option<Entry> {
        self.own.sort_by_key(|(rank, _)| *rank);
        // These end the look at a schema.
        if matches!(
            self.own.first(),
            Some((Rank::Type | Rank::Const | Rank::Enum | Rank::Format, _))
        ) {
            self.own.truncate(1);
            self.below.clear();
        }
        let path = self.path;
        let mut entries: Vec<(Rank, Entry)> = Vec::new();
        for (rank, finding) in self.own {
            let (message, causes) = match finding {
                Finding::Message(message) => (message, Vec::new()),
                Finding::Missing(properties) => (missing(&properties), Vec::new()),
                Finding::Alternatives(message, alternatives) => {
                    let causes = alternatives.into_iter().filter_map(Schema::entry);
                    (message, causes.collect())
                }
            };
            entries.push((
                rank,
                Entry {
                    path: path.clone(),
                    message,
                    causes,
                    kind: EntryKind::Problem,
                },
            ));
        }
        let mut all_of = Vec::new();
        for ((keyword, member), schema) in self.below {
            let Some(entry) = schema.entry() else {
                continue;
            };
            let keyword = keyword.split('/').next().unwrap_or_default();
            match keyword {
                "allOf" => all_of.push(entry),
                "$ref" | "$dynamicRef" | "$recursiveRef" => {
                    let entry = match entry.kind {
                        EntryKind::Group => Entry {
                            path: path.clone(),
                            kind: EntryKind::Reference,
                            ..entry
                        },
                        _ => entry,
                    };
                    entries.push((Rank::Reference, entry));
                }
                _ if member.is_some() => entries.push((Rank::Members, entry)),
                _ => entries.push((Rank::Branch, entry)),
            }
        }
        if !all_of.is_empty() {
            let message = "'allOf' failed".to_owned();
            let entry = Entry {
                path: path.clone(),
                message,
                causes: all_of,
                kind: EntryKind::Problem,
            };
            entries.push((Rank::AllOf, entry));
        }
        entries.sort_by_key(|(rank, _)| *rank);
        let mut entries: Vec<Entry> = entries.into_iter().map(|(_, entry)| entry).collect();
        match entries.len() {
            0 => None,
            1 => entries.pop(),
            _ => Some(Entry {
                path,
                message: "validation failed".to_owned(),
                causes: entries,
                kind: EntryKind::Group,
            }),
        }
    }
}

/// The schemas that a value was tried against in vain.
fn alternatives(
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
) -> Vec<Schema> {
    let path = error.instance_path();
    let depth = path.iter().count();
    // The path to the keyword and the number of the alternative.
    let keyword = error.evaluation_path().iter().count() + 1;
    let alternative = |errors: &Vec<ValidationError<'static>>| {
        let mut schema = Schema::at(path.as_str());
        for error in errors {
            schema.add(error, &evaluation_path(error, keyword), depth);
        }
        schema
    };
    context.iter().map(alternative).collect()
}

fn evaluation_path(error: &ValidationError<'_>, skip: usize) -> Vec<String> {
    error
        .evaluation_path()
        .iter()
        .skip(skip)
        .map(|step| step.to_string())
        .collect()
}

/// A step of a JSON pointer.
fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn finding(error: &ValidationError<'_>) -> (Rank, Finding) {
    use ValidationErrorKind as Kind;
    let value = error.instance().as_ref();
    let tried = |message: &str, context: &[Vec<ValidationError<'static>>]| {
        Finding::Alternatives(message.to_owned(), alternatives(error, context))
    };
    let (rank, message) = match error.kind() {
        Kind::Required { property } => {
            let property = property.as_str().unwrap_or_default().to_owned();
            return (Rank::Required, Finding::Missing(vec![property]));
        }
        Kind::AnyOf { context } => return (Rank::AnyOf, tried("'anyOf' failed", context)),
        Kind::OneOfNotValid { context } => {
            return (Rank::OneOf, tried("'oneOf' failed, none matched", context));
        }
        Kind::OneOfMultipleValid { context } => {
            let mut matched = context
                .iter()
                .enumerate()
                .filter(|(_, errors)| errors.is_empty());
            let mut next = || matched.next().map_or(0, |(place, _)| place);
            let (first, second) = (next(), next());
            (
                Rank::OneOf,
                format!("'oneOf' failed, subschemas {first}, {second} matched"),
            )
        }
        Kind::Type { kind } => (
            Rank::Type,
            format!("got {}, want {}", type_name(value), wanted(kind)),
        ),
        Kind::Constant { expected_value } => (
            Rank::Const,
            match expected_value.as_ref() {
                Value::Array(_) | Value::Object(_) => "'const' failed".to_owned(),
                expected => format!("value must be {}", display(expected)),
            },
        ),
        Kind::Enum { options } => (Rank::Enum, enumeration(options)),
        Kind::Format { format } => (
            Rank::Format,
            format!("{} is not valid {format}", display(value)),
        ),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let names: Vec<String> = unexpected.iter().map(|name| quoted(name)).collect();
            (
                Rank::AdditionalMembers,
                format!("additional properties {} not allowed", names.join(", ")),
            )
        }
        Kind::AdditionalItems { limit } => {
            let count = value.as_array().map_or(0, Vec::len).saturating_sub(*limit);
            (
                Rank::AdditionalMembers,
                format!("last {count} additionalItem(s) not allowed"),
            )
        }
        Kind::MinProperties { limit } => (Rank::Size, size("minProperties", value, *limit)),
        Kind::MaxProperties { limit } => (Rank::Size, size("maxProperties", value, *limit)),
        Kind::MinItems { limit } => (Rank::Size, size("minItems", value, *limit)),
        Kind::MaxItems { limit } => (Rank::Size, size("maxItems", value, *limit)),
        Kind::MinLength { limit } => (Rank::Size, size("minLength", value, *limit)),
        Kind::MaxLength { limit } => (Rank::Size, size("maxLength", value, *limit)),
        Kind::Minimum { limit } => (Rank::Size, bound("minimum", value, limit)),
        Kind::Maximum { limit } => (Rank::Size, bound("maximum", value, limit)),
        Kind::ExclusiveMinimum { limit } => {
            (Rank::Required, bound("exclusiveMinimum", value, limit))
        }
        Kind::ExclusiveMaximum { limit } => {
            (Rank::Required, bound("exclusiveMaximum", value, limit))
        }
        Kind::MultipleOf { multiple_of } => {
            let got = localized(value.as_f64().unwrap_or_default());
            (
                Rank::Other,
                format!("multipleOf: got {got}, want {}", localized(*multiple_of)),
            )
        }
        Kind::Pattern { pattern } => {
            let got = value.as_str().unwrap_or_default();
            (
                Rank::Required,
                format!("{} does not match pattern {}", quoted(got), quoted(pattern)),
            )
        }
        Kind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default().to_owned();
            let mut schema = Schema::default();
            schema.record(error);
            return (
                Rank::Other,
                Finding::Alternatives(
                    format!("invalid propertyName {}", quoted(&name)),
                    vec![schema],
                ),
            );
        }
        Kind::UniqueItems => (Rank::Other, duplicates(value)),
        Kind::Contains => (Rank::Other, "no items match contains schema".to_owned()),
        Kind::Not { .. } => (Rank::Not, "'not' failed".to_owned()),
        Kind::FalseSchema => (Rank::Type, "false schema".to_owned()),
        _ => (Rank::Other, error.to_string()),
    };
    (rank, Finding::Message(message))
}
