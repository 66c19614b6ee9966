//! What discovery says there is: servers with their endpoints.

use std::{fmt, num::NonZeroU32, sync::Arc};

use mcpt_core::{Namespace, ServerName, Sessions};

use crate::Handling;

/// Which server: its name within its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey {
    /// Namespace; the gateway's default one for sources that know none.
    pub namespace: Namespace,
    /// Name of the server.
    pub name: ServerName,
}

/// `NAMESPACE/NAME`, as in URLs.
impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A server as a source knows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// Which server.
    pub key: ServerKey,
    /// Whether its sessions stay on the endpoint that began them.
    pub sessions: Sessions,
    /// How its requests are handled.
    pub handling: Handling,
    /// Its endpoints, each id once.
    pub endpoints: Vec<EndpointSpec>,
}

/// One instance of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSpec {
    /// What stays the same as long as the sessions in the instance live.
    pub id: EndpointId,
    /// Where it listens.
    pub address: Address,
    /// What may be sent to it.
    pub conditions: Conditions,
    /// How much it gets beside the others.
    pub weight: NonZeroU32,
}

/// Identity of an instance: a pod's uid, or the address where nothing better is known. It is part of each session id, and
/// every replica of the gateway must know the instance by the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(Arc<str>);

impl EndpointId {
    /// Longest id in bytes; a longer one is cut off, which no platform's ids come near.
    pub const MAX: usize = 255;

    /// Takes a text as id.
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(Self::MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(Arc::from(&text[..end]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The three conditions of an endpoint, as Kubernetes' `EndpointSlices` have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// New sessions may begin here.
    pub ready: bool,
    /// It answers, also while it terminates.
    pub serving: bool,
    /// It is about to end: what it has it keeps, but it gets nothing new.
    pub terminating: bool,
}

impl Conditions {
    /// Whether it gets what may go anywhere.
    pub fn take_new(&self) -> bool {
        self.ready && !self.terminating
    }

    /// Up, for as long as nobody says otherwise.
    pub const READY: Self = Self {
        ready: true,
        serving: true,
        terminating: false,
    };
    /// There, but not answering.
    pub const UNREADY: Self = Self {
        ready: false,
        serving: false,
        terminating: false,
    };
    /// On its way out, still answering.
    pub const DRAINING: Self = Self {
        ready: false,
        serving: true,
        terminating: true,
    };
}

/// Where an endpoint listens: host, port and the path of its MCP endpoint, fit for HTTP headers as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    authority: String,
    host_length: usize,
    port: u16,
    path: String,
    called: Option<String>,
}

/// Why a text is no [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Other schemes than plain HTTP.
    #[error("only http:// URLs can be forwarded to")]
    Scheme,
    /// No host, or characters that a host name cannot have.
    #[error("its host is not valid")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("its port is not valid")]
    Port,
    /// Not a plain absolute path.
    #[error("its path must be plain: no query, fragment, blank or control character")]
    Path,
}

impl Address {
    /// Checks the parts. `host` is a name or an IP address, an IPv6 one without brackets.
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
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'"' | b'<' | b'>');
        if !path.starts_with('/') || !path.bytes().all(plain) {
            return Err(InvalidAddress::Path);
        }
        let shown = if v6 {
            format!("[{host}]")
        } else {
            host.to_ascii_lowercase()
        };
        Ok(Self {
            authority: format!("{shown}:{port}"),
            host_length: shown.len(),
            port,
            path: path.to_owned(),
            called: None,
        })
    }

    /// Reads a URL as users write it: `http://HOST[:PORT][/PATH]`, port 80 and path `/mcp` when they are left out.
    ///
    /// # Errors
    /// [`InvalidAddress`] for the first part that is wrong.
    pub fn parse(url: &str) -> Result<Self, InvalidAddress> {
        let rest = url.strip_prefix("http://").ok_or(InvalidAddress::Scheme)?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, after) = v6.split_once(']').ok_or(InvalidAddress::Host)?;
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(InvalidAddress::Host);
                }
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(InvalidAddress::Host),
                }
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| InvalidAddress::Port)?
            }
            Some(_) => return Err(InvalidAddress::Port),
            None => 80,
        };
        let path = if matches!(path, "" | "/") {
            "/mcp"
        } else {
            path
        };
        Self::new(host, port, path)
    }

    /// The same, of a server that calls itself `host`, `HOST:PORT`: it may know nothing of a port that is forwarded to it.
    #[must_use]
    pub fn called(self, host: String) -> Self {
        Self {
            called: Some(host),
            ..self
        }
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
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
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
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(
                (address.host(), address.authority(), address.path()),
                (host, authority, path)
            );
            assert_eq!(
                Address::parse(&address.to_string()).unwrap(),
                address,
                "{url}"
            );
        }
        for (url, error) in [
            ("https://a/mcp", InvalidAddress::Scheme),
            ("127.0.0.1:80", InvalidAddress::Scheme),
            ("http://", InvalidAddress::Host),
            ("http://user@host/", InvalidAddress::Host),
            ("http://[::1", InvalidAddress::Host),
            ("http://[x]:1", InvalidAddress::Host),
            ("http://::1/", InvalidAddress::Port),
            ("http://a:0", InvalidAddress::Port),
            ("http://a:+1", InvalidAddress::Port),
            ("http://a:99999", InvalidAddress::Port),
            ("http://a/b?c", InvalidAddress::Path),
            ("http://a/b c", InvalidAddress::Path),
            ("http://a/b\r\nX: y", InvalidAddress::Path),
        ] {
            assert_eq!(Address::parse(url).unwrap_err(), error, "{url}");
        }
    }

    #[test]
    fn long_ids_are_cut_at_a_character() {
        assert_eq!(EndpointId::new(&"ä".repeat(200)).as_str().len(), 254);
    }
}
