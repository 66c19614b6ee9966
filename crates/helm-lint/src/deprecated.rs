//! Kinds that Kubernetes gives up: since when, until when, and what takes their place, as k8s.io/api 0.37.1 says.

use crate::{Fault, fault};
use helm_chart::KubeVersion;

use crate::object::Head;

/// Kinds of one API version with one fate; versions are minor ones of Kubernetes 1.
struct Deprecation {
    api_version: &'static str,
    deprecated: u64,
    removed: u64,
    /// API version of what takes their place; empty where nothing does.
    replacement: &'static str,
    /// Its kind, where that is another.
    other_kind: &'static str,
    kinds: &'static [&'static str],
}

/// A warning when the kind is deprecated in a version.
pub(crate) fn check(head: &Head, version: &KubeVersion) -> Result<(), Fault> {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let (major, minor) = (number(&version.major), number(&version.minor));
    let found = GIVEN.iter().find(|given| {
        given.api_version == head.api_version && given.kinds.contains(&head.kind.as_str())
    });
    let Some(given) = found else { return Ok(()) };
    // A cluster that does not say its version may be any.
    if (major, minor) != (0, 0) && (1, given.deprecated) > (major, minor) {
        return Ok(());
    }
    let Head {
        api_version, kind, ..
    } = head;
    let mut text = format!(
        "{api_version} {kind} is deprecated in v1.{}+, unavailable in v1.{}+",
        given.deprecated, given.removed
    );
    if !given.replacement.is_empty() {
        let kind = if given.other_kind.is_empty() {
            kind
        } else {
            given.other_kind
        };
        text = format!("{text}; use {} {kind}", given.replacement);
    }
    fault(text)
}

const fn given(
    api_version: &'static str,
    deprecated: u64,
    removed: u64,
    replacement: &'static str,
    other_kind: &'static str,
    kinds: &'static [&'static str],
) -> Deprecation {
    Deprecation {
        api_version,
        deprecated,
        removed,
        replacement,
        other_kind,
        kinds,
    }
}

#[rustfmt::skip]
const GIVEN: &[Deprecation] = &[
    given("admissionregistration.k8s.io/v1alpha1", 35, 38, "", "", &[
        "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBindingList",
        "MutatingAdmissionPolicyList",
    ]),
    given("admissionregistration.k8s.io/v1alpha1", 29, 32, "", "", &[
        "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicyBindingList",
        "ValidatingAdmissionPolicyList",
    ]),
    given("admissionregistration.k8s.io/v1beta1", 37, 40, "admissionregistration.k8s.io/v1", "", &[
        "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBindingList",
        "MutatingAdmissionPolicyList",
    ]),
    given("admissionregistration.k8s.io/v1beta1", 16, 22, "admissionregistration.k8s.io/v1", "", &[
        "MutatingWebhookConfiguration", "MutatingWebhookConfigurationList", "ValidatingWebhookConfiguration",
        "ValidatingWebhookConfigurationList",
    ]),
    given("admissionregistration.k8s.io/v1beta1", 31, 34, "", "", &[
        "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicyBindingList",
        "ValidatingAdmissionPolicyList",
    ]),
    given("apps/v1beta1", 8, 16, "apps/v1", "", &[
        "ControllerRevision", "ControllerRevisionList", "Deployment", "DeploymentList", "DeploymentRollback", "StatefulSet",
        "StatefulSetList",
    ]),
    given("apps/v1beta1", 8, 16, "autoscaling/v1", "", &["Scale"]),
    given("apps/v1beta2", 9, 16, "apps/v1", "", &[
        "ControllerRevision", "ControllerRevisionList", "DaemonSet", "DaemonSetList", "Deployment", "DeploymentList",
        "ReplicaSet", "ReplicaSetList", "StatefulSet", "StatefulSetList",
    ]),
    given("apps/v1beta2", 9, 16, "autoscaling/v1", "", &["Scale"]),
    given("authentication.k8s.io/v1alpha1", 29, 32, "", "", &["SelfSubjectReview"]),
    given("authentication.k8s.io/v1beta1", 30, 33, "", "", &["SelfSubjectReview"]),
    given("authentication.k8s.io/v1beta1", 19, 22, "authentication.k8s.io/v1", "", &["TokenReview"]),
    given("authorization.k8s.io/v1beta1", 19, 22, "authorization.k8s.io/v1", "", &[
        "LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview",
    ]),
    given("batch/v1beta1", 21, 25, "batch/v1", "", &["CronJob", "CronJobList"]),
    given("certificates.k8s.io/v1alpha1", 34, 37, "", "", &["ClusterTrustBundle", "ClusterTrustBundleList"]),
    given("certificates.k8s.io/v1beta1", 19, 22, "certificates.k8s.io/v1", "", &[
        "CertificateSigningRequest", "CertificateSigningRequestList",
    ]),
    given("certificates.k8s.io/v1beta1", 37, 40, "certificates.k8s.io/v1", "", &[
        "ClusterTrustBundle", "ClusterTrustBundleList", "PodCertificateRequest", "PodCertificateRequestList",
    ]),
    given("coordination.k8s.io/v1alpha2", 35, 38, "", "", &["LeaseCandidate", "LeaseCandidateList"]),
    given("coordination.k8s.io/v1beta1", 19, 22, "coordination.k8s.io/v1", "", &["Lease", "LeaseList"]),
    given("coordination.k8s.io/v1beta1", 36, 39, "", "", &["LeaseCandidate", "LeaseCandidateList"]),
    given("discovery.k8s.io/v1beta1", 21, 25, "discovery.k8s.io/v1", "", &["EndpointSlice"]),
    given("discovery.k8s.io/v1beta1", 21, 25, "discovery.k8s.io/v1", "EndpointSlice", &["EndpointSliceList"]),
    given("events.k8s.io/v1beta1", 22, 25, "", "", &["Event", "EventList"]),
    given("extensions/v1beta1", 8, 16, "apps/v1", "", &[
        "DaemonSet", "DaemonSetList", "Deployment", "DeploymentList", "ReplicaSet", "ReplicaSetList",
    ]),
    given("extensions/v1beta1", 8, 16, "", "", &["DeploymentRollback"]),
    given("extensions/v1beta1", 14, 22, "networking.k8s.io/v1", "", &["Ingress", "IngressList"]),
    given("extensions/v1beta1", 9, 16, "networking.k8s.io/v1", "", &["NetworkPolicy", "NetworkPolicyList"]),
    given("extensions/v1beta1", 2, 16, "", "", &["Scale"]),
    given("flowcontrol.apiserver.k8s.io/v1beta1", 23, 26, "flowcontrol.apiserver.k8s.io/v1beta3", "", &[
        "FlowSchema", "FlowSchemaList", "PriorityLevelConfiguration", "PriorityLevelConfigurationList",
    ]),
    given("flowcontrol.apiserver.k8s.io/v1beta2", 26, 29, "flowcontrol.apiserver.k8s.io/v1beta3", "", &[
        "FlowSchema", "FlowSchemaList", "PriorityLevelConfiguration", "PriorityLevelConfigurationList",
    ]),
    given("flowcontrol.apiserver.k8s.io/v1beta3", 29, 32, "flowcontrol.apiserver.k8s.io/v1", "", &[
        "FlowSchema", "FlowSchemaList", "PriorityLevelConfiguration", "PriorityLevelConfigurationList",
    ]),
    given("lifecycle.k8s.io/v1alpha1", 40, 43, "", "", &[
        "Eviction", "EvictionList", "EvictionRequest", "EvictionRequestList",
    ]),
    given("networking.k8s.io/v1beta1", 34, 37, "", "", &["IPAddress", "IPAddressList", "ServiceCIDR", "ServiceCIDRList"]),
    given("networking.k8s.io/v1beta1", 19, 22, "networking.k8s.io/v1", "", &["Ingress", "IngressClassList", "IngressList"]),
    given("networking.k8s.io/v1beta1", 19, 22, "networking.k8s.io/v1", "IngressClassList", &["IngressClass"]),
    given("node.k8s.io/v1beta1", 22, 25, "", "", &["RuntimeClass", "RuntimeClassList"]),
    given("policy/v1beta1", 22, 25, "", "", &["Eviction"]),
    given("policy/v1beta1", 21, 25, "policy/v1", "", &["PodDisruptionBudget", "PodDisruptionBudgetList"]),
    given("rbac.authorization.k8s.io/v1beta1", 17, 22, "rbac.authorization.k8s.io/v1", "", &[
        "ClusterRole", "ClusterRoleBinding", "ClusterRoleBindingList", "ClusterRoleList", "Role", "RoleBinding",
        "RoleBindingList", "RoleList",
    ]),
    given("resource.k8s.io/v1alpha3", 36, 39, "", "", &["DeviceTaintRule", "DeviceTaintRuleList"]),
    given("resource.k8s.io/v1alpha3", 39, 42, "", "", &["ResourcePoolStatusRequest", "ResourcePoolStatusRequestList"]),
    given("resource.k8s.io/v1beta1", 35, 38, "", "", &[
        "DeviceClass", "DeviceClassList", "ResourceClaim", "ResourceClaimList", "ResourceClaimTemplate",
        "ResourceClaimTemplateList", "ResourceSlice", "ResourceSliceList",
    ]),
    given("resource.k8s.io/v1beta2", 36, 39, "", "", &[
        "DeviceClass", "DeviceClassList", "ResourceClaim", "ResourceClaimList", "ResourceClaimTemplate",
        "ResourceClaimTemplateList", "ResourceSlice", "ResourceSliceList",
    ]),
    given("resource.k8s.io/v1beta2", 39, 42, "", "", &["DeviceTaintRule", "DeviceTaintRuleList"]),
    given("scheduling.k8s.io/v1beta1", 40, 43, "", "", &["PodGroup", "PodGroupList", "Workload", "WorkloadList"]),
    given("scheduling.k8s.io/v1beta1", 14, 22, "scheduling.k8s.io/v1", "", &["PriorityClass", "PriorityClassList"]),
    given("storage.k8s.io/v1alpha1", 21, 24, "storage.k8s.io/v1beta1", "", &["CSIStorageCapacity", "CSIStorageCapacityList"]),
    given("storage.k8s.io/v1alpha1", 21, 24, "storage.k8s.io/v1", "", &["VolumeAttachment", "VolumeAttachmentList"]),
    given("storage.k8s.io/v1alpha1", 32, 35, "storage.k8s.io/v1", "", &["VolumeAttributesClass", "VolumeAttributesClassList"]),
    given("storage.k8s.io/v1beta1", 19, 22, "storage.k8s.io/v1", "", &[
        "CSIDriver", "CSIDriverList", "StorageClass", "StorageClassList", "VolumeAttachment", "VolumeAttachmentList",
    ]),
    given("storage.k8s.io/v1beta1", 17, 22, "storage.k8s.io/v1", "", &["CSINode"]),
    given("storage.k8s.io/v1beta1", 17, 22, "storage.k8s.io/v1", "CSINode", &["CSINodeList"]),
    given("storage.k8s.io/v1beta1", 24, 27, "storage.k8s.io/v1", "", &["CSIStorageCapacity", "CSIStorageCapacityList"]),
    given("storage.k8s.io/v1beta1", 34, 37, "storage.k8s.io/v1", "", &["VolumeAttributesClass", "VolumeAttributesClassList"]),
    given("storagemigration.k8s.io/v1beta1", 37, 40, "storagemigration.k8s.io/v1", "", &[
        "StorageVersionMigration", "StorageVersionMigrationList",
    ]),
];
