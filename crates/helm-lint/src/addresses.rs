//! What Helm takes for a mail address, for a page and for a URL.

/// Longest page, in characters.
const LONGEST: usize = 2083;

/// Schemes of pages.
const SCHEMES: [&str; 7] = ["ftp", "tcp", "udp", "ws", "wss", "http", "https"];

/// An absolute URL of any scheme, as Go's `url.ParseRequestURI` takes it.
pub(crate) fn is_request_url(text: &str) -> bool {
    helm_funcs::url_scheme(text).is_some_and(|scheme| !scheme.is_empty())
}

/// `local@host.domain`, where letters may be of any script.
pub(crate) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    is_local(local) && is_domain(domain)
}

fn is_foreign(c: char) -> bool {
    matches!(c, '\u{a0}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{ffef}')
}

fn is_local(local: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    if let Some(quoted) = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) {
        return !quoted.contains(['"', '\\']);
    }
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(|c| inside(c) || is_foreign(c)))
}

fn is_domain(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let Some((before, last)) = domain.rsplit_once('.') else {
        return false;
    };
    let letter = |c: char| c.is_ascii_alphabetic() || is_foreign(c);
    let alphanumeric = |c: char| letter(c) || c.is_ascii_digit();
    let ends =
        |text: &str, fits: &dyn Fn(char) -> bool| text.starts_with(fits) && text.ends_with(fits);
    ends(last, &letter)
        && last.chars().all(|c| alphanumeric(c) || "-_~".contains(c))
        && ends(before, &alphanumeric)
        && before
            .chars()
            .all(|c| alphanumeric(c) || "-._~".contains(c))
}

/// The address of a page; its scheme may be left out.
pub(crate) fn is_page(text: &str) -> bool {
    let length = text.chars().count();
    if length >= LONGEST
        || text.len() <= 3
        || text.starts_with('.')
        || text.contains(char::is_whitespace)
    {
        return false;
    }
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) => rest,
        Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => return false,
        _ => text,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let without_scheme = rest.len() == text.len();
    if without_scheme && authority.is_empty() && !path.contains('.') {
        return false;
    }
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if without_scheme && !host.contains('.') && !host.contains(':') {
        return false;
    }
    is_host(host)
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_port = |port: &str| {
        (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !port.is_none_or(is_port) {
        return false;
    }
    if let Some(address) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let alphanumeric = |c: char| c.is_ascii_alphanumeric() || matches!(c, '\u{a1}'..='\u{ffff}');
    name.split('.').enumerate().all(|(index, label)| {
        label.starts_with(alphanumeric)
            && label.ends_with(alphanumeric)
            && label
                .chars()
                .all(|c| alphanumeric(c) || c == '-' || c == '_' && index == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_mail() {
        for (text, fits) in [
            ("a@b.cd", true),
            ("a.b+c@sub.example.com", true),
            ("a@b.cd.", true),
            ("ä@ö.de", true),
            ("\"a b\"@c.de", true),
            ("a@b", false),
            ("a@b.c1-", false),
            ("@b.cd", false),
            ("a..b@c.de", false),
            ("plain", false),
            ("a b@c.de", false),
        ] {
            assert_eq!(is_email(text), fits, "{text}");
        }
    }

    #[test]
    fn addresses_of_pages() {
        for (text, fits) in [
            ("https://example.com/x?y#z", true),
            ("example.com", true),
            ("http://localhost:8080", true),
            ("http://user:word@example.com", true),
            ("http://[::1]:80/", true),
            ("mailto:a@b.cd", true),
            ("gopher://example.com", false),
            ("http://", false),
            ("http://-a.com", false),
            ("http://a.com:123456", false),
            ("word", false),
            ("a b", false),
        ] {
            assert_eq!(is_page(text), fits, "{text}");
        }
    }
}
