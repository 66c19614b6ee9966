//! What a list is asked for with: the part of an address behind `?`.

use jiff::Timestamp;
use url::form_urlencoded;

/// How many versions are on a page when nothing is said, and at most, as the official registry has it.
const USUAL: usize = 30;
const MOST: usize = 100;

/// A request for a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Name and version behind which the page begins.
    pub(crate) after: Option<(String, String)>,
    pub(crate) limit: usize,
    pub(crate) search: Option<String>,
    pub(crate) since: Option<Timestamp>,
    /// `latest`, or a version.
    pub(crate) version: Option<String>,
    pub(crate) deleted: bool,
}

/// A request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) status: u16,
    pub(crate) reason: String,
}

impl Query {
    /// Reads it; members that nothing is known of are passed over.
    pub(crate) fn parse(query: &str) -> Result<Self, Wrong> {
        let wrong = |status, reason: &str| Wrong {
            status,
            reason: reason.to_owned(),
        };
        let mut read = Self {
            limit: USUAL,
            ..Self::default()
        };
        let mut deleted = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if value.is_empty() {
                continue;
            }
            match &*name {
                "cursor" => {
                    let both = value.split_once('@');
                    let (name, version) = both.ok_or_else(|| wrong(400, "no such cursor"))?;
                    read.after = Some((name.to_owned(), version.to_owned()));
                }
                "limit" => {
                    let limit = value
                        .parse()
                        .ok()
                        .filter(|limit| (1..=MOST).contains(limit));
                    read.limit = limit.ok_or_else(|| wrong(422, "limit: expected 1 to 100"))?;
                }
                "search" => read.search = Some(value.to_lowercase()),
                "updated_since" => {
                    let since = value.parse().ok();
                    let form = "updated_since: expected a time such as 2025-08-07T13:15:04.280Z";
                    read.since = Some(since.ok_or_else(|| wrong(400, form))?);
                }
                "version" => read.version = Some(value.into_owned()),
                "include_deleted" => {
                    let flag = value.parse().ok();
                    let flag: bool =
                        flag.ok_or_else(|| wrong(422, "include_deleted: expected true or false"))?;
                    deleted = Some(flag);
                }
                _ => {}
            }
        }
        if read.since.is_some() && deleted == Some(false) {
            let reason =
                "include_deleted: what was deleted since belongs to what has changed since";
            return Err(wrong(400, reason));
        }
        read.deleted = deleted.unwrap_or(read.since.is_some());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let read =
            Query::parse("limit=5&cursor=io.a%2Fb%401.0%2Bx&search=Git+Hub&x=y&version=").unwrap();
        assert_eq!(read.limit, 5);
        assert_eq!(read.after, Some(("io.a/b".to_owned(), "1.0+x".to_owned())));
        assert_eq!(read.search.as_deref(), Some("git hub"));
        assert_eq!((read.version, read.deleted), (None, false));
        assert!(
            Query::parse("updated_since=2026-01-01T00:00:00Z")
                .unwrap()
                .deleted
        );
        for (query, status) in [
            ("limit=0", 422),
            ("limit=101", 422),
            ("limit=x", 422),
            ("cursor=x", 400),
            ("updated_since=yesterday", 400),
            ("include_deleted=maybe", 422),
            (
                "updated_since=2026-01-01T00:00:00Z&include_deleted=false",
                400,
            ),
        ] {
            assert_eq!(Query::parse(query).unwrap_err().status, status, "{query}");
        }
    }
}
