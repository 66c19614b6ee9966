//! [`Edits`]: values to be replaced in a JSON text whose every other byte stays.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::object::{place, string};

/// Replacements of values of one text.
#[derive(Debug)]
pub(crate) struct Edits<'a> {
    source: &'a str,
    all: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub(crate) fn of(source: &'a str) -> Self {
        Self {
            source,
            all: Vec::new(),
        }
    }

    /// Replaces a string by what is made of it; anything else stays, and so does a string of which nothing is made. The
    /// value was borrowed from the text.
    pub(crate) fn string(&mut self, raw: &'a RawValue, with: impl FnOnce(&str) -> Option<String>) {
        if let Some(new) = string(raw).and_then(|old| with(&old)) {
            self.value(raw, quoted(&new));
        }
    }

    /// Replaces a value by another JSON text.
    pub(crate) fn value(&mut self, raw: &'a RawValue, with: String) {
        self.all.push((place(self.source, raw), with));
    }

    /// The text with everything replaced; `None` when nothing is.
    pub(crate) fn applied(mut self) -> Option<String> {
        if self.all.is_empty() {
            return None;
        }
        self.all.sort_by_key(|(place, _)| place.start);
        let mut text = String::with_capacity(self.source.len() + 32 * self.all.len());
        let mut done = 0;
        for (place, with) in &self.all {
            text.push_str(self.source.get(done..place.start).unwrap_or_default());
            text.push_str(with);
            done = place.end;
        }
        text.push_str(self.source.get(done..).unwrap_or_default());
        Some(text)
    }
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
