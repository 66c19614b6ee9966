//! What a backend can do. Whoever must know asks for the ability, and never which backend it is.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// The name of a kind of backend, as `--backend` takes it: `process`, `kubernetes`. Each backend's crate has the one of its own;
/// it names and is shown, and nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackendName(Cow<'static, str>);

impl BackendName {
    /// The name of a backend of this program.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name that somebody gave; whether there is such a backend is seen when it is looked for.
impl From<String> for BackendName {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that not every backend can do or has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Runs container images. Without it a plan's local command is run.
    Images,
    /// Installs and runs packages of npm and `PyPI`.
    Packages,
    /// Renders a Helm chart: its values, a profile and another chart can be given.
    Chart,
    /// Runs several instances of a server, and their number can be changed.
    Instances,
    /// Lets the number of instances follow the load.
    Autoscaling,
    /// Stops servers that nobody calls, and starts them with the next call.
    Idling,
    /// Starts the instances of a server anew, as they are configured.
    Restart,
    /// Measures what the instances of a server use.
    Usage,
    /// Runs a command in the container of an instance.
    Exec,
    /// Reaches its servers by forwarded ports: they have no address of this machine.
    Forwarding,
    /// Tells what a deploy would change.
    Comparison,
    /// Keeps revisions, which can be listed and gone back to.
    History,
    /// Records what happens to a server's objects.
    Events,
    /// Tells what was deployed, so that it can be deployed elsewhere.
    Recall,
    /// Keeps a server's data in volumes that can outlive it.
    Volumes,
    /// Has namespaces, which can be made and removed.
    Namespaces,
    /// Is chosen by a context and a kubeconfig.
    Contexts,
    /// Can check a deployment on the platform without making it.
    RemoteDryRun,
    /// Can have the gateway installed in it.
    InstalledGateway,
}

impl Capability {
    /// What is said of a backend without it: `the process backend` and this.
    #[must_use]
    pub fn lacking(self) -> &'static str {
        match self {
            Self::Images => "runs no container images",
            Self::Packages => "runs no packages of npm or PyPI",
            Self::Chart => "has no chart whose values could be set",
            Self::Instances => "runs exactly one instance of a server",
            Self::Autoscaling => "does not let the number of instances follow the load",
            Self::Idling => "keeps servers running that nobody calls",
            Self::Restart => "starts no server anew",
            Self::Usage => "does not measure what servers use",
            Self::Exec => "has no containers to run a command in",
            Self::Forwarding => "has its servers at addresses of this machine",
            Self::Comparison => "does not tell what a deploy would change",
            Self::History => "keeps no revisions",
            Self::Events => "records no events",
            Self::Recall => "does not tell what was deployed",
            Self::Volumes => "has no volumes",
            Self::Namespaces => "has no namespaces",
            Self::Contexts => "is chosen by no context and no kubeconfig",
            Self::RemoteDryRun => "has no API server to ask",
            Self::InstalledGateway => "has no gateway that is installed in it",
        }
    }
}

/// All that a backend can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(&'static [Capability]);

impl Capabilities {
    /// These, and nothing else.
    #[must_use]
    pub const fn new(all: &'static [Capability]) -> Self {
        Self(all)
    }

    /// Whether it can do that.
    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_can_what_it_says() {
        let can = Capabilities::new(&[Capability::Images]);
        assert!(can.has(Capability::Images));
        assert!(!can.has(Capability::History));
    }

    #[test]
    fn a_given_name_is_that_of_the_crate() {
        assert_eq!(
            BackendName::from("docker".to_owned()),
            BackendName::new("docker")
        );
        let read: BackendName = serde_json::from_str("\"docker\"").unwrap();
        assert_eq!(read.to_string(), "docker");
    }
}
