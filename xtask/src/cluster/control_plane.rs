//! The components of the control plane and their arguments.

use std::path::Path;

use anyhow::Context;

use super::layout::{
    API_PORT, CONTROL_PLANE, CONTROL_PLANE_ADDRESS, Layout, NODE_FOLDER, POD_RANGE, SERVICE_RANGE,
    text,
};
use super::machine::Component;

const ETCD_CLIENTS: &str = "http://127.0.0.1:2379";

const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// Keeps the objects. It need not survive a power failure, so that it does not wait for the disk.
pub(crate) fn etcd(binary: &Path) -> Component {
    let peers = "http://127.0.0.1:2380";
    Component {
        name: "etcd".to_owned(),
        program: binary.to_owned(),
        arguments: vec![
            format!("--data-dir={NODE_FOLDER}/etcd"),
            format!("--listen-client-urls={ETCD_CLIENTS}"),
            format!("--advertise-client-urls={ETCD_CLIENTS}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ],
    }
}

/// The API server, with an audit log of every request that it answered.
pub(crate) fn api_server(layout: &Layout, binaries: &Path) -> anyhow::Result<Component> {
    let policy = layout.machine(CONTROL_PLANE).join("audit-policy.yaml");
    std::fs::write(&policy, AUDIT_POLICY)
        .with_context(|| format!("cannot write {}", policy.display()))?;
    let pki = |file: &str| text(&layout.pki().join(file));
    Ok(Component {
        name: "kube-apiserver".to_owned(),
        program: binaries.join("kube-apiserver"),
        arguments: vec![
            format!("--etcd-servers={ETCD_CLIENTS}"),
            format!("--advertise-address={CONTROL_PLANE_ADDRESS}"),
            "--bind-address=0.0.0.0".to_owned(),
            format!("--secure-port={API_PORT}"),
            format!("--cert-dir={NODE_FOLDER}/kube-apiserver"),
            format!("--tls-cert-file={}", pki("kube-apiserver.crt")),
            format!("--tls-private-key-file={}", pki("kube-apiserver.key")),
            format!("--service-cluster-ip-range={SERVICE_RANGE}"),
            "--allow-privileged=true".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            format!("--client-ca-file={}", pki("ca.crt")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", pki("service-accounts.pub")),
            format!(
                "--service-account-signing-key-file={}",
                pki("service-accounts.key")
            ),
            format!("--kubelet-client-certificate={}", pki("kubelet-client.crt")),
            format!("--kubelet-client-key={}", pki("kubelet-client.key")),
            format!("--kubelet-certificate-authority={}", pki("ca.crt")),
            // Node names resolve nowhere, so that logs and exec need the address.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--proxy-client-cert-file={}", pki("front-proxy.crt")),
            format!("--proxy-client-key-file={}", pki("front-proxy.key")),
            format!("--requestheader-client-ca-file={}", pki("ca.crt")),
            "--requestheader-allowed-names=front-proxy".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--enable-aggregator-routing=true".to_owned(),
            format!("--audit-policy-file={}", text(&policy)),
            format!("--audit-log-path={NODE_FOLDER}/audit.log"),
        ],
    })
}

/// The controllers. Autoscaling looks every 5 s rather than every 15 s, so that its tests are short.
pub(crate) fn controller_manager(layout: &Layout, binaries: &Path) -> Component {
    let pki = |file: &str| text(&layout.pki().join(file));
    let mut arguments = authentication(layout, "kube-controller-manager");
    arguments.extend([
        format!("--root-ca-file={}", pki("ca.crt")),
        format!(
            "--service-account-private-key-file={}",
            pki("service-accounts.key")
        ),
        "--use-service-account-credentials=true".to_owned(),
        format!("--cluster-cidr={POD_RANGE}"),
        "--allocate-node-cidrs=false".to_owned(),
        format!("--cluster-signing-cert-file={}", pki("ca.crt")),
        format!("--cluster-signing-key-file={}", pki("ca.key")),
        "--horizontal-pod-autoscaler-sync-period=5s".to_owned(),
    ]);
    Component {
        name: "kube-controller-manager".to_owned(),
        program: binaries.join("kube-controller-manager"),
        arguments,
    }
}

/// The scheduler.
pub(crate) fn scheduler(layout: &Layout, binaries: &Path) -> Component {
    Component {
        name: "kube-scheduler".to_owned(),
        program: binaries.join("kube-scheduler"),
        arguments: authentication(layout, "kube-scheduler"),
    }
}

fn authentication(layout: &Layout, user: &str) -> Vec<String> {
    let kubeconfig = text(&layout.kubeconfig(user));
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        // There is one of each.
        "--leader-elect=false".to_owned(),
        format!("--cert-dir={NODE_FOLDER}/{user}"),
    ]
}
