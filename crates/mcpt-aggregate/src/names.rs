//! What tools and prompts are called among those of all servers.
//!
//! `SERVER_tool`, and `NAMESPACE__SERVER_tool` outside of the default namespace, is what people read. Two of these are never
//! equal: neither part of a server's label has a `_`, and a name that begins with one does not get this form. What does not
//! fit, by its length or since clients refuse its characters, is cut and ends in a digest of the whole; a name that would look
//! like one of those gets that form too. So a name depends on its server alone, and stays when others come and go.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use crate::ServerLabel;

/// Longest name in characters. Clients refuse names of more than 64, and some put their own name for the gateway before it.
pub const MAX_NAME: usize = 50;
/// Digits of a digest: two names that are cut are equal by chance once in 2^40, and are told apart even then.
const DIGEST: usize = 10;

/// What a tool or prompt of a server is called.
pub fn exposed_name(server: &ServerLabel, name: &str) -> String {
    plain(server, name).unwrap_or_else(|| shortened(server, name, 0))
}

/// The names of many, in their order. No two are equal, unless the same name of one server comes twice. `wanted` has those that
/// are called otherwise than they would be: of several that would be called the same each gets the form with a digest.
pub(crate) fn exposed_names(
    all: &[(&ServerLabel, &str)],
    wanted: impl Fn(&ServerLabel, &str) -> Option<String>,
) -> Vec<String> {
    let mut names: Vec<_> = all
        .iter()
        .map(|(server, name)| match wanted(server, name) {
            Some(wanted) => is_possible(&wanted, MAX_NAME).then_some(wanted),
            None => plain(server, name),
        })
        .collect();
    let mut owners: HashMap<&str, (&ServerLabel, &str)> = HashMap::new();
    let mut claimed = HashSet::new();
    for (name, of) in names.iter().zip(all) {
        if let Some(name) = name
            && owners.insert(name, *of).is_some_and(|other| other != *of)
        {
            claimed.insert(name.clone());
        }
    }
    for name in &mut names {
        if name.as_ref().is_some_and(|name| claimed.contains(name)) {
            *name = None;
        }
    }
    let plain_ones = names.iter().flatten().cloned();
    let mut taken: HashSet<String> = plain_ones.collect();
    let cut = all.iter().zip(&names).filter(|(_, plain)| plain.is_none());
    // In an order that does not depend on who lists what first: replicas must agree.
    let cut: BTreeSet<_> = cut.map(|(of, _)| *of).collect();
    let mut told_apart = BTreeMap::new();
    for (server, name) in cut {
        let mut attempt = 0;
        let mut exposed = shortened(server, name, attempt);
        while !taken.insert(exposed.clone()) {
            attempt += 1;
            exposed = shortened(server, name, attempt);
        }
        told_apart.insert((server, name), exposed);
    }
    for (name, of) in names.iter_mut().zip(all) {
        if name.is_none() {
            *name = told_apart.get(of).cloned();
        }
    }
    names.into_iter().flatten().collect()
}

/// Whether a name, or a part of one, of at most so many characters can be chosen at will: clients take it, and none that is cut
/// looks like it.
pub(crate) fn is_possible(name: &str, most: usize) -> bool {
    let fits = !name.is_empty() && name.len() <= most && name.bytes().all(is_safe);
    fits && !ends_in_digest(name)
}

/// The form that people read, if it can be used.
fn plain(server: &ServerLabel, name: &str) -> Option<String> {
    let fits = !name.is_empty() && !name.starts_with('_') && name.bytes().all(is_safe);
    let text = format!("{}_{name}", server.prefix());
    (fits && text.len() <= MAX_NAME && !ends_in_digest(&text)).then_some(text)
}

/// The form that always can be.
fn shortened(server: &ServerLabel, name: &str, attempt: u32) -> String {
    let room = MAX_NAME - DIGEST - 2;
    let safe = |c: char| {
        if c.is_ascii() && is_safe(c as u8) {
            c
        } else {
            '-'
        }
    };
    let shown = |text: &str| text.chars().take(room).map(safe).collect::<String>();
    let (prefix, shown) = (shown(&server.prefix()), shown(name));
    let of_prefix = (room - shown.len()).max(room / 2).min(prefix.len());
    let of_name = (room - of_prefix).min(shown.len());
    let whole = Sha256::digest(format!("{server} {attempt} {name}"));
    let first: [u8; 8] = whole.first_chunk().copied().unwrap_or_default();
    let digest = u64::from_be_bytes(first) >> (64 - 4 * DIGEST);
    format!(
        "{}_{}-{digest:0DIGEST$x}",
        &prefix[..of_prefix],
        &shown[..of_name]
    )
}

fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn ends_in_digest(text: &str) -> bool {
    let digit = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    let end = &text.as_bytes()[text.len().saturating_sub(DIGEST + 1)..];
    matches!(end, [b'-', digest @ ..] if digest.len() == DIGEST && digest.iter().all(digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let (demo, other) = (
            ServerLabel::new(None, "demo"),
            ServerLabel::new(Some("ns"), "demo"),
        );
        let long = "x".repeat(60);
        for (server, name, shown) in [
            (&demo, "echo", "demo_echo"),
            (&demo, "get_it-2", "demo_get_it-2"),
            (&other, "echo", "ns__demo_echo"),
            (&demo, "a.b/c", "demo_a-b-c-"),
            (&demo, "_hidden", "demo__hidden-"),
            (&demo, "\u{e9}", "demo_--"),
            (&demo, "", "demo_-"),
            (&demo, "x-0123456789", "demo_x-0123456789-"),
            (&demo, &long, "demo_xxxxxxxx"),
            (&ServerLabel::new(None, &long), "echo", "xxxxxxxx"),
        ] {
            let exposed = exposed_name(server, name);
            assert!(exposed.starts_with(shown), "{name}: {exposed}");
            assert!(exposed.len() <= MAX_NAME, "{exposed}");
            assert!(exposed.bytes().all(is_safe), "{exposed}");
            if plain(server, name).is_none() {
                assert!(ends_in_digest(&exposed), "{exposed}");
            }
        }
    }

    #[test]
    fn names_that_are_wanted_are_had_unless_several_want_them() {
        let (a, b) = (ServerLabel::new(None, "a"), ServerLabel::new(None, "b"));
        let all = [
            (&a, "x"),
            (&b, "x"),
            (&b, "y"),
            (&a, "x"),
            (&b, "z"),
            (&a, "z z"),
        ];
        let wanted = |server: &ServerLabel, name: &str| match (server.name(), name) {
            ("a", "x") => Some("b_y".to_owned()),
            ("b", "x") => Some("fetch".to_owned()),
            (_, "z z") => Some("z z".to_owned()),
            _ => None,
        };
        let names = exposed_names(&all, wanted);
        assert_eq!((&*names[1], &*names[4]), ("fetch", "b_z"));
        assert_eq!(names[0], names[3]);
        for (name, begin) in [
            (&names[0], "a_x-"),
            (&names[2], "b_y-"),
            (&names[5], "a_z-z-"),
        ] {
            assert!(name.starts_with(begin) && ends_in_digest(name), "{name}");
        }
    }

    fn label() -> impl Strategy<Value = ServerLabel> {
        let dns = "[a-b]([a-b-]{0,4}[a-b0])?|[a-b]{50,63}";
        (prop::option::of(dns), dns)
            .prop_map(|(namespace, name)| ServerLabel::new(namespace.as_deref(), &name))
    }

    proptest! {
        #[test]
        fn no_two_are_equal_and_each_stays_when_others_come(
            all in prop::collection::btree_set((label(), "[a_.-]{0,4}|[a_]{40,60}|.{0,3}|[ab]-[0-9a-f]{10}"), 0..40),
            fewer in any::<prop::sample::Index>(),
        ) {
            let all: Vec<_> = all.iter().map(|(server, name)| (server, &**name)).collect();
            let names = exposed_names(&all, |_, _| None);
            prop_assert_eq!(names.len(), all.len());
            let distinct: BTreeSet<_> = names.iter().collect();
            prop_assert_eq!(distinct.len(), all.len());
            for ((server, name), exposed) in all.iter().zip(&names) {
                prop_assert!(exposed.len() <= MAX_NAME && exposed.bytes().all(is_safe), "{}", exposed);
                prop_assert_eq!(&exposed_name(server, name), exposed);
            }
            let some = &all[..fewer.index(all.len() + 1)];
            prop_assert_eq!(&exposed_names(some, |_, _| None)[..], &names[..some.len()]);
        }
    }
}
