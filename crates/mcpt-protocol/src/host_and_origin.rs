//! Which `Host` and `Origin` headers an endpoint accepts: the guard against DNS rebinding and foreign
//! web pages.
//!
//! A web page can make a browser send requests to a server on the user's machine or network if a name
//! that the page's owner controls resolves there. Such a request carries that public name as its `Host`
//! and, being a POST, the page's `Origin`. Names that nobody can own in the public DNS (IP addresses,
//! `localhost`, single labels, `*.svc`, `*.cluster.local`) cannot be abused in this way.

use std::net::{IpAddr, SocketAddr};

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{HOST, ORIGIN},
};

use crate::{
    authority::{host_of, is_loopback_host},
    header::{SeveralValues, single},
};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its `Host` is missing or does not name this endpoint.
    #[error("host not allowed")]
    Host,
    /// It comes from a web page that may not use this endpoint.
    #[error("origin not allowed")]
    Origin,
    /// It has several `Host` or `Origin` headers.
    #[error(transparent)]
    Several(#[from] SeveralValues),
}

impl Refused {
    /// The HTTP status that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Host | Self::Origin => StatusCode::FORBIDDEN,
            Self::Several(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Rules for the `Host` and `Origin` headers of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRules {
    /// Whether names of private networks are accepted as `Host`, not just loopback ones.
    private_hosts: bool,
    /// Further host names without port; `*` accepts every host, a leading `.` every name below a domain.
    hosts: Vec<String>,
    /// Further origins as browsers send them (`https://app.example.com`); `*` accepts every origin.
    origins: Vec<String>,
}

impl HostRules {
    /// The rules for an endpoint that listens on `listen`: loopback names only when it is bound to loopback, else also
    /// IP addresses and names that only private networks resolve. Origins: pages served from loopback.
    pub fn for_listener(listen: SocketAddr) -> Self {
        Self {
            private_hosts: !listen.ip().is_loopback(),
            hosts: Vec::new(),
            origins: Vec::new(),
        }
    }

    /// Accepts more hosts: names without port, `.example.com` for all names below a domain, `*` for all.
    #[must_use]
    pub fn allow_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hosts
            .extend(hosts.into_iter().map(|h| h.into().to_ascii_lowercase()));
        self
    }

    /// Accepts more origins, in the form `scheme://host[:port]`, `*` for all.
    #[must_use]
    pub fn allow_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins
            .extend(origins.into_iter().map(|o| o.into().to_ascii_lowercase()));
        self
    }

    /// Accepts more hosts and origins, each list separated by commas, as they stand in environment variables.
    #[must_use]
    pub fn allow_lists(self, hosts: &str, origins: &str) -> Self {
        let entries = |list: &str| -> Vec<String> {
            let entries = list.split(',').map(str::trim);
            entries
                .filter(|entry| !entry.is_empty())
                .map(str::to_owned)
                .collect()
        };
        self.allow_hosts(entries(hosts))
            .allow_origins(entries(origins))
    }

    /// Checks the headers of a request, and the authority of its target if that has one: both must
    /// name this endpoint, since servers differ in which of them counts.
    ///
    /// # Errors
    /// [`Refused`] when one of them is not accepted, or stands there several times.
    pub fn check(&self, headers: &HeaderMap, target: Option<&str>) -> Result<(), Refused> {
        self.check_with(headers, target, |_| false)
    }

    /// The same where `further` says which other hosts are accepted.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check_with(
        &self,
        headers: &HeaderMap,
        target: Option<&str>,
        further: impl Fn(&str) -> bool,
    ) -> Result<(), Refused> {
        let host = single(headers, &HOST)?;
        let accepts = |host: &str| self.accepts_host(host) || further(host);
        let accepted = match (host, target) {
            (None, None) => false,
            (host, target) => {
                host.is_none_or(|h| text(h).is_some_and(accepts)) && target.is_none_or(accepts)
            }
        };
        if !accepted {
            return Err(Refused::Host);
        }
        match single(headers, &ORIGIN)? {
            Some(origin) if !text(origin).is_some_and(|o| self.accepts_origin(o)) => {
                Err(Refused::Origin)
            }
            _ => Ok(()),
        }
    }

    /// Whether a `Host` header (or a request target's authority) names this endpoint.
    pub fn accepts_host(&self, authority: &str) -> bool {
        let Some(host) = host_of(authority).map(str::to_ascii_lowercase) else {
            return false;
        };
        is_loopback_host(&host)
            || (self.private_hosts && is_private(&host))
            || self.hosts.iter().any(|rule| match rule.strip_prefix('.') {
                Some(domain) => host
                    .strip_suffix(domain)
                    .is_some_and(|name| name.len() > 1 && name.ends_with('.')),
                None => rule == "*" || *rule == host,
            })
    }

    /// Whether an `Origin` header is accepted. A request without one does not come from a web page and
    /// needs no check.
    pub fn accepts_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let from_loopback = ["http://", "https://"]
            .iter()
            .find_map(|scheme| origin.strip_prefix(scheme))
            .and_then(host_of)
            .is_some_and(is_loopback_host);
        from_loopback || self.origins.iter().any(|o| o == "*" || *o == origin)
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    str::from_utf8(value.as_bytes()).ok()
}

fn is_private(host: &str) -> bool {
    const CLUSTER_SUFFIXES: [&str; 3] = [".svc", ".cluster.local", ".internal"];
    if host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let plain = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    plain && (!host.contains('.') || CLUSTER_SUFFIXES.iter().any(|s| host.ends_with(s)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(listen: &str) -> HostRules {
        HostRules::for_listener(listen.parse().unwrap())
    }

    #[test]
    fn hosts() {
        let local = rules("127.0.0.1:80");
        let pod = rules("0.0.0.0:8080");
        let named = rules("127.0.0.1:80").allow_hosts(["mcp.example.com", ".Corp.example"]);
        for (host, on_loopback, in_pod, with_names) in [
            ("localhost", true, true, true),
            ("LocalHost:3000", true, true, true),
            ("127.0.0.1:1", true, true, true),
            ("[::1]:80", true, true, true),
            ("10.1.2.3:8080", false, true, false),
            ("[fd00::1]:8080", false, true, false),
            ("demo:8080", false, true, false),
            ("demo.mcp-servers.svc", false, true, false),
            (
                "demo.mcp-servers.svc.cluster.local:8080",
                false,
                true,
                false,
            ),
            ("evil.example.com", false, false, false),
            ("localhost.evil.com", false, false, false),
            ("127.0.0.1.evil.com", false, false, false),
            ("svc.evil.com", false, false, false),
            ("[::1].evil.com", false, false, false),
            ("[::1].evil.com:80", false, false, false),
            ("[localhost]", false, false, false),
            ("user@localhost", false, false, false),
            ("", false, false, false),
            ("mcp.example.com:443", false, false, true),
            ("a.corp.example", false, false, true),
            ("corp.example", false, false, false),
            ("evilcorp.example", false, false, false),
        ] {
            assert_eq!(local.accepts_host(host), on_loopback, "loopback: {host}");
            assert_eq!(pod.accepts_host(host), in_pod, "pod: {host}");
            assert_eq!(named.accepts_host(host), with_names, "named: {host}");
        }
        assert!(
            rules("127.0.0.1:80")
                .allow_hosts(["*"])
                .accepts_host("any.example.com")
        );
    }

    fn checked(host: &[&[u8]], target: Option<&str>, origin: &[&[u8]]) -> Result<(), Refused> {
        let mut headers = HeaderMap::new();
        for (name, values) in [(HOST, host), (ORIGIN, origin)] {
            for value in values {
                headers.append(&name, HeaderValue::from_bytes(value).unwrap());
            }
        }
        rules("127.0.0.1:80").check(&headers, target)
    }

    #[test]
    fn both_headers_are_checked() {
        let local: &[&[u8]] = &[b"localhost"];
        assert_eq!(checked(local, None, &[]), Ok(()));
        assert_eq!(checked(&[], None, &[]), Err(Refused::Host));
        assert_eq!(checked(&[b"\xff"], None, &[]), Err(Refused::Host));
        assert_eq!(checked(local, None, &[b"null"]), Err(Refused::Origin));
        assert_eq!(checked(local, None, &[b"\xff"]), Err(Refused::Origin));
        assert_eq!(checked(local, None, &[b"http://localhost:1"]), Ok(()));
        // HTTP/2, or a request to a proxy: the target names the host.
        assert_eq!(checked(&[], Some("localhost:1"), &[]), Ok(()));
        assert_eq!(checked(local, Some("evil.com"), &[]), Err(Refused::Host));
        let evil: &[&[u8]] = &[b"evil.com"];
        assert_eq!(checked(evil, Some("localhost"), &[]), Err(Refused::Host));
    }

    #[test]
    fn of_two_headers_none_counts() {
        let page: &[u8] = b"http://localhost";
        for refused in [
            checked(&[b"localhost", b"localhost"], None, &[]),
            checked(&[b"localhost", b"evil.com"], None, &[]),
            checked(&[b"localhost"], None, &[page, b"http://evil.com"]),
        ] {
            let status = refused.unwrap_err().status();
            assert_eq!(status, StatusCode::BAD_REQUEST);
        }
        assert_eq!(Refused::Host.status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn lists() {
        let rules =
            rules("127.0.0.1:80").allow_lists(" a.example , ,.b.example", "https://c.example");
        assert!(rules.accepts_host("a.example") && rules.accepts_host("x.b.example"));
        assert!(!rules.accepts_host("") && !rules.accepts_host("c.example"));
        assert!(rules.accepts_origin("https://c.example") && !rules.accepts_origin(""));
    }

    #[test]
    fn origins() {
        let rules = rules("0.0.0.0:80").allow_origins(["https://app.example.com"]);
        for (origin, accepted) in [
            ("http://localhost:6274", true),
            ("https://127.0.0.1", true),
            ("http://[::1]:8080", true),
            ("https://app.example.com", true),
            ("http://app.example.com", false),
            ("https://app.example.com:444", false),
            ("http://localhost.evil.com", false),
            ("http://[::1].evil.com", false),
            ("http://[::1].evil.com:80", false),
            ("http://localhost/path", false),
            ("http://10.0.0.1", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(rules.accepts_origin(origin), accepted, "{origin}");
        }
    }

    proptest! {
        #[test]
        fn whatever_follows_a_loopback_name_makes_another_name(
            name in prop::sample::select(vec!["localhost", "127.0.0.1", "[::1]"]),
            tail in "[.a-z0-9@-]{0,6}[a-z]",
        ) {
            let rules = rules("127.0.0.1:80");
            let host = format!("{name}{tail}");
            prop_assert!(!rules.accepts_host(&host), "{}", host);
            let origin = format!("http://{host}");
            prop_assert!(!rules.accepts_origin(&origin), "{}", origin);
        }
    }
}
