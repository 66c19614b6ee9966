//! What templates see as `.Capabilities`: the cluster's version and API versions, and Helm's own version.

use crate::Error;

/// `.Capabilities`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The version of Kubernetes.
    pub kube_version: KubeVersion,
    /// The API versions, such as `apps/v1`, and kinds, such as `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
    /// `.Capabilities.HelmVersion`
    pub helm_version: HelmVersion,
}

/// The version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// As the cluster says it, such as `v1.33.4-gke.1245000`.
    pub version: String,
    /// Numbers only, such as `v1.33.4`: what constraints are checked against, and what the version prints as.
    pub normalized: String,
    /// The first number.
    pub major: String,
    /// The second number.
    pub minor: String,
}

/// The version of Helm whose behaviour this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmVersion {
    /// The version.
    pub version: String,
    /// The version of Go it was built with.
    pub go_version: String,
    /// The version of its Kubernetes client.
    pub kube_client_version: String,
}

impl KubeVersion {
    /// Reads a version such as `v1.33.4-gke.1245000` or `1.33`.
    ///
    /// # Errors
    /// When it does not begin with two numbers at least.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let illegal = || Error::Version(format!("could not parse {text:?} as version"));
        let trimmed = text.trim_start();
        let numbers = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let end = numbers
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(numbers.len());
        let mut components: Vec<&str> = Vec::new();
        for component in numbers[..end].split('.') {
            if component.is_empty() {
                break;
            }
            components.push(component);
        }
        let [major, minor, ..] = components.as_slice() else {
            return Err(if components.is_empty() {
                illegal()
            } else {
                Error::Version(format!("illegal version string {text:?}"))
            });
        };
        if major.len() > 1 && major.starts_with('0') {
            return Err(Error::Version(format!(
                "illegal zero-prefixed version component {major:?} in {text:?}"
            )));
        }
        let numbers = components
            .iter()
            .map(|component| component.parse::<u64>().map_err(|_| illegal()))
            .collect::<Result<Vec<_>, _>>()?;
        let normalized: Vec<String> = numbers.iter().map(u64::to_string).collect();
        Ok(Self {
            version: if text.starts_with('v') {
                text.to_owned()
            } else {
                format!("v{text}")
            },
            normalized: format!("v{}", normalized.join(".")),
            major: numbers[0].to_string(),
            minor: minor.parse::<u64>().map_err(|_| illegal())?.to_string(),
        })
    }
}

impl Default for Capabilities {
    /// What `helm template` of Helm 4.3.1 assumes without a cluster.
    fn default() -> Self {
        Self {
            kube_version: KubeVersion {
                version: "v1.37.0".to_owned(),
                normalized: "v1.37.0".to_owned(),
                major: "1".to_owned(),
                minor: "37".to_owned(),
            },
            api_versions: DEFAULT_API_VERSIONS
                .iter()
                .map(ToString::to_string)
                .collect(),
            helm_version: HelmVersion {
                version: "v4.3.1".to_owned(),
                go_version: "go1.26.8".to_owned(),
                kube_client_version: "v1.37".to_owned(),
            },
        }
    }
}

/// The group versions of Helm 4.3.1's Kubernetes client, in its order.
const DEFAULT_API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];
