//! [`Limits`]: how often those may call who may, and how many calls of theirs may go on at once.
//!
//! A file of limits has a list `limits`. Each entry counts for itself the calls that it is about, those of each caller apart
//! from those of all others; a call must find room in every entry that is about it.

use serde::Deserialize;

use crate::{
    Principal,
    digest::Digest,
    selector::{Context, InvalidEntry, Selector, SelectorText},
};

/// Why a text is no file of limits.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLimits {
    /// It is not YAML of that form.
    #[error("it is no file of limits: {0}")]
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
    limits: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    who: Vec<String>,
    issuer: Option<String>,
    servers: Vec<String>,
    tools: Option<Vec<String>>,
    rate: Option<String>,
    burst: Option<u32>,
    concurrent: Option<u32>,
    #[serde(default)]
    shared: bool,
}

/// How often who may call what.
#[derive(Debug)]
pub struct Limits(Vec<Limit>);

/// One entry.
#[derive(Debug)]
pub struct Limit {
    selector: Selector,
    /// How often, if that is limited.
    pub rate: Option<Rate>,
    /// How many at once, if that is limited.
    pub concurrent: Option<u32>,
    /// Whether all callers have it together.
    shared: bool,
    /// Tells it from others with other contents: replicas with the same file count the same.
    digest: [u8; 32],
}

/// A number of calls in a time, and how many of them may come at once after a silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls a second.
    pub per_second: f64,
    /// Calls at once.
    pub burst: f64,
}

impl Limits {
    /// Reads a file of limits in YAML, or JSON. An entry says `who`, `issuer`, `servers` and `tools` as one of rules does, and
    /// `rate` (`100/min`) with `burst` (else as much as the rate's number), `concurrent`, or both; `shared: true` counts all callers
    /// together. With `tools` it is about calls of those, without about every request.
    ///
    /// # Errors
    /// [`InvalidLimits`].
    pub fn parse(text: &str, context: Context<'_>) -> Result<Self, InvalidLimits> {
        let document: Document =
            serde_saphyr::from_str(text).map_err(|error| InvalidLimits::Form(error.to_string()))?;
        let entries = document.limits.into_iter().enumerate();
        let limits = entries.map(|(index, entry)| {
            Limit::read(entry, context).map_err(|reason| InvalidLimits::Entry {
                entry: index + 1,
                reason,
            })
        });
        limits.collect::<Result<_, _>>().map(Self)
    }

    /// Whether any is about somebody at a server.
    pub fn any(&self, principal: Option<&Principal>, namespace: &str, name: &str) -> bool {
        let server = format!("{namespace}/{name}");
        let mut limits = self.0.iter();
        limits.any(|limit| limit.selector.means(principal, &server))
    }

    /// Those that are about a request of somebody at a server; `tool` is what it calls, if it calls one.
    pub fn of(
        &self,
        principal: Option<&Principal>,
        namespace: &str,
        name: &str,
        tool: Option<&str>,
    ) -> Vec<&Limit> {
        let server = format!("{namespace}/{name}");
        let about = |limit: &&Limit| {
            let selector = &limit.selector;
            let tool = match (tool, &selector.tools) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(tool), Some(_)) => selector.is_about_tool(tool),
            };
            tool && selector.means(principal, &server)
        };
        self.0.iter().filter(about).collect()
    }
}

impl Limit {
    fn read(entry: Entry, context: Context<'_>) -> Result<Self, InvalidEntry> {
        let text = format!(
            "{:?}",
            (
                (&entry.who, &entry.issuer, &entry.servers, &entry.tools),
                (&entry.rate, entry.burst, entry.concurrent, entry.shared),
                context.default_namespace
            )
        );
        let rate = match (&entry.rate, entry.burst) {
            (None, None) => None,
            (None, Some(_)) | (Some(_), Some(0)) => return Err(InvalidEntry::Burst),
            (Some(rate), burst) => Some(
                Rate::read(rate, burst).ok_or_else(|| InvalidEntry::Rate { rate: rate.clone() })?,
            ),
        };
        match (&rate, entry.concurrent) {
            (None, None) => return Err(InvalidEntry::NoLimit),
            (_, Some(0)) => return Err(InvalidEntry::Concurrent),
            _ => {}
        }
        Ok(Self {
            selector: Selector::read(
                SelectorText {
                    who: entry.who,
                    issuer: entry.issuer,
                    servers: Some(entry.servers),
                    tools: entry.tools,
                },
                context,
            )?,
            rate,
            concurrent: entry.concurrent,
            shared: entry.shared,
            digest: Digest::of(&[b"mcpt limit\0", text.as_bytes()]).bytes(),
        })
    }

    /// What it counts the calls of somebody under: the same at all replicas that have the same entry.
    pub fn account(&self, principal: Option<&Principal>) -> [u8; 16] {
        let nobody = [0; 32];
        let who = match principal.filter(|_| !self.shared) {
            Some(principal) => principal.id(),
            None => nobody,
        };
        let digest = Digest::of(&[b"mcpt account\0", &self.digest, &who]).bytes();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

impl Rate {
    fn read(text: &str, burst: Option<u32>) -> Option<Self> {
        let (number, unit) = text.split_once('/')?;
        let number: u32 = number.trim().parse().ok().filter(|number| *number > 0)?;
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 3600.0,
            "d" | "day" => 86_400.0,
            _ => return None,
        };
        Some(Self {
            per_second: f64::from(number) / seconds,
            burst: f64::from(burst.unwrap_or(number)),
        })
    }
}
