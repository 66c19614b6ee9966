//! [`Image`]: references of container images, the one grammar of them for flags, templates, registries and chart values.
//!
//! The grammar is Docker's (`NAME[:TAG][@DIGEST]`, as the `reference` package of the distribution project reads it). Nothing
//! is completed: `demo` stays `demo`, and becomes `docker.io/library/demo:latest` only where it is pulled. The schemas of the
//! charts say the same grammar as regular expressions.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest path of a repository, the registry not counted.
const PATH_MAX: usize = 255;
/// Longest tag.
const TAG_MAX: usize = 128;
/// Path that Docker puts before a name of one part.
const LIBRARY: &str = "library/";

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Registry and repository, without tag and digest.
    pub repository: String,
    /// Tag, without `:`.
    pub tag: Option<String>,
    /// Digest, `sha256:…`; what it names is what runs, whatever the tag says.
    pub digest: Option<String>,
    /// `Always`, `IfNotPresent` or `Never`, as Kubernetes spells it; `None` means the backend's default.
    pub pull_policy: Option<String>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImage {
    /// It does not follow the grammar.
    #[error("{text:?} is not the name of an image: {reason}")]
    Grammar {
        /// The text.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A reference and a tag given beside it name two images.
    #[error("the image {reference:?} and the tag {tag:?} name two images: give one of them")]
    TwoImages {
        /// The reference.
        reference: String,
        /// The tag.
        tag: String,
    },
}

impl Image {
    /// Reads `NAME[:TAG][@DIGEST]`.
    ///
    /// # Errors
    /// [`InvalidImage::Grammar`] for what Docker refuses, too.
    pub fn parse(reference: &str) -> Result<Self, InvalidImage> {
        let wrong = |reason| InvalidImage::Grammar {
            text: reference.to_owned(),
            reason,
        };
        if reference.len() == 64 && reference.bytes().all(is_lower_hex) {
            return Err(wrong("64 hexadecimal digits are the id of an image"));
        }
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (reference, None),
        };
        let (repository, tag) = split_tag(name);
        check_repository(repository).map_err(wrong)?;
        tag.map_or(Ok(()), check_tag).map_err(wrong)?;
        digest.map_or(Ok(()), check_digest).map_err(wrong)?;
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
            pull_policy: None,
        })
    }

    /// The image with what a field for tags says: `TAG`, `DIGEST` or `TAG@DIGEST`.
    ///
    /// # Errors
    /// [`InvalidImage`] when the text is none of these, or another tag or digest than the reference has.
    pub fn with_tag(mut self, text: &str) -> Result<Self, InvalidImage> {
        let wrong = |reason| InvalidImage::Grammar {
            text: text.to_owned(),
            reason,
        };
        let (tag, digest) = match text.split_once('@') {
            Some((tag, digest)) => (Some(tag), Some(digest)),
            None if text.contains(':') => (None, Some(text)),
            None => (Some(text), None),
        };
        tag.map_or(Ok(()), check_tag).map_err(wrong)?;
        digest.map_or(Ok(()), check_digest).map_err(wrong)?;
        let differ = |own: &Option<String>, given: Option<&str>| {
            own.as_deref()
                .zip(given)
                .is_some_and(|(own, given)| own != given)
        };
        if differ(&self.tag, tag) || differ(&self.digest, digest) {
            return Err(InvalidImage::TwoImages {
                reference: self.reference(),
                tag: text.to_owned(),
            });
        }
        if let Some(tag) = tag {
            self.tag = Some(tag.to_owned());
        }
        if let Some(digest) = digest {
            self.digest = Some(digest.to_owned());
        }
        Ok(self)
    }

    /// The full reference: `NAME[:TAG][@DIGEST]`, with the tag `latest` when there is neither.
    pub fn reference(&self) -> String {
        let digest_alone = self.tag.is_none() && self.digest.is_some();
        let separator = if digest_alone { '@' } else { ':' };
        format!("{}{separator}{}", self.repository, self.version())
    }

    /// All after the name, as a field for tags takes it: `TAG`, `DIGEST` or `TAG@DIGEST`; `latest` when there is neither.
    pub fn version(&self) -> String {
        match (&self.tag, &self.digest) {
            (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
            (Some(version), None) | (None, Some(version)) => version.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl FromStr for Image {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        Self::parse(text)
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reference())
    }
}

/// A colon is a tag's only after the last slash; before it, it belongs to the registry's port.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    // The first part is a registry when it cannot be the name of a folder there.
    let is_registry = |part: &str| {
        part == "localhost"
            || part.contains(['.', ':'])
            || part.bytes().any(|b| b.is_ascii_uppercase())
    };
    let (registry, path) = match repository.split_once('/') {
        Some((first, rest)) if is_registry(first) => (Some(first), rest),
        _ => (None, repository),
    };
    registry.map_or(Ok(()), check_registry)?;
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("its repository must be in lower case");
    }
    if !path.split('/').all(is_component) {
        return Err(
            "a repository is parts of a-z and 0-9 between slashes, with single '.' or '_', '__' or '-' within them",
        );
    }
    let hidden = if registry.is_none() && !path.contains('/') {
        LIBRARY.len()
    } else {
        0
    };
    if path.len() + hidden > PATH_MAX {
        return Err("its repository is longer than 255 characters");
    }
    Ok(())
}

/// A host name, an IPv4 address or an IPv6 one in brackets, with or without a port.
fn check_registry(registry: &str) -> Result<(), &'static str> {
    let wrong = Err("its registry is not HOST[:PORT]");
    let (host, port) = if let Some(rest) = registry.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return wrong;
        };
        if !is_ipv6(address) {
            return wrong;
        }
        (None, port)
    } else {
        let end = registry.find(':').unwrap_or(registry.len());
        (Some(&registry[..end]), &registry[end..])
    };
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.is_some_and(|host| !host.split('.').all(label)) {
        return wrong;
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => wrong,
    }
}

/// The form alone, as Docker looks at it.
fn is_ipv6(address: &str) -> bool {
    !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let bytes = part.as_bytes();
    let letter = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !bytes.first().is_some_and(letter) || !bytes.last().is_some_and(letter) {
        return false;
    }
    bytes.split(letter).all(|between| {
        matches!(between, b"" | b"." | b"_" | b"__") || between.iter().all(|b| *b == b'-')
    })
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if tag.is_empty() || !tag.bytes().all(inner) || tag.starts_with(['.', '-']) {
        return Err("a tag is letters, digits, '_', '.' and '-', the first neither '.' nor '-'");
    }
    if tag.len() > TAG_MAX {
        return Err("its tag is longer than 128 characters");
    }
    Ok(())
}

fn check_digest(digest: &str) -> Result<(), &'static str> {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return Err("a digest is ALGORITHM:HEX");
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err("the algorithms of digests are sha256, sha384 and sha512"),
    };
    if hex.len() != length || !hex.bytes().all(is_lower_hex) {
        return Err("its digest has the wrong length, or other characters than 0-9 and a-f");
    }
    Ok(())
}

fn is_lower_hex(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> String {
        format!("sha256:{}", "0123456789abcdef".repeat(4))
    }

    #[test]
    fn references() {
        for (text, repository, tag, has_digest) in [
            ("demo", "demo", None, false),
            ("demo:1", "demo", Some("1"), false),
            ("demo:1.10", "demo", Some("1.10"), false),
            ("demo:_x.y-z", "demo", Some("_x.y-z"), false),
            ("localhost/demo", "localhost/demo", None, false),
            ("localhost:5000/demo", "localhost:5000/demo", None, false),
            ("localhost:5000", "localhost", Some("5000"), false),
            (
                "localhost:5000/a/demo:1.2",
                "localhost:5000/a/demo",
                Some("1.2"),
                false,
            ),
            (
                "ghcr.io/a/b-c/d__e.f_g:v1",
                "ghcr.io/a/b-c/d__e.f_g",
                Some("v1"),
                false,
            ),
            ("[fd00::1]:5000/a:1", "[fd00::1]:5000/a", Some("1"), false),
            ("[fd00::1]/a", "[fd00::1]/a", None, false),
            ("10.0.0.1/a", "10.0.0.1/a", None, false),
            ("Registry/a", "Registry/a", None, false),
            ("a/b/c", "a/b/c", None, false),
            ("a--b", "a--b", None, false),
            ("42", "42", None, false),
            ("demo@D", "demo", None, true),
            ("demo:1@D", "demo", Some("1"), true),
            ("r:5000/demo:1@D", "r:5000/demo", Some("1"), true),
        ] {
            let text = text.replace('D', &digest());
            let image = Image::parse(&text).unwrap();
            assert_eq!(image.repository, repository, "{text}");
            assert_eq!(image.tag.as_deref(), tag, "{text}");
            assert_eq!(image.digest.is_some(), has_digest, "{text}");
            let whole = if tag.is_none() && !has_digest {
                format!("{text}:latest")
            } else {
                text
            };
            assert_eq!(image.reference(), whole);
            assert_eq!(Image::parse(&whole).unwrap().reference(), whole);
        }
    }

    #[test]
    fn what_docker_refuses() {
        for (text, reason) in [
            ("", "parts of a-z"),
            (":1", "parts of a-z"),
            ("Demo", "lower case"),
            ("a/Demo", "lower case"),
            ("r.io/", "parts of a-z"),
            ("a//b", "parts of a-z"),
            ("/a", "parts of a-z"),
            ("https://r.io/a", "HOST[:PORT]"),
            ("a___b", "parts of a-z"),
            ("a..b", "parts of a-z"),
            ("a-", "parts of a-z"),
            ("a b", "parts of a-z"),
            ("a:", "a tag is"),
            ("a:-1", "a tag is"),
            ("a:1:2", "parts of a-z"),
            ("a:b c", "a tag is"),
            ("-r.io/a", "HOST[:PORT]"),
            ("r.io:x/a", "HOST[:PORT]"),
            ("r.io:/a", "HOST[:PORT]"),
            ("[::g]/a", "HOST[:PORT]"),
            ("a@", "ALGORITHM:HEX"),
            ("a@sha256", "ALGORITHM:HEX"),
            ("a@sha256:ab", "wrong length"),
            (
                "a@sha1:0123456789012345678901234567890123456789",
                "the algorithms",
            ),
            ("a@DIGEST@DIGEST", "wrong length"),
            ("a@UPPER", "wrong length"),
            ("HEX", "the id of an image"),
        ] {
            let text = text
                .replace("DIGEST", &digest())
                .replace("UPPER", &format!("sha256:{}", "AB".repeat(32)))
                .replace("HEX", &"ab".repeat(32));
            let error = Image::parse(&text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(Image::parse(&format!("a:{}", "x".repeat(128))).is_ok());
        assert!(Image::parse(&format!("a:{}", "x".repeat(129))).is_err());
        assert!(Image::parse(&"x".repeat(247)).is_ok());
        assert!(Image::parse(&"x".repeat(248)).is_err());
        assert!(Image::parse(&format!("r.io/{}", "x".repeat(255))).is_ok());
        assert!(Image::parse(&format!("r.io/{}", "x".repeat(256))).is_err());
    }

    #[test]
    fn a_tag_of_its_own() {
        let other = format!("sha256:{}", "ab".repeat(32));
        for (reference, tag, expected) in [
            ("a", "1", Some("a:1")),
            ("a:1", "1", Some("a:1")),
            ("a:1", "2", None),
            ("r:1/a", "D", Some("r:1/a@D")),
            ("a:1", "D", Some("a:1@D")),
            ("a", "1@D", Some("a:1@D")),
            ("a@D", "1", Some("a:1@D")),
            ("a:1@D", "1", Some("a:1@D")),
            ("a:1@D", "2@D", None),
            ("a:1@D", "2", None),
            ("a@D", "O", None),
            ("a", "", None),
            ("a", "@D", None),
            ("a", "b c", None),
        ] {
            let full = |text: &str| text.replace('D', &digest()).replace('O', &other);
            let image = Image::parse(&full(reference)).unwrap();
            let combined = image.with_tag(&full(tag)).map(|image| image.reference());
            assert_eq!(combined.ok(), expected.map(full), "{reference} {tag}");
        }
    }
}
