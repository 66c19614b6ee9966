//! [`OuterUrl`]: the URL that a client called, which a server behind the gateway cannot know by itself.
//!
//! Each server is told it, in `X-Forwarded-Host`, `X-Forwarded-Proto` and `X-Forwarded-Path`. A proxy before the gateway may
//! have told the first two to the gateway: a host is believed if clients may call the gateway by it, so that nobody can
//! make a server speak of a foreign one.

use hyper::{
    HeaderMap, Request, Uri,
    header::{HOST, HeaderName, HeaderValue},
};
use mcpt_protocol::PROTECTED_RESOURCE;
use url::Url;

use crate::{access::Access, older_clients::CalledAt};

pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PATH: HeaderName = HeaderName::from_static("x-forwarded-path");

/// A URL without its query.
#[derive(Debug, Clone)]
pub(crate) struct OuterUrl {
    https: bool,
    authority: HeaderValue,
    uri: Uri,
}

impl OuterUrl {
    /// That of a request that [`Access::check`] has let pass; `None` if it does not say how it called the gateway.
    pub(crate) fn of<B>(request: &Request<B>, access: &Access) -> Option<Self> {
        let headers = request.headers();
        let forwarded = headers
            .get(FORWARDED_HOST)
            .filter(|host| host.to_str().is_ok_and(|host| access.is_called(host)));
        let authority = match forwarded.or_else(|| headers.get(HOST)) {
            Some(host) => host.clone(),
            None => HeaderValue::from_str(request.uri().authority()?.as_str()).ok()?,
        };
        let proto = headers.get(FORWARDED_PROTO);
        let called = request.extensions().get::<CalledAt>();
        Some(Self {
            https: proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https")),
            authority,
            uri: called
                .map_or_else(|| request.uri(), |CalledAt(uri)| uri)
                .clone(),
        })
    }

    /// Tells a server.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(FORWARDED_HOST, self.authority.clone());
        let proto = HeaderValue::from_static(self.scheme());
        headers.insert(FORWARDED_PROTO, proto);
        // Each path is visible ASCII.
        if let Ok(path) = HeaderValue::from_str(self.uri.path()) {
            headers.insert(FORWARDED_PATH, path);
        }
    }

    /// Whether it is one of https.
    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// A URL of the same host.
    fn at(&self, path: &str) -> Option<String> {
        let authority = self.authority.to_str().ok()?;
        Some(format!("{}://{authority}{path}", self.scheme()))
    }

    /// Where its metadata is, `query` with it. A URL without a path has it where one with a path has the begin (RFC 9728).
    pub(crate) fn metadata(&self, query: Option<&str>) -> Option<String> {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let path = Some(self.uri.path()).filter(|path| *path != "/");
        let path = path.unwrap_or_default();
        self.at(&format!("{PROTECTED_RESOURCE}{path}{query}"))
    }

    /// The URL that it is the metadata of.
    pub(crate) fn resource(&self) -> Option<String> {
        self.at(self.uri.path().strip_prefix(PROTECTED_RESOURCE)?)
    }

    /// Whether a URL is of the same host.
    pub(crate) fn is_at_host_of(&self, url: &Url) -> bool {
        let own = self.at("/").and_then(|own| Url::parse(&own).ok());
        own.is_some_and(|own| own.origin() == url.origin())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcpt_protocol::HostRules;

    use super::*;

    fn outer(headers: &[(&str, &str)], uri: &str) -> Option<OuterUrl> {
        let rules = HostRules::for_listener("127.0.0.1:8900".parse().unwrap());
        let access = Access::new(rules.allow_hosts(["mcp.example.com"]), Arc::default());
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        OuterUrl::of(&request.body(()).unwrap(), &access)
    }

    #[test]
    fn what_a_proxy_says_counts_where_it_may_be() {
        for (headers, wanted) in [
            (&[("host", "localhost:8900")][..], "http://localhost:8900"),
            (
                &[("host", "g:1"), ("x-forwarded-host", "mcp.example.com")],
                "http://mcp.example.com",
            ),
            (
                &[
                    ("host", "mcp.example.com"),
                    ("x-forwarded-host", "evil.example.com"),
                    ("x-forwarded-proto", "https"),
                ],
                "https://mcp.example.com",
            ),
            (
                &[("host", "localhost"), ("x-forwarded-proto", "gopher")],
                "http://localhost",
            ),
        ] {
            let outer = outer(headers, "/mcp/demo?a=b").unwrap();
            let metadata = format!("{wanted}/.well-known/oauth-protected-resource/mcp/demo");
            assert_eq!(outer.metadata(None), Some(metadata));
            let mut told = HeaderMap::new();
            outer.tell(&mut told);
            let proto = told[FORWARDED_PROTO].to_str().unwrap();
            let host = told[FORWARDED_HOST].to_str().unwrap();
            assert_eq!(format!("{proto}://{host}"), wanted);
            assert_eq!(told[FORWARDED_PATH], "/mcp/demo");
        }
        let absolute = outer(&[], "http://localhost:8900/mcp/demo").unwrap();
        assert_eq!(absolute.authority, "localhost:8900");
        assert!(outer(&[], "/mcp/demo").is_none());
    }

    #[test]
    fn metadata_knows_what_it_is_of() {
        let path = "/.well-known/oauth-protected-resource/mcp/ns/demo/?at=x";
        let outer = outer(&[("host", "localhost:8900")], path).unwrap();
        let resource = outer.resource().unwrap();
        assert_eq!(resource, "http://localhost:8900/mcp/ns/demo/");
        for (url, own) in [
            ("http://localhost:8900/x", true),
            ("https://localhost:8900/x", false),
            ("http://localhost:80/x", false),
            ("http://other:8900/x", false),
        ] {
            assert_eq!(outer.is_at_host_of(&Url::parse(url).unwrap()), own, "{url}");
        }
    }
}
