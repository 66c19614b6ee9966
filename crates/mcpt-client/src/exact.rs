//! [`Exact`]: JSON from a server, as it was sent.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

/// A JSON value as a server sent it: order of keys, forms of numbers and all. Beside it the parsed
/// value, for looking at: there numbers beyond 64 bits are rounded and keys sorted.
#[derive(Debug, Clone)]
pub struct Exact {
    raw: Box<RawValue>,
    value: Value,
}

impl Exact {
    /// Reads a JSON text.
    ///
    /// # Errors
    /// When it is none, or holds a number beyond the range of 64-bit floats.
    pub fn read(raw: Box<RawValue>) -> serde_json::Result<Self> {
        let value = serde_json::from_str(raw.get())?;
        Ok(Self { raw, value })
    }

    /// The text as it was sent.
    pub fn json(&self) -> &str {
        self.raw.get()
    }

    /// The parsed value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The text of a member of an object, as it was sent.
    pub fn member(&self, name: &str) -> Option<&str> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(self.json()).ok()?;
        members.get(name).map(|raw| raw.get())
    }

    /// A text of an object; empty when it has none by that name.
    pub fn text(&self, name: &str) -> &str {
        let text = self.value.get(name).and_then(Value::as_str);
        text.unwrap_or_default()
    }
}
