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
        let padded = |part: &str| part.len() > 1 && part.starts_with('0') && is_number(part);
        if prerelease.split('.').any(padded) {
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
