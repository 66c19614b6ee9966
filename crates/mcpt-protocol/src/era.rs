//! Which era a request belongs to: the one place where that is judged.
//!
//! The body counts first, the header is a mirror of it: `initialize` begins a session whatever the
//! header says, and a version in `_meta` is the sign of the stateless era. Only a message that says
//! nothing, or none at all, is judged by its header.

use http::HeaderMap;

use crate::{
    Era, Message, era_of_version,
    header::{self, PROTOCOL_VERSION, SeveralValues},
};

/// What an unknown version in the header means: who forwards lets the server judge it, who serves
/// must refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownVersion {
    /// As if there were no header.
    Ignore,
    /// The request is refused.
    Refuse,
}

/// The era of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEra {
    /// `initialize`: it begins a session.
    Initialize,
    /// Any other request or message of a version with sessions.
    Legacy,
    /// It stands alone.
    Modern,
}

/// A request whose era cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EraUnknown {
    /// Its version header stands there several times.
    #[error(transparent)]
    Several(#[from] SeveralValues),
    /// Its version header names none that anybody knows.
    #[error("MCP-Protocol-Version is not a version that is supported")]
    Unsupported,
}

/// The era of a request with these headers; `message` is its body, if it has one that was read.
/// A version in `_meta` that nobody knows yet is one of the stateless era.
///
/// # Errors
/// [`EraUnknown`] when the header stands there several times, or names an unknown version and
/// `unknown` says to refuse that. It is never looked at where the body has decided.
pub fn era_of_request(
    headers: &HeaderMap,
    message: Option<&Message<'_>>,
    unknown: UnknownVersion,
) -> Result<RequestEra, EraUnknown> {
    if let Some(message) = message {
        if message.method() == Some("initialize") {
            return Ok(RequestEra::Initialize);
        }
        if let Some(version) = message.params().meta_protocol_version {
            return Ok(match era_of_version(&version) {
                Some(Era::Legacy) => RequestEra::Legacy,
                Some(Era::Modern) | None => RequestEra::Modern,
            });
        }
    }
    let Some(value) = header::single(headers, &PROTOCOL_VERSION)? else {
        return Ok(RequestEra::Legacy);
    };
    match (value.to_str().ok().and_then(era_of_version), unknown) {
        (Some(Era::Modern), _) => Ok(RequestEra::Modern),
        (Some(Era::Legacy), _) | (None, UnknownVersion::Ignore) => Ok(RequestEra::Legacy),
        (None, UnknownVersion::Refuse) => Err(EraUnknown::Unsupported),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
    const META: &str = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"VERSION"}}}"#;

    fn judged(
        version: &[&'static str],
        body: Option<&str>,
        unknown: UnknownVersion,
    ) -> Result<RequestEra, EraUnknown> {
        let mut headers = HeaderMap::new();
        for version in version {
            headers.append(PROTOCOL_VERSION, HeaderValue::from_static(version));
        }
        let message = body.map(|body| Message::parse(body.as_bytes()).unwrap());
        era_of_request(&headers, message.as_ref(), unknown)
    }

    #[test]
    fn the_body_counts_first_and_the_header_where_it_is_silent() {
        use RequestEra::{Initialize, Legacy, Modern};
        let meta = |version| META.replace("VERSION", version);
        let (modern, legacy, future) = (meta("2026-07-28"), meta("2025-06-18"), meta("2199-01-01"));
        let nothing = [].as_slice();
        for (version, body, era) in [
            (nothing, None, Legacy),
            (nothing, Some(CALL), Legacy),
            (nothing, Some(INITIALIZE), Initialize),
            (nothing, Some(&*modern), Modern),
            (nothing, Some(&*future), Modern),
            (nothing, Some(&*legacy), Legacy),
            (&["2025-11-25"], Some(CALL), Legacy),
            (&["2025-11-25"], Some(&*modern), Modern),
            (&["2026-07-28"], None, Modern),
            (&["2026-07-28"], Some(CALL), Modern),
            (&["2026-07-28"], Some(&*legacy), Legacy),
            (&["2026-07-28"], Some(INITIALIZE), Initialize),
        ] {
            for unknown in [UnknownVersion::Ignore, UnknownVersion::Refuse] {
                assert_eq!(
                    judged(version, body, unknown),
                    Ok(era),
                    "{version:?} {body:?}"
                );
            }
        }
    }

    #[test]
    fn unknown_versions_are_a_matter_of_policy() {
        for version in ["draft", "2025-12-01", ""] {
            let era = judged(&[version], Some(CALL), UnknownVersion::Ignore);
            assert_eq!(era, Ok(RequestEra::Legacy), "{version}");
            let era = judged(&[version], Some(CALL), UnknownVersion::Refuse);
            assert_eq!(era, Err(EraUnknown::Unsupported), "{version}");
            let era = judged(&[version], Some(INITIALIZE), UnknownVersion::Refuse);
            assert_eq!(era, Ok(RequestEra::Initialize), "{version}");
        }
    }

    #[test]
    fn two_versions_are_none() {
        for unknown in [UnknownVersion::Ignore, UnknownVersion::Refuse] {
            let era = judged(&["2025-11-25", "2026-07-28"], None, unknown);
            assert!(matches!(era, Err(EraUnknown::Several(_))), "{era:?}");
        }
    }
}
