//! Members of a document in either spelling: the first schema wrote `registry_type`, all later ones `registryType`.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The members of one object, and where it stands.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    members: &'a Map<String, Value>,
    place: String,
}

impl<'a> Fields<'a> {
    pub(super) fn new(members: &'a Map<String, Value>, place: String) -> Self {
        Self { members, place }
    }

    /// Where the object stands.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Where a member stands.
    pub(super) fn at(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place)
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        let found = self
            .members
            .get(name)
            .or_else(|| self.members.get(snake(name).as_ref()));
        found.filter(|value| !value.is_null())
    }

    /// A text.
    pub(super) fn text(&self, name: &str, problems: &mut Vec<String>) -> Option<&'a str> {
        let value = self.get(name)?;
        let text = value.as_str();
        if text.is_none() {
            problems.push(format!("{}: it is no text", self.at(name)));
        }
        text
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str, problems: &mut Vec<String>) -> Option<&'a str> {
        match self.get(name) {
            None => {
                problems.push(format!("{}: it is missing", self.at(name)));
                None
            }
            Some(Value::String(text)) if text.trim().is_empty() => {
                problems.push(format!("{}: it is empty", self.at(name)));
                None
            }
            Some(_) => self.text(name, problems),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str, problems: &mut Vec<String>) -> bool {
        match self.get(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                problems.push(format!("{}: it is neither true nor false", self.at(name)));
                false
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str, problems: &mut Vec<String>) -> Vec<String> {
        let Some(value) = self.get(name) else {
            return Vec::new();
        };
        let texts = value.as_array().and_then(|items| {
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        texts.unwrap_or_else(|| {
            problems.push(format!("{}: it is no list of texts", self.at(name)));
            Vec::new()
        })
    }

    /// An object.
    pub(super) fn object(&self, name: &str, problems: &mut Vec<String>) -> Option<Fields<'a>> {
        let value = self.get(name)?;
        let Some(members) = value.as_object() else {
            problems.push(format!("{}: it is no object", self.at(name)));
            return None;
        };
        Some(Fields::new(members, self.at(name)))
    }

    /// A list of objects.
    pub(super) fn objects(&self, name: &str, problems: &mut Vec<String>) -> Vec<Fields<'a>> {
        let Some(value) = self.get(name) else {
            return Vec::new();
        };
        let Some(items) = value.as_array() else {
            problems.push(format!("{}: it is no list", self.at(name)));
            return Vec::new();
        };
        let mut objects = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = format!("{}[{index}]", self.at(name));
            match item.as_object() {
                Some(members) => objects.push(Fields::new(members, place)),
                None => problems.push(format!("{place}: it is no object")),
            }
        }
        objects
    }

    /// The members themselves, whose names are the author's.
    pub(super) fn named(&self, problems: &mut Vec<String>) -> Vec<(&'a str, Fields<'a>)> {
        let mut named = Vec::new();
        for (name, value) in self.members {
            let place = self.at(name);
            match value.as_object() {
                Some(members) => named.push((name.as_str(), Fields::new(members, place))),
                None => problems.push(format!("{place}: it is no object")),
            }
        }
        named
    }
}

/// `registryType` as `registry_type`.
fn snake(name: &str) -> Cow<'_, str> {
    if !name.contains(|c: char| c.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    Cow::Owned(snake)
}

/// Fields of the schemas that were once spelled with `_`.
const SPELLED: [(&str, &str); 13] = [
    ("website_url", "websiteUrl"),
    ("registry_type", "registryType"),
    ("registry_base_url", "registryBaseUrl"),
    ("file_sha256", "fileSha256"),
    ("runtime_hint", "runtimeHint"),
    ("runtime_arguments", "runtimeArguments"),
    ("package_arguments", "packageArguments"),
    ("environment_variables", "environmentVariables"),
    ("is_required", "isRequired"),
    ("is_secret", "isSecret"),
    ("is_repeated", "isRepeated"),
    ("value_hint", "valueHint"),
    ("mime_type", "mimeType"),
];

/// The document with the fields of the schemas in their newest spelling; names that the author chose stay.
pub(super) fn spelled(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(spelled).collect()),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let known = SPELLED.iter().find(|(old, _)| old == name);
                let name = known.map_or(name.as_str(), |(_, new)| new);
                let value = match (name, value) {
                    ("_meta", _) => value.clone(),
                    // The names in it are the author's.
                    ("variables", Value::Object(variables)) => Value::Object(
                        variables
                            .iter()
                            .map(|(name, value)| (name.clone(), spelled(value)))
                            .collect(),
                    ),
                    _ => spelled(value),
                };
                (name.to_owned(), value)
            };
            Value::Object(members.iter().map(member).collect())
        }
        value => value.clone(),
    }
}
