//! A way from this machine to the MCP endpoint of a pod, by the API server's port-forward.

use kube_access::{
    Error, Result,
    forward::{self, Forward, ForwardTarget},
};

use crate::cluster::Cluster;

/// Names that the port of an MCP endpoint has in a pod, the likeliest first.
pub(crate) const PORT_NAMES: [&str; 2] = ["mcp", "http"];

/// An open way; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Tunnel(pub(crate) Forward);

impl mcpt_core::Tunnel for Tunnel {}

impl Tunnel {
    /// What the server at its end calls itself.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.0.port)
    }
}

/// Opens a way to a ready pod that matches a label selector; `known` is one with its port, if one is known already.
///
/// # Errors
/// [`Error::NoReadyPod`] when there is none.
pub(crate) async fn open(
    cluster: &Cluster,
    selector: String,
    known: Option<(String, u16)>,
) -> Result<Tunnel, Error> {
    open_at(cluster, selector, known, 0).await
}

/// The same on this port of the loopback; 0 is a free one.
///
/// # Errors
/// As [`open`], also when the port is taken.
pub(crate) async fn open_at(
    cluster: &Cluster,
    selector: String,
    known: Option<(String, u16)>,
    port: u16,
) -> Result<Tunnel, Error> {
    let target = ForwardTarget::new(cluster.access.clone(), selector, &PORT_NAMES, known);
    forward::open_at(target, port).await.map(Tunnel)
}
