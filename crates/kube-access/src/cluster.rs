//! [`Cluster`]: one reachable API server, and the namespace to work in.

use std::{
    fmt::{self, Debug},
    io,
    time::Duration,
};

use kube::{
    Api, Client,
    api::ListParams,
    core::{NamespaceResourceScope, ObjectMeta},
    runtime::watcher,
};
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Longest time for the answer to a request that is no stream; webhooks may take 30 s alone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);

/// A connected cluster.
#[derive(Clone)]
pub struct Cluster {
    /// Client with credentials.
    pub client: Client,
    /// Namespace to work in.
    pub namespace: String,
    /// URL of the API server, for messages.
    pub address: String,
    /// Version of the API server.
    pub version: ServerVersion,
}

/// Version of an API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    /// Full version as it names itself: `v1.37.2`.
    pub git: String,
    /// Minor version, 0 when it cannot be read.
    pub minor: u32,
}

impl ServerVersion {
    /// Reads what `/version` answers. Providers append `+` to the minor version.
    pub fn new(git: String, minor: &str) -> Self {
        let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
        Self {
            git,
            minor: digits.parse().unwrap_or(0),
        }
    }

    /// Whether a watch can begin with the existing objects, which saves the list request (on by default since 1.34).
    pub fn streams_lists(&self) -> bool {
        self.minor >= 34
    }
}

impl Cluster {
    /// API of a namespaced kind in the cluster's working namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// All objects of a kind in the working namespace.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn list<K>(&self, params: ListParams) -> Result<Vec<K>>
    where
        K: kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        let list = self.answer(api.list(&params)).await;
        Ok(list.map_err(|error| self.error(error))?.items)
    }

    /// The metadata of all objects of a kind in the working namespace.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn list_metadata<K>(&self, params: ListParams) -> Result<Vec<ObjectMeta>>
    where
        K: kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        let list = self.answer(api.list_metadata(&params)).await;
        let list = list.map_err(|error| self.error(error))?;
        Ok(list.items.into_iter().map(|item| item.metadata).collect())
    }

    /// One object of the working namespace, if it is there.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn get<K>(&self, name: &str) -> Result<Option<K>>
    where
        K: kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        let found = self.answer(api.get_opt(name)).await;
        found.map_err(|error| self.error(error))
    }

    /// Waits for the answer to a request, but not forever: a connection whose other end vanished says nothing.
    ///
    /// # Errors
    /// Those of the request, and a time-out.
    pub async fn answer<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, kube::Error> {
        match tokio::time::timeout(ANSWER_TIMEOUT, request).await {
            Ok(answer) => answer,
            Err(_) => Err(kube::Error::Service(Box::new(io::Error::from(
                io::ErrorKind::TimedOut,
            )))),
        }
    }

    /// An error of one of its requests.
    pub fn error(&self, source: kube::Error) -> Error {
        Error::Request {
            address: self.address.clone(),
            source: Box::new(source),
        }
    }

    /// An error of one of its watches.
    pub fn watch_error(&self, source: watcher::Error) -> Error {
        Error::Watch {
            address: self.address.clone(),
            source: Box::new(source),
        }
    }
}

impl Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("address", &self.address)
            .field("namespace", &self.namespace)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_versions() {
        for (minor, number, streams) in [
            ("37", 37, true),
            ("34+", 34, true),
            ("33", 33, false),
            ("", 0, false),
        ] {
            let version = ServerVersion::new("v1".into(), minor);
            assert_eq!(
                (version.minor, version.streams_lists()),
                (number, streams),
                "{minor}"
            );
        }
    }
}
