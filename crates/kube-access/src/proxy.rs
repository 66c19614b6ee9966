//! Which proxy leads to the API server: that of the kubeconfig, else that of the environment, by the rules of Go's programs.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` and their small forms count; `NO_PROXY` is about the API server and not about
//! `proxy-url`, and this machine is never reached by a proxy of the environment.

use std::net::IpAddr;

use http::Uri;

/// Where SOCKS proxies listen.
const SOCKS_PORT: u16 = 1080;

/// Why a proxy cannot be used. Its address may have a password, so that it is not told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It is no URL.
    #[error("the proxy in {0} is no URL")]
    NoUrl(&'static str),
    /// Nothing here speaks to such a proxy.
    #[error("the proxy in {place} is of kind {scheme:?}: it must be http, https or socks5")]
    Scheme {
        /// Which setting names it.
        place: &'static str,
        /// What the URL begins with.
        scheme: String,
    },
    /// The SOCKS proxy wants a password.
    #[error("the proxy in {0} is a socks5 one with a password, which is not supported")]
    SocksPassword(&'static str),
}

/// What the environment says about proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyVariables {
    /// `HTTPS_PROXY` or `https_proxy`.
    pub https: Option<String>,
    /// `HTTP_PROXY` or `http_proxy`.
    pub http: Option<String>,
    /// `NO_PROXY` or `no_proxy`.
    pub none: Option<String>,
}

impl ProxyVariables {
    /// Reads this process's environment. The large form counts when both are set.
    pub fn read() -> Self {
        let first = |names: [&str; 2]| {
            let mut values = names
                .into_iter()
                .filter_map(|name| std::env::var(name).ok());
            values.find(|value| !value.is_empty())
        };
        Self {
            https: first(["HTTPS_PROXY", "https_proxy"]),
            http: first(["HTTP_PROXY", "http_proxy"]),
            none: first(["NO_PROXY", "no_proxy"]),
        }
    }

    /// The proxy to an API server, if there is one between.
    ///
    /// # Errors
    /// When it is named in a way that means nothing.
    pub(crate) fn of(&self, server: &Uri) -> Result<Option<Uri>, ProxyError> {
        let (named, place) = match server.scheme_str() {
            Some("https") => (&self.https, "HTTPS_PROXY"),
            _ => (&self.http, "HTTP_PROXY"),
        };
        let Some(named) = named.as_deref().map(str::trim) else {
            return Ok(None);
        };
        if named.is_empty() || !is_proxied(server, self.none.as_deref().unwrap_or_default()) {
            return Ok(None);
        }
        parse(named, place).map(Some)
    }
}

/// A proxy as settings name it: without a scheme it is an HTTP one.
///
/// # Errors
/// When it means nothing.
pub(crate) fn parse(named: &str, place: &'static str) -> Result<Uri, ProxyError> {
    let named = named.trim();
    let (scheme, rest) = named.split_once("://").unwrap_or(("http", named));
    let rest = rest.trim_end_matches('/');
    let url = match scheme.to_ascii_lowercase().as_str() {
        scheme @ ("http" | "https") => format!("{scheme}://{rest}"),
        // Names are resolved by the proxy with either.
        "socks5" | "socks5h" if rest.contains('@') => {
            return Err(ProxyError::SocksPassword(place));
        }
        "socks5" | "socks5h" => {
            let url: Uri = format!("socks5://{rest}")
                .parse()
                .map_err(|_| ProxyError::NoUrl(place))?;
            match url.port() {
                Some(_) => url.to_string(),
                None => format!("socks5://{rest}:{SOCKS_PORT}"),
            }
        }
        other => {
            let scheme = other.to_owned();
            return Err(ProxyError::Scheme { place, scheme });
        }
    };
    let url: Uri = url.parse().map_err(|_| ProxyError::NoUrl(place))?;
    let has_host = url.host().is_some_and(|host| !host.is_empty());
    has_host.then_some(url).ok_or(ProxyError::NoUrl(place))
}

/// A proxy's address without the password that it may have.
pub(crate) fn shown(proxy: &Uri) -> String {
    let scheme = proxy.scheme_str().unwrap_or("http");
    let authority = proxy.authority().map_or("", |a| a.as_str());
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}")
}

/// Whether a server is reached by the proxy of the environment, in spite of `NO_PROXY`.
fn is_proxied(server: &Uri, none: &str) -> bool {
    let host = server.host().unwrap_or_default().to_ascii_lowercase();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    let address = address.map(|address| address.to_canonical());
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return false;
    }
    let port = server.port_u16().unwrap_or(match server.scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    let entries = none.split(|c: char| c == ',' || c.is_whitespace());
    let mut entries = entries.filter(|entry| !entry.is_empty());
    !entries.any(|entry| excludes(&entry.to_ascii_lowercase(), host, address, port))
}

/// Whether an entry of `NO_PROXY` is about a host: `*`, `10.0.0.0/8`, `10.0.0.1`, `[::1]:443`, `example.com`, `.example.com`,
/// `*.example.com`, each of the last with a port or without.
fn excludes(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        return is_within(address, network, bits);
    }
    let (name, wanted) = host_and_port(entry);
    if wanted.is_some_and(|wanted| wanted != port.to_string()) {
        return false;
    }
    if let Ok(named) = name.parse::<IpAddr>() {
        return address == Some(named.to_canonical());
    }
    let name = name
        .strip_prefix('*')
        .filter(|n| n.starts_with('.'))
        .unwrap_or(name);
    match name.strip_prefix('.') {
        Some("") => false,
        Some(_) => host.ends_with(name),
        None if name.is_empty() => false,
        None => {
            let below = host.strip_suffix(name);
            below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        }
    }
}

/// An entry's host, and its port if it has one. The colons of a bare IPv6 address begin none.
fn host_and_port(entry: &str) -> (&str, Option<&str>) {
    if let Some(rest) = entry.strip_prefix('[') {
        let (host, port) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, port.strip_prefix(':'));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

/// Whether an address is in a network.
fn is_within(address: Option<IpAddr>, network: &str, bits: &str) -> bool {
    let (Some(address), Ok(network), Ok(bits)) =
        (address, network.parse::<IpAddr>(), bits.parse::<u32>())
    else {
        return false;
    };
    let same = |a: u128, b: u128, width: u32| {
        let ignored = width.checked_sub(bits);
        ignored.is_some_and(|ignored| {
            a.checked_shr(ignored).unwrap_or(0) == b.checked_shr(ignored).unwrap_or(0)
        })
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn https(proxy: &str, none: &str) -> ProxyVariables {
        ProxyVariables {
            https: Some(proxy.to_owned()),
            http: None,
            none: Some(none.to_owned()),
        }
    }

    /// The rules of Go's `httpproxy`, which kubectl has.
    #[test]
    fn who_is_reached_without_a_proxy() {
        for (none, server, proxied) in [
            ("", "https://k.example.com:6443", true),
            ("*", "https://k.example.com:6443", false),
            ("a, *", "https://10.0.0.1:6443", false),
            ("example.com", "https://example.com", false),
            ("example.com", "https://k.example.com:6443", false),
            ("example.com", "https://notexample.com", true),
            ("Example.COM", "https://K.example.com", false),
            (".example.com", "https://k.example.com", false),
            (".example.com", "https://example.com", true),
            ("*.example.com", "https://k.example.com", false),
            ("*.example.com", "https://example.com", true),
            ("example.com:6443", "https://k.example.com:6443", false),
            ("example.com:443", "https://k.example.com:6443", true),
            ("example.com:443", "https://k.example.com", false),
            ("10.0.0.1", "https://10.0.0.1:6443", false),
            ("10.0.0.1:6443", "https://10.0.0.1:6443", false),
            ("10.0.0.1:1", "https://10.0.0.1:6443", true),
            ("10.0.0.0/8", "https://10.9.8.7:6443", false),
            ("10.0.0.0/8", "https://11.0.0.1:6443", true),
            ("0.0.0.0/0", "https://11.0.0.1:6443", false),
            ("10.0.0.0/33", "https://10.0.0.1:6443", true),
            ("10.0.0.0/8", "https://k.example.com", true),
            ("fd00::/8", "https://[fd00::1]:6443", false),
            ("fd00::1", "https://[fd00::1]:6443", false),
            ("[fd00::1]:6443", "https://[fd00::1]:6443", false),
            ("[fd00::1]:1", "https://[fd00::1]:6443", true),
            ("other, ,10.0.0.1,", "https://10.0.0.1:6443", false),
            ("other 10.0.0.1", "https://10.0.0.1:6443", false),
            (",", "https://10.0.0.1:6443", true),
            (":443", "https://10.0.0.1:6443", true),
            (".", "https://k.example.com", true),
            // This machine, whatever is set.
            ("", "https://localhost:6443", false),
            ("", "https://127.0.0.1:6443", false),
            ("", "https://[::1]:6443", false),
        ] {
            let found = https("http://proxy:3128", none).of(&server.parse().unwrap());
            assert_eq!(found.unwrap().is_some(), proxied, "{none:?} {server}");
        }
    }

    #[test]
    fn proxies_by_scheme() {
        let server: Uri = "https://k.example.com".parse().unwrap();
        for (named, url) in [
            ("http://p:3128", Ok("http://p:3128/")),
            ("p:3128", Ok("http://p:3128/")),
            ("10.0.0.1:3128/", Ok("http://10.0.0.1:3128/")),
            ("HTTPS://p", Ok("https://p/")),
            ("socks5://p:9", Ok("socks5://p:9/")),
            ("socks5h://p", Ok("socks5://p:1080/")),
            ("http://u:pa%40ss@p:1", Ok("http://u:pa%40ss@p:1/")),
            ("ftp://p", Err("of kind \"ftp\"")),
            ("http://", Err("no URL")),
            ("http://a b", Err("no URL")),
            ("socks5://u:secret@p", Err("with a password")),
        ] {
            match (https(named, "").of(&server), url) {
                (Ok(Some(found)), Ok(url)) => assert_eq!(found.to_string(), url, "{named}"),
                (Err(error), Err(words)) => {
                    let told = error.to_string();
                    assert!(
                        told.contains(words) && told.contains("HTTPS_PROXY"),
                        "{told}"
                    );
                    assert!(!told.contains("secret"), "{told}");
                }
                (found, _) => panic!("{named}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_plain_server_has_the_proxy_of_plain_servers() {
        let server: Uri = "http://k.example.com".parse().unwrap();
        assert_eq!(https("http://p:1", "").of(&server).unwrap(), None);
        let plain = ProxyVariables {
            http: Some("p:2".to_owned()),
            ..ProxyVariables::default()
        };
        assert!(plain.of(&server).unwrap().is_some());
    }

    #[test]
    fn no_password_is_shown() {
        let proxy = parse("http://u:secret@p:1", "proxy-url").unwrap();
        assert_eq!(shown(&proxy), "http://p:1");
    }
}
