//! [`Cluster`]: the connected cluster as this backend uses it: its errors are failures, and hints have commands that lead to it.

use std::{
    fmt::{self, Debug},
    ops::Deref,
};

use helm_install::{Applier, Records, Tool};
use helm_render::Limits;
use kube::{
    api::ListParams,
    core::{NamespaceResourceScope, ObjectMeta},
};
use mcpt_core::{CommandOption, Failure, Namespace, command_line};
use serde::de::DeserializeOwned;

use crate::{driver, failure::failure};

/// As which program mcpt works on releases.
pub const TOOL: Tool = Tool {
    name: "mcpt",
    heartbeat: "mcpt.io/heartbeat",
    holder: "mcpt.io/holder",
};

/// A connected cluster. It is [`kube_access::Cluster`] with what mcpt adds.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) access: kube_access::Cluster,
    /// The options by which it was chosen, other than the namespace, for commands in hints.
    pub(crate) chosen_by: Vec<(CommandOption, String)>,
    /// What the templates of charts may use.
    pub(crate) limits: Limits,
    /// Namespace that releases live in.
    pub(crate) namespace: Namespace,
}

impl Deref for Cluster {
    type Target = kube_access::Cluster;

    fn deref(&self) -> &kube_access::Cluster {
        &self.access
    }
}

impl Cluster {
    /// All objects of a kind in the working namespace.
    ///
    /// # Errors
    /// When the API server refuses.
    pub(crate) async fn list<K>(&self, params: ListParams, what: &str) -> Result<Vec<K>, Failure>
    where
        K: kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let list = self.access.list(params).await;
        list.map_err(|error| failure(what, &error))
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
        let list = self.access.list_metadata::<K>(params).await;
        list.map_err(|error| failure(what, &error))
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
        let found = self.access.get(name).await;
        found.map_err(|error| failure(what, &error))
    }

    /// The records of a release.
    pub(crate) fn records(&self, release: &str) -> Records {
        Records::new(self.access.clone(), TOOL, release)
    }

    /// What applies the objects of a release.
    pub(crate) fn applier(&self, release: &str) -> Applier {
        Applier::new(self.access.clone(), release.to_owned())
    }

    /// A command of mcpt that acts on a release of the working namespace.
    pub(crate) fn command(&self, words: &str) -> String {
        let chosen_by = self.chosen_by.iter();
        let mut options = vec![(CommandOption::Backend, driver::NAME.as_str())];
        options.extend(chosen_by.map(|(option, value)| (*option, value.as_str())));
        options.push((CommandOption::Namespace, self.namespace.as_str()));
        command_line(&options, words)
    }

    /// Turns a client error into a failure of `what`.
    pub(crate) fn failure(&self, what: impl Into<String>, error: kube::Error) -> Failure {
        failure(what, &self.error(error))
    }
}

impl Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.access, f)
    }
}
