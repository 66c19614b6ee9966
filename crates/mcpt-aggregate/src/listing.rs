//! [`Listing`]: what one server has, as it says itself.

use serde_json::value::RawValue;

use crate::object::{Object, elements, string};

/// Most entries of one kind that are taken from a server.
const MAX_ENTRIES: usize = 5000;
/// Most bytes of entries that are taken from a server.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What there are lists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resources.
    Resources,
    /// Templates of URIs of resources.
    Templates,
}

impl ListKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The kind that a method lists.
    pub fn of_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.method() == method)
    }

    /// The method that lists it.
    pub fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The member of a result that has the list.
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The capability of a server that has such a list.
    pub fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }

    /// What tells that the list is another one.
    pub fn changed(self) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources | Self::Templates => "notifications/resources/list_changed",
        }
    }

    /// The member of an entry that says which one it is.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// One tool, prompt, resource or template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What its server calls it.
    pub own: Box<str>,
    /// All that is said of it: a JSON object as it was sent.
    pub text: Box<str>,
}

/// A result is no part of a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its answer to {0} has no list in it")]
pub struct UnusablePage(&'static str);

/// A part of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// Its entries. What does not say which one it is can be used by nobody, and is left out.
    pub entries: Vec<Entry>,
    /// Where the list goes on.
    pub next_cursor: Option<String>,
}

impl Page {
    /// Reads a result.
    ///
    /// # Errors
    /// [`UnusablePage`] when there is no list in it.
    pub fn read(kind: ListKind, result: &RawValue) -> Result<Self, UnusablePage> {
        let result = Object::of(result);
        let list = result
            .get(kind.member())
            .filter(|list| list.get().starts_with('['));
        let list = list.ok_or(UnusablePage(kind.method()))?;
        let entry = |raw: &RawValue| {
            let own = string(Object::of(raw).get(kind.key())?)?.into();
            let text = raw.get().into();
            Some(Entry { own, text })
        };
        let next = result.get("nextCursor").and_then(string);
        Ok(Self {
            entries: elements(list).into_iter().filter_map(entry).collect(),
            next_cursor: next.map(Into::into),
        })
    }
}

/// All lists of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    lists: [Vec<Entry>; 4],
    bytes: usize,
    cut: bool,
}

impl Listing {
    /// Takes a part of a list in, and gives where it goes on, if it does and there is room for more.
    pub fn take(&mut self, kind: ListKind, page: Page) -> Option<String> {
        let list = &mut self.lists[kind as usize];
        for entry in page.entries {
            let bytes = self.bytes + entry.text.len();
            if list.len() == MAX_ENTRIES || bytes > MAX_BYTES {
                self.cut = true;
                return None;
            }
            self.bytes = bytes;
            list.push(entry);
        }
        page.next_cursor
    }

    /// Notes that a list goes on, but not here.
    pub fn cut(&mut self) {
        self.cut = true;
    }

    /// Whether there is more than was taken in.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Leaves out of one of the lists what is not to be seen, by what the server calls it.
    pub fn retain(&mut self, kind: ListKind, seen: impl Fn(&str) -> bool) {
        self.lists[kind as usize].retain(|entry| seen(&entry.own));
    }

    /// One of the lists.
    pub fn list(&self, kind: ListKind) -> &[Entry] {
        &self.lists[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(result: &str) -> Result<Page, UnusablePage> {
        let raw: &RawValue = serde_json::from_str(result).unwrap();
        Page::read(ListKind::Tools, raw)
    }

    #[test]
    fn pages_are_read_as_they_are() {
        let read = page(
            r#"{"tools":[{"name":"a","x": 1.0},{"title":"?"},7,{"name":"\u0062"}],"nextCursor":"c"}"#,
        );
        let read = read.unwrap();
        let entries: Vec<_> = read.entries.iter().map(|e| (&*e.own, &*e.text)).collect();
        assert_eq!(
            entries,
            [
                ("a", r#"{"name":"a","x": 1.0}"#),
                ("b", r#"{"name":"\u0062"}"#)
            ]
        );
        assert_eq!(read.next_cursor.as_deref(), Some("c"));
        for unusable in ["{}", "[]", "null", r#"{"tools":{}}"#] {
            let error = page(unusable).unwrap_err().to_string();
            assert_eq!(
                error, "its answer to tools/list has no list in it",
                "{unusable}"
            );
        }
    }

    #[test]
    fn what_is_not_to_be_seen_is_left_out_of_one_list() {
        let mut listing = Listing::default();
        for kind in [ListKind::Tools, ListKind::Prompts] {
            let entries = ["a", "b"].map(|own| Entry {
                own: own.into(),
                text: "{}".into(),
            });
            let page = Page {
                entries: entries.into(),
                next_cursor: None,
            };
            listing.take(kind, page);
        }
        listing.retain(ListKind::Tools, |own| own == "b");
        let own = |kind| {
            listing
                .list(kind)
                .iter()
                .map(|e| &*e.own)
                .collect::<Vec<_>>()
        };
        assert_eq!(own(ListKind::Tools), ["b"]);
        assert_eq!(own(ListKind::Prompts), ["a", "b"]);
    }

    #[test]
    fn endless_lists_are_cut() {
        let entry = |number: usize, size: usize| Entry {
            own: number.to_string().into(),
            text: "x".repeat(size).into(),
        };
        for (count, size, kept) in [(MAX_ENTRIES, 1, MAX_ENTRIES), (9, MAX_BYTES / 8, 8)] {
            let mut listing = Listing::default();
            let page = |from: usize| Page {
                entries: (from..from + count).map(|n| entry(n, size)).collect(),
                next_cursor: Some("on".to_owned()),
            };
            let mut goes_on = listing.take(ListKind::Tools, page(0));
            if goes_on.is_some() {
                goes_on = listing.take(ListKind::Tools, page(count));
            }
            assert_eq!(goes_on, None);
            assert!(listing.is_cut());
            assert_eq!(listing.list(ListKind::Tools).len(), kept);
        }
    }
}
