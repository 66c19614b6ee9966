//! URLs taken apart and put together, as Go's net/url does it.

use std::fmt::Write;

use gotmpl::{Error, Map, Type, Value};

use crate::args::{Registry, fail};

pub(crate) fn register(r: &mut Registry) {
    r.add("urlParse", &[Type::Str], Type::MAP, |a| {
        let text = a.text(0);
        let url = parse(&text).map_err(|e| {
            let shown = gotmpl::fmt::quote(text.as_bytes());
            Error::call(format!("unable to parse url: parse {shown}: {e}"))
        })?;
        Ok(Value::map([
            ("scheme", Value::from(url.scheme)),
            ("host", Value::from(url.host.clone())),
            ("hostname", Value::from(hostname(&url.host))),
            ("path", Value::from(url.path)),
            ("query", Value::from(url.query)),
            ("opaque", Value::from(url.opaque)),
            ("fragment", Value::from(url.fragment)),
            ("userinfo", Value::from(url.userinfo)),
        ]))
    });
    r.add("urlJoin", &[Type::MAP], Type::Str, |a| {
        let map = a.map(0);
        Ok(Value::from(join(&Url {
            scheme: part(&map, "scheme")?,
            host: part(&map, "host")?,
            path: part(&map, "path")?,
            query: part(&map, "query")?,
            opaque: part(&map, "opaque")?,
            fragment: part(&map, "fragment")?,
            userinfo: part(&map, "userinfo")?,
        })))
    });
}

/// The scheme of a URL that a request may name, empty for a path alone; `None` where Go's `url.ParseRequestURI` refuses it.
pub fn url_scheme(text: &str) -> Option<String> {
    let url = parse(text).ok()?;
    let is_absolute = !url.scheme.is_empty() || text.starts_with('/');
    is_absolute.then_some(url.scheme)
}

#[derive(Debug, Default)]
struct Url {
    scheme: String,
    opaque: String,
    userinfo: String,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

fn part(map: &Map, key: &str) -> Result<String, Error> {
    match map.get(key.as_bytes()) {
        None => Ok(String::new()),
        Some(Value::Str(s)) => Ok(s.text().into_owned()),
        Some(other) => fail(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind_name()
        )),
    }
}

fn parse(text: &str) -> Result<Url, Error> {
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return fail("net/url: invalid control character in URL");
    }
    let mut url = Url::default();
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    url.fragment = decode(fragment)?;
    let mut rest = text;
    if let Some((scheme, after)) = scheme(text)? {
        url.scheme = scheme.to_ascii_lowercase();
        rest = after;
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    query.clone_into(&mut url.query);
    if !path.starts_with('/') && !url.scheme.is_empty() {
        path.clone_into(&mut url.opaque);
        return Ok(url);
    }
    let mut path = path;
    if let Some(authority) = path.strip_prefix("//")
        && (!url.scheme.is_empty() || !path.starts_with("///"))
    {
        let end = authority.find('/').unwrap_or(authority.len());
        let (host, after) = authority.split_at(end);
        path = after;
        let (userinfo, host) = host.rsplit_once('@').unwrap_or(("", host));
        userinfo.clone_into(&mut url.userinfo);
        if host.contains(' ') {
            return fail("invalid character \" \" in host name");
        }
        check_port(host)?;
        host.clone_into(&mut url.host);
    }
    url.path = decode(path)?;
    Ok(url)
}

/// The scheme and what follows its colon.
fn scheme(text: &str) -> Result<Option<(&str, &str)>, Error> {
    for (i, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if i > 0 => {}
            ':' if i == 0 => return fail("missing protocol scheme"),
            ':' => return Ok(Some((&text[..i], &text[i + 1..]))),
            _ => break,
        }
    }
    let first = text.split('/').next().unwrap_or("");
    if first.contains(':') {
        return fail("first path segment in URL cannot contain colon");
    }
    Ok(None)
}

fn check_port(host: &str) -> Result<(), Error> {
    let after_address = host.rsplit(']').next().unwrap_or(host);
    match after_address.rsplit_once(':') {
        Some((_, port)) if !port.bytes().all(|b| b.is_ascii_digit()) => {
            fail(format!("invalid port \":{port}\" after host"))
        }
        _ => Ok(()),
    }
}

fn hostname(host: &str) -> String {
    if let Some(address) = host.strip_prefix('[') {
        return address.split(']').next().unwrap_or(address).to_owned();
    }
    host.rsplit_once(':')
        .map_or(host, |(name, _)| name)
        .to_owned()
}

fn decode(text: &str) -> Result<String, Error> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'%' {
            let digits = text
                .get(i + 1..i + 3)
                .and_then(|d| u8::from_str_radix(d, 16).ok());
            let Some(byte) = digits else {
                let bad: String = text[i..].chars().take(3).collect();
                return fail(format!(
                    "invalid URL escape {}",
                    gotmpl::fmt::quote(bad.as_bytes())
                ));
            };
            out.push(byte);
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn encode(text: &str, allowed: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-_.~".contains(c) || allowed.contains(c) {
            out.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn join(url: &Url) -> String {
    let mut out = String::new();
    if !url.scheme.is_empty() {
        out.push_str(&url.scheme);
        out.push(':');
    }
    if url.opaque.is_empty() {
        if !url.scheme.is_empty() || !url.host.is_empty() || !url.userinfo.is_empty() {
            if !url.host.is_empty() || !url.path.is_empty() || !url.userinfo.is_empty() {
                out.push_str("//");
            }
            if !url.userinfo.is_empty() {
                out.push_str(&url.userinfo);
                out.push('@');
            }
            out.push_str(&url.host);
        }
        if !url.path.is_empty() && !url.path.starts_with('/') && !url.host.is_empty() {
            out.push('/');
        }
        out.push_str(&encode(&url.path, "$&+,/:;=@"));
    } else {
        out.push_str(&url.opaque);
    }
    if !url.query.is_empty() {
        out.push('?');
        out.push_str(&url.query);
    }
    if !url.fragment.is_empty() {
        out.push('#');
        out.push_str(&encode(&url.fragment, "!$&'()*+,/:;=?@"));
    }
    out
}
