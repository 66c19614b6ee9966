//! The Kubernetes backend: plans as Helm releases on a cluster.
