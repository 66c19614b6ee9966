//! [`Challenge`]: the `WWW-Authenticate` header of an answer to somebody who is not let in (RFC 6750, section 3).

use std::fmt;

/// What was wrong with the credentials of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// The request is not well-formed: it has several credentials.
    InvalidRequest,
    /// The token is unknown, expired, revoked, or meant for somebody else.
    InvalidToken,
}

impl TokenError {
    /// As RFC 6750, section 3.1 names it.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
        }
    }
}

/// A challenge for a bearer token. Written out, it is the value of `WWW-Authenticate`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// What was wrong; `None` for a request without credentials, which is told no more than that some are needed.
    pub error: Option<TokenError>,
    /// What exactly, in words without quotes or backslashes.
    pub description: Option<String>,
    /// Where the metadata of the resource is (RFC 9728, section 5.1), if a client can log in by itself.
    pub metadata: Option<String>,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer realm=\"mcpt\"")?;
        if let Some(error) = self.error {
            write!(f, ", error=\"{}\"", error.code())?;
        }
        if let Some(text) = &self.description {
            write!(f, ", error_description=\"{text}\"")?;
        }
        if let Some(url) = &self.metadata {
            let url = url.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, ", resource_metadata=\"{url}\"")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let none = Challenge::default();
        assert_eq!(none.to_string(), r#"Bearer realm="mcpt""#);
        let wrong = Challenge {
            error: Some(TokenError::InvalidToken),
            description: Some("it has expired".to_owned()),
            metadata: Some(r#"http://g/"x""#.to_owned()),
        };
        assert_eq!(
            wrong.to_string(),
            r#"Bearer realm="mcpt", error="invalid_token", error_description="it has expired", resource_metadata="http://g/\"x\"""#
        );
    }
}
