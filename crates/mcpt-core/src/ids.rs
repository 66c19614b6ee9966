//! Validated names: a value of one of these types is always fit for Kubernetes, Helm, files and URLs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} is not valid: {reason}")]
pub struct InvalidId {
    kind: &'static str,
    value: String,
    reason: &'static str,
}

/// Longest release name that Helm accepts: object names derived from it stay below 63.
const RELEASE_NAME_MAX: usize = 53;
/// Longest DNS label (RFC 1123).
const LABEL_MAX: usize = 63;

fn check_label(kind: &'static str, value: &str, max: usize) -> Result<(), InvalidId> {
    let invalid = |reason| {
        Err(InvalidId {
            kind,
            value: value.to_owned(),
            reason,
        })
    };
    let bytes = value.as_bytes();
    if bytes.is_empty() {
        return invalid("it is empty");
    }
    if bytes.len() > max {
        return invalid(if max == RELEASE_NAME_MAX {
            "it is longer than 53 characters"
        } else {
            "it is longer than 63 characters"
        });
    }
    if !bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    {
        return invalid("only lower-case letters, digits and '-' are allowed");
    }
    if bytes.first() == Some(&b'-') || bytes.last() == Some(&b'-') {
        return invalid("it must begin and end with a letter or digit");
    }
    Ok(())
}

macro_rules! label_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`InvalidId`] when it is not a DNS label within the length limit.
            pub fn new(value: impl Into<String>) -> Result<Self, InvalidId> {
                let value = value.into();
                check_label($kind, &value, $max)?;
                Ok(Self(value))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(s: &str) -> Result<Self, InvalidId> {
                Self::new(s)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(s: String) -> Result<Self, InvalidId> {
                Self::new(s)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

label_id!(
    /// Name of a server = name of its Helm release: a DNS label of at most 53 characters.
    ServerName,
    "server name",
    RELEASE_NAME_MAX
);
label_id!(
    /// A Kubernetes namespace: a DNS label (RFC 1123) of at most 63 characters.
    Namespace,
    "namespace",
    LABEL_MAX
);
label_id!(
    /// Id of a server template: the name of its folder, a DNS label.
    TemplateId,
    "template id",
    LABEL_MAX
);

/// Revision of a release, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u32);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "demo", "my-server-2", "0a", &"x".repeat(53)] {
            assert_eq!(ServerName::new(good).unwrap().as_str(), good);
        }
        for (bad, reason) in [
            ("", "empty"),
            ("Demo", "lower-case"),
            ("a_b", "lower-case"),
            ("-a", "begin and end"),
            ("a-", "begin and end"),
            ("../x", "lower-case"),
            (&"x".repeat(54), "53"),
        ] {
            let error = ServerName::new(bad).unwrap_err().to_string();
            assert!(error.contains(reason), "{bad}: {error}");
        }
        assert!(Namespace::new("x".repeat(63)).is_ok());
        assert!(
            Namespace::new("x".repeat(64))
                .unwrap_err()
                .to_string()
                .contains("63")
        );
    }
}
