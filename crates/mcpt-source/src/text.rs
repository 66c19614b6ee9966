//! [`Text`]: an argument, a variable's value, a header or a URL, with settings in it.

use std::fmt;

/// A text of plain parts and settings: `Bearer {token}`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text {
    parts: Vec<Part>,
}

/// One part of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Plain(String),
    /// The value of the setting of this name.
    Setting(String),
}

/// A setting that has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting {0} has no value")]
pub struct Missing(pub String);

impl Text {
    /// As it stands.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::default().and_plain(text)
    }

    /// The value of a setting alone.
    pub fn setting(name: impl Into<String>) -> Self {
        Self::default().and_setting(name)
    }

    /// With more plain text behind it.
    #[must_use]
    pub fn and_plain(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Plain(last)) => last.push_str(&text),
            _ => self.parts.push(Part::Plain(text)),
        }
        self
    }

    /// With a setting behind it.
    #[must_use]
    pub fn and_setting(mut self, name: impl Into<String>) -> Self {
        self.parts.push(Part::Setting(name.into()));
        self
    }

    /// Its parts, in their order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names of its settings.
    pub fn settings(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Setting(name) => Some(name.as_str()),
            Part::Plain(_) => None,
        })
    }

    /// The whole text, if no setting is in it.
    pub fn as_plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// With the values of its settings.
    ///
    /// # Errors
    /// [`Missing`] for the first setting of which `value` knows nothing.
    pub fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, Missing> {
        let mut filled = String::new();
        for part in &self.parts {
            filled.push_str(match part {
                Part::Plain(text) => text,
                Part::Setting(name) => value(name).ok_or_else(|| Missing(name.clone()))?,
            });
        }
        Ok(filled)
    }
}

/// Settings as `{name}`.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Plain(text) => f.write_str(text)?,
                Part::Setting(name) => write!(f, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_filled_in() {
        let text = Text::plain("Bearer ").and_setting("token").and_plain("!");
        assert_eq!(text.to_string(), "Bearer {token}!");
        assert_eq!(text.settings().collect::<Vec<_>>(), ["token"]);
        assert_eq!(text.as_plain(), None);
        let filled = text.fill(|name| (name == "token").then_some("x"));
        assert_eq!(filled, Ok("Bearer x!".to_owned()));
        assert_eq!(text.fill(|_| None), Err(Missing("token".to_owned())));
        assert_eq!(Text::plain("").as_plain(), Some(""));
        assert_eq!(Text::plain("a").and_plain("b").as_plain(), Some("ab"));
    }
}
