//! [`ServerLabel`]: how a server is told from others in names, URIs and ids.

use std::fmt;

/// A server: its name, with its namespace unless that is the default one. Both are DNS labels: lower-case
/// letters, digits and `-`, so that neither `.` nor `_` nor a blank is in them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerLabel {
    namespace: Option<Box<str>>,
    name: Box<str>,
}

impl ServerLabel {
    /// That of a server; `namespace` is `None` for the default one.
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        Self {
            namespace: namespace.map(Into::into),
            name: name.into(),
        }
    }

    /// The reverse of its text; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_label = |text: &str| {
            let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !text.is_empty() && text.bytes().all(inside)
        };
        let (namespace, name) = match text.split_once('.') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let valid = is_label(name) && namespace.is_none_or(is_label);
        valid.then(|| Self::new(namespace, name))
    }

    /// The namespace; `None` for the default one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What names of its tools begin with.
    pub(crate) fn prefix(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}__{}", self.name),
            None => self.name.to_string(),
        }
    }
}

/// `NAME`, or `NAMESPACE.NAME`.
impl fmt::Display for ServerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}.")?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_again() {
        for label in [
            ServerLabel::new(None, "demo"),
            ServerLabel::new(Some("ns-1"), "a"),
        ] {
            assert_eq!(ServerLabel::parse(&label.to_string()), Some(label));
        }
        for text in ["", ".", "a.", ".a", "a.b.c", "A", "a_b", "a b"] {
            assert_eq!(ServerLabel::parse(text), None, "{text}");
        }
    }
}
