//! [`Selector`]: which labels are asked for, in the grammar of Kubernetes.

use url::form_urlencoded;

/// What labels must be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    label: String,
    /// Its value must be one of these, or none of them.
    values: Vec<String>,
    is_one: bool,
}

/// A text selects nothing that is known here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no selector of values: LABEL=VALUE, LABEL!=VALUE, LABEL in (VALUE,…), LABEL notin (VALUE,…)"
)]
pub(super) struct InvalidSelector(String);

impl Selector {
    /// That of a query's `labelSelector`; without one all are meant.
    ///
    /// # Errors
    /// [`InvalidSelector`].
    pub(super) fn of_query(query: &str) -> Result<Self, InvalidSelector> {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        match pairs.find(|(name, _)| name == "labelSelector") {
            Some((_, text)) => Self::parse(&text),
            None => Ok(Self::default()),
        }
    }

    fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let requirements = split_outside_of_parentheses(text)
            .filter(|part| !part.trim().is_empty())
            .map(|part| Requirement::parse(part.trim()));
        let requirements: Option<Vec<_>> = requirements.collect();
        requirements
            .map(Self)
            .ok_or_else(|| InvalidSelector(text.to_owned()))
    }

    /// Whether something with these labels is meant.
    pub(super) fn selects(&self, labels: &[(&str, &str)]) -> bool {
        self.0.iter().all(|requirement| {
            let mut labels = labels.iter();
            let value = labels.find(|(name, _)| *name == requirement.label);
            let is = value.is_some_and(|(_, value)| requirement.values.iter().any(|v| v == value));
            is == requirement.is_one
        })
    }
}

impl Requirement {
    fn parse(text: &str) -> Option<Self> {
        let of = |label: &str, values: Vec<String>, is_one| {
            let label = label.trim();
            let whole = !label.is_empty() && !label.contains(char::is_whitespace);
            whole.then(|| Self {
                label: label.to_owned(),
                values,
                is_one,
            })
        };
        for (sign, is_one) in [("!=", false), ("==", true), ("=", true)] {
            if let Some((label, value)) = text.split_once(sign) {
                return of(label, vec![value.trim().to_owned()], is_one);
            }
        }
        let (head, list) = text.split_once('(')?;
        let values = list.strip_suffix(')')?.split(',');
        let values = values.map(|value| value.trim().to_owned()).collect();
        let (label, operator) = head.trim().split_once(char::is_whitespace)?;
        match operator.trim() {
            "in" => of(label, values, true),
            "notin" => of(label, values, false),
            _ => None,
        }
    }
}

/// Parts between commas, but for those in parentheses.
fn split_outside_of_parentheses(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |letter| {
        match letter {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        letter == ',' && !inside
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected_as_kubernetes_does() {
        let labels = [("mcpt.io/server", "demo"), ("a", "b")];
        for (text, selects) in [
            ("", true),
            ("mcpt.io/server=demo", true),
            ("mcpt.io/server==demo,a=b", true),
            ("mcpt.io/server=demo,a=c", false),
            ("mcpt.io/server!=demo", false),
            ("c!=d", true),
            ("c=d", false),
            ("mcpt.io/server in (x, demo),a notin (x,y)", true),
            ("mcpt.io/server in (x,y)", false),
        ] {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(selector.selects(&labels), selects, "{text}");
        }
        for text in ["a", "!a", "=b", "a in b", "a in (b", "a b (c)", "a>3"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_selector_of_a_query() {
        let query = "limit=5&labelSelector=mcpt.io%2Fserver%3Ddemo";
        let selector = Selector::of_query(query).unwrap();
        assert_eq!(selector, Selector::parse("mcpt.io/server=demo").unwrap());
        assert_eq!(Selector::of_query("").unwrap(), Selector::default());
    }
}
