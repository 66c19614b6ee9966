//! Where the cluster keeps its files, and the addresses and names that it gives.

use std::path::{Path, PathBuf};

use crate::cache::{self, Key};

/// The machine of the control plane.
pub(crate) const CONTROL_PLANE: &str = "control-plane";
/// The API server's address on the bridge between the machines.
pub(crate) const CONTROL_PLANE_ADDRESS: &str = "172.31.255.1";
/// The port of the API server.
pub(crate) const API_PORT: u16 = 6443;
/// The addresses of services.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The address of the service `kubernetes`: the first of the range.
pub(crate) const API_SERVICE_ADDRESS: &str = "10.96.0.1";
/// The address of the service `kube-dns`.
pub(crate) const DNS_SERVICE_ADDRESS: &str = "10.96.0.10";
/// The addresses of all pods.
pub(crate) const POD_RANGE: &str = "10.244.0.0/16";
/// How many nodes the address plan has room for.
pub(crate) const MAX_NODES: u8 = 20;

/// Where a machine sees its own folder, whatever the path of the run folder: short enough for sockets.
pub(crate) const NODE_FOLDER: &str = "/run/node";

/// A node: everything about it follows from its number, which begins at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(pub(crate) u8);

impl Node {
    /// The nodes of a cluster of `count`.
    pub(crate) fn all(count: u8) -> impl Iterator<Item = Self> {
        (1..=count).map(Self)
    }

    /// The name in the cluster, of the machine, and of its end of the link at the bridge.
    pub(crate) fn name(self) -> String {
        format!("node-{}", self.0)
    }

    /// The address on the bridge between the machines.
    pub(crate) fn address(self) -> String {
        format!("172.31.255.{}", 10 + self.0)
    }

    /// The addresses of the pods on this node.
    pub(crate) fn pod_range(self) -> String {
        format!("10.244.{}.0/24", self.0)
    }
}

/// The files of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The folder in which everything of a running cluster is; `down` removes it.
    pub(crate) run: PathBuf,
    /// Short and unique per run folder; part of what is global to the machine: cgroup names.
    pub(crate) id: String,
}

impl Layout {
    /// The cluster of the cache folder: there is one.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Self::named("cluster")
    }

    /// What runs in machines and is called so: there is one in a cache folder.
    pub(crate) fn named(name: &str) -> anyhow::Result<Self> {
        let run = cache::folder()?.join(name);
        let mut id = Key::new().with(run.as_os_str().as_encoded_bytes()).finish();
        id.truncate(6);
        Ok(Self { run, id })
    }

    /// What two runs of this task exclude each other by; outside of the run folder, so that it stays.
    pub(crate) fn lock(&self) -> PathBuf {
        self.run.with_extension("lock")
    }

    /// What has been started.
    pub(crate) fn state(&self) -> PathBuf {
        self.run.join("state.json")
    }

    /// Certificates, keys and kubeconfigs.
    pub(crate) fn pki(&self) -> PathBuf {
        self.run.join("pki")
    }

    /// The kubeconfig of a user of the cluster.
    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.pki().join(format!("{user}.kubeconfig"))
    }

    /// The output of a component.
    pub(crate) fn log(&self, component: &str) -> PathBuf {
        self.run.join("log").join(format!("{component}.log"))
    }

    /// The folder that a machine sees as [`NODE_FOLDER`].
    pub(crate) fn machine(&self, name: &str) -> PathBuf {
        self.run.join(name)
    }

    /// What the API server was asked, one JSON object per line.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.machine(CONTROL_PLANE).join("audit.log")
    }

    /// The cgroup of a node's pods, below the root of each hierarchy.
    pub(crate) fn cgroup(&self, node: Node) -> String {
        format!("mcpt-{}-{}", self.id, node.name())
    }
}

/// A path as text for a configuration file or an argument.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
