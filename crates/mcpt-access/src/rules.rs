//! [`Rules`]: what those may who were let in.
//!
//! A file of rules has a list `allow`. Each entry says who may call which tools of which servers; what no entry allows is not
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
    servers: Vec<String>,
    tools: Option<Vec<String>>,
}

/// Who may call which tools of which servers.
#[derive(Debug)]
pub struct Rules(Vec<Selector>);

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
            let text = SelectorText {
                who: entry.who,
                issuer: entry.issuer,
                servers: entry.servers,
                tools: entry.tools,
            };
            Selector::read(text, context).map_err(|reason| InvalidRules::Entry {
                entry: index + 1,
                reason,
            })
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// What somebody may at a server.
    pub fn permission(&self, principal: &Principal, namespace: &str, name: &str) -> Permission {
        let server = format!("{namespace}/{name}");
        let mut tools = Vec::new();
        let mut any = false;
        for rule in &self.0 {
            match &rule.tools {
                _ if !rule.means(Some(principal), &server) => {}
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
