//! Where a redirect of an MCP endpoint may lead: to another path of the same origin, and nowhere else.
//!
//! A client sends its session id, its credentials and whole messages. Whoever answers at one place
//! decides about that place, and about no other.

use http::StatusCode;
use url::Url;

use crate::authority::is_loopback_host;

/// Most redirects that are followed for one request.
pub const REDIRECTS_MAX: usize = 5;

/// What an answer says about where to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirect {
    /// It is none, or names no other place: the answer is what it is.
    None,
    /// The same request belongs to this URL, on the same origin.
    Follow(Url),
    /// It leads away from the origin, and is not followed.
    Elsewhere(Url),
}

/// What an answer with this status and `Location` to a request for `asked` says. The request is sent
/// again as it was, with 301 and 302 too: a POST that becomes a GET is no MCP message. 303 wants that,
/// and is no redirect for MCP.
///
/// The origin is scheme, host and port; loopback names and addresses are one host.
pub fn redirect(asked: &Url, status: StatusCode, location: Option<&[u8]>) -> Redirect {
    if !matches!(status.as_u16(), 301 | 302 | 307 | 308) {
        return Redirect::None;
    }
    let location = location.and_then(|location| str::from_utf8(location).ok());
    let Some(Ok(mut to)) = location.map(|location| asked.join(location)) else {
        return Redirect::None;
    };
    to.set_fragment(None);
    if same_origin(asked, &to) {
        Redirect::Follow(to)
    } else {
        Redirect::Elsewhere(to)
    }
}

fn same_origin(one: &Url, other: &Url) -> bool {
    let local = |url: &Url| url.host_str().is_some_and(is_loopback_host);
    let web = matches!(one.scheme(), "http" | "https");
    let unnamed = other.username().is_empty() && other.password().is_none();
    web && unnamed
        && one.scheme() == other.scheme()
        && one.port_or_known_default() == other.port_or_known_default()
        && (one.host() == other.host() || (local(one) && local(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_origin_is_followed() {
        const ASKED: &str = "http://demo.example:8080/mcp?a=b";
        let follow = |url: &str| Redirect::Follow(url.parse().unwrap());
        let elsewhere = |url: &str| Redirect::Elsewhere(url.parse().unwrap());
        for (asked, status, location, expected) in [
            (
                ASKED,
                307,
                Some("/mcp/"),
                follow("http://demo.example:8080/mcp/"),
            ),
            (
                ASKED,
                308,
                Some("mcp/?x#f"),
                follow("http://demo.example:8080/mcp/?x"),
            ),
            (
                ASKED,
                301,
                Some("http://demo.example:8080/x"),
                follow("http://demo.example:8080/x"),
            ),
            (
                ASKED,
                302,
                Some("//DEMO.example:8080/x"),
                follow("http://demo.example:8080/x"),
            ),
            (
                ASKED,
                307,
                Some("http://demo.example/x"),
                elsewhere("http://demo.example/x"),
            ),
            (
                ASKED,
                307,
                Some("//evil.example/mcp"),
                elsewhere("http://evil.example/mcp"),
            ),
            (
                ASKED,
                307,
                Some("https://demo.example:8080/mcp"),
                elsewhere("https://demo.example:8080/mcp"),
            ),
            (
                ASKED,
                307,
                Some("http://me:pw@demo.example:8080/"),
                elsewhere("http://me:pw@demo.example:8080/"),
            ),
            (
                ASKED,
                307,
                Some("file:///etc/passwd"),
                elsewhere("file:///etc/passwd"),
            ),
            (ASKED, 303, Some("/mcp/"), Redirect::None),
            (ASKED, 200, Some("/mcp/"), Redirect::None),
            (ASKED, 307, Some("http://[::1"), Redirect::None),
            (ASKED, 307, None, Redirect::None),
            (
                "http://localhost:80/mcp",
                307,
                Some("http://127.0.0.1/mcp/"),
                follow("http://127.0.0.1/mcp/"),
            ),
            (
                "http://[::1]:9/mcp",
                307,
                Some("http://localhost:9/mcp/"),
                follow("http://localhost:9/mcp/"),
            ),
            (
                "http://127.0.0.1:9/mcp",
                307,
                Some("http://10.0.0.1:9/mcp/"),
                elsewhere("http://10.0.0.1:9/mcp/"),
            ),
            (
                "http://127.0.0.1:9/mcp",
                307,
                Some("http://127.0.0.1.evil.example:9/"),
                elsewhere("http://127.0.0.1.evil.example:9/"),
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let found = redirect(&asked.parse().unwrap(), status, location.map(str::as_bytes));
            assert_eq!(found, expected, "{asked} {status} {location:?}");
        }
    }
}
