//! [`Rules`]: what those may who were let in.
//!
//! A file of rules has a list `allow`. Each entry says who may call which tools of which servers, or of the servers of which
//! sets where they are called by way of these; what no entry allows is not
//! allowed. There is nothing that takes a permission away, so the order of entries does not matter and each can be read alone.

use serde::Deserialize;

use crate::{
    Principal,
    selector::{Context, InvalidEntry, Pattern, Selector, SelectorText},
};

/// Why a text is no file of rules.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRules {
    /// It is not YAML of that form.
    #[error("it is no file of rules: {0}")]
    Form(String),
    /// An entry cannot be understood.
    #[error("entry {entry}: {reason}")]
    Entry {
        /// Number of the entry, from 1.
        entry: usize,
        /// Why.
        reason: InvalidEntry,
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
    issuer: Option<String>,
    servers: Option<Vec<String>>,
    sets: Option<Vec<String>>,
    tools: Option<Vec<String>>,
}

/// Who may call which tools of which servers.
#[derive(Debug)]
pub struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    selector: Selector,
    /// Sets whose servers it is about too, where they are called by way of the set.
    sets: Vec<Pattern>,
}

/// What somebody may at a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Nothing: it is as if the server were not there.
    Nothing,
    /// To call the tools whose names one of these matches, and to use all else of the server.
    Tools(Vec<Pattern>),
    /// Everything.
    Everything,
}

impl Rules {
    /// Reads a file of rules in YAML, or JSON. A server without a namespace is one of the default namespace; `*/*` are all.
    /// Instead of servers, or beside them, an entry may name sets of these.
    /// Where the tokens of several issuers are taken, an entry about subjects, groups or scopes says whose it means: each
    /// issuer names them as it likes.
    ///
    /// # Errors
    /// [`InvalidRules`].
    pub fn parse(text: &str, context: Context<'_>) -> Result<Self, InvalidRules> {
        let document: Document =
            serde_saphyr::from_str(text).map_err(|error| InvalidRules::Form(error.to_string()))?;
        let entries = document.allow.into_iter().enumerate();
        let rules = entries.map(|(index, entry)| {
            Rule::read(entry, context).map_err(|reason| InvalidRules::Entry {
                entry: index + 1,
                reason,
            })
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// What somebody may at a server.
    pub fn permission(&self, principal: &Principal, namespace: &str, name: &str) -> Permission {
        self.permission_in(principal, None, namespace, name)
    }

    /// The same where he calls it by way of a set of servers that it is in.
    pub fn permission_in(
        &self,
        principal: &Principal,
        set: Option<&str>,
        namespace: &str,
        name: &str,
    ) -> Permission {
        let server = format!("{namespace}/{name}");
        let mut tools = Vec::new();
        let mut any = false;
        for rule in &self.0 {
            match &rule.selector.tools {
                _ if !rule.means(principal, set, &server) => {}
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

impl Rule {
    fn read(entry: Entry, context: Context<'_>) -> Result<Self, InvalidEntry> {
        let nothing = |list| Err(InvalidEntry::Nothing { list });
        let sets = match (&entry.servers, entry.sets) {
            (None, None) => return nothing("servers"),
            (_, Some(sets)) if sets.is_empty() => return nothing("sets"),
            (_, sets) => sets.unwrap_or_default(),
        };
        let text = SelectorText {
            who: entry.who,
            issuer: entry.issuer,
            servers: entry.servers,
            tools: entry.tools,
        };
        Ok(Self {
            selector: Selector::read(text, context)?,
            sets: sets.into_iter().map(Pattern::new).collect(),
        })
    }

    fn means(&self, principal: &Principal, set: Option<&str>, server: &str) -> bool {
        let by_set = set.is_some_and(|set| self.sets.iter().any(|pattern| pattern.matches(set)));
        if by_set {
            return self.selector.means_whom(Some(principal));
        }
        self.selector.means(Some(principal), server)
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
