//! [`Merged`]: one list made of those of all servers, and which server each entry belongs to.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::value::RawValue;

use crate::{
    Chosen, Entry, ListKind, Listing, ServerLabel,
    edits::{Edits, quoted},
    names::exposed_names,
    object::Object,
    rewriting::ui_uris,
    uris::{expose_uri, reveal_uri},
};

/// A tool, prompt or resource of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRef {
    /// The server.
    pub server: ServerLabel,
    /// What it calls it.
    pub own: Box<str>,
}

/// The lists of all servers as one: by server, and then as each has it.
#[derive(Debug)]
pub struct Merged {
    texts: [Arc<str>; 4],
    targets: [HashMap<Box<str>, ItemRef>; 4],
}

/// Of no server.
impl Default for Merged {
    fn default() -> Self {
        Self {
            texts: ListKind::ALL.map(|_| Arc::from("[]")),
            targets: ListKind::ALL.map(|_| HashMap::new()),
        }
    }
}

impl Merged {
    /// Merges the lists of servers. What one of them lists twice under the same name is there once.
    pub fn of(servers: &BTreeMap<ServerLabel, Arc<Listing>>) -> Self {
        Self::in_set(servers, &BTreeMap::new())
    }

    /// The same, of servers in a set: with what that has of them, and calls it.
    pub fn in_set(
        servers: &BTreeMap<ServerLabel, Arc<Listing>>,
        chosen: &BTreeMap<ServerLabel, &Chosen>,
    ) -> Self {
        let mut merged = Self::default();
        for kind in ListKind::ALL {
            let all: Vec<(&ServerLabel, &Entry)> = servers
                .iter()
                .flat_map(|(server, listing)| {
                    listing.list(kind).iter().map(move |entry| (server, entry))
                })
                .collect();
            let exposed = exposed(kind, &all, chosen);
            let (mut text, mut targets) = (String::from("["), HashMap::new());
            for ((server, entry), exposed) in all.into_iter().zip(exposed) {
                let target = ItemRef {
                    server: server.clone(),
                    own: entry.own.clone(),
                };
                let key = exposed.into_boxed_str();
                // A URI that means the same to everybody may stand in the lists of several.
                if targets.contains_key(&key) {
                    continue;
                }
                if text.len() > 1 {
                    text.push(',');
                }
                text.push_str(&shown(kind, server, entry, &key));
                targets.insert(key, target);
            }
            text.push(']');
            merged.texts[kind as usize] = text.into();
            merged.targets[kind as usize] = targets;
        }
        merged
    }

    /// A list: a JSON array.
    pub fn list(&self, kind: ListKind) -> &Arc<str> {
        &self.texts[kind as usize]
    }

    /// How many entries a list has.
    pub fn len(&self, kind: ListKind) -> usize {
        self.targets[kind as usize].len()
    }

    /// What a name or URI in a list means.
    pub fn find(&self, kind: ListKind, exposed: &str) -> Option<&ItemRef> {
        self.targets[kind as usize].get(exposed)
    }

    /// The server that a resource belongs to, and what it calls it: the one that the URI tells, or that lists it.
    pub fn resource(&self, uri: &str) -> Option<ItemRef> {
        if let Some((server, own)) = reveal_uri(uri) {
            let own = own.into();
            return Some(ItemRef { server, own });
        }
        if let Some(listed) = self.find(ListKind::Resources, uri) {
            return Some(listed.clone());
        }
        let templates = self.targets[ListKind::Templates as usize].iter();
        let fitting = templates.filter_map(|(template, target)| {
            let literal = template.split('{').next().unwrap_or_default();
            uri.starts_with(literal)
                .then_some((literal.len(), template, target))
        });
        let (.., target) = fitting.max_by_key(|(length, template, _)| (*length, *template))?;
        let server = target.server.clone();
        Some(ItemRef {
            server,
            own: uri.into(),
        })
    }
}

/// What each entry is called.
fn exposed(
    kind: ListKind,
    all: &[(&ServerLabel, &Entry)],
    chosen: &BTreeMap<ServerLabel, &Chosen>,
) -> Vec<String> {
    match kind {
        ListKind::Tools | ListKind::Prompts => {
            let own: Vec<_> = all
                .iter()
                .map(|(server, entry)| (*server, &*entry.own))
                .collect();
            exposed_names(&own, |server, own| {
                let chosen = chosen.get(server)?;
                match kind {
                    ListKind::Tools => chosen.tool(own),
                    _ => chosen.prefixed(own),
                }
            })
        }
        ListKind::Resources | ListKind::Templates => all
            .iter()
            .map(|(server, entry)| expose_uri(server, &entry.own))
            .collect(),
    }
}

/// An entry as clients see it.
fn shown(kind: ListKind, server: &ServerLabel, entry: &Entry, exposed: &str) -> String {
    let Ok(raw) = serde_json::from_str::<&RawValue>(&entry.text) else {
        return entry.text.to_string();
    };
    let mut edits = Edits::of(&entry.text);
    let members = Object::of(raw);
    for key in members.all(kind.key()) {
        edits.value(key, quoted(exposed));
    }
    ui_uris(&mut edits, server, &members);
    edits.applied().unwrap_or_else(|| entry.text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Page;

    fn listing(lists: &[(ListKind, &str)]) -> Arc<Listing> {
        let mut listing = Listing::default();
        for (kind, list) in lists {
            let result = format!(r#"{{"{}":{list}}}"#, kind.member());
            let page = Page::read(*kind, serde_json::from_str(&result).unwrap()).unwrap();
            listing.take(*kind, page);
        }
        Arc::new(listing)
    }

    #[test]
    fn of_no_server_there_are_empty_lists() {
        let merged = Merged::of(&BTreeMap::new());
        for kind in ListKind::ALL {
            assert_eq!(merged.list(kind), Merged::default().list(kind));
            assert_eq!(&**merged.list(kind), "[]");
        }
    }

    #[test]
    fn all_else_stays_byte_for_byte() {
        let servers = BTreeMap::from([
            (
                ServerLabel::new(None, "b"),
                listing(&[
                    (
                        ListKind::Tools,
                        r#"[{"x":1.0, "name":"one","_meta":{"ui":{"resourceUri":"ui://b/x"},"ui/resourceUri":"ui://b/x"}}]"#,
                    ),
                    (ListKind::Templates, r#"[{"uriTemplate":"https://b/{id}"}]"#),
                    (
                        ListKind::Resources,
                        r#"[{"uri":"https://b/x"},{"uri":"file:///y","name":"y"}]"#,
                    ),
                ]),
            ),
            (
                ServerLabel::new(None, "a"),
                listing(&[
                    (
                        ListKind::Tools,
                        r#"[{"name":"one"},{"name":"one"},{"name":"two"}]"#,
                    ),
                    (ListKind::Resources, r#"[{"uri":"https://b/x"}]"#),
                ]),
            ),
        ]);
        let merged = Merged::of(&servers);
        assert_eq!(
            &**merged.list(ListKind::Tools),
            r#"[{"name":"a_one"},{"name":"a_two"},{"x":1.0, "name":"b_one","_meta":{"ui":{"resourceUri":"ui://b/b/x"},"ui/resourceUri":"ui://b/b/x"}}]"#
        );
        assert_eq!(
            &**merged.list(ListKind::Resources),
            r#"[{"uri":"https://b/x"},{"uri":"mcpt+b+file:///y","name":"y"}]"#
        );
        assert_eq!(&**merged.list(ListKind::Prompts), "[]");
        let target = |server: &str, own: &str| ItemRef {
            server: ServerLabel::new(None, server),
            own: own.into(),
        };
        let found = merged.find(ListKind::Tools, "b_one");
        assert_eq!(found, Some(&target("b", "one")));
        assert_eq!(merged.find(ListKind::Tools, "one"), None);
        for (uri, wanted) in [
            ("mcpt+b+file:///y", Some(target("b", "file:///y"))),
            ("https://b/x", Some(target("a", "https://b/x"))),
            ("https://b/7", Some(target("b", "https://b/7"))),
            ("https://c/7", None),
        ] {
            assert_eq!(merged.resource(uri), wanted, "{uri}");
        }
    }
}
