//! `gc` and `delete` remove all that is mcpt's to remove and touch nothing else, on the real cluster.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use mcpt_tests::{Helm, Mcpt, TestNamespace, kubectl, kubectl_with_input};
use serde_json::Value;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/mcp-server");

fn place(word: &str) -> (TestNamespace, Mcpt) {
    let namespace = TestNamespace::new(word);
    let mcpt = in_namespace(namespace.name());
    (namespace, mcpt)
}

fn in_namespace(name: &str) -> Mcpt {
    Mcpt::new(&["--backend", "kubernetes", "--namespace", name])
}

/// What `gc` says that it removes, as `object: reason`.
fn removed(mcpt: &Mcpt, arguments: &[&str]) -> Vec<String> {
    let found = mcpt.json(&[&["gc"], arguments].concat());
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let found = found.as_array().expect("a list").iter();
    found
        .map(|one| format!("{}: {}", text(one, "object"), text(one, "reason")))
        .collect()
}

fn finds_nothing(mcpt: &Mcpt) {
    let outcome = mcpt.run(&["gc"]).ok().says(&["nothing to clean up"]);
    assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
}

/// Objects that each lack one mark, or bear that of somebody else. `NS` is the namespace.
const LOOK_ALIKES: &str = r"
{apiVersion: v1, kind: ConfigMap, metadata: {name: demo-files, labels: {mcpt.io/server: demo}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: demo-token, labels: {mcpt.io/server: demo, app.kubernetes.io/managed-by: Helm,
  app.kubernetes.io/instance: demo}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: ghost-annotated, labels: {app.kubernetes.io/managed-by: Helm},
  annotations: {meta.helm.sh/release-name: ghost, meta.helm.sh/release-namespace: NS}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: ghost-elsewhere, labels: {mcpt.io/server: ghost, app.kubernetes.io/managed-by: Helm},
  annotations: {meta.helm.sh/release-name: ghost, meta.helm.sh/release-namespace: elsewhere}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: ghost-other, labels: {mcpt.io/server: ghost, app.kubernetes.io/managed-by: Helm},
  annotations: {meta.helm.sh/release-name: another, meta.helm.sh/release-namespace: NS}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: ghost, labels: {mcpt.io/server: ghost, app.kubernetes.io/managed-by: kustomize},
  annotations: {meta.helm.sh/release-name: ghost, meta.helm.sh/release-namespace: NS}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: ghost-kept, labels: {mcpt.io/server: ghost, app.kubernetes.io/managed-by: Helm},
  annotations: {meta.helm.sh/release-name: ghost, meta.helm.sh/release-namespace: NS, helm.sh/resource-policy: keep}}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: ghost-workspace, labels: {mcpt.io/server: ghost, app.kubernetes.io/managed-by: Helm},
  annotations: {meta.helm.sh/release-name: ghost, meta.helm.sh/release-namespace: NS}},
  spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: demo-workspace},
  spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: demo-2, labels: {app.kubernetes.io/name: mcp-server, app.kubernetes.io/instance: demo}},
  spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: demo-test-connection, labels: {app.kubernetes.io/managed-by: Helm}},
  spec: {restartPolicy: Never, securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}},
    containers: [{name: x, image: 'localhost/mcpt:0.1.0', imagePullPolicy: IfNotPresent, args: [version],
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: demo-web, labels: {mcpt.io/template: demo, app.kubernetes.io/managed-by: Helm}},
  spec: {replicas: 0, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}},
    spec: {containers: [{name: x, image: 'localhost/mcpt:0.1.0'}]}}}}
";

/// A chart of somebody else: with `--wait` its install does not end.
fn other_chart(mcpt: &Mcpt) -> String {
    let folder = mcpt.home().join("other");
    fs::create_dir_all(folder.join("templates")).expect("a folder");
    fs::write(
        folder.join("Chart.yaml"),
        "apiVersion: v2\nname: other\nversion: 1.0.0\n",
    )
    .expect("a chart");
    let object = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n  labels: {mcpt.io/server: demo}\n\
                  spec: {type: LoadBalancer, ports: [{port: 80}]}\n";
    fs::write(folder.join("templates/service.yaml"), object).expect("a template");
    folder.to_str().expect("UTF-8").to_owned()
}

#[test]
fn nothing_of_others_is_touched() {
    let (namespace, mcpt) = place("look-alikes");
    namespace.apply(&LOOK_ALIKES.replace("NS", namespace.name()));
    let chart = other_chart(&mcpt);
    Helm::V4.run(&namespace, &["install", "demo-other", &chart]);
    // One that Helm is working on: nobody can tell whether it still is.
    let mut helm = Helm::V4
        .command(&namespace)
        .args(["install", "demo-pending", &chart, "--wait"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("starting helm");
    kubectl(&[
        "wait",
        "-n",
        namespace.name(),
        "--for=create",
        "service/demo-pending",
        "--timeout=30s",
    ]);
    helm.kill().expect("killing helm");
    helm.wait().expect("waiting for helm");
    // The built-in chart, by a Helm that keeps its records elsewhere: all marks, and no Secret.
    let installed = Helm::V4
        .command(&namespace)
        .env("HELM_DRIVER", "configmap")
        .args([
            "install",
            "cm-demo",
            CHART,
            "--set",
            "replicaCount=0,image.repository=localhost/mcpt,image.tag=0.1.0",
        ])
        .output()
        .expect("starting helm");
    assert!(
        installed.status.success(),
        "{}",
        String::from_utf8_lossy(&installed.stderr)
    );
    let ended = [
        "wait",
        "-n",
        namespace.name(),
        "--for=jsonpath={.status.phase}=Succeeded",
        "--timeout=60s",
    ];
    kubectl(&[&ended[..], &["pod/demo-test-connection"]].concat());

    let before = namespace.contents();
    finds_nothing(&mcpt);
    let _ = mcpt.run(&["deploy", "demo", "--replicas", "1"]).ok();
    let _ = mcpt
        .run(&["deploy", "demo", "--replicas", "1", "-c", "greeting=new"])
        .ok();
    finds_nothing(&mcpt);
    assert_eq!(mcpt.json(&["status", "demo"])["state"], "running");
    let _ = mcpt.run(&["delete", "demo", "--purge-data"]).ok();
    assert_eq!(namespace.contents(), before, "after delete");
    let _ = mcpt.run(&["delete", "demo-other"]).exits(3);
    let kept = mcpt
        .run(&["delete", "nothing", "--delete-namespace"])
        .exits(3);
    let _ = kept.says(&["there is no server \"nothing\"", "it has"]);
    finds_nothing(&mcpt);
    assert_eq!(namespace.contents(), before, "after gc");
}

#[test]
fn what_killed_deployments_left_goes() {
    let (namespace, mcpt) = place("gc-deploy");
    let before = namespace.objects();
    // No pod is ever ready: what serves stays.
    let deploy = ["deploy", "demo", "--image", "localhost/no-such-image:1"];
    for mark in ["checking", "applying", "waiting for the pods"] {
        mcpt.kill_at(&deploy, mark);
        let there = namespace.objects();
        let told = removed(&mcpt, &["--dry-run"]);
        // Pods may have come meanwhile.
        assert!(
            namespace.objects().is_superset(&there),
            "a dry run at {mark:?}"
        );
        assert_eq!(removed(&mcpt, &[]), told, "at {mark:?}");
        assert_eq!(namespace.objects(), before, "at {mark:?}");
        finds_nothing(&mcpt);
    }
}

#[test]
fn a_killed_update_is_marked_and_the_server_goes_on() {
    let (namespace, mcpt) = place("gc-update");
    let _ = mcpt
        .run(&["deploy", "demo", "--replicas", "1", "-c", "greeting=old"])
        .ok();
    let update = ["deploy", "demo", "--replicas", "1", "-c", "greeting=new"];
    mcpt.kill_at(&update, "applying");
    let told = removed(&mcpt, &["--dry-run"]);
    assert!(
        told[0].starts_with("release demo: revision 2 was left pending-upgrade"),
        "{told:?}"
    );
    assert_eq!(mcpt.json(&["status", "demo"])["state"], "pending");
    assert_eq!(removed(&mcpt, &[]), told);
    finds_nothing(&mcpt);
    let records = ["get", "secrets", "-n", namespace.name(), "-l", "owner=helm"];
    let statuses = kubectl(
        &[
            &records[..],
            &["-o", "jsonpath={.items[*].metadata.labels.status}"],
        ]
        .concat(),
    );
    assert_eq!(statuses, "deployed failed");
    let echoed = mcpt
        .run(&["call", "demo", "echo", "--arg", "message=x"])
        .ok();
    assert!(echoed.stdout.contains('x'), "{}", echoed.stdout);
    let _ = mcpt.run(&update).ok();
}

#[test]
fn a_killed_deletion_is_finished() {
    let (namespace, mcpt) = place("gc-delete");
    let before = namespace.objects();
    for mark in ["deleting", "waiting until", "is gone"] {
        let _ = mcpt.run(&["deploy", "demo", "--replicas", "1"]).ok();
        mcpt.kill_at(&["delete", "demo"], mark);
        let told = removed(&mcpt, &[]);
        assert_eq!(
            told,
            ["release demo: its deletion was interrupted"],
            "at {mark:?}"
        );
        assert_eq!(namespace.objects(), before, "at {mark:?}");
    }
}

#[test]
fn a_living_command_is_left_alone() {
    let (_namespace, mcpt) = place("gc-living");
    let mut deploy = mcpt.spawn(&["deploy", "demo", "--replicas", "1"]);
    let mut progress = BufReader::new(deploy.stderr.take().expect("stderr")).lines();
    let applied = progress.any(|line| line.expect("a line").contains("waiting for the pods"));
    assert!(applied, "the deploy ended early");
    finds_nothing(&mcpt);
    for line in progress {
        drop(line);
    }
    assert!(deploy.wait().expect("waiting for the deploy").success());
    assert_eq!(mcpt.json(&["status", "demo"])["revision"], 1);
}

#[test]
fn objects_without_a_record_and_pods_of_ended_tests_go() {
    let (namespace, mcpt) = place("gc-orphans");
    let before = namespace.objects();
    // A name of its own: a record of another `demo` in another namespace would count.
    let deploy = ["deploy", "demo", "--name", "gc-orphan", "--replicas", "1"];
    let _ = mcpt.run(&deploy).ok();

    // The chart's test, made as helm makes it and never removed since.
    let hooks = Helm::V4.run(&namespace, &["get", "hooks", "gc-orphan"]);
    kubectl_with_input(&["apply", "-n", namespace.name(), "-f", "-"], &hooks);
    let ended = [
        "wait",
        "-n",
        namespace.name(),
        "--for=jsonpath={.status.phase}=Succeeded",
        "--timeout=60s",
    ];
    kubectl(&[&ended[..], &["pod/gc-orphan-test-connection"]].concat());
    let told = removed(&mcpt, &[]);
    assert_eq!(
        told,
        ["Pod/gc-orphan-test-connection: it was made by a test of release gc-orphan that ended"]
    );

    kubectl(&[
        "delete",
        "secret",
        "-n",
        namespace.name(),
        "-l",
        "owner=helm",
    ]);
    // It serves somebody.
    finds_nothing(&mcpt);
    kubectl(&[
        "scale",
        "--replicas=0",
        "-n",
        namespace.name(),
        "deployment/gc-orphan",
    ]);
    kubectl(&[
        "wait",
        "-n",
        namespace.name(),
        "--for=delete",
        "pod",
        "--selector=app.kubernetes.io/instance=gc-orphan",
        "--timeout=60s",
    ]);
    let told = removed(&mcpt, &["--dry-run"]);
    assert!(
        told.contains(
            &"Deployment/gc-orphan: there is no record of its release gc-orphan".to_owned()
        ),
        "{told:?}"
    );
    assert_eq!(removed(&mcpt, &[]), told);
    assert_eq!(namespace.objects(), before);
}

/// Ends the namespace whatever becomes of the test.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        kubectl(&[
            "delete",
            "namespace",
            &self.0,
            "--ignore-not-found",
            "--wait=false",
        ]);
    }
}

#[test]
fn the_namespace_of_a_killed_deployment_goes_and_no_other() {
    let name = Named(format!("test-gc-made-{}", std::process::id()));
    let mcpt = in_namespace(&name.0);
    let there = || {
        !kubectl(&[
            "get",
            "namespace",
            &name.0,
            "--ignore-not-found",
            "-o",
            "name",
        ])
        .is_empty()
    };
    let deploy = ["deploy", "demo", "--replicas", "1", "--create-namespace"];
    let broken = [&deploy[..], &["--image", "localhost/no-such-image:1"]].concat();
    for mark in ["made namespace", "waiting for the pods"] {
        mcpt.kill_at(&broken, mark);
        assert!(there(), "the deploy made no namespace");
        let told = removed(&mcpt, &["--dry-run"]);
        assert!(there() && !told.is_empty(), "{told:?}");
        assert_eq!(removed(&mcpt, &[]), told, "at {mark:?}");
        assert!(!there(), "at {mark:?}");
    }
    // Somebody uses it since. What the deploy made besides, until it was killed, goes.
    mcpt.kill_at(&broken, "made namespace");
    kubectl(&["create", "configmap", "notes", "-n", &name.0]);
    let told = removed(&mcpt, &[]);
    assert!(there(), "{told:?}");
    finds_nothing(&mcpt);
    // One that a deploy has finished with is the user's.
    let _ = mcpt.run(&deploy).ok();
    kubectl(&["delete", "configmap", "notes", "-n", &name.0]);
    let _ = mcpt.run(&["delete", "demo"]).ok();
    finds_nothing(&mcpt);
    assert!(there());
    let _ = mcpt.run(&["delete", "demo", "--delete-namespace"]).ok();
    assert!(!there());
}

/// What came into a namespace that a deploy made is not the deploy's to take.
#[test]
fn a_namespace_with_anything_of_others_stays() {
    let name = Named(format!("test-gc-shared-{}", std::process::id()));
    let mcpt = in_namespace(&name.0);
    let pull = || {
        kubectl(&["create", "secret", "generic", "pull", "-n", &name.0]);
    };
    let is_there = || !kubectl(&["get", "secret", "pull", "-n", &name.0, "-o", "name"]).is_empty();
    let mark = || {
        let path = "-o=jsonpath={.metadata.annotations.mcpt\\.io/holder}";
        kubectl(&["get", "namespace", &name.0, path])
    };
    let broken = ["deploy", "demo", "--image", "localhost/no-such-image:1"];
    let create = [&broken[..], &["--create-namespace"]].concat();
    let atomic = [&broken[..], &["--atomic"]].concat();

    // A deploy fails in a namespace that another one made and left when it was killed.
    mcpt.kill_at(&create, "made namespace");
    assert!(!mark().is_empty());
    pull();
    let failed = mcpt.run(&atomic).exits(1);
    let _ = failed.says(&["its namespace was not removed: it has secret \"pull\""]);
    assert!(is_there());
    assert_eq!(mark(), "", "it is the user's");
    kubectl(&["delete", "namespace", &name.0]);

    // What a killed deploy left is deleted, and with that the namespace is the user's.
    mcpt.kill_at(&create, "waiting for the pods");
    assert!(!mark().is_empty());
    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert_eq!(mark(), "");
    let refused = [
        "--set",
        "resources.requests.cpu=2",
        "--set",
        "resources.limits.cpu=1",
    ];
    let refused = [&["deploy", "demo"][..], &refused].concat();
    let _ = mcpt.run(&refused).exits(1);
    pull();
    let _ = mcpt.run(&atomic).exits(1);
    assert!(is_there());
}
