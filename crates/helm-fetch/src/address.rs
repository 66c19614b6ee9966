//! Addresses of repositories and of what their indexes name.

use std::fmt;

use url::Url;

use crate::Error;

/// An address in an index: absolute, or below the repository.
pub(crate) fn resolve(repository: &str, reference: &str) -> Result<String, Error> {
    let unusable = |what: &str, reason: &dyn fmt::Display| {
        Error::Refused(format!("failed to parse {what} as URL: {reason}"))
    };
    match Url::parse(reference) {
        Ok(_) => return Ok(reference.to_owned()),
        Err(url::ParseError::RelativeUrlWithoutBase) => {}
        Err(error) => return Err(unusable(reference, &error)),
    }
    let mut base = Url::parse(repository).map_err(|error| unusable(repository, &error))?;
    let query = base.query().map(str::to_owned);
    let path = format!("{}/", base.path().strip_suffix('/').unwrap_or(base.path()));
    base.set_path(&path);
    let mut resolved = base
        .join(reference)
        .map_err(|error| unusable(reference, &error))?;
    resolved.set_query(query.as_deref());
    Ok(resolved.to_string())
}

/// Whether two addresses are the same, up to slashes at their ends.
pub(crate) fn is_equal(one: &str, other: &str) -> bool {
    let cleaned = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Some(url)
    };
    match (cleaned(one), cleaned(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.trim_end_matches('/') == other.trim_end_matches('/'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_below_their_repository() {
        for (repository, reference, resolved) in [
            ("http://h/charts", "a-1.tgz", "http://h/charts/a-1.tgz"),
            (
                "http://h/charts/",
                "sub/a-1.tgz",
                "http://h/charts/sub/a-1.tgz",
            ),
            (
                "http://h/charts?t=1",
                "index.yaml",
                "http://h/charts/index.yaml?t=1",
            ),
            ("http://h/charts", "/a-1.tgz", "http://h/a-1.tgz"),
            (
                "http://h/charts",
                "https://other/a-1.tgz",
                "https://other/a-1.tgz",
            ),
        ] {
            assert_eq!(resolve(repository, reference).unwrap(), resolved);
        }
        assert!(resolve("no address", "a").is_err());
        assert!(is_equal("http://h/a/", "http://h/a"));
        assert!(!is_equal("http://h/a", "http://h/b"));
    }
}
