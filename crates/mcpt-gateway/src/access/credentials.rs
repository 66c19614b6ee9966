//! The credentials in a request's headers: found once, and taken out, since they are for the gateway and for nobody behind it.

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use mcpt_access::{TokenError, TokenFault};

/// What clients that cannot say `Authorization: Bearer` send instead.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SCHEME: &[u8] = b"bearer";

/// Why nobody was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialFault {
    /// There are none, or none of a kind that is taken here.
    #[error("this gateway wants a key or a token: Authorization: Bearer …")]
    Missing,
    /// They are nobody's.
    #[error("the key is not one of this gateway")]
    Unknown,
    /// They are a token that is not believed.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// They are a token of somebody whose keys are not known.
    #[error("the issuer of the token does not tell its keys now")]
    IssuerAway,
    /// There is more than one.
    #[error("more than one key or token")]
    Several,
}

impl CredentialFault {
    /// As RFC 6750 names it; `None` for a request that has not tried.
    pub(crate) fn error(self) -> Option<TokenError> {
        match self {
            Self::Missing => None,
            Self::IssuerAway => None,
            Self::Unknown | Self::Token(_) => Some(TokenError::InvalidToken),
            Self::Several => Some(TokenError::InvalidRequest),
        }
    }
}

/// Takes the credentials out of the headers: an `Authorization: Bearer` (RFC 6750) or an `X-API-Key`.
///
/// # Errors
/// [`CredentialFault::Missing`] and [`CredentialFault::Several`]; nothing is left in the headers then either.
pub(crate) fn take(headers: &mut HeaderMap) -> Result<HeaderValue, CredentialFault> {
    let mut found = Vec::new();
    for name in [AUTHORIZATION, API_KEY] {
        found.extend(
            headers
                .get_all(&name)
                .iter()
                .map(|value| (name.clone(), value.clone())),
        );
        headers.remove(&name);
    }
    let (name, value) = match found.as_slice() {
        [] => return Err(CredentialFault::Missing),
        [one] => one,
        [..] => return Err(CredentialFault::Several),
    };
    if *name == API_KEY {
        return Ok(value.clone());
    }
    bearer(value).ok_or(CredentialFault::Missing)
}

/// The token of an `Authorization` of that scheme, which is told in any case of letters (RFC 9110, section 11.1).
fn bearer(value: &HeaderValue) -> Option<HeaderValue> {
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    let token = token.strip_prefix(b" ")?.trim_ascii();
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty())
        .then(|| HeaderValue::from_bytes(token).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_found_and_none_is_left() {
        use CredentialFault::{Missing, Several};
        for (fields, wanted) in [
            (&[][..], Err(Missing)),
            (&[("authorization", "Bearer abc")], Ok("abc")),
            (&[("authorization", "bEARER   a b ")], Ok("a b")),
            (&[("x-api-key", "abc")], Ok("abc")),
            (&[("authorization", "Basic abc")], Err(Missing)),
            (&[("authorization", "Bearer")], Err(Missing)),
            (&[("authorization", "Bearer ")], Err(Missing)),
            (&[("authorization", "Bearerabc")], Err(Missing)),
            (&[("authorization", "")], Err(Missing)),
            (
                &[("authorization", "Bearer a"), ("authorization", "Bearer a")],
                Err(Several),
            ),
            (
                &[("authorization", "Bearer a"), ("x-api-key", "a")],
                Err(Several),
            ),
            (
                &[("authorization", "Basic a"), ("x-api-key", "a")],
                Err(Several),
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.append("accept", HeaderValue::from_static("*/*"));
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let taken = take(&mut headers);
            let wanted = wanted.map(HeaderValue::from_static);
            assert_eq!(taken, wanted, "{fields:?}");
            assert_eq!(headers.len(), 1, "{fields:?}");
        }
    }
}
