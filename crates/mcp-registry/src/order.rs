//! Which of a server's versions is its latest.

use std::cmp::Ordering;

use jiff::Timestamp;
use semver::Version;

use crate::Status;

/// What decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) version: &'a str,
    pub(crate) status: Status,
    pub(crate) published: Option<Timestamp>,
    /// Whether the registry says that it is the latest.
    pub(crate) told: bool,
}

/// The latest of them: one that is not deleted, that the registry calls so, and of these the one of the highest version. Versions
/// that are none of semver are compared by when they were published, as the official registry does.
pub(crate) fn latest(candidates: &[Candidate<'_>]) -> Option<usize> {
    let best = candidates
        .iter()
        .enumerate()
        .max_by(|(_, one), (_, other)| {
            let usable = |candidate: &Candidate<'_>| candidate.status != Status::Deleted;
            usable(one)
                .cmp(&usable(other))
                .then(one.told.cmp(&other.told))
                .then_with(|| by_version(one, other))
        });
    best.map(|(index, _)| index)
}

fn by_version(one: &Candidate<'_>, other: &Candidate<'_>) -> Ordering {
    let parsed = |candidate: &Candidate<'_>| {
        let text = candidate.version;
        Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()
    };
    match (parsed(one), parsed(other)) {
        (Some(first), Some(second)) => first.cmp_precedence(&second),
        (first, second) => one
            .published
            .cmp(&other.published)
            .then(first.is_some().cmp(&second.is_some())),
    }
    .then(one.published.cmp(&other.published))
    .then(one.version.cmp(other.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest() {
        let candidate = |version, status, told| Candidate {
            version,
            status,
            published: None,
            told,
        };
        let active = |version| candidate(version, Status::Active, false);
        for (candidates, expected) in [
            (vec![active("1.9.0"), active("1.10.0")], Some(1)),
            (vec![active("2.0.0"), active("2.0.0-rc.1")], Some(0)),
            (
                vec![candidate("3.0.0", Status::Deleted, true), active("1.0.0")],
                Some(1),
            ),
            (
                vec![active("3.0.0"), candidate("1.0.0", Status::Active, true)],
                Some(1),
            ),
            (vec![active("2026.01.02"), active("2026.01.03")], Some(1)),
            (vec![], None),
        ] {
            assert_eq!(latest(&candidates), expected, "{candidates:?}");
        }
    }
}
