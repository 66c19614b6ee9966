//! What counts before a kubeconfig, as kubectl's `--server`, `--token` and their like do.

use std::path::PathBuf;

use kube::config::{AuthInfo, Cluster};
use secrecy::SecretString;

/// What is said of a cluster and its user in the place of what a kubeconfig says; by default nothing. With a server no kubeconfig
/// is needed.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Address of the API server, a URL or `host:port`.
    pub server: Option<String>,
    /// File with the certificates of its authority, PEM.
    pub authority: Option<PathBuf>,
    /// Its certificate is not looked at.
    pub insecure: bool,
    /// The name that its certificate must be for.
    pub tls_server_name: Option<String>,
    /// Bearer token.
    pub token: Option<SecretString>,
    /// Whose rights are taken on.
    pub user: Option<String>,
    /// Whose groups' rights are taken on.
    pub groups: Vec<String>,
}

impl Overrides {
    /// Lays them over a cluster. What tells how its certificate is judged goes together, and so does a name with its server.
    pub(crate) fn over_cluster(&self, cluster: &mut Cluster) {
        if self.server.is_some() || self.tls_server_name.is_some() {
            cluster.tls_server_name.clone_from(&self.tls_server_name);
        }
        if let Some(server) = &self.server {
            cluster.server = Some(server.clone());
        }
        if self.insecure || self.authority.is_some() {
            cluster.insecure_skip_tls_verify = Some(self.insecure);
            cluster.certificate_authority_data = None;
            let file = self.authority.as_ref();
            cluster.certificate_authority = file.map(|file| file.to_string_lossy().into_owned());
        }
    }

    /// Lays them over a user. A token takes the place of every other way to get one.
    pub(crate) fn over_user(&self, user: &mut AuthInfo) {
        if let Some(token) = &self.token {
            user.token = Some(token.clone());
            user.token_file = None;
            user.exec = None;
            user.auth_provider = None;
            user.username = None;
            user.password = None;
        }
        if let Some(name) = &self.user {
            user.impersonate = Some(name.clone());
        }
        if !self.groups.is_empty() {
            user.impersonate_groups = Some(self.groups.clone());
        }
    }
}
