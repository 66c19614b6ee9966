//! How an HTTP answer that is not MCP is described to people: status, content type, first bytes.

/// How much of a body is shown.
const SHOWN_BYTES: usize = 120;

/// `HTTP 404 text/html: <!DOCTYPE html> …`, in one line.
pub(crate) fn describe(
    status: http::StatusCode,
    content_type: Option<&str>,
    body: &[u8],
) -> String {
    let mut text = format!("HTTP {}", status.as_u16());
    if let Some(content_type) = content_type {
        // Parameters such as the charset do not help to tell what answered.
        let essence = content_type
            .split(';')
            .next()
            .unwrap_or(content_type)
            .trim();
        text.push(' ');
        text.push_str(essence);
    }
    let shown = String::from_utf8_lossy(body.get(..SHOWN_BYTES).unwrap_or(body));
    let line: Vec<&str> = shown
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    if line.is_empty() {
        text.push_str(" with an empty body");
    } else {
        text.push_str(": ");
        text.push_str(&line.join(" "));
        if body.len() > SHOWN_BYTES {
            text.push_str(" …");
        }
    }
    text
}

/// The innermost cause of an error, which is what people need to read: `connection refused`.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<std::io::Error>() {
        Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
        _ => innermost.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions() {
        let check = |status: u16, content_type, body: &str, expect: &str| {
            let status = http::StatusCode::from_u16(status).unwrap();
            assert_eq!(describe(status, content_type, body.as_bytes()), expect);
        };
        check(
            404,
            Some("text/html; charset=utf-8"),
            "<a>\n  b\r\n",
            "HTTP 404 text/html: <a> b",
        );
        check(200, None, "\n", "HTTP 200 with an empty body");
        let long = "x".repeat(121);
        check(
            502,
            None,
            &long,
            &format!("HTTP 502: {} …", "x".repeat(120)),
        );
    }

    #[test]
    fn causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        let check = |error, expect| assert_eq!(innermost(&Outer(error)), expect);
        check(std::io::Error::from_raw_os_error(111), "connection refused");
        check(std::io::Error::other("something else"), "something else");
    }
}
