//! A kind that the cluster does not serve is named before a hook ran and anything was made, in helm's words.

use mcpt_tests::{Helm, TestNamespace, beside_helm::said, kubectl};

use crate::{charts::unserved, tools::Tool};

#[test]
fn a_kind_that_is_not_served_is_named_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let chart = unserved(folder.path());
    let namespace = TestNamespace::new("chart-unserved");
    for case in [
        &["install", "web", &chart][..],
        &["install", "web", &chart, "--dry-run=server"],
        &["install", "web", &chart, "--set", "second=true"],
    ] {
        let ours = said(&Tool::Mcpt.run(&namespace, case));
        let theirs = said(&Tool::Helm(Helm::V4).run(&namespace, case));
        assert_eq!(ours, theirs, "{case:?}");
        assert!(ours.error.contains("no matches for kind"), "{ours:?}");
    }
    let name = namespace.name();
    let left = kubectl(&["get", "configmap,secret", "-n", name, "-o", "name"]);
    assert_eq!(left.trim(), "configmap/kube-root-ca.crt");
}
