//! [`Cluster`]: one reachable API server, the namespace to work in, and how its errors are told.

use std::{
    fmt::{self, Debug},
    io,
    time::Duration,
};

use kube::{
    Api, Client,
    api::ListParams,
    core::{NamespaceResourceScope, ObjectMeta},
};
use mcpt_core::{Failure, Namespace, command_line};
use serde::de::DeserializeOwned;

use crate::{driver, failure};

/// Longest time for establishing a connection to the API server.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for the answer to a request that is no stream; webhooks may take 30 s alone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);

/// Field manager of everything that belongs to a release. It is Helm's own name, so that a later `helm upgrade` owns the
/// same fields and meets no conflict.
pub(crate) const FIELD_MANAGER: &str = "helm";

/// A connected cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    /// Client with credentials.
    pub(crate) client: Client,
    /// The options by which it was chosen, other than the namespace, for commands in hints.
    pub(crate) chosen_by: Vec<(&'static str, String)>,
    /// Namespace that releases live in.
    pub(crate) namespace: Namespace,
    /// URL of the API server, for messages.
    pub(crate) address: String,
    /// Version of the API server.
    pub(crate) version: ServerVersion,
}

/// Version of an API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerVersion {
    /// Full version as it names itself: `v1.37.2`.
    pub(crate) git: String,
    /// Minor version, 0 when it cannot be read.
    pub(crate) minor: u32,
}

impl ServerVersion {
    /// Reads what `/version` answers. Providers append `+` to the minor version.
    pub(crate) fn new(git: String, minor: &str) -> Self {
        let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
        Self {
            git,
            minor: digits.parse().unwrap_or(0),
        }
    }

    /// Whether a watch can begin with the existing objects, which saves the list request (on by default since 1.34).
    pub(crate) fn streams_lists(&self) -> bool {
        self.minor >= 34
    }
}

impl Cluster {
    /// API of a namespaced kind in the cluster's working namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), self.namespace.as_str())
    }

    /// All objects of a kind in the working namespace.
    ///
    /// # Errors
    /// When the API server refuses.
    pub(crate) async fn list<K>(&self, params: ListParams, what: &str) -> Result<Vec<K>, Failure>
    where
        K: kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        let list = self.answer(api.list(&params)).await;
        Ok(list.map_err(|error| self.failure(what, &error))?.items)
    }

    /// The metadata of all objects of a kind in the working namespace.
    ///
    /// # Errors
    /// When the API server refuses.
    pub(crate) async fn list_metadata<K>(
        &self,
        params: ListParams,
        what: &str,
    ) -> Result<Vec<ObjectMeta>, Failure>
    where
        K: kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        let list = self.answer(api.list_metadata(&params)).await;
        let list = list.map_err(|error| self.failure(what, &error))?;
        Ok(list.items.into_iter().map(|item| item.metadata).collect())
    }

    /// One object of the working namespace, if it is there.
    ///
    /// # Errors
    /// When the API server refuses.
    pub(crate) async fn get<K>(&self, name: &str, what: &str) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        let found = self.answer(api.get_opt(name)).await;
        found.map_err(|error| self.failure(what, &error))
    }

    /// Waits for the answer to a request, but not forever: a connection whose other end vanished says nothing.
    ///
    /// # Errors
    /// Those of the request, and a time-out.
    pub(crate) async fn answer<T>(
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

    /// A command of mcpt that acts on a release of the working namespace.
    pub(crate) fn command(&self, words: &str) -> String {
        let chosen_by = self.chosen_by.iter();
        let mut options = vec![("-b", driver::NAME.as_str())];
        options.extend(chosen_by.map(|(option, value)| (*option, value.as_str())));
        options.push(("-n", self.namespace.as_str()));
        command_line(&options, words)
    }

    /// Turns a client error into a failure of `what`.
    pub(crate) fn failure(&self, what: impl Into<String>, error: &kube::Error) -> Failure {
        failure::explain(error, &self.address).failure(what)
    }

    /// Turns a watch error into a failure of `what`.
    pub(crate) fn watch_failure(
        &self,
        what: impl Into<String>,
        error: &kube::runtime::watcher::Error,
    ) -> Failure {
        failure::explain_watch(error, &self.address).failure(what)
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
