//! The cluster's certificate authority, the certificates that it signs, and kubeconfigs.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::layout::{API_PORT, API_SERVICE_ADDRESS, CONTROL_PLANE_ADDRESS, Layout, Node};

/// Signs certificates and writes them, with their keys, to a folder.
#[derive(Debug)]
pub(crate) struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// Makes the authority: `ca.crt` and `ca.key`.
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let mut params = parameters("kubernetes-ca", None, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params.extended_key_usages.clear();
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        write(&folder.join("ca.crt"), &certificate)?;
        write(&folder.join("ca.key"), &key.serialize_pem())?;
        Ok(Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// Writes `FILE.crt` and `FILE.key` of a user or a server.
    fn issue(&self, identity: &Identity) -> anyhow::Result<()> {
        let params = parameters(&identity.user, identity.group, &identity.alternative_names)?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        write(
            &self.folder.join(format!("{}.crt", identity.file)),
            &certificate,
        )?;
        write(
            &self.folder.join(format!("{}.key", identity.file)),
            &key.serialize_pem(),
        )?;
        let kubeconfig = kubeconfig(&self.certificate, &certificate, &key.serialize_pem());
        write(
            &self.folder.join(format!("{}.kubeconfig", identity.file)),
            &kubeconfig,
        )
    }
}

/// Who a certificate is for.
#[derive(Debug)]
struct Identity {
    file: String,
    user: String,
    group: Option<&'static str>,
    alternative_names: Vec<String>,
}

impl Identity {
    fn user(file: &str, user: &str, group: Option<&'static str>) -> Self {
        Self {
            file: file.to_owned(),
            user: user.to_owned(),
            group,
            alternative_names: Vec::new(),
        }
    }
}

/// Writes all certificates and kubeconfigs of a cluster with that many nodes.
pub(crate) fn write_all(layout: &Layout, nodes: u8) -> anyhow::Result<()> {
    let folder = layout.pki();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let authority = Authority::new(&folder)?;
    let api_server_names = [
        CONTROL_PLANE_ADDRESS,
        API_SERVICE_ADDRESS,
        "127.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let mut identities = vec![
        Identity {
            alternative_names: api_server_names.map(str::to_owned).to_vec(),
            ..Identity::user("kube-apiserver", "kube-apiserver", None)
        },
        Identity::user("admin", "admin", Some("system:masters")),
        Identity::user(
            "kubelet-client",
            "kube-apiserver-kubelet-client",
            Some("system:masters"),
        ),
        Identity::user("front-proxy", "front-proxy", None),
        Identity::user(
            "kube-controller-manager",
            "system:kube-controller-manager",
            None,
        ),
        Identity::user("kube-scheduler", "system:kube-scheduler", None),
        Identity::user("kube-proxy", "system:kube-proxy", None),
        Identity {
            alternative_names: vec![CONTROL_PLANE_ADDRESS.to_owned()],
            ..Identity::user("metrics-server", "metrics-server", Some("system:masters"))
        },
        Identity::user(
            "local-path-provisioner",
            "local-path-provisioner",
            Some("system:masters"),
        ),
    ];
    identities.extend(Node::all(nodes).map(|node| Identity {
        alternative_names: vec![node.address(), node.name()],
        ..Identity::user(
            &node.name(),
            &format!("system:node:{}", node.name()),
            Some("system:nodes"),
        )
    }));
    for identity in &identities {
        authority
            .issue(identity)
            .with_context(|| format!("cannot make the certificate of {}", identity.user))?;
    }
    let service_accounts = KeyPair::generate()?;
    write(
        &folder.join("service-accounts.key"),
        &service_accounts.serialize_pem(),
    )?;
    write(
        &folder.join("service-accounts.pub"),
        &service_accounts.public_key_pem(),
    )
}

fn parameters(
    user: &str,
    group: Option<&str>,
    alternative_names: &[String],
) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(alternative_names)?;
    let mut name = DistinguishedName::new();
    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    name.push(DnType::CommonName, user);
    params.distinguished_name = name;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

fn kubeconfig(authority: &str, certificate: &str, key: &str) -> String {
    let [authority, certificate, key] = [authority, certificate, key].map(|pem| BASE64.encode(pem));
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: mcpt
  cluster:
    server: https://{CONTROL_PLANE_ADDRESS}:{API_PORT}
    certificate-authority-data: {authority}
users:
- name: mcpt
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: mcpt
  context:
    cluster: mcpt
    user: mcpt
current-context: mcpt
"
    )
}

/// Keys are among these files, so that none is readable by others.
fn write(path: &Path, contents: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(contents.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
