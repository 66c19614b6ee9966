//! Servers that the user names: `NAME=URL`.

use std::{collections::BTreeMap, str::FromStr};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcpt_core::{InvalidId, Namespace, ServerName, Sessions};
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, InvalidAddress, ServerKey,
    ServerSpec,
};

/// One server with the URLs of its instances: `[NAMESPACE/]NAME=URL[,URL…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticServer {
    /// Namespace, if one was named.
    pub namespace: Option<Namespace>,
    /// Name.
    pub name: ServerName,
    /// Its instances.
    pub addresses: Vec<Address>,
}

/// Why a text does not name a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStaticServer {
    /// The form is wrong.
    #[error("expected NAME=URL or NAME=URL,URL")]
    Form,
    /// The name or namespace is not valid.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// One of the URLs is not usable.
    #[error("{url}: {reason}")]
    Url {
        /// It.
        url: String,
        /// Why.
        reason: InvalidAddress,
    },
}

impl FromStr for StaticServer {
    type Err = InvalidStaticServer;

    fn from_str(text: &str) -> Result<Self, InvalidStaticServer> {
        let (name, urls) = text.split_once('=').ok_or(InvalidStaticServer::Form)?;
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(Namespace::new(namespace)?), name),
            None => (None, name),
        };
        let addresses = urls
            .split(',')
            .map(|url| {
                Address::parse(url.trim()).map_err(|reason| InvalidStaticServer::Url {
                    url: url.trim().to_owned(),
                    reason,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            namespace,
            name: ServerName::new(name)?,
            addresses,
        })
    }
}

/// A source that never changes. Its endpoints count as ready: what cannot be reached is found out by trying.
#[derive(Debug, Clone)]
pub struct StaticServers {
    servers: BTreeMap<ServerKey, Vec<Address>>,
}

impl StaticServers {
    /// The servers, those without a namespace in `default_namespace`. A name that comes twice has the URLs of both.
    pub fn new(servers: &[StaticServer], default_namespace: &Namespace) -> Self {
        let mut by_key = BTreeMap::<_, Vec<Address>>::new();
        for server in servers {
            let key = ServerKey {
                namespace: server
                    .namespace
                    .as_ref()
                    .unwrap_or(default_namespace)
                    .clone(),
                name: server.name.clone(),
            };
            by_key
                .entry(key)
                .or_default()
                .extend(server.addresses.iter().cloned());
        }
        Self { servers: by_key }
    }

    /// The servers that were named.
    pub fn keys(&self) -> impl Iterator<Item = &ServerKey> {
        self.servers.keys()
    }
}

impl Discovery for StaticServers {
    fn name(&self) -> &'static str {
        "static servers"
    }

    fn watch(self: Box<Self>) -> BoxStream<'static, Change> {
        let servers = self
            .servers
            .into_iter()
            .map(|(key, addresses)| ServerSpec {
                key,
                sessions: Sessions::Stateful,
                endpoints: addresses
                    .into_iter()
                    .map(|address| EndpointSpec {
                        id: EndpointId::new(&address.to_string()),
                        address,
                        conditions: Conditions::READY,
                    })
                    .collect(),
            })
            .collect();
        stream::once(async move { Change::Snapshot(servers) }).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let server: StaticServer = "demo=http://a:1/mcp, http://b:2/x".parse().unwrap();
        assert_eq!(server.name.as_str(), "demo");
        assert_eq!(server.addresses.len(), 2);
        let server: StaticServer = "ns/demo=http://a:1".parse().unwrap();
        assert_eq!(server.namespace.unwrap().as_str(), "ns");
        for (text, says) in [
            ("demo", "NAME=URL"),
            ("Demo=http://a", "lower-case"),
            ("a=http://a,ftp://b", "ftp://b"),
            ("a=", "http://"),
        ] {
            let error = text.parse::<StaticServer>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn repeated_names_are_joined() {
        let servers: Vec<StaticServer> = ["a=http://x:1", "a=http://x:2", "o/a=http://x:3"]
            .iter()
            .map(|s| s.parse().unwrap())
            .collect();
        let namespace = Namespace::new("d").unwrap();
        let changes: Vec<_> = Box::new(StaticServers::new(&servers, &namespace))
            .watch()
            .collect()
            .await;
        let [Change::Snapshot(specs)] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        let seen: Vec<_> = specs
            .iter()
            .map(|s| (s.key.to_string(), s.endpoints.len()))
            .collect();
        assert_eq!(seen, [("d/a".to_owned(), 2), ("o/a".to_owned(), 1)]);
    }
}
