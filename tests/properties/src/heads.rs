//! Heads of requests towards the gateway and the bridge: who may ask, of which era it is, where a redirect leads.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mcpt_protocol::{
    HostRules, Message, Redirect, UnknownVersion, era_of_request, host_header, host_of,
    is_loopback_host, is_preflight, media, redirect,
};

/// Panics when it does not hold for these bytes.
pub fn heads(data: &[u8]) {
    let (head, body) = data
        .windows(2)
        .position(|end| end == b"\n\n")
        .map_or((data, &[][..]), |at| (&data[..at], &data[at + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        if let Ok(name) = HeaderName::from_bytes(&line[..colon])
            && let Ok(value) = HeaderValue::from_bytes(line[colon + 1..].trim_ascii())
        {
            headers.append(name, value);
        }
    }
    let listen = "127.0.0.1:8080".parse().expect("an address");
    let rules = HostRules::for_listener(listen);
    let hosts: Vec<_> = headers.get_all("host").iter().collect();
    if rules.check(&headers, None).is_ok() {
        assert_eq!(hosts.len(), 1, "one host, and only one");
        let host = hosts[0].to_str().expect("a host that is text");
        assert!(host_of(host).is_some_and(is_loopback_host), "{host}");
    }
    let mut answer = HeaderMap::new();
    if is_preflight(&Method::OPTIONS, &headers) {
        let _ = rules.preflight(&headers);
    }
    rules.share(&headers, &mut answer);
    let message = Message::parse(body).ok();
    let _ = era_of_request(&headers, message.as_ref(), UnknownVersion::Refuse);
    let _ = era_of_request(&headers, message.as_ref(), UnknownVersion::Ignore);
    let _ = media::accepts(&headers, media::JSON);
    let _ = media::is_type(&headers, media::JSON);
    let asked = url::Url::parse("http://server.example:8080/mcp").expect("a URL");
    let location = headers.get("location").map(HeaderValue::as_bytes);
    if let Redirect::Follow(to) = redirect(&asked, StatusCode::TEMPORARY_REDIRECT, location) {
        assert_eq!(to.origin(), asked.origin());
    }
    if let Some(host) = headers.get("host").and_then(|host| host.to_str().ok()) {
        let _ = host_header(host, 80);
    }
}
