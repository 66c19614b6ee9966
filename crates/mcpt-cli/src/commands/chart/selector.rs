//! [`Selector`]: which labels something must have, as `kubectl -l` and `helm list -l` take it.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// All of these must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    wants: Wants,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wants {
    /// There is such a label.
    There,
    /// There is none.
    Missing,
    /// It has one of these values.
    OneOf(Vec<String>),
    /// It has none of these values, or there is none.
    NoneOf(Vec<String>),
}

impl Selector {
    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.wants {
                Wants::There => value.is_some(),
                Wants::Missing => value.is_none(),
                Wants::OneOf(values) => value.is_some_and(|value| values.contains(value)),
                Wants::NoneOf(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

/// What is wrong with a selector, with the part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoSelector(String);

impl fmt::Display for NoSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoSelector {}

impl FromStr for Selector {
    type Err = NoSelector;

    fn from_str(text: &str) -> Result<Self, NoSelector> {
        let parts = parts(text).into_iter().map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        parts.map(requirement).collect::<Result<_, _>>().map(Self)
    }
}

/// What stands between commas that are in no brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn requirement(part: &str) -> Result<Requirement, NoSelector> {
    let wrong = |why: &str| NoSelector(format!("{part:?} {why}"));
    let one = |value: &str| vec![value.trim().to_owned()];
    let (key, wants) = if let Some((key, value)) = part.split_once("!=") {
        (key, Wants::NoneOf(one(value)))
    } else if let Some((key, value)) = part.split_once('=') {
        (
            key,
            Wants::OneOf(one(value.strip_prefix('=').unwrap_or(value))),
        )
    } else if let Some((head, values)) = part.split_once('(') {
        let values = values
            .strip_suffix(')')
            .ok_or_else(|| wrong("lacks a bracket"))?;
        let values = values
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        match head.trim().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => (key, Wants::OneOf(values)),
            Some((key, "notin")) => (key, Wants::NoneOf(values)),
            _ => return Err(wrong("is not key in (value, …)")),
        }
    } else if let Some(key) = part.strip_prefix('!') {
        (key, Wants::Missing)
    } else {
        (part, Wants::There)
    };
    let key = key.trim();
    if key.is_empty()
        || key.contains(|letter: char| letter.is_whitespace() || "()!=".contains(letter))
    {
        return Err(wrong("has no key of a label"));
    }
    Ok(Requirement {
        key: key.to_owned(),
        wants,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected_as_the_api_server_does() {
        let labels = [("a", "1"), ("own", "label")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let labels = BTreeMap::from(labels);
        for (text, matches) in [
            ("", true),
            ("a=1", true),
            ("a==1", true),
            ("a = 1, own=label", true),
            ("a=1,own=other", false),
            ("a!=1", false),
            ("a!=2", true),
            ("none!=2", true),
            ("none=", false),
            ("a", true),
            ("!a", false),
            ("!none", true),
            ("a in (1, 2)", true),
            ("a in (2,3),own", false),
            ("a notin (2,3),own", true),
            ("none notin (2)", true),
        ] {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.matches(&labels), matches, "{text}");
        }
        for text in ["=1", "a in 1)", "a in (1", "a of (1)", "a b", "(a)"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
