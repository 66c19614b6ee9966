//! What a cluster has beside Kubernetes itself: DNS, the metrics API and a default storage class.

use std::path::Path;

use super::layout::{CONTROL_PLANE_ADDRESS, Layout, NODE_FOLDER, text};
use super::machine::Component;

/// The objects of the add-ons.
pub(crate) const MANIFESTS: [&str; 3] = [
    include_str!("../../addons/coredns.yaml"),
    include_str!("../../addons/metrics-server.yaml"),
    include_str!("../../addons/local-path.yaml"),
];

/// The metrics API, of the kubelets' figures.
pub(crate) fn metrics_server(layout: &Layout, binaries: &Path) -> Component {
    let kubeconfig = text(&layout.kubeconfig("metrics-server"));
    let pki = |file: &str| text(&layout.pki().join(file));
    Component {
        name: "metrics-server".to_owned(),
        program: binaries.join("metrics-server"),
        arguments: vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            format!("--bind-address={CONTROL_PLANE_ADDRESS}"),
            "--secure-port=4443".to_owned(),
            format!("--tls-cert-file={}", pki("metrics-server.crt")),
            format!("--tls-private-key-file={}", pki("metrics-server.key")),
            format!("--cert-dir={NODE_FOLDER}/metrics-server"),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--kubelet-certificate-authority={}", pki("ca.crt")),
            // The resolution must exceed the timeout.
            "--metric-resolution=10s".to_owned(),
            "--kubelet-request-timeout=5s".to_owned(),
        ],
    }
}

/// Makes a folder on a node for each claim of the storage class `local-path`.
pub(crate) fn local_path_provisioner(layout: &Layout, binaries: &Path) -> Component {
    let kubeconfig = text(&layout.kubeconfig("local-path-provisioner"));
    Component {
        name: "local-path-provisioner".to_owned(),
        program: binaries.join("local-path-provisioner"),
        arguments: [
            "start",
            "--kubeconfig",
            &kubeconfig,
            "--namespace",
            "local-path-storage",
            "--configmap-name",
            "local-path-config",
            "--service-account-name",
            "local-path-provisioner",
        ]
        .map(str::to_owned)
        .to_vec(),
    }
}
