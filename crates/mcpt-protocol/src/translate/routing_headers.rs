//! Headers that mirror what a request of 2026-07-28 is about, and values that no header can carry as they are.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue};

use super::Object;
use crate::header;

const MARK: &str = "=?base64?";
const END: &str = "?=";

/// The parameter that `Mcp-Name` mirrors, by the method of a request.
pub fn name_parameter(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// The headers of a request with these parameters, without that of the version.
pub fn mirrored(method: &str, params: &Object<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let name = name_parameter(method).and_then(|name| params.text(name));
    let named = name.map(|name| (header::NAME, encoded(&name)));
    [Some((header::METHOD, encoded(method))), named]
        .into_iter()
        .flatten()
        .collect()
}

/// A text as the value of a header: as it is where that can be said, else by base64 between marks.
fn encoded(text: &str) -> HeaderValue {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t'));
    let edges = text.trim_ascii() == text;
    if plain
        && edges
        && !text.starts_with(MARK)
        && let Ok(value) = HeaderValue::from_str(text)
    {
        return value;
    }
    let coded = format!("{MARK}{}{END}", STANDARD.encode(text));
    // What base64 gives is fit for a header.
    HeaderValue::try_from(coded).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The text that a header's value stands for; `None` if it is nothing that can be sent so.
pub fn decoded(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    match text.strip_prefix(MARK).and_then(|t| t.strip_suffix(END)) {
        Some(coded) => String::from_utf8(STANDARD.decode(coded).ok()?).ok(),
        None => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_as_headers() {
        let params = Object::read(r#"{"name":"caf\u00e9","uri":"x://y"}"#).unwrap();
        for (method, name) in [
            ("tools/call", Some("=?base64?Y2Fmw6k=?=")),
            ("resources/read", Some("x://y")),
            ("tools/list", None),
            ("tasks/get", None),
        ] {
            let headers = mirrored(method, &params);
            let value = |name: &HeaderName| {
                let found = headers.iter().find(|(n, _)| n == name)?;
                found.1.to_str().ok()
            };
            assert_eq!(value(&header::METHOD), Some(method));
            assert_eq!(value(&header::NAME), name, "{method}");
        }
    }

    proptest! {
        #[test]
        fn each_text_comes_back(text in any::<String>()) {
            prop_assert_eq!(decoded(&encoded(&text)), Some(text));
        }

        #[test]
        fn texts_near_the_marks_come_back(text in "(=\\?base64\\?)?[ a=?]{0,4}(\\?=)?") {
            prop_assert_eq!(decoded(&encoded(&text)), Some(text));
        }
    }
}
