//! CORS: what a browser must be told before a page of another origin may use an endpoint.
//!
//! Which pages may is said by [`HostRules`]; the headers here only tell the browser. The format is
//! that of the Fetch standard, section 3.3.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};

use crate::{HostRules, header::single};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// What scripts of a page may read of an answer.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Mcp-Session-Id, Mcp-Protocol-Version, WWW-Authenticate, Retry-After");
/// How long a browser may remember the answer, in seconds: what Chromium takes at most.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
/// Browsers ask so before a public page reaches into a private network.
const REQUEST_PRIVATE: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Whether a request is a browser's question if it may send another one: `OPTIONS` with an `Origin`
/// and the method that it is about.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl HostRules {
    /// The headers of the answer (204, no body) to a preflight that [`HostRules::check`] has let
    /// pass. Any header may be sent: which ones a server wants is not known, `Mcp-Param-*` among them.
    pub fn preflight(&self, request: &HeaderMap) -> HeaderMap {
        let mut answer = HeaderMap::new();
        self.share(request, &mut answer);
        if !answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return answer;
        }
        answer.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        if let Some(wanted) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        if request.contains_key(REQUEST_PRIVATE) {
            answer.insert(ALLOW_PRIVATE, HeaderValue::from_static("true"));
        }
        answer
    }

    /// Lets the page that sent `request` read its answer, an error too; whatever the answer's own
    /// server said about that goes, since it does not know these rules. Without an `Origin`, or with
    /// one that is not accepted, no page may read it.
    pub fn share(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        let said: Vec<HeaderName> = answer
            .keys()
            .filter(|name| name.as_str().starts_with("access-control-"))
            .cloned()
            .collect();
        for name in said {
            answer.remove(name);
        }
        let Ok(Some(origin)) = single(request, &ORIGIN) else {
            return;
        };
        if origin.to_str().is_ok_and(|text| self.accepts_origin(text)) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
        answer.append(VARY, VARY_ORIGIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://app.example.com";

    fn rules() -> HostRules {
        HostRules::for_listener(([0, 0, 0, 0], 80).into()).allow_origins([PAGE])
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        fields.collect()
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut shown: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        shown.sort_unstable();
        shown
    }

    #[test]
    fn a_preflight_of_an_accepted_page() {
        let request = headers(&[
            ("origin", PAGE),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "content-type,mcp-session-id",
            ),
            ("access-control-request-private-network", "true"),
        ]);
        assert!(is_preflight(&Method::OPTIONS, &request));
        assert!(!is_preflight(&Method::POST, &request));
        assert!(!is_preflight(
            &Method::OPTIONS,
            &headers(&[("origin", PAGE)])
        ));
        assert_eq!(
            shown(&rules().preflight(&request)),
            [
                "access-control-allow-headers: content-type,mcp-session-id",
                "access-control-allow-methods: GET, POST, DELETE",
                "access-control-allow-origin: https://app.example.com",
                "access-control-allow-private-network: true",
                "access-control-max-age: 7200",
                "vary: Origin",
            ]
        );
    }

    #[test]
    fn answers_are_shared_with_accepted_pages_alone() {
        let own = [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("vary", "Accept"),
        ];
        for (origin, allowed) in [
            (Some(PAGE), true),
            (Some("http://localhost:6274"), true),
            (Some("https://evil.example"), false),
            (Some("null"), false),
            (None, false),
        ] {
            let mut request = HeaderMap::new();
            if let Some(origin) = origin {
                request.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            let mut answer = headers(&own);
            rules().share(&request, &mut answer);
            let to = answer.get(ACCESS_CONTROL_ALLOW_ORIGIN);
            let to = to.and_then(|value| value.to_str().ok());
            assert_eq!(to, origin.filter(|_| allowed), "{origin:?}");
            assert!(!answer.contains_key("access-control-allow-credentials"));
            let exposed = answer.get(ACCESS_CONTROL_EXPOSE_HEADERS);
            assert_eq!(exposed.is_some(), allowed, "{origin:?}");
            let vary = answer.get_all(VARY).iter().count();
            assert_eq!(vary, 1 + usize::from(origin.is_some()), "{origin:?}");
            let preflight = rules().preflight(&request);
            assert_eq!(
                preflight.contains_key(ACCESS_CONTROL_ALLOW_METHODS),
                allowed,
                "{origin:?}"
            );
        }
    }
}
