//! [`Rules`]: what those may who were let in.
//!
//! A file of rules has a list `allow`. Each entry says who may call which tools of which servers; what no entry allows is not
//! allowed. There is nothing that takes a permission away, so the order of entries does not matter and each can be read alone.

use serde::Deserialize;

use crate::Principal;

/// Why a text is no file of rules.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRules {
    /// It is not YAML of that form.
    #[error("it is no file of rules: {0}")]
    Form(String),
    /// An entry is for somebody who cannot be named so.
    #[error("entry {entry}: {who:?} is none of *, key:NAME, sub:SUBJECT, group:NAME, scope:NAME")]
    Who {
        /// Number of the entry, from 1.
        entry: usize,
        /// What stands there.
        who: String,
    },
    /// A list of an entry is empty.
    #[error("entry {entry}: {list} is empty, so it allows nothing")]
    Nothing {
        /// Number of the entry, from 1.
        entry: usize,
        /// Name of the list.
        list: &'static str,
    },
    /// A server is named that cannot be.
    #[error("entry {entry}: {server:?} is not NAME or NAMESPACE/NAME")]
    Server {
        /// Number of the entry, from 1.
        entry: usize,
        /// What stands there.
        server: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    allow: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    who: Vec<String>,
    servers: Vec<String>,
    tools: Option<Vec<String>>,
}

/// Who may call which tools of which servers.
#[derive(Debug)]
pub struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    who: Vec<Who>,
    servers: Vec<Pattern>,
    /// `None`: all.
    tools: Option<Vec<Pattern>>,
}

#[derive(Debug)]
enum Who {
    Everybody,
    Key(String),
    Subject(String),
    Group(String),
    Scope(String),
}

/// A text in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// What somebody may at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: it is as if the server were not there.
    Nothing,
    /// To call the tools whose names one of these matches, and to use all else of the server.
    Tools(Vec<Pattern>),
    /// Everything.
    Everything,
}

impl Rules {
    /// Reads a file of rules in YAML, or JSON. A server without a namespace is one of `default_namespace`; `*/*` are all.
    ///
    /// # Errors
    /// [`InvalidRules`].
    pub fn parse(text: &str, default_namespace: &str) -> Result<Self, InvalidRules> {
        let document: Document =
            serde_saphyr::from_str(text).map_err(|error| InvalidRules::Form(error.to_string()))?;
        let entries = document.allow.into_iter().enumerate();
        let rules = entries.map(|(index, entry)| Rule::read(entry, index + 1, default_namespace));
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// What somebody may at a server.
    pub fn permission(&self, principal: &Principal, namespace: &str, name: &str) -> Permission {
        let server = format!("{namespace}/{name}");
        let mut tools = Vec::new();
        let mut any = false;
        for rule in &self.0 {
            let meant = rule.who.iter().any(|who| who.is(principal))
                && rule.servers.iter().any(|pattern| pattern.matches(&server));
            match &rule.tools {
                _ if !meant => {}
                None => return Permission::Everything,
                Some(patterns) => {
                    any = true;
                    tools.extend(patterns.iter().cloned());
                }
            }
        }
        if any {
            Permission::Tools(tools)
        } else {
            Permission::Nothing
        }
    }
}

impl Permission {
    /// Whether the server may be used at all.
    pub fn may_use(&self) -> bool {
        *self != Self::Nothing
    }

    /// Whether a tool of it may be called.
    pub fn may_call(&self, tool: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Tools(patterns) => patterns.iter().any(|pattern| pattern.matches(tool)),
            Self::Everything => true,
        }
    }
}

impl Rule {
    fn read(entry: Entry, number: usize, namespace: &str) -> Result<Self, InvalidRules> {
        for (list, empty) in [
            ("who", entry.who.is_empty()),
            ("servers", entry.servers.is_empty()),
            ("tools", entry.tools.as_ref().is_some_and(Vec::is_empty)),
        ] {
            if empty {
                return Err(InvalidRules::Nothing {
                    entry: number,
                    list,
                });
            }
        }
        let who = entry
            .who
            .into_iter()
            .map(|who| Who::read(&who).ok_or(InvalidRules::Who { entry: number, who }));
        let servers = entry.servers.into_iter().map(|server| {
            server_pattern(&server, namespace).ok_or(InvalidRules::Server {
                entry: number,
                server,
            })
        });
        let tools = entry
            .tools
            .map(|tools| tools.into_iter().map(Pattern).collect());
        Ok(Self {
            who: who.collect::<Result<_, _>>()?,
            servers: servers.collect::<Result<_, _>>()?,
            // All by their names are all: nothing must be read for that.
            tools: tools.filter(|tools: &Vec<Pattern>| !tools.contains(&Pattern("*".to_owned()))),
        })
    }
}

fn server_pattern(text: &str, namespace: &str) -> Option<Pattern> {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-*".contains(&b);
    let is_name = |text: &str| !text.is_empty() && text.bytes().all(inside);
    let (namespace, name) = text.split_once('/').unwrap_or((namespace, text));
    (is_name(namespace) && is_name(name)).then(|| Pattern(format!("{namespace}/{name}")))
}

impl Who {
    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everybody);
        }
        let (sort, name) = text.split_once(':')?;
        let name = (!name.is_empty()).then(|| name.to_owned())?;
        Some(match sort {
            "key" => Self::Key(name),
            "sub" => Self::Subject(name),
            "group" => Self::Group(name),
            "scope" => Self::Scope(name),
            _ => return None,
        })
    }

    fn is(&self, principal: &Principal) -> bool {
        match self {
            Self::Everybody => true,
            Self::Key(name) => principal.issuer().is_none() && principal.name() == name,
            Self::Subject(name) => principal.issuer().is_some() && principal.name() == name,
            Self::Group(name) => principal.groups().contains(name),
            Self::Scope(name) => principal.scopes().contains(name),
        }
    }
}

impl Pattern {
    /// Whether a text is one of those that are meant. In the pattern of a server `*` stands for no slash.
    fn matches(&self, text: &str) -> bool {
        match (self.0.split_once('/'), text.split_once('/')) {
            (Some((a, b)), Some((c, d))) => is_like(a, c) && is_like(b, d),
            _ => is_like(&self.0, text),
        }
    }
}

/// Whether a text is like a pattern: its parts between the `*` stand in the text in this order, the first at its begin and the
/// last at its end. Each is looked for once, so that no pattern takes long.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, like) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "a", true),
            ("get_*", "get_", true),
            ("get_*", "get_x", true),
            ("get_*", "forget_x", false),
            ("*_x", "get_x", true),
            ("*_x", "get_xy", false),
            ("a*b", "ab", true),
            ("a*b", "a", false),
            ("ab*ba", "aba", false),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "acb", false),
            ("*a**b*", "xaxbx", true),
        ] {
            assert_eq!(is_like(pattern, text), like, "{pattern} {text}");
        }
    }
}
