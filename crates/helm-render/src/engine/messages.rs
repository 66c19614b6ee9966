//! Helm's rewording of the template engine's errors.

use gotmpl::Stage;
use helm_funcs::{WARN_END, WARN_START};

use crate::error::Error;

/// `parse error at (file:line): what`
pub(super) fn parse_error(path: &str, source: gotmpl::Error) -> Error {
    let message = source.to_string();
    let parts: Vec<&str> = message.split(": ").collect();
    let text = match parts.as_slice() {
        [_, location, .., what] => format!("parse error at ({location}): {what}"),
        [_, what] => format!("parse error at ({what}): {what}"),
        _ => format!("parse error in ({path}): {message}"),
    };
    Error::Template {
        text,
        engine: source,
    }
}

/// What `fail` and `required` say, with the place where it was said; otherwise one place after
/// the other, if all of the chain names places; otherwise the engine's own words.
pub(super) fn execution_error(path: &str, source: gotmpl::Error) -> Error {
    let text = reworded(path, &source).unwrap_or_else(|| source.to_string());
    Error::Template {
        text,
        engine: source,
    }
}

fn reworded(path: &str, error: &gotmpl::Error) -> Option<String> {
    let chain = || std::iter::successors(Some(error), |error| error.cause());
    if !chain().any(|error| error.stage() == Stage::Exec) {
        return None;
    }
    let message = error.to_string();
    let mut parts = message.splitn(3, ": ").skip(1);
    let (Some(location), Some(rest)) = (parts.next(), parts.next()) else {
        return Some(format!("execution error in ({path}): {message}"));
    };
    if let Some(start) = rest.find(WARN_START)
        && let Some(end) = rest.rfind(WARN_END)
        && start + WARN_START.len() <= end
    {
        let said = &rest[start + WARN_START.len()..end];
        return Some(format!("execution error at ({location}): {said}"));
    }
    let mut places: Vec<ErrorLink> = Vec::new();
    for error in chain() {
        let place = ErrorLink::read(&error.to_string())?;
        if places.last() != Some(&place) {
            places.push(place);
        }
    }
    let text: String = places.iter().map(ErrorLink::text).collect();
    Some(text.trim().to_owned())
}

/// One error of a chain, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct ErrorLink {
    location: String,
    executing: String,
    message: String,
}

impl ErrorLink {
    fn read(message: &str) -> Option<Self> {
        let rest = message.strip_prefix("template: ")?;
        let own = |text: &str| text.split(" template:").next().unwrap_or(text).to_owned();
        if rest.starts_with("no template ") {
            return Some(Self {
                location: String::new(),
                executing: String::new(),
                message: message.to_owned(),
            });
        }
        if let Some(place) = Self::executing(rest) {
            return Some(place);
        }
        let (location, message) = rest.rsplit_once(": ")?;
        Some(Self {
            location: location.to_owned(),
            executing: String::new(),
            message: own(message),
        })
    }

    /// `file:1:2: executing "name" at <node>: message`
    fn executing(rest: &str) -> Option<Self> {
        let (location, after) = rest.split_once(": executing ")?;
        let after = after.strip_prefix('"')?;
        let (name, after) = after.split_once('"')?;
        let (node, message) = after.strip_prefix(" at <")?.split_once(">: ")?;
        Some(Self {
            location: location.to_owned(),
            executing: format!("executing \"{name}\" at <{node}>:"),
            message: message
                .split(" template:")
                .next()
                .unwrap_or(message)
                .to_owned(),
        })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (part, after) in [
            (&self.location, "\n  "),
            (&self.executing, "\n    "),
            (&self.message, "\n"),
        ] {
            if !part.is_empty() {
                out.push_str(part);
                out.push_str(after);
            }
        }
        out
    }
}
