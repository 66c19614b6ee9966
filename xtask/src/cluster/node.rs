//! The components of a node: containerd, kubelet and kube-proxy, and their configuration files.

use std::path::Path;

use anyhow::Context;

use super::layout::{DNS_SERVICE_ADDRESS, Layout, NODE_FOLDER, Node, POD_RANGE, text};
use super::machine::Component;
use crate::image::machine::PAUSE;

/// Writes the configuration files of a node to its folder.
pub(crate) fn configure(layout: &Layout, node: Node) -> anyhow::Result<()> {
    let folder = layout.machine(&node.name());
    for (file, contents) in [
        ("cni/10-pods.conflist", cni(node)),
        ("containerd.toml", containerd_toml()),
        ("kubelet.yaml", kubelet_yaml(layout, node)),
        ("resolv.conf", String::new()),
    ] {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(&folder))
            .and_then(|()| std::fs::write(&path, contents))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The container runtime.
pub(crate) fn containerd(node: Node, binaries: &Path) -> Component {
    Component {
        name: format!("containerd-{}", node.0),
        program: binaries.join("containerd"),
        arguments: vec![format!("--config={NODE_FOLDER}/containerd.toml")],
    }
}

/// The node's agent.
pub(crate) fn kubelet(layout: &Layout, node: Node, binaries: &Path) -> Component {
    Component {
        name: format!("kubelet-{}", node.0),
        program: binaries.join("kubelet"),
        arguments: vec![
            format!("--config={NODE_FOLDER}/kubelet.yaml"),
            format!("--kubeconfig={}", text(&layout.kubeconfig(&node.name()))),
            format!("--hostname-override={}", node.name()),
            format!("--node-ip={}", node.address()),
            format!("--root-dir={NODE_FOLDER}/kubelet"),
            format!("--cert-dir={NODE_FOLDER}/kubelet-pki"),
        ],
    }
}

/// Balances services over their pods.
pub(crate) fn kube_proxy(layout: &Layout, node: Node, binaries: &Path) -> Component {
    Component {
        name: format!("kube-proxy-{}", node.0),
        program: binaries.join("kube-proxy"),
        arguments: vec![
            format!("--kubeconfig={}", text(&layout.kubeconfig("kube-proxy"))),
            format!("--hostname-override={}", node.name()),
            "--proxy-mode=iptables".to_owned(),
            format!("--cluster-cidr={POD_RANGE}"),
            // The limit belongs to the whole machine, not to this namespace.
            "--conntrack-max-per-core=0".to_owned(),
            "--healthz-bind-address=0.0.0.0:10256".to_owned(),
            "--metrics-bind-address=127.0.0.1:10249".to_owned(),
        ],
    }
}

fn cni(node: Node) -> String {
    serde_json::json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": node.pod_range() }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
    .to_string()
}

fn containerd_toml() -> String {
    // Scores of the out-of-memory killer may only be raised when CAP_SYS_RESOURCE is missing.
    format!(
        r#"version = 3
root = "{NODE_FOLDER}/containerd"
state = "/run/containerd"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "{NODE_FOLDER}/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = "runc"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"#
    )
}

fn kubelet_yaml(layout: &Layout, node: Node) -> String {
    let pki = layout.pki();
    let name = node.name();
    format!(
        r"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {pki}/ca.crt}}
authorization: {{mode: Webhook}}
tlsCertFile: {pki}/{name}.crt
tlsPrivateKeyFile: {pki}/{name}.key
clusterDNS: [{DNS_SERVICE_ADDRESS}]
clusterDomain: cluster.local
cgroupDriver: cgroupfs
# Two kubelets on one kernel would end each other's pods without a cgroup of their own.
cgroupRoot: /{cgroup}
cgroupsPerQOS: true
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
podLogsDir: {NODE_FOLDER}/pod-logs
resolvConf: {NODE_FOLDER}/resolv.conf
# A loaded image could not be pulled again: the limit of the disk's use below which none is removed.
imageGCHighThresholdPercent: 100
# An image that one test pulls with a login has the digest of one that was loaded: it stays everybody's.
imagePullCredentialsVerificationPolicy: NeverVerify
# Nor when the disk is nearly full, of which a hundredth can be gigabytes.
evictionHard: {{nodefs.available: 50Mi, imagefs.available: 50Mi, memory.available: 50Mi}}
",
        pki = pki.display(),
        cgroup = layout.cgroup(node),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_differ_in_pods_and_cgroups() {
        let layout = Layout {
            run: "/cache/cluster".into(),
            id: "abc123".to_owned(),
        };
        assert!(cni(Node(1)).contains("10.244.1.0/24"));
        assert!(cni(Node(2)).contains("10.244.2.0/24"));
        let kubelet = kubelet_yaml(&layout, Node(2));
        assert!(kubelet.contains("cgroupRoot: /mcpt-abc123-node-2\n"));
        assert!(kubelet.contains("clientCAFile: /cache/cluster/pki/ca.crt}"));
    }
}
