//! [`Shown`]: headers that a server wants to see, from files that are followed.

use hyper::{
    HeaderMap,
    header::{
        ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST,
        HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use mcpt_routing::{CredentialHeader, HeaderSource};

use super::rotated::{Content, Rotated, UnusableCredentials};

/// What HTTP and MCP say with headers of these names is nobody's to set.
const NOT_TO_BE_SET: [HeaderName; 11] = [
    ACCEPT,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// What MCP's own begin with.
const MCP: &str = "mcp-";

/// Headers of each request to a server.
#[derive(Debug)]
pub(super) struct Shown(Rotated<HeaderMap>);

impl Shown {
    pub(super) fn of(headers: &[CredentialHeader]) -> Option<Self> {
        if headers.is_empty() {
            return None;
        }
        let files = headers.iter().filter_map(|header| match &header.value {
            HeaderSource::File { file, .. } => Some(file.clone()),
            HeaderSource::Text(_) | HeaderSource::Hidden(_) => None,
        });
        let (files, headers) = (files.collect(), headers.to_vec());
        Some(Self(Rotated::new(files, move |files| {
            made(&headers, files)
        })))
    }

    /// Puts them on a request, whatever it had of these names.
    ///
    /// # Errors
    /// [`UnusableCredentials`].
    pub(super) fn put_on(&self, headers: &mut HeaderMap) -> Result<(), UnusableCredentials> {
        for (name, value) in &*self.0.now()? {
            headers.insert(name.clone(), value.clone());
        }
        Ok(())
    }
}

fn made(
    headers: &[CredentialHeader],
    files: &[Content<'_>],
) -> Result<HeaderMap, UnusableCredentials> {
    let mut files = files.iter();
    let mut all = HeaderMap::new();
    for header in headers {
        let invalid = || UnusableCredentials::Header(header.name.clone());
        let name: HeaderName = header.name.parse().map_err(|_| invalid())?;
        if NOT_TO_BE_SET.contains(&name) || name.as_str().starts_with(MCP) {
            return Err(invalid());
        }
        let text = match &header.value {
            HeaderSource::Text(text) => text.clone(),
            HeaderSource::Hidden(text) => text.0.expose().to_owned(),
            HeaderSource::File { prefix, .. } => {
                let content = files.next().ok_or_else(invalid)?;
                let text = content.bytes.trim_ascii();
                if text.is_empty() {
                    return Err(UnusableCredentials::Content {
                        file: content.file.to_owned(),
                        what: "value of a header",
                    });
                }
                format!("{prefix}{}", str::from_utf8(text).map_err(|_| invalid())?)
            }
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| invalid())?;
        value.set_sensitive(true);
        all.insert(name, value);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn header(name: &str, value: HeaderSource) -> CredentialHeader {
        let name = name.to_owned();
        CredentialHeader { name, value }
    }

    #[test]
    fn headers_are_made_of_texts_and_files() {
        let file = |prefix: &str| HeaderSource::File {
            prefix: prefix.to_owned(),
            file: PathBuf::from("f"),
        };
        let text = |text: &str| HeaderSource::Text(text.to_owned());
        let content = |bytes: &[u8]| Content {
            file: Path::new("f"),
            bytes: bytes.to_vec(),
        };
        let headers = [
            header("Authorization", file("Bearer ")),
            header("X-A", text("b")),
            header("X-Key", file("")),
        ];
        let all = made(&headers, &[content(b" t0k3n\n"), content(b"k")]).unwrap();
        assert_eq!(all["authorization"], "Bearer t0k3n");
        assert_eq!(all["x-key"], "k");
        assert!(!format!("{all:?}").contains("t0k3n"));
        for (name, value, bytes) in [
            ("Authorization", file(""), &b" \n"[..]),
            ("Authorization", file(""), b"a\nb"),
            ("Authorization", file(""), b"\xff"),
            ("a b", text("x"), b""),
            ("Host", text("x"), b""),
            ("Mcp-Session-Id", text("x"), b""),
        ] {
            let made = made(&[header(name, value)], &[content(bytes)]);
            assert!(made.is_err(), "{name} {bytes:?}");
        }
    }
}
