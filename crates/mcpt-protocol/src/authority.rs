//! `HOST:PORT` as it stands in URLs and `Host` headers.

use std::net::{IpAddr, Ipv6Addr};

/// The host of `HOST[:PORT]`, an IPv6 address without its brackets; `None` when the text is nothing of
/// the kind. The port may be empty, as RFC 3986 allows.
pub fn host_of(authority: &str) -> Option<&str> {
    let (host, rest) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (host, rest)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        authority.split_at_checked(end)?
    };
    let port_fits = match rest.strip_prefix(':') {
        Some(port) => port.is_empty() || (is_digits(port) && port.parse::<u16>().is_ok()),
        None => rest.is_empty(),
    };
    (port_fits && !host.is_empty()).then_some(host)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a host, with or without brackets, can only be this machine: `localhost`, or an address of
/// the loopback.
pub fn is_loopback_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || address_of(host).is_some_and(|address| address.to_canonical().is_loopback())
}

fn address_of(host: &str) -> Option<IpAddr> {
    let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match inside {
        Some(inside) => inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// The `Host` header for a server that is reached at `authority`, `HOST[:PORT]`.
///
/// A host name that the user gave stays: it is the server's. An address is only how the server is
/// reached, a pod's or a local process's. Servers that guard against DNS rebinding know themselves as
/// `localhost` and by nothing else, so that name is sent, always with its port.
pub fn host_header(authority: &str, default_port: u16) -> String {
    if host_of(authority).and_then(address_of).is_none() {
        return authority.to_owned();
    }
    let port = authority
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    format!("localhost:{}", port.unwrap_or(default_port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts() {
        for (authority, host) in [
            ("demo", Some("demo")),
            ("demo:80", Some("demo")),
            ("demo:", Some("demo")),
            ("[::1]:80", Some("::1")),
            ("[::1]", Some("::1")),
            ("[::1].evil.com", None),
            ("[::1]evil.com:80", None),
            ("[::1]:80.evil.com", None),
            ("[localhost]", None),
            ("[127.0.0.1]", None),
            ("[::1", None),
            ("::1", None),
            ("demo:80:80", None),
            ("demo:99999", None),
            ("demo:+80", None),
            (":80", None),
            ("", None),
        ] {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }

    #[test]
    fn the_loopback() {
        for (host, loopback) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("[::1]", true),
            ("::ffff:127.0.0.1", true),
            ("[127.0.0.1]", false),
            ("localhost.evil.com", false),
            ("127.0.0.1.evil.com", false),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(is_loopback_host(host), loopback, "{host}");
        }
    }

    #[test]
    fn what_a_server_is_called() {
        for (authority, header) in [
            ("127.0.0.1:8931", "localhost:8931"),
            ("10.1.2.3", "localhost:80"),
            ("[fd00::1]:8080", "localhost:8080"),
            ("[::1]", "localhost:80"),
            ("demo.example", "demo.example"),
            ("demo.example:80", "demo.example:80"),
            ("localhost:1", "localhost:1"),
        ] {
            assert_eq!(host_header(authority, 80), header, "{authority}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = host_of(&text).map(is_loopback_host);
        }
    }
}
