//! [`Part`]: one JSON value inside a message, as its exact text and place.

use std::ops::Range;

use serde_json::value::RawValue;

/// One JSON value of a message: the text as it was sent, and where it stands in the message.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    raw: &'a RawValue,
    start: usize,
}

impl<'a> Part<'a> {
    /// A value that serde borrowed from `source`.
    pub(crate) fn within(source: &'a str, raw: &'a RawValue) -> Self {
        Self {
            raw,
            start: (raw.get().as_ptr() as usize).saturating_sub(source.as_ptr() as usize),
        }
    }

    /// A value of its own, such as an id that was kept while its message is gone.
    pub fn alone(raw: &'a RawValue) -> Self {
        Self { raw, start: 0 }
    }

    /// Its text: `"a"`, `1`, `1.0`.
    pub fn text(self) -> &'a str {
        self.raw.get()
    }

    /// The value itself.
    pub fn raw(self) -> &'a RawValue {
        self.raw
    }

    /// The value as an unsigned number, if it is written as one.
    pub fn as_u64(self) -> Option<u64> {
        self.text().parse().ok()
    }

    /// A copy that outlives the message.
    pub fn to_owned(self) -> Box<RawValue> {
        self.raw.to_owned()
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.start + self.text().len()
    }
}
