//! [`Sets`]: some servers as one, each set with its own choice of tools and its own names, as a file says it; and what is shown
//! to those who call by the name of a host.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use mcpt_access::Pattern;
use serde::Deserialize;

use crate::{MAX_NAME, names};

/// Longest name of a set, and longest prefix, in characters.
const MAX_SET: usize = 63;
const MAX_PREFIX: usize = 30;

/// Why a text is no file of sets.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSets {
    /// It is not YAML of that form.
    #[error("it is no file of sets: {0}")]
    Form(String),
    /// A set has no usable name.
    #[error(
        "{name:?} is no name of a set: lower-case letters, digits and - are wanted, 63 at most"
    )]
    Name {
        /// What stands there.
        name: String,
    },
    /// Two sets have the same name.
    #[error("there are two sets {name}")]
    Twice {
        /// The name.
        name: String,
    },
    /// A set has no servers.
    #[error("set {set}: servers is empty, so there is nothing in it")]
    Empty {
        /// Name of the set.
        set: String,
    },
    /// A server is named that cannot be.
    #[error("{place}: {server:?} is not NAME or NAMESPACE/NAME")]
    Server {
        /// Where that stands.
        place: String,
        /// What stands there.
        server: String,
    },
    /// A name is wanted for tools that clients do not take.
    #[error(
        "set {set}: {name:?} cannot be in names of tools: letters, digits, _ and - are wanted, {most} at most"
    )]
    ToolName {
        /// Name of the set.
        set: String,
        /// What stands there.
        name: String,
        /// The length that is possible.
        most: usize,
    },
    /// A host is named that cannot be.
    #[error("{host:?} is not HOST or HOST:PORT")]
    Host {
        /// What stands there.
        host: String,
    },
    /// Two things are to be shown at one host.
    #[error("the host {host} is named twice")]
    HostTwice {
        /// It.
        host: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    sets: Vec<SetText>,
    #[serde(default)]
    hosts: Vec<HostText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetText {
    name: String,
    #[serde(default)]
    hosts: Vec<String>,
    servers: Vec<ServersText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServersText {
    server: String,
    tools: Option<Vec<String>>,
    #[serde(default)]
    without: Vec<String>,
    prefix: Option<String>,
    #[serde(default)]
    rename: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostText {
    host: String,
    server: String,
}

/// Sets by their names, and what is shown at which host.
#[derive(Debug, Default)]
pub struct Sets {
    sets: BTreeMap<String, Arc<ServerSet>>,
    hosts: HashMap<String, AtHost>,
}

/// What is shown to those who call by the name of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtHost {
    /// A set.
    Set(Arc<ServerSet>),
    /// One server.
    Server {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Some servers as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerSet {
    name: String,
    servers: Vec<Chosen>,
}

/// What a set has of some servers, and what that is called there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Chosen {
    servers: Pattern,
    /// `None`: all.
    tools: Option<Vec<Pattern>>,
    without: Vec<Pattern>,
    /// What names begin with instead of the server.
    prefix: Option<String>,
    /// Names of tools by what their servers call them.
    rename: BTreeMap<String, String>,
}

impl Sets {
    /// Reads a file of sets in YAML, or JSON. A server without a namespace is one of `namespace`; `*` stands for any characters.
    ///
    /// # Errors
    /// [`InvalidSets`].
    pub fn parse(text: &str, namespace: &str) -> Result<Self, InvalidSets> {
        let document: Document =
            serde_saphyr::from_str(text).map_err(|error| InvalidSets::Form(error.to_string()))?;
        let mut read = Self::default();
        for set in document.sets {
            let (name, hosts) = (set.name.clone(), set.hosts.clone());
            let set = Arc::new(ServerSet::read(set, namespace)?);
            for host in hosts {
                read.show(&host, AtHost::Set(Arc::clone(&set)))?;
            }
            if read.sets.insert(name.clone(), set).is_some() {
                return Err(InvalidSets::Twice { name });
            }
        }
        for HostText { host, server } in document.hosts {
            let pattern = Pattern::of_server(&server, namespace);
            if server.contains('*') || pattern.is_none() {
                let place = format!("host {host}");
                return Err(InvalidSets::Server { place, server });
            }
            let (namespace, name) = server.split_once('/').unwrap_or((namespace, &server));
            let shown = AtHost::Server {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            read.show(&host, shown)?;
        }
        Ok(read)
    }

    fn show(&mut self, host: &str, shown: AtHost) -> Result<(), InvalidSets> {
        let named = host.to_ascii_lowercase();
        if mcpt_protocol::host_of(&named).is_none() || named.ends_with(':') {
            let host = host.to_owned();
            return Err(InvalidSets::Host { host });
        }
        match self.hosts.insert(named.clone(), shown) {
            None => Ok(()),
            Some(_) => Err(InvalidSets::HostTwice { host: named }),
        }
    }

    /// The set with a name.
    pub fn named(&self, name: &str) -> Option<&Arc<ServerSet>> {
        self.sets.get(name)
    }

    /// All sets by name, each with the hosts at which it is shown, as [`Sets::at_host`] names them.
    pub fn all(&self) -> impl Iterator<Item = (&Arc<ServerSet>, Vec<&str>)> {
        self.sets.values().map(|set| {
            let shown = self.hosts.iter().filter_map(|(host, shown)| match shown {
                AtHost::Set(there) if Arc::ptr_eq(there, set) => Some(host.as_str()),
                AtHost::Set(_) | AtHost::Server { .. } => None,
            });
            let mut hosts: Vec<_> = shown.collect();
            hosts.sort_unstable();
            (set, hosts)
        })
    }

    /// What is shown to those who call by this `HOST[:PORT]`: what is named with the port, else what is named without one. With
    /// it comes the `HOST[:PORT]` as the file names it, in lower case: what was called may have another port.
    pub fn at_host(&self, authority: &str) -> Option<(&str, &AtHost)> {
        if self.hosts.is_empty() {
            return None;
        }
        let authority = authority.to_ascii_lowercase();
        let with_port = self.hosts.get_key_value(&authority);
        let found = with_port.or_else(|| {
            let host = mcpt_protocol::host_of(&authority)?;
            let end = authority.find(host)? + host.len();
            let bracket = usize::from(authority.starts_with('['));
            self.hosts.get_key_value(authority.get(..end + bracket)?)
        });
        found.map(|(host, shown)| (host.as_str(), shown))
    }
}

impl ServerSet {
    fn read(text: SetText, namespace: &str) -> Result<Self, InvalidSets> {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let SetText { name, servers, .. } = text;
        if name.is_empty() || name.len() > MAX_SET || !name.bytes().all(inside) {
            return Err(InvalidSets::Name { name });
        }
        if servers.is_empty() {
            return Err(InvalidSets::Empty { set: name });
        }
        let servers = servers.into_iter();
        let servers = servers.map(|text| Chosen::read(text, &name, namespace));
        Ok(Self {
            servers: servers.collect::<Result<_, _>>()?,
            name,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has of a server: what the first entry says that means it; `None` when it is none of the set.
    pub fn of_server(&self, namespace: &str, name: &str) -> Option<&Chosen> {
        let server = format!("{namespace}/{name}");
        let mut servers = self.servers.iter();
        servers.find(|chosen| chosen.servers.matches(&server))
    }
}

impl Chosen {
    fn read(text: ServersText, set: &str, namespace: &str) -> Result<Self, InvalidSets> {
        let fits = |name: &String, most: usize, empty: bool| {
            if names::is_possible(name, most) || (empty && name.is_empty()) {
                return Ok(());
            }
            let (set, name) = (set.to_owned(), name.clone());
            Err(InvalidSets::ToolName { set, name, most })
        };
        if let Some(prefix) = &text.prefix {
            fits(prefix, MAX_PREFIX, true)?;
        }
        for name in text.rename.values() {
            fits(name, MAX_NAME, false)?;
        }
        let servers = Pattern::of_server(&text.server, namespace);
        let patterns = |texts: Vec<String>| texts.into_iter().map(Pattern::new).collect();
        Ok(Self {
            servers: servers.ok_or_else(|| InvalidSets::Server {
                place: format!("set {set}"),
                server: text.server,
            })?,
            tools: text.tools.map(patterns),
            without: patterns(text.without),
            prefix: text.prefix,
            rename: text.rename,
        })
    }

    /// Whether a tool is there, by what its server calls it.
    pub fn has_tool(&self, own: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(own));
        self.tools.as_deref().is_none_or(any) && !any(&self.without)
    }

    /// What a tool is to be called; `None`: as without a set.
    pub(crate) fn tool(&self, own: &str) -> Option<String> {
        self.rename.get(own).cloned().or_else(|| self.prefixed(own))
    }

    /// What something else is to be called; `None`: as without a set.
    pub(crate) fn prefixed(&self, own: &str) -> Option<String> {
        Some(match self.prefix.as_deref()? {
            "" => own.to_owned(),
            prefix => format!("{prefix}_{own}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_is_in_a_set() {
        let sets = Sets::parse(
            "sets:
- name: team
  hosts: [Team.example.com, 'team.example.com:8443']
  servers:
  - {server: demo, tools: ['get_*', echo], without: [get_secret], prefix: d, rename: {echo: say}}
  - {server: 'tools/*'}
hosts:
- {host: one.example.com, server: other/files}
- {host: '[::1]:7', server: demo}
",
            "ns",
        )
        .unwrap();
        let team = sets.named("team").unwrap();
        assert_eq!(team.name(), "team");
        let demo = team.of_server("ns", "demo").unwrap();
        for (tool, there) in [
            ("get_it", true),
            ("get_secret", false),
            ("echo", true),
            ("other", false),
        ] {
            assert_eq!(demo.has_tool(tool), there, "{tool}");
        }
        assert_eq!(demo.tool("echo").as_deref(), Some("say"));
        assert_eq!(demo.tool("get_it").as_deref(), Some("d_get_it"));
        let any = team.of_server("tools", "anything").unwrap();
        assert!(any.has_tool("x") && any.tool("x").is_none());
        assert!(team.of_server("other", "demo").is_none());
        let at_team = AtHost::Set(Arc::clone(team));
        let [files, at_demo] = [("other", "files"), ("ns", "demo")].map(|(namespace, name)| {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            AtHost::Server { namespace, name }
        });
        for (host, shown) in [
            ("team.example.com", Some(("team.example.com", &at_team))),
            ("TEAM.example.com:80", Some(("team.example.com", &at_team))),
            (
                "team.example.com:8443",
                Some(("team.example.com:8443", &at_team)),
            ),
            ("one.example.com:1", Some(("one.example.com", &files))),
            ("[::1]:7", Some(("[::1]:7", &at_demo))),
            ("[::1]:8", None),
            ("example.com", None),
            ("", None),
        ] {
            assert_eq!(sets.at_host(host), shown, "{host}");
        }
        assert!(Sets::parse("{}", "ns").unwrap().named("team").is_none());
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, why) in [
            ("sets: 7", "it is no file of sets"),
            (
                "sets: [{name: a, servers: [{server: x}], color: red}]",
                "it is no file of sets",
            ),
            (
                "sets: [{name: A, servers: [{server: x}]}]",
                "\"A\" is no name of a set",
            ),
            ("sets: [{name: a, servers: []}]", "set a: servers is empty"),
            (
                "sets: [{name: a, servers: [{server: X}]}]",
                "set a: \"X\" is not NAME",
            ),
            (
                "sets: [{name: a, servers: [{server: x}]}, {name: a, servers: [{server: y}]}]",
                "there are two sets a",
            ),
            (
                "sets: [{name: a, servers: [{server: x, prefix: 'a b'}]}]",
                "set a: \"a b\" cannot be in names",
            ),
            (
                "sets: [{name: a, servers: [{server: x, rename: {y: ''}}]}]",
                "set a: \"\" cannot be in names",
            ),
            ("hosts: [{host: 'a:b', server: x}]", "\"a:b\" is not HOST"),
            (
                "hosts: [{host: a, server: '*'}]",
                "host a: \"*\" is not NAME",
            ),
            (
                "hosts: [{host: a, server: x}, {host: A, server: y}]",
                "the host a is named twice",
            ),
        ] {
            let error = Sets::parse(text, "ns").unwrap_err().to_string();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
