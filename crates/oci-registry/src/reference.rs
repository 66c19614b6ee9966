//! References into registries: `host/repository:tag`, `host/repository@sha256:…`, also with `oci://` before them.

use std::fmt;

use url::Url;

use crate::Error;

/// What a reference into a registry begins with.
pub const SCHEME: &str = "oci://";

/// Longest tag, in bytes.
const LONGEST_TAG: usize = 128;

/// A place in a registry, as Helm reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host, and port where one is said.
    pub registry: String,
    /// The path at that host.
    pub repository: String,
    /// The tag, with underscores for the plus signs of versions; empty where none is said.
    pub tag: String,
    /// The digest, as `sha256:…`; empty where none is said.
    pub digest: String,
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// When a part is missing, or has characters that it cannot have.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix(SCHEME).unwrap_or(text);
        let (text, digest) = text.rsplit_once('@').unwrap_or((text, ""));
        let Some((registry, path)) = text.split_once('/') else {
            return Err(invalid("missing registry or repository"));
        };
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        let tag = tag.map(|tag| tag.replace('+', "_"));
        let is_host = Url::parse(&format!("http://{registry}/")).is_ok_and(|url| url.has_host());
        let has_more = registry.contains(['@', '?', '#', '\\', ' ']);
        if !is_host || has_more {
            return Err(invalid(&format!("invalid registry {registry:?}")));
        }
        if !repository.split('/').all(is_component) {
            return Err(invalid(&format!("invalid repository {repository:?}")));
        }
        if let Some(tag) = tag.as_deref().filter(|tag| !tag.is_empty() && !is_tag(tag)) {
            return Err(invalid(&format!("invalid tag {tag:?}")));
        }
        if !digest.is_empty() {
            check_digest(digest)?;
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.unwrap_or_default(),
            digest: digest.to_owned(),
        })
    }

    /// The host that is asked.
    pub(crate) fn host(&self) -> &str {
        // Where Docker's own registry is in truth.
        match self.registry.as_str() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        }
    }

    /// What names the manifest: the tag, else the digest.
    pub fn version(&self) -> &str {
        if self.tag.is_empty() {
            &self.digest
        } else {
            &self.tag
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match (self.tag.as_str(), self.digest.as_str()) {
            ("", "") => Ok(()),
            ("", digest) => write!(f, "@{digest}"),
            (tag, _) => write!(f, ":{tag}"),
        }
    }
}

fn invalid(reason: &str) -> Error {
    Error::Refused(format!("invalid reference: {reason}"))
}

/// Runs of lower-case letters and digits; between them a dot, one or two underscores, or hyphens.
fn is_component(part: &str) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    if !(bytes.first().is_some_and(is_letter) && bytes.last().is_some_and(is_letter)) {
        return false;
    }
    let between = bytes.split(is_letter).filter(|run| !run.is_empty());
    between
        .into_iter()
        .all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|byte| *byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= LONGEST_TAG
        && tag.starts_with(is_word)
        && tag.chars().all(|c| is_word(c) || c == '.' || c == '-')
}

/// Whether a digest is one that is understood here: SHA-256.
///
/// # Errors
/// When it is of another kind, or none.
pub fn check_digest(digest: &str) -> Result<(), Error> {
    let wrong = |reason: &str| invalid(&format!("invalid digest {digest:?}: {reason}"));
    let Some((algorithm, digits)) = digest.split_once(':') else {
        return Err(wrong("invalid checksum digest format"));
    };
    if algorithm != "sha256" {
        return Err(wrong("unsupported digest algorithm"));
    }
    if digits.len() != 64 {
        return Err(wrong("invalid checksum digest length"));
    }
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !digits.bytes().all(is_digit) {
        return Err(wrong("invalid checksum digest format"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let both = format!("oci://h/a:1.0.0@{digest}");
        let bare = format!("h/a@{digest}");
        for (text, tag, shown) in [
            ("oci://h:5000/x/a:1.0.0", "1.0.0", "h:5000/x/a:1.0.0"),
            ("h/x/a:1.0.0+b.1", "1.0.0_b.1", "h/x/a:1.0.0_b.1"),
            ("[::1]:5000/a", "", "[::1]:5000/a"),
            ("h/a__b/c--d", "", "h/a__b/c--d"),
            (&both, "1.0.0", "h/a:1.0.0"),
            (&bare, "", &bare),
        ] {
            let read = Reference::parse(text).unwrap();
            assert_eq!((read.tag.as_str(), read.to_string().as_str()), (tag, shown));
        }
        assert_eq!(Reference::parse(&both).unwrap().digest, digest);
        assert_eq!(
            Reference::parse("docker.io/a/b").unwrap().host(),
            "registry-1.docker.io"
        );
    }

    #[test]
    fn what_is_none_is_refused() {
        for (text, reason) in [
            ("h", "missing registry or repository"),
            ("/a", "invalid registry"),
            ("u:p@h/a", "missing registry"),
            ("h/", "invalid repository"),
            ("h/A", "invalid repository"),
            ("h/a//b", "invalid repository"),
            ("h/../a", "invalid repository"),
            ("h/a___b", "invalid repository"),
            ("h/a:-", "invalid tag"),
            ("h/a@md5:00", "unsupported digest algorithm"),
            ("h/a@sha256:00", "invalid checksum digest length"),
            ("h/a@none", "invalid checksum digest format"),
        ] {
            let error = Reference::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
