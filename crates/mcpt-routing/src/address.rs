//! [`Address`]: where an endpoint listens, and what it takes to be let in there.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use mcpt_core::Secret;

use crate::Credentials;

/// Where an endpoint listens: scheme, host, port, path and query of its MCP endpoint, fit for HTTP as they are. `Debug` and
/// `Display` leave the query out: some services have their keys in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    tls: bool,
    authority: String,
    host_length: usize,
    port: u16,
    path: String,
    query: Option<Query>,
    called: Option<String>,
    credentials: Option<Arc<Credentials>>,
}

#[derive(Debug, Clone)]
struct Query(Secret);

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

impl Eq for Query {}

/// Why a text is no [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Other schemes than HTTP's.
    #[error("only http:// and https:// URLs can be forwarded to")]
    Scheme,
    /// No host, or characters that a host name cannot have.
    #[error("its host is not valid")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("its port is not valid")]
    Port,
    /// Not a plain absolute path.
    #[error("its path must be plain: no fragment, blank or control character")]
    Path,
    /// Not a plain query.
    #[error("its query must be plain: no fragment, blank or control character")]
    Query,
}

impl Address {
    /// Checks the parts of one that is reached by plain HTTP. `host` is a name or an IP address, an IPv6 one without brackets.
    ///
    /// # Errors
    /// [`InvalidAddress`] for the first part that is wrong.
    pub fn new(host: &str, port: u16, path: &str) -> Result<Self, InvalidAddress> {
        let v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if host.is_empty() || !(v6 || host.bytes().all(name)) {
            return Err(InvalidAddress::Host);
        }
        if port == 0 {
            return Err(InvalidAddress::Port);
        }
        if !path.starts_with('/') || path.contains('?') || !is_plain(path) {
            return Err(InvalidAddress::Path);
        }
        let shown = if v6 {
            format!("[{host}]")
        } else {
            host.to_ascii_lowercase()
        };
        Ok(Self {
            tls: false,
            authority: format!("{shown}:{port}"),
            host_length: shown.len(),
            port,
            path: path.to_owned(),
            query: None,
            called: None,
            credentials: None,
        })
    }

    /// Reads a URL as users write it: `http[s]://HOST[:PORT][/PATH][?QUERY]`. With `http` a URL without a path means `/mcp`;
    /// a service that publishes an `https` one means what it says.
    ///
    /// # Errors
    /// [`InvalidAddress`] for the first part that is wrong.
    pub fn parse(url: &str) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidAddress::Scheme)?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(InvalidAddress::Scheme),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        if query.is_some_and(|query| !is_plain(query)) {
            return Err(InvalidAddress::Query);
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (host, port) = host_and_port(authority)?;
        let port = match port {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| InvalidAddress::Port)?
            }
            Some(_) => return Err(InvalidAddress::Port),
            None if tls => 443,
            None => 80,
        };
        let path = match path {
            "" | "/" if !tls => "/mcp",
            "" => "/",
            path => path,
        };
        let query = query.filter(|query| !query.is_empty());
        Ok(Self {
            tls,
            query: query.map(|query| Query(Secret::new(query))),
            ..Self::new(host, port, path)?
        })
    }

    /// The same, of a server that calls itself `host`, `HOST:PORT`: it may know nothing of a port that is forwarded to it.
    #[must_use]
    pub fn called(self, host: String) -> Self {
        Self {
            called: Some(host),
            ..self
        }
    }

    /// The same, of a server that wants to see these.
    #[must_use]
    pub fn with_credentials(self, credentials: Arc<Credentials>) -> Self {
        Self {
            credentials: Some(credentials),
            ..self
        }
    }

    /// The same, reached by `https`.
    #[must_use]
    pub fn with_tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Whether it is reached by `https`.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// What the server wants to see, if anything.
    pub fn credentials(&self) -> Option<&Arc<Credentials>> {
        self.credentials.as_ref()
    }

    /// What the server calls itself, if that does not follow from where it is reached.
    pub fn own_name(&self) -> Option<&str> {
        self.called.as_deref()
    }

    /// `HOST:PORT`, an IPv6 address in brackets.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Name or IP address to connect to, without brackets.
    pub fn host(&self) -> &str {
        let shown = &self.authority[..self.host_length];
        shown
            .strip_prefix('[')
            .and_then(|v6| v6.strip_suffix(']'))
            .unwrap_or(shown)
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path of the MCP endpoint, with its leading slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Query of the MCP endpoint, without its question mark. It may hold a key.
    pub fn query(&self) -> Option<&str> {
        self.query.as_ref().map(|query| query.0.expose())
    }

    /// What tells an instance from others where nothing better is known: its URL, and of the query only so much of a digest
    /// that another one is another text, and that no guess at a key in it can be confirmed.
    pub fn identity(&self) -> String {
        match self.query() {
            None => self.to_string(),
            Some(query) => {
                let hash = digest(&SHA256, query.as_bytes());
                let short = hash.as_ref().first_chunk().copied().unwrap_or_default();
                format!("{self}#{:08x}", u32::from_be_bytes(short))
            }
        }
    }
}

/// Without its query.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'<' | b'>');
    text.bytes().all(plain)
}

fn host_and_port(authority: &str) -> Result<(&str, Option<&str>), InvalidAddress> {
    let Some(v6) = authority.strip_prefix('[') else {
        return Ok(match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        });
    };
    let (host, after) = v6.split_once(']').ok_or(InvalidAddress::Host)?;
    if host.parse::<std::net::Ipv6Addr>().is_err() {
        return Err(InvalidAddress::Host);
    }
    match after.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if after.is_empty() => Ok((host, None)),
        None => Err(InvalidAddress::Host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, host, authority, path) in [
            (
                "http://127.0.0.1:9000/mcp",
                "127.0.0.1",
                "127.0.0.1:9000",
                "/mcp",
            ),
            ("http://Demo.local", "demo.local", "demo.local:80", "/mcp"),
            ("http://demo:1/", "demo", "demo:1", "/mcp"),
            ("http://[::1]:9/a/b", "::1", "[::1]:9", "/a/b"),
            ("http://[::1]", "::1", "[::1]:80", "/mcp"),
            ("https://a.example", "a.example", "a.example:443", "/"),
            (
                "https://a.example/mcp",
                "a.example",
                "a.example:443",
                "/mcp",
            ),
            ("https://[::1]:9/a", "::1", "[::1]:9", "/a"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(
                (address.host(), address.authority(), address.path()),
                (host, authority, path)
            );
            assert_eq!(address.is_tls(), url.starts_with("https"));
            assert_eq!(
                Address::parse(&address.to_string()).unwrap(),
                address,
                "{url}"
            );
        }
        for (url, error) in [
            ("ftp://a/mcp", InvalidAddress::Scheme),
            ("HTTPS://a/mcp", InvalidAddress::Scheme),
            ("127.0.0.1:80", InvalidAddress::Scheme),
            ("http://", InvalidAddress::Host),
            ("https://?a", InvalidAddress::Host),
            ("http://user@host/", InvalidAddress::Host),
            ("http://[::1", InvalidAddress::Host),
            ("http://[x]:1", InvalidAddress::Host),
            ("http://::1/", InvalidAddress::Port),
            ("http://a:0", InvalidAddress::Port),
            ("http://a:+1", InvalidAddress::Port),
            ("http://a:99999", InvalidAddress::Port),
            ("http://a/b#c", InvalidAddress::Path),
            ("http://a/b c", InvalidAddress::Path),
            ("http://a/b\r\nX: y", InvalidAddress::Path),
            ("http://a/b?c#d", InvalidAddress::Query),
            ("http://a/b?c d", InvalidAddress::Query),
            ("http://a/b?c\r\nX: y", InvalidAddress::Query),
        ] {
            assert_eq!(Address::parse(url).unwrap_err(), error, "{url}");
        }
        assert_eq!(Address::new("a", 1, "/b?c"), Err(InvalidAddress::Path));
    }

    #[test]
    fn a_query_is_part_of_it_and_never_shown() {
        let address = |url| Address::parse(url).unwrap();
        let keyed = address("https://a.example/x?key=s3cret&b");
        assert_eq!(keyed.query(), Some("key=s3cret&b"));
        for text in [format!("{keyed:?}"), keyed.to_string(), keyed.identity()] {
            assert!(!text.contains("s3cret"), "{text}");
        }
        let other = address("https://a.example/x?key=other");
        assert_ne!(keyed, other);
        assert_ne!(keyed.identity(), other.identity());
        let none = address("https://a.example/x?");
        assert_eq!(none, address("https://a.example/x"));
        assert_eq!(none.identity(), "https://a.example:443/x");
    }
}
