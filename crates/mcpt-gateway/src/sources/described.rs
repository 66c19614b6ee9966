//! [`DescribedServers`]: servers as a file describes them: their URLs, and what they want to see of whoever calls them. Also of
//! servers that something else knows: pods that want a token, for example.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::stream::{BoxStream, StreamExt as _};
use mcpt_core::{InvalidId, Namespace, ServerName};
use mcpt_routing::{
    Address, Change, CredentialHeader, Credentials, Discovery, HeaderSource, ServerKey, ServerSpec,
    Starter,
};
use serde::Deserialize;

use super::fixed::{InvalidStaticServer, StaticServer};
use crate::upstream::{UnusableCredentials, Upstream};

/// Why a file describes no servers.
#[derive(Debug, thiserror::Error)]
pub enum InvalidServers {
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// It is not YAML of that form.
    #[error("it is no file of servers: {0}")]
    Form(String),
    /// A server is named twice.
    #[error("{0} is described twice")]
    Twice(String),
    /// A name or a URL is none.
    #[error("{name}: {reason}")]
    Server {
        /// What the entry says that it is.
        name: String,
        /// What is wrong.
        reason: InvalidStaticServer,
    },
    /// A header has neither a text nor a file, or both.
    #[error("{name}: the header {header} wants a value or a file")]
    Header {
        /// The server.
        name: String,
        /// The header.
        header: String,
    },
    /// A certificate lacks its key, or the other way around.
    #[error("{0}: a certificate and a key belong together")]
    Identity(String),
    /// TLS is described for a URL that has none.
    #[error("{0}: tls is for https:// URLs")]
    NoTls(String),
    /// What the server wants to see cannot be used.
    #[error("{name}: its credentials cannot be used")]
    Credentials {
        /// The server.
        name: String,
        /// Why.
        #[source]
        source: UnusableCredentials,
    },
}

impl From<InvalidId> for InvalidServers {
    fn from(error: InvalidId) -> Self {
        Self::Form(error.to_string())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    servers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    headers: Vec<Header>,
    tls: Option<Tls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    value: Option<String>,
    #[serde(default)]
    prefix: String,
    file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Tls {
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
}

/// The servers of a file.
#[derive(Debug, Default)]
pub struct DescribedServers {
    /// Those whose URLs it says.
    pub servers: Vec<StaticServer>,
    /// What others want to see, which something else knows.
    others: Vec<(Option<Namespace>, ServerName, Extra)>,
}

#[derive(Debug, Clone)]
struct Extra {
    credentials: Arc<Credentials>,
    tls: bool,
}

impl DescribedServers {
    /// Reads a file in YAML, or JSON: a list `servers`, each with a `name` (`[NAMESPACE/]NAME`), the `urls` of its instances,
    /// `headers` and `tls`. Files that it names are looked for beside it, and must be usable now.
    ///
    /// # Errors
    /// [`InvalidServers`].
    pub fn read(file: &Path) -> Result<Self, InvalidServers> {
        let text = std::fs::read_to_string(file).map_err(InvalidServers::Read)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder)
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, InvalidServers> {
        let document: Document = serde_saphyr::from_str(text)
            .map_err(|error| InvalidServers::Form(error.to_string()))?;
        let mut described = Self::default();
        let mut seen = Vec::new();
        for entry in document.servers {
            if seen.contains(&entry.name) {
                return Err(InvalidServers::Twice(entry.name));
            }
            seen.push(entry.name.clone());
            described.take(entry, folder)?;
        }
        Ok(described)
    }

    fn take(&mut self, entry: Entry, folder: &Path) -> Result<(), InvalidServers> {
        let Entry {
            name,
            urls,
            headers,
            tls,
        } = entry;
        let extra = Extra::read(&name, headers, tls, folder)?;
        let invalid = |reason| InvalidServers::Server {
            name: name.clone(),
            reason,
        };
        let (namespace, server) = StaticServer::named(&name).map_err(invalid)?;
        if urls.is_empty() {
            self.others.push((namespace, server, extra));
            return Ok(());
        }
        let mut addresses = Vec::new();
        for url in &urls {
            let (address, weight) = StaticServer::instance(url).map_err(invalid)?;
            if extra.tls && !address.is_tls() {
                return Err(InvalidServers::NoTls(name));
            }
            addresses.push((extra.shown_to(address), weight));
        }
        for (address, _) in &addresses {
            let unusable = |source| InvalidServers::Credentials {
                name: name.clone(),
                source,
            };
            Upstream::from(address).check().map_err(unusable)?;
        }
        self.servers.push(StaticServer {
            namespace,
            name: server,
            addresses,
        });
        Ok(())
    }

    /// A source that tells of the same servers as another one, with what the file says that they want to see.
    pub fn around(
        &self,
        source: Box<dyn Discovery>,
        default_namespace: &Namespace,
    ) -> Box<dyn Discovery> {
        if self.others.is_empty() {
            return source;
        }
        let others = self.others.iter().map(|(namespace, name, extra)| {
            let namespace = namespace.as_ref().unwrap_or(default_namespace).clone();
            let name = name.clone();
            (ServerKey { namespace, name }, extra.clone())
        });
        Box::new(Around {
            source,
            others: others.collect(),
        })
    }
}

impl Extra {
    fn read(
        server: &str,
        headers: Vec<Header>,
        tls: Option<Tls>,
        folder: &Path,
    ) -> Result<Self, InvalidServers> {
        let headers = headers.into_iter().map(|header| {
            let value = match (header.value, header.file) {
                (Some(text), None) => HeaderSource::Text(format!("{}{text}", header.prefix)),
                (None, Some(file)) => HeaderSource::File {
                    prefix: header.prefix,
                    file: folder.join(file),
                },
                _ => {
                    return Err(InvalidServers::Header {
                        name: server.to_owned(),
                        header: header.name,
                    });
                }
            };
            Ok(CredentialHeader {
                name: header.name,
                value,
            })
        });
        let mut credentials = Credentials {
            headers: headers.collect::<Result<_, _>>()?,
            ..Credentials::default()
        };
        let speaks_tls = tls.is_some();
        if let Some(tls) = tls {
            credentials.identity = match (tls.cert, tls.key) {
                (Some(cert), Some(key)) => Some((folder.join(cert), folder.join(key))),
                (None, None) => None,
                _ => return Err(InvalidServers::Identity(server.to_owned())),
            };
            credentials.authority = tls.ca.map(|file| folder.join(file));
            credentials.server_name = tls.server_name;
        }
        Ok(Self {
            credentials: Arc::new(credentials),
            tls: speaks_tls,
        })
    }

    fn shown_to(&self, address: Address) -> Address {
        let address = if self.tls {
            address.with_tls()
        } else {
            address
        };
        address.with_credentials(Arc::clone(&self.credentials))
    }

    fn of(&self, mut server: ServerSpec) -> ServerSpec {
        for endpoint in &mut server.endpoints {
            endpoint.address = self.shown_to(endpoint.address.clone());
        }
        server
    }
}

/// A source of which some servers want to see more.
#[derive(Debug)]
struct Around {
    source: Box<dyn Discovery>,
    others: BTreeMap<ServerKey, Extra>,
}

impl Discovery for Around {
    fn name(&self) -> &'static str {
        self.source.name()
    }

    fn starter(&self) -> Option<Arc<dyn Starter>> {
        self.source.starter()
    }

    fn watch(self: Box<Self>) -> BoxStream<'static, Change> {
        let Self { source, others } = *self;
        let of = move |server: ServerSpec| match others.get(&server.key) {
            Some(extra) => extra.of(server),
            None => server,
        };
        source
            .watch()
            .map(move |change| match change {
                Change::Snapshot(servers) => {
                    Change::Snapshot(servers.into_iter().map(&of).collect())
                }
                Change::Set(server) => Change::Set(of(server)),
                Change::Remove(key) => Change::Remove(key),
            })
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DescribedServers, InvalidServers> {
        DescribedServers::parse(text, Path::new("/nowhere"))
    }

    #[test]
    fn what_describes_no_servers_is_said() {
        for (text, says) in [
            ("", "no file of servers"),
            ("servers: [{name: a, url: x}]", "no file of servers"),
            ("servers: [{name: A, urls: ['http://a']}]", "A: "),
            ("servers: [{name: a, urls: ['ftp://a']}]", "a: "),
            ("servers: [{name: a}, {name: a}]", "a is described twice"),
            (
                "servers: [{name: a, headers: [{name: X}]}]",
                "header X wants",
            ),
            (
                "servers: [{name: a, headers: [{name: X, value: a, file: b}]}]",
                "header X wants",
            ),
            ("servers: [{name: a, tls: {cert: c}}]", "belong together"),
            (
                "servers: [{name: a, urls: ['http://a'], tls: {}}]",
                "https://",
            ),
            (
                "servers: [{name: a, urls: ['http://a'], headers: [{name: X, file: f}]}]",
                "cannot be used",
            ),
            (
                "servers: [{name: a, urls: ['https://a'], tls: {ca: f}}]",
                "cannot be used",
            ),
            (
                "servers: [{name: a, urls: ['http://a'], headers: [{name: Host, value: f}]}]",
                "cannot be used",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn what_another_source_knows_is_shown_more() {
        let described = parse(
            "servers: [{name: a, headers: [{name: X-A, value: b}]}, {name: o/b, tls: {serverName: s}}]",
        );
        let servers: Vec<StaticServer> = ["a=http://a:1", "b=http://b:2", "o/b=http://b:3"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let namespace = Namespace::new("d").unwrap();
        let source = super::super::StaticServers::new(&servers, &namespace);
        let around = described.unwrap().around(Box::new(source), &namespace);
        let changes: Vec<_> = around.watch().collect().await;
        let [Change::Snapshot(specs)] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        let seen = specs.iter().map(|spec| {
            let address = &spec.endpoints[0].address;
            let credentials = address.credentials();
            let headers = credentials.map_or(0, |shown| shown.headers.len());
            let name = credentials.and_then(|shown| shown.server_name.as_deref());
            (address.to_string(), headers, name)
        });
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [
                ("http://a:1/mcp".to_owned(), 1, None),
                ("http://b:2/mcp".to_owned(), 0, None),
                ("https://b:3/mcp".to_owned(), 0, Some("s")),
            ]
        );
    }
}
