//! Which versions of a chart a registry has, and which of them is meant.

use helm_chart::{Constraint, Version};
use serde_json::Value;
use ureq::http::{Method, StatusCode, header};

use super::manifest::{MANIFEST, digest};
use super::{Question, Reference, Registry, SCHEME, refused, scope};
use crate::Error;

/// The most pages of tags.
const MOST_PAGES: usize = 1000;

/// A chart in a registry, as exactly as it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its reference, with a tag or a digest.
    pub reference: Reference,
    /// How the file of its archive is called.
    pub file: String,
}

impl Registry {
    /// The versions of a chart, the newest first: the tags that are whole semantic versions.
    ///
    /// # Errors
    /// When the registry refuses or does not answer.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>, Error> {
        let path = format!("{}/tags/list", reference.repository);
        let mut url = self.session.url(reference.host(), &path)?;
        let scope = scope(reference, "pull");
        let mut versions: Vec<(Version, String)> = Vec::new();
        for _ in 0..MOST_PAGES {
            let question = Question {
                method: Method::GET,
                url: &url,
                scope: &scope,
                headers: &[],
                body: None,
            };
            let answer = self.session.ask(reference.host(), &question)?;
            if answer.status != StatusCode::OK {
                return Err(refused(&question.method, &answer));
            }
            let read = serde_json::from_slice::<Value>(&answer.body);
            let read = read.map_err(|error| unusable(&url, &error))?;
            let tags = read.get("tags").and_then(Value::as_array);
            let tags = tags.into_iter().flatten().filter_map(Value::as_str);
            versions.extend(tags.filter_map(|tag| {
                let version = tag.replace('_', "+");
                is_whole(&version)
                    .then(|| Version::parse(&version).ok())
                    .flatten()
                    .map(|parsed| (parsed, version))
            }));
            let next = answer.header(&header::LINK).and_then(next_page);
            match next {
                None => {
                    versions.sort_by(|(one, _), (other, _)| other.compare(one));
                    return Ok(versions.into_iter().map(|(_, text)| text).collect());
                }
                Some(next) => url = url.join(next).map_err(|error| unusable(&url, &error))?,
            }
        }
        Err(unusable(&url, &"the list of tags has no end"))
    }

    /// Which version of a chart is meant by a reference and a version or constraint, which may be empty.
    ///
    /// # Errors
    /// When both say otherwise, no version fits, or as [`tags`](Self::tags).
    pub fn choose(&self, text: &str, version: &str) -> Result<Chosen, Error> {
        let reference = Reference::parse(text)?;
        if !version.is_empty() && !reference.tag.is_empty() && version != reference.tag {
            return Err(Error::Refused(format!(
                "chart reference and version mismatch: {version} is not {}",
                reference.tag
            )));
        }
        let version = match version {
            "" => reference.tag.as_str(),
            version => version,
        };
        if !reference.digest.is_empty() {
            return self.pinned(&reference, version);
        }
        let tag = if Version::parse(version).is_ok() {
            version.to_owned()
        } else {
            let tags = self.tags(&reference)?;
            if tags.is_empty() {
                return Err(Error::Refused(format!(
                    "unable to locate any tags in provided repository: {text}"
                )));
            }
            newest(&tags, version)?
        };
        let file = format!("{}-{tag}.tgz", last(&reference.repository));
        let reference = Reference {
            tag: tag.replace('+', "_"),
            ..reference
        };
        Ok(Chosen { reference, file })
    }

    /// A digest is taken as it is; a version beside it must not be another one.
    fn pinned(&self, reference: &Reference, version: &str) -> Result<Chosen, Error> {
        if !version.is_empty() {
            let tagged = Reference {
                tag: version.replace('+', "_"),
                digest: String::new(),
                ..reference.clone()
            };
            // It need not have a tag.
            if let Ok(found) = self.resolve(&tagged)
                && found != reference.digest
            {
                return Err(Error::Refused(format!(
                    "chart reference digest mismatch: {found} is not {}",
                    reference.digest
                )));
            }
        }
        let digest = reference.digest.replace(':', "-");
        let file = format!("{}@{digest}.tgz", last(&reference.repository));
        let reference = Reference {
            tag: String::new(),
            ..reference.clone()
        };
        Ok(Chosen { reference, file })
    }

    /// The digest of what a tag names.
    fn resolve(&self, reference: &Reference) -> Result<String, Error> {
        let path = format!("{}/manifests/{}", reference.repository, reference.version());
        let url = self.session.url(reference.host(), &path)?;
        let question = Question {
            method: Method::GET,
            url: &url,
            scope: &scope(reference, "pull"),
            headers: &[(header::ACCEPT, MANIFEST)],
            body: None,
        };
        let answer = self.session.ask(reference.host(), &question)?;
        match answer.status {
            StatusCode::OK => Ok(digest(&answer.body)),
            _ => Err(refused(&question.method, &answer)),
        }
    }
}

fn unusable(url: &url::Url, reason: &dyn std::fmt::Display) -> Error {
    Error::Unreachable {
        url: url.to_string(),
        reason: reason.to_string(),
    }
}

/// The newest version that fits; of a version that is there, that one.
fn newest(tags: &[String], version: &str) -> Result<String, Error> {
    if let Some(exact) = tags.iter().find(|tag| *tag == version) {
        return Ok(exact.clone());
    }
    let constraint = Constraint::parse(if version.is_empty() { "*" } else { version })?;
    let fits = |tag: &&String| Version::parse(tag).is_ok_and(|found| constraint.check(&found));
    tags.iter().find(fits).cloned().ok_or_else(|| {
        Error::Refused(format!(
            "could not locate a version matching provided version string {version}"
        ))
    })
}

/// The last part of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Three numbers and what may follow them, and no `v`.
fn is_whole(version: &str) -> bool {
    let numbers = version.split(['-', '+']).next().unwrap_or(version);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    numbers.split('.').count() == 3 && numbers.split('.').all(is_number)
}

/// The address of the next page in the header `Link`.
fn next_page(header: &str) -> Option<&str> {
    let (address, rest) = header.trim_start().strip_prefix('<')?.split_once('>')?;
    let is_next = rest.split(';').any(|parameter| {
        let parameter = parameter.trim();
        parameter == "rel=\"next\"" || parameter == "rel=next"
    });
    is_next.then_some(address)
}

/// A reference without `oci://` as it was said, below a repository of dependencies.
pub(crate) fn below(repository: &str, name: &str) -> String {
    let repository = repository.strip_prefix(SCHEME).unwrap_or(repository);
    format!("{repository}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_meant() {
        let tags = ["2.0.0-rc.1", "1.10.0", "1.2.0+b.1", "1.0.0"].map(str::to_owned);
        for (version, found) in [
            ("", Some("1.10.0")),
            ("1.2.0+b.1", Some("1.2.0+b.1")),
            ("<1.10", Some("1.2.0+b.1")),
            (">0.0.0-0", Some("2.0.0-rc.1")),
            (">3", None),
        ] {
            assert_eq!(newest(&tags, version).ok().as_deref(), found, "{version}");
        }
    }

    #[test]
    fn only_whole_versions_are_tags_of_charts() {
        for version in ["1.0.0", "1.2.3-rc.1+b-1.2"] {
            assert!(is_whole(version), "{version}");
        }
        for version in ["latest", "1.0", "v1.0.0", "1.0.0.0", "1..0", ""] {
            assert!(!is_whole(version), "{version}");
        }
    }

    #[test]
    fn pages_are_followed() {
        let link = "</v2/a/tags/list?n=1&last=x>; rel=\"next\"";
        assert_eq!(next_page(link), Some("/v2/a/tags/list?n=1&last=x"));
        assert_eq!(next_page("</v2/>; rel=\"prev\""), None);
        assert_eq!(next_page(""), None);
    }
}
