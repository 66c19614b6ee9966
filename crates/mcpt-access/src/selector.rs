//! Who and what an entry of a file is about: [`Selector`], and the texts in which it says that (`who`, `issuer`, `servers`,
//! `tools`). It reads these for rules and for limits alike: what somebody can be named by is added here alone.

use serde::Deserialize;

use crate::Principal;

/// Why an entry of a file cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEntry {
    /// It is for somebody who cannot be named so.
    #[error("{who:?} is none of *, key:NAME, sub:SUBJECT, group:NAME, scope:NAME")]
    Who {
        /// What stands there.
        who: String,
    },
    /// A list of it is empty.
    #[error("{list} is empty, so it is about nothing")]
    Nothing {
        /// Name of the list.
        list: &'static str,
    },
    /// A server is named that cannot be.
    #[error("{server:?} is not NAME or NAMESPACE/NAME")]
    Server {
        /// What stands there.
        server: String,
    },
    /// Its issuer is none of those whose tokens are taken.
    #[error("{issuer} is not an issuer whose tokens are taken")]
    Issuer {
        /// What stands there.
        issuer: String,
    },
    /// The tokens of several issuers are taken, and it does not say whose it means.
    #[error("{who:?} is somebody else with each issuer: say which one is meant (issuer: URL)")]
    WhoseToken {
        /// What stands there.
        who: String,
    },
    /// A key is of no issuer.
    #[error("{who:?} has no token, so it is of no issuer")]
    KeyOfIssuer {
        /// What stands there.
        who: String,
    },
    /// A rate is none.
    #[error("{rate:?} is no rate like 5/s, 100/min, 1000/hour or 10000/day")]
    Rate {
        /// What stands there.
        rate: String,
    },
    /// It limits nothing.
    #[error("neither rate nor concurrent is there, so it limits nothing")]
    NoLimit,
    /// A burst is no number from 1 on, or there is no rate.
    #[error("burst is a number from 1 on, and goes with a rate")]
    Burst,
    /// No call at all is a rule, not a limit.
    #[error("concurrent is a number from 1 on")]
    Concurrent,
}

/// What entries of a file may take for granted.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Namespace of servers that are named without one.
    pub default_namespace: &'a str,
    /// Whose tokens are taken.
    pub issuers: &'a [String],
}

/// What an entry says of it, as it stands there.
#[derive(Deserialize)]
pub(crate) struct SelectorText {
    pub(crate) who: Vec<String>,
    pub(crate) issuer: Option<String>,
    /// `None`: it is about none by itself.
    pub(crate) servers: Option<Vec<String>>,
    pub(crate) tools: Option<Vec<String>>,
}

/// Whom and what an entry is about.
#[derive(Debug)]
pub(crate) struct Selector {
    who: Vec<Who>,
    /// Whose tokens those have who are meant; `None`: anybody's, or a key.
    issuer: Option<String>,
    servers: Vec<Pattern>,
    /// `None`: all.
    pub(crate) tools: Option<Vec<Pattern>>,
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Selector {
    pub(crate) fn read(text: SelectorText, context: Context<'_>) -> Result<Self, InvalidEntry> {
        for (list, empty) in [
            ("who", text.who.is_empty()),
            ("servers", text.servers.as_ref().is_some_and(Vec::is_empty)),
            ("tools", text.tools.as_ref().is_some_and(Vec::is_empty)),
        ] {
            if empty {
                return Err(InvalidEntry::Nothing { list });
            }
        }
        if let Some(issuer) = &text.issuer
            && !context.issuers.contains(issuer)
        {
            let issuer = issuer.clone();
            return Err(InvalidEntry::Issuer { issuer });
        }
        let who = text.who.into_iter().map(|who| {
            let Some(read) = Who::read(&who) else {
                return Err(InvalidEntry::Who { who });
            };
            match (&read, &text.issuer) {
                (Who::Key(_), Some(_)) => Err(InvalidEntry::KeyOfIssuer { who }),
                (Who::Subject(_) | Who::Group(_) | Who::Scope(_), None)
                    if context.issuers.len() > 1 =>
                {
                    Err(InvalidEntry::WhoseToken { who })
                }
                (Who::Everybody | Who::Subject(_) | Who::Group(_) | Who::Scope(_), _)
                | (Who::Key(_), None) => Ok(read),
            }
        });
        let who = who.collect::<Result<_, _>>()?;
        let servers = text.servers.into_iter().flatten().map(|server| {
            Pattern::of_server(&server, context.default_namespace)
                .ok_or(InvalidEntry::Server { server })
        });
        let tools = text
            .tools
            .map(|tools| tools.into_iter().map(Pattern).collect());
        Ok(Self {
            who,
            issuer: text.issuer,
            servers: servers.collect::<Result<_, _>>()?,
            // All by their names are all: nothing must be read for that.
            tools: tools.filter(|tools: &Vec<Pattern>| !tools.contains(&Pattern("*".to_owned()))),
        })
    }

    /// Whether it is about somebody at `server`, `NAMESPACE/NAME`; `None` is somebody of whom nothing is known.
    pub(crate) fn means(&self, principal: Option<&Principal>, server: &str) -> bool {
        self.means_whom(principal) && self.servers.iter().any(|pattern| pattern.matches(server))
    }

    /// Whether it is about somebody, at whatever server.
    pub(crate) fn means_whom(&self, principal: Option<&Principal>) -> bool {
        let token = principal.and_then(Principal::issuer);
        let of_issuer = self
            .issuer
            .as_deref()
            .is_none_or(|issuer| token == Some(issuer));
        of_issuer && self.who.iter().any(|who| who.is(principal))
    }

    /// Whether it is about a call of this tool.
    pub(crate) fn is_about_tool(&self, tool: &str) -> bool {
        let tools = self.tools.as_ref();
        tools.is_none_or(|tools| tools.iter().any(|pattern| pattern.matches(tool)))
    }
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

    fn is(&self, principal: Option<&Principal>) -> bool {
        let Some(principal) = principal else {
            return matches!(self, Self::Everybody);
        };
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
    /// That of a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// That of servers, `NAME` in this namespace or `NAMESPACE/NAME`, each with any number of `*`; `None` for what can be no
    /// server's.
    pub fn of_server(text: &str, namespace: &str) -> Option<Self> {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-*".contains(&b);
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(inside);
        let (namespace, name) = text.split_once('/').unwrap_or((namespace, text));
        (is_name(namespace) && is_name(name)).then(|| Self(format!("{namespace}/{name}")))
    }

    /// Whether a text is one of those that are meant. In the pattern of a server `*` stands for no slash.
    pub fn matches(&self, text: &str) -> bool {
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
