//! [`Object`]: a JSON object whose fields are changed while their values stay the texts that were sent.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer as _,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::quoted;

/// The fields of a JSON object in their order, each value as its JSON text. A name that stands there twice counts as its
/// last value, as most readers take it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Object<'a> {
    /// Reads a JSON text; `None` if it is no object.
    pub fn read(json: &'a str) -> Option<Self> {
        struct Fields<'a>(Object<'a>);
        impl<'de> Visitor<'de> for Fields<'de> {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Object<'de>, A::Error> {
                while let Some((key, value)) = map.next_entry::<crate::message::Text<'de>, _>()? {
                    let value: &'de RawValue = value;
                    self.0.put(key.0, Cow::Borrowed(value.get()));
                }
                Ok(self.0)
            }
        }
        let mut input = serde_json::Deserializer::from_str(json);
        let object = input.deserialize_map(Fields(Self::default())).ok()?;
        input.end().ok()?;
        Some(object)
    }

    /// One field's JSON text.
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(key, _)| key == name);
        field.map(|(_, value)| &**value)
    }

    /// One field that is a string.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// One field that is an object.
    pub fn object(&self, name: &str) -> Option<Object<'_>> {
        Object::read(self.get(name)?)
    }

    /// Takes a field out.
    pub fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1)
    }

    /// Sets a field to a JSON text, where it stands already or at the end.
    pub fn set(&mut self, name: &str, json: impl Into<Cow<'a, str>>) {
        self.put(Cow::Owned(name.to_owned()), json.into());
    }

    fn put(&mut self, name: Cow<'a, str>, json: Cow<'a, str>) {
        // Strings hold no line ends, so each one stands between values. What is written is always one line.
        let json = if json.contains(['\n', '\r']) {
            Cow::Owned(one_line(&json))
        } else {
            json
        };
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, value)) => *value = json,
            None => self.0.push((name, json)),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and JSON texts, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The same, of its own.
    pub fn into_owned(self) -> Object<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Object(
            self.0
                .into_iter()
                .map(|(key, value)| (owned(key), owned(value)))
                .collect(),
        )
    }
}

/// A JSON text with blanks for line ends, which stand between values alone.
pub(super) fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

/// The JSON text, in one line.
impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.fields().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}:{value}", quoted(name))?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_the_texts_that_they_are() {
        let text = r#" {"z":1.0, "a" : {"x": [1e5]},"\u0062":"\u0041", "z":2.50} "#;
        let mut object = Object::read(text).unwrap();
        assert_eq!(object.get("z"), Some("2.50"));
        assert_eq!(object.text("b").as_deref(), Some("A"));
        object.set("c", "null\r\n");
        object.set("a", "[]");
        assert_eq!(
            object.to_string(),
            r#"{"z":2.50,"a":[],"b":"\u0041","c":null  }"#
        );
        assert_eq!(object.take("z").as_deref(), Some("2.50"));
        assert_eq!(object.take("z"), None);
        for text in ["[]", "null", "{", "{} {}", ""] {
            assert_eq!(Object::read(text), None, "{text}");
        }
    }
}
