//! Where the gateway learns of servers: sources that tell endpoints as they come, change and go.
//!
//! A source implements [`mcpt_routing::Discovery`]. Here is that of a Kubernetes cluster; that of this machine's processes is with
//! what keeps them, in `mcpt-process`.

mod cluster;

pub use self::cluster::{ClusterDiscovery, DiscoveryError};
