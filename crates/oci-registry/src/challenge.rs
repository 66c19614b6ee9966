//! What a registry says that it wants: the header `WWW-Authenticate`.

use std::net::IpAddr;

use url::{Host, Url};

use crate::Error;

/// What is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A user and a password.
    Basic,
    /// A token from somewhere else.
    Bearer {
        realm: String,
        service: String,
        scope: String,
    },
}

impl Challenge {
    /// Reads the header; none where it is of another kind.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (kind, rest) = header.split_once(' ').unwrap_or((header, ""));
        if kind.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !kind.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (String::new(), String::new(), String::new());
        for (key, value) in parameters(rest) {
            match key.as_str() {
                "realm" => realm = value,
                "service" => service = value,
                "scope" => scope = value,
                _ => {}
            }
        }
        Some(Self::Bearer {
            realm,
            service,
            scope,
        })
    }
}

/// `key=value` and `key="value"`, with commas between; what comes after something else is left out.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let (key, after) = (key.trim(), after.trim_start());
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            let Some(read) = unquote(quoted) else { break };
            read
        } else {
            let end = after.find(',').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        found.push((key.to_ascii_lowercase(), value));
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => break,
        }
    }
    found
}

/// The text before the closing quote, and what is after it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// Where a token is to be had, for a registry at `registry`. Not from where a stranger could make us ask: not without TLS where
/// the registry has it, nor at an address of this machine or its networks, unless the registry is there itself.
///
/// # Errors
/// When it is such a place, or no address.
pub(crate) fn token_server(realm: &str, registry: &Url) -> Result<Url, Error> {
    // What lets in may be behind it.
    let told = realm.split(['?', '#']).next().unwrap_or_default();
    let refuse = |reason: &str| Err(Error::Refused(format!("bearer realm {told:?} {reason}")));
    let Ok(url) = Url::parse(realm) else {
        return refuse("is no address");
    };
    match url.scheme() {
        "https" => {}
        "http" if registry.scheme() == "https" => {
            return refuse("uses http but registry was contacted over https");
        }
        "http" => {}
        _ => return refuse("uses an unsupported scheme"),
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        _ => None,
    };
    if address.is_some_and(is_near) && url.host() != registry.host() {
        return refuse("is at a loopback, link-local, private, or unspecified address");
    }
    Ok(url)
}

fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            four.is_loopback() || four.is_link_local() || four.is_private() || four.is_unspecified()
        }
        IpAddr::V6(six) => {
            six.is_loopback()
                || six.is_unicast_link_local()
                || six.is_unique_local()
                || six.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        let bearer = |realm: &str, service: &str, scope: &str| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.to_owned(),
            scope: scope.to_owned(),
        };
        for (header, read) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            ("Negotiate", None),
            (
                "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull,push\"",
                Some(bearer("https://a/t", "s", "repository:x:pull,push")),
            ),
            (
                "bearer Realm=\"https://a/\\\"t\" , service=s,error=\"x\"",
                Some(bearer("https://a/\"t", "s", "")),
            ),
            ("Bearer realm=\"unclosed", Some(bearer("", "", ""))),
        ] {
            assert_eq!(Challenge::parse(header), read, "{header}");
        }
    }

    #[test]
    fn tokens_are_not_asked_for_anywhere() {
        for (realm, registry, is_good) in [
            ("https://auth.example/t", "https://example/v2/", true),
            ("http://auth.example/t", "http://example/v2/", true),
            ("http://auth.example/t", "https://example/v2/", false),
            ("http://127.0.0.1:9/t", "http://127.0.0.1:8/v2/", true),
            ("http://169.254.169.254/t", "http://example/v2/", false),
            ("http://[::ffff:10.0.0.1]/t", "http://example/v2/", false),
            ("http://[::1]/t", "http://example/v2/", false),
            ("ftp://auth.example/t", "http://example/v2/", false),
            ("", "http://example/v2/", false),
        ] {
            let registry = Url::parse(registry).unwrap();
            assert_eq!(token_server(realm, &registry).is_ok(), is_good, "{realm}");
        }
    }
}
