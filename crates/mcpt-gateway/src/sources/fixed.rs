//! Servers that the user names: `NAME=URL`.

use std::{collections::BTreeMap, num::NonZeroU32, str::FromStr};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcpt_core::{InvalidId, Namespace, ServerName, Sessions};
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, Handling, InvalidAddress,
    ServerKey, ServerSpec,
};

/// What is before the weight of an instance in its URL.
const WEIGHT: &str = "#weight=";

/// One server with the URLs of its instances: `[NAMESPACE/]NAME=URL[,URL…]`. A URL may end with `#weight=NUMBER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticServer {
    /// Namespace, if one was named.
    pub namespace: Option<Namespace>,
    /// Name.
    pub name: ServerName,
    /// Its instances, with what each gets beside the others.
    pub addresses: Vec<(Address, NonZeroU32)>,
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
    /// One of the weights is none.
    #[error("{0}: a weight is a number, 1 or more")]
    Weight(String),
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
        let (namespace, name) = Self::named(name)?;
        let addresses = urls
            .split(',')
            .map(|url| Self::instance(url.trim()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            namespace,
            name,
            addresses,
        })
    }
}

impl StaticServer {
    /// What `[NAMESPACE/]NAME` means.
    pub(super) fn named(
        text: &str,
    ) -> Result<(Option<Namespace>, ServerName), InvalidStaticServer> {
        Ok(match text.split_once('/') {
            Some((namespace, name)) => (Some(Namespace::new(namespace)?), ServerName::new(name)?),
            None => (None, ServerName::new(text)?),
        })
    }

    /// An instance by its URL, which may end with its weight.
    pub(super) fn instance(text: &str) -> Result<(Address, NonZeroU32), InvalidStaticServer> {
        let (url, weight) = match text.split_once(WEIGHT) {
            Some((url, weight)) => {
                let wrong = |_| InvalidStaticServer::Weight(shown(text));
                (url, weight.parse().map_err(wrong)?)
            }
            None => (text, NonZeroU32::MIN),
        };
        match Address::parse(url) {
            Ok(address) => Ok((address, weight)),
            Err(reason) => Err(InvalidStaticServer::Url {
                url: shown(url),
                reason,
            }),
        }
    }
}

/// A URL as it may be shown: without its query.
fn shown(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

/// A source that never changes. Its endpoints count as ready: what cannot be reached is found out by trying.
#[derive(Debug, Clone)]
pub struct StaticServers {
    servers: BTreeMap<ServerKey, Vec<(Address, NonZeroU32)>>,
}

impl StaticServers {
    /// The servers, those without a namespace in `default_namespace`. A name that comes twice has the URLs of both.
    pub fn new<'a>(
        servers: impl IntoIterator<Item = &'a StaticServer>,
        default_namespace: &Namespace,
    ) -> Self {
        let mut by_key = BTreeMap::<_, Vec<_>>::new();
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
                handling: Handling::default(),
                endpoints: addresses
                    .into_iter()
                    .map(|(address, weight)| EndpointSpec {
                        id: EndpointId::new(&address.identity()),
                        address,
                        conditions: Conditions::READY,
                        weight,
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
        let server: StaticServer = "demo=http://a:1/mcp#weight=3,http://b:2".parse().unwrap();
        let weights: Vec<_> = server.addresses.iter().map(|(_, w)| w.get()).collect();
        assert_eq!(weights, [3, 1]);
        for (text, says) in [
            ("demo", "NAME=URL"),
            ("Demo=http://a", "lower-case"),
            ("a=http://a,ftp://b", "ftp://b"),
            ("a=", "http://"),
            ("a=http://a#weight=0", "weight"),
            ("a=http://a#b", "http://a#b"),
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
