//! Options of the command line that hints below it may name.

use std::fmt;

/// An option of `mcpt`, for hints; as text it is what a user types. The command line, which has the options themselves,
/// has a test that each of these is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOption {
    /// Acts on all namespaces.
    AllNamespaces,
    /// Puts all back as it was when something fails.
    Atomic,
    /// Names the backend.
    Backend,
    /// Names a context of the kubeconfig.
    Context,
    /// Makes the namespace if it is not there.
    CreateNamespace,
    /// Takes over fields that somebody else owns.
    ForceConflicts,
    /// Names a container image.
    Image,
    /// Names a Secret with the login at an image's registry.
    ImagePullSecret,
    /// Names a kubeconfig.
    Kubeconfig,
    /// Names a server.
    Name,
    /// Names the namespace.
    Namespace,
    /// Has no programs run at the installation of a package.
    NoInstallScripts,
    /// How many instances there shall be.
    Replicas,
    /// Sets one value.
    Set,
    /// How long is waited.
    Timeout,
}

impl CommandOption {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AllNamespaces,
        Self::Atomic,
        Self::Backend,
        Self::Context,
        Self::CreateNamespace,
        Self::ForceConflicts,
        Self::Image,
        Self::ImagePullSecret,
        Self::Kubeconfig,
        Self::Name,
        Self::Namespace,
        Self::NoInstallScripts,
        Self::Replicas,
        Self::Set,
        Self::Timeout,
    ];
}

impl fmt::Display for CommandOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllNamespaces => "--all-namespaces",
            Self::Atomic => "--atomic",
            Self::Backend => "--backend",
            Self::Context => "--context",
            Self::CreateNamespace => "--create-namespace",
            Self::ForceConflicts => "--force-conflicts",
            Self::Image => "--image",
            Self::ImagePullSecret => "--image-pull-secret",
            Self::Kubeconfig => "--kubeconfig",
            Self::Name => "--name",
            Self::Namespace => "--namespace",
            Self::NoInstallScripts => "--no-install-scripts",
            Self::Replicas => "--replicas",
            Self::Set => "--set",
            Self::Timeout => "--timeout",
        })
    }
}
