//! Which versions of a chart a registry has, and which of them is meant.

use helm_chart::{Constraint, Version};
use oci_registry::{MANIFEST, Reference, SCHEME, digest};

use super::Registry;
use crate::Error;

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
        let tags = self.client.tags(reference)?;
        let versions = tags.into_iter().filter_map(|tag| {
            let version = tag.replace('_', "+");
            is_whole(&version)
                .then(|| Version::parse(&version).ok())
                .flatten()
                .map(|parsed| (parsed, version))
        });
        let mut versions: Vec<(Version, String)> = versions.collect();
        versions.sort_by(|(one, _), (other, _)| other.compare(one));
        Ok(versions.into_iter().map(|(_, text)| text).collect())
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
        let found = self
            .client
            .manifest(reference, reference.version(), &[MANIFEST], None)?;
        Ok(digest(&found.data))
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
}
