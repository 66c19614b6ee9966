//! Versions as Helm reads them (Masterminds/semver v3): `1`, `v1.2` and `1.2.3-rc.1+build` are all right.

use std::cmp::Ordering;
use std::fmt;

use crate::Error;

const LONGEST_VERSION: usize = 256;

/// A version. Missing numbers are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    metadata: String,
}

impl Version {
    /// Reads a version; missing numbers are zero, a leading `v` is passed over.
    ///
    /// # Errors
    /// When it is no version.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Version("invalid semantic version".to_owned());
        if text.len() > LONGEST_VERSION {
            let message = format!("version string is too long (max {LONGEST_VERSION} bytes)");
            return Err(Error::Version(message));
        }
        let mut rest = text.strip_prefix('v').unwrap_or(text);
        let mut numbers = [0; 3];
        for (place, number) in numbers.iter_mut().enumerate() {
            if place > 0 {
                match rest.strip_prefix('.') {
                    Some(after) => rest = after,
                    None => break,
                }
            }
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            *number = rest[..end].parse().map_err(|_| invalid())?;
            rest = &rest[end..];
        }
        let (rest, metadata) = match rest.split_once('+') {
            Some((rest, metadata)) if identifiers(metadata) => (rest, metadata),
            Some(_) => return Err(invalid()),
            None => (rest, ""),
        };
        let prerelease = match rest.strip_prefix('-') {
            Some(prerelease) if identifiers(prerelease) => prerelease,
            None if rest.is_empty() => "",
            _ => return Err(invalid()),
        };
        if prerelease.split('.').any(is_padded) {
            return Err(Error::Version("version segment starts with 0".to_owned()));
        }
        let [major, minor, patch] = numbers;
        Ok(Self {
            major,
            minor,
            patch,
            prerelease: prerelease.to_owned(),
            metadata: metadata.to_owned(),
        })
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.major
    }

    /// The second number.
    pub fn minor(&self) -> u64 {
        self.minor
    }

    /// The third number.
    pub fn patch(&self) -> u64 {
        self.patch
    }

    /// What follows the `-`, without it.
    pub fn prerelease(&self) -> &str {
        &self.prerelease
    }

    /// What follows the `+`, without it.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The next major version, `IncMajor` in Go.
    ///
    /// # Errors
    /// When there is no larger number.
    pub fn next_major(&self) -> Result<Self, Error> {
        Self::numbered(increment(self.major, "major")?, 0, 0)
    }

    /// The next minor version, `IncMinor` in Go.
    ///
    /// # Errors
    /// When there is no larger number.
    pub fn next_minor(&self) -> Result<Self, Error> {
        Self::numbered(self.major, increment(self.minor, "minor")?, 0)
    }

    /// The next patch version, `IncPatch` in Go: of a prerelease it is the version itself.
    ///
    /// # Errors
    /// When there is no larger number.
    pub fn next_patch(&self) -> Result<Self, Error> {
        let patch = if self.prerelease.is_empty() {
            increment(self.patch, "patch")?
        } else {
            self.patch
        };
        Self::numbered(self.major, self.minor, patch)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the end of functions that can fail"
    )]
    fn numbered(major: u64, minor: u64, patch: u64) -> Result<Self, Error> {
        Ok(Self {
            major,
            minor,
            patch,
            prerelease: String::new(),
            metadata: String::new(),
        })
    }

    /// The version with another prerelease; an empty one takes it off.
    ///
    /// # Errors
    /// When it can be none.
    pub fn with_prerelease(&self, prerelease: &str) -> Result<Self, Error> {
        if !prerelease.is_empty() {
            for part in prerelease.split('.') {
                if is_padded(part) {
                    return Err(Error::Version("version segment starts with 0".to_owned()));
                }
                if !identifiers(part) {
                    return Err(Error::Version("invalid prerelease string".to_owned()));
                }
            }
        }
        let prerelease = prerelease.to_owned();
        Ok(Self {
            prerelease,
            ..self.clone()
        })
    }

    /// The version with other metadata; empty ones take them off.
    ///
    /// # Errors
    /// When they can be none.
    pub fn with_metadata(&self, metadata: &str) -> Result<Self, Error> {
        if !metadata.is_empty() && !identifiers(metadata) {
            return Err(Error::Version("invalid metadata string".to_owned()));
        }
        let metadata = metadata.to_owned();
        Ok(Self {
            metadata,
            ..self.clone()
        })
    }

    /// The order of versions; the metadata plays no part.
    pub fn compare(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self)
            .cmp(&numbers(other))
            .then_with(|| compare_prereleases(&self.prerelease, &other.prerelease))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

fn identifiers(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.split('.')
        .all(|part| !part.is_empty() && part.chars().all(legal))
}

/// A number with a zero before it.
fn is_padded(part: &str) -> bool {
    part.len() > 1 && part.starts_with('0') && is_number(part)
}

fn increment(number: u64, name: &str) -> Result<u64, Error> {
    number
        .checked_add(1)
        .ok_or_else(|| Error::Version(format!("{name} version increment would overflow uint64")))
}

pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(crate) fn compare_prereleases(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (x, y) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => (x, y),
        };
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
