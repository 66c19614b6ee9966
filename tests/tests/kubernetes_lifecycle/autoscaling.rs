//! The number of pods has several masters: settled here is that none of them undoes what another one decided.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use mcpt_tests::{Helm, TestNamespace, kubectl, processes::Lines};

use crate::{CHART, deploy, hold, let_go, mcpt, replicas};

/// Long enough for an autoscaler to have pods measured, and to wait for its window, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// A pod that calls the demo server over MCP all the time: mcpt's probe in loops, with a share of the processor that others
/// cannot take, so that the load stays.
const LOAD: &str = r"
apiVersion: v1
kind: Pod
metadata: {name: load}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  volumes: [{name: bin, emptyDir: {}}]
  initContainers:
    - name: install
      image: localhost/mcpt:0.1.0
      args: [install, /bin-of-mcpt]
      volumeMounts: [{name: bin, mountPath: /bin-of-mcpt}]
      securityContext: &restricted {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  containers:
    - name: load
      image: localhost/busybox:1
      command:
        - sh
        - -c
        - for loop in 1 2 3; do while true; do /bin-of-mcpt/mcpt probe http://demo:8080/mcp; done & done; wait
      resources: {requests: {cpu: 500m}}
      volumeMounts: [{name: bin, mountPath: /bin-of-mcpt}]
      securityContext: *restricted
";

/// Every `spec.replicas` that the Deployment has, as a watch tells it.
struct Sizes<'a> {
    namespace: &'a TestNamespace,
    watch: Child,
    lines: Lines,
    asked: u32,
}

impl<'a> Sizes<'a> {
    fn watch(namespace: &'a TestNamespace) -> Self {
        let kubectl = std::env::var_os("MCPT_KUBECTL").unwrap_or_else(|| "kubectl".into());
        let shown =
            "{.spec.replicas} {.status.readyReplicas} asked-{.metadata.annotations.asked}{\"\\n\"}";
        let mut watch = Command::new(kubectl)
            .args(["get", "deployment/demo", "--watch", "-n", namespace.name()])
            .args(["-o", &format!("jsonpath={shown}")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting kubectl");
        let lines = Lines::of(watch.stdout.take().expect("stdout"));
        Self {
            namespace,
            watch,
            lines,
            asked: 0,
        }
    }

    /// Reads up to a line that ends it; all sizes until then.
    fn read(&mut self, ends: impl Fn(&str) -> bool) -> Vec<u64> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Some(line) = self.lines.next_before(deadline) {
            let wanted = line.split(' ').next().expect("spec.replicas");
            seen.push(wanted.parse().expect("a number"));
            if ends(&line) {
                return seen;
            }
        }
        panic!("the watch ended, or took too long; replicas were {seen:?}");
    }

    /// Until as many are wanted and ready.
    fn until(&mut self, number: u64) -> Vec<u64> {
        self.read(|line| line.starts_with(&format!("{number} {number} ")))
    }

    /// Since the last question until now: the watch tells everything that was before an annotation before it.
    fn so_far(&mut self) -> Vec<u64> {
        self.asked += 1;
        let mark = format!("asked={}", self.asked);
        let namespace = self.namespace.name();
        kubectl(&[
            "annotate",
            "-n",
            namespace,
            "deployment/demo",
            "--overwrite",
            &mark,
        ]);
        let told = format!("asked-{}", self.asked);
        self.read(|line| line.ends_with(&told))
    }
}

impl Drop for Sizes<'_> {
    fn drop(&mut self) {
        drop(self.watch.kill());
        drop(self.watch.wait());
    }
}

#[test]
fn an_autoscaler_goes_to_its_maximum_under_load_and_back() {
    let namespace = TestNamespace::new("load");
    let mcpt = mcpt(&namespace);
    let values = mcpt.file(
        "values.yaml",
        "autoscaling: {behavior: {scaleDown: {stabilizationWindowSeconds: 60}}}\n\
         probes: {readiness: {type: tcp}, liveness: {type: tcp}}\n",
    );
    deploy(&mcpt, &["-f", &values]);
    // So little that the calls are a load for three on a machine that is busy otherwise, and more than one takes that rests.
    let scale = ["scale", "demo", "--min", "1", "--max", "3", "--cpu", "20"];
    let _ = mcpt.run(&scale).ok();
    let status = mcpt.json(&["status", "demo"]);
    let told = serde_json::json!({"min": 1, "max": 3, "cpu": 20});
    assert_eq!(status["autoscaling"], told, "{status}");

    let mut sizes = Sizes::watch(&namespace);
    namespace.apply(LOAD);
    let up = sizes.until(3);
    assert_eq!(up.first(), Some(&1), "{up:?}");

    // A deploy that says nothing of the number, in the middle of the load.
    deploy(&mcpt, &["-f", &values, "-c", "greeting=between"]);
    let between = sizes.so_far();
    assert!(between.iter().all(|number| *number == 3), "{between:?}");
    assert_eq!(mcpt.json(&["list"])[0]["autoscaling"], told);

    kubectl(&["delete", "-n", namespace.name(), "pod/load"]);
    let down = sizes.until(1);
    assert_eq!(down.last(), Some(&1), "{down:?}");
}

/// No load: the autoscaler only keeps to its bounds, for its window of 5 minutes.
#[test]
fn turning_autoscaling_on_and_off_keeps_the_size() {
    let namespace = TestNamespace::new("kept");
    let mcpt = mcpt(&namespace);
    deploy(&mcpt, &["--replicas", "3"]);
    let mut sizes = Sizes::watch(&namespace);
    let _ = mcpt
        .run(&["scale", "demo", "--min", "1", "--max", "4"])
        .ok();
    deploy(&mcpt, &["-c", "greeting=second"]);
    deploy(&mcpt, &["-c", "greeting=third"]);
    let _ = mcpt.run(&["rollback", "demo"]).ok();
    let _ = mcpt
        .run(&["scale", "demo", "--min", "2", "--max", "4"])
        .ok();
    deploy(&mcpt, &["--set", "autoscaling.enabled=false"]);
    let seen = sizes.so_far();
    assert!(seen.iter().all(|number| *number == 3), "{seen:?}");

    // A number ends it, one below the least does not stay.
    let _ = mcpt.run(&["scale", "demo", "--replicas", "1"]).ok();
    let scaled = mcpt.json(&["scale", "demo", "--min", "2", "--max", "4"]);
    assert_eq!(
        (&scaled["desired"], &scaled["ready"]),
        (&2.into(), &2.into())
    );
    let _ = mcpt.run(&["scale", "demo", "--replicas", "1"]).ok();
    assert_eq!(replicas(&namespace), 1);
    let _ = mcpt.run(&["rollback", "demo", "1"]).ok();
    assert_eq!(replicas(&namespace), 3);
}

/// It goes when all else of the new revision is there, as with Helm.
#[test]
fn an_autoscaler_outlives_a_scale_that_fails() {
    let namespace = TestNamespace::new("outlives");
    let mcpt = mcpt(&namespace);
    deploy(&mcpt, &["--replicas", "1"]);
    let auto = ["scale", "demo", "--min", "1", "--max", "3"];
    let _ = mcpt.run(&auto).ok();

    // An object that cannot be made anew, since the old one does not go.
    hold(&namespace, "service/demo");
    let service = ["service/demo", "--wait=false"];
    kubectl(&[&["delete", "-n", namespace.name()], &service[..]].concat());
    let fixed = ["scale", "demo", "--replicas", "2"];
    let in_time = ["--timeout", "5s"];
    let _ = mcpt
        .run(&[&fixed[..], &in_time].concat())
        .exits(6)
        .says(&["service \"demo\" is still there"]);
    let scaler = namespace.get("hpa/demo");
    assert!(
        scaler["metadata"]["deletionTimestamp"].is_null(),
        "{scaler}"
    );

    let_go(&namespace, "service/demo");
    let _ = mcpt.run(&fixed).ok();
    assert!(
        !namespace
            .objects()
            .contains("horizontalpodautoscaler.autoscaling/demo")
    );
    assert_eq!(replicas(&namespace), 2);
}

#[test]
fn the_size_is_kept_whatever_the_workload_is_called() {
    let namespace = TestNamespace::new("renamed");
    let mcpt = mcpt(&namespace);
    let named = ["--set", "fullnameOverride=other"];
    deploy(&mcpt, &[&named[..], &["--replicas", "1"]].concat());
    let other = ["deployment/other", "--replicas", "2"];
    kubectl(&[&["scale", "-n", namespace.name()], &other[..]].concat());
    deploy(&mcpt, &[&named[..], &["-c", "greeting=second"]].concat());
    assert_eq!(namespace.get("deployment/other")["spec"]["replicas"], 2);
}

/// What Helm 4 does with a server of mcpt, and mcpt with the number that `kubectl scale` or an autoscaler left.
#[test]
fn others_change_the_number() {
    let namespace = TestNamespace::new("others");
    let mcpt = mcpt(&namespace);
    deploy(&mcpt, &["--replicas", "3"]);
    let upgrade = |set: &str| {
        let set = [
            "upgrade",
            "demo",
            CHART,
            "--reuse-values",
            "--set",
            set,
            "--wait",
        ];
        Helm::V4.run(&namespace, &set);
    };
    let mut sizes = Sizes::watch(&namespace);
    upgrade("autoscaling.enabled=true");
    let seen = sizes.so_far();
    assert!(
        seen.iter().all(|number| *number == 3),
        "Helm 4 turned autoscaling on: {seen:?}"
    );

    let scale = |number: &str| {
        kubectl(&[
            "scale",
            "-n",
            namespace.name(),
            "deployment/demo",
            "--replicas",
            number,
        ]);
    };
    // Without an autoscaler that would take it back.
    let _ = mcpt.run(&["scale", "demo", "--replicas", "3"]).ok();
    scale("4");
    deploy(&mcpt, &["-c", "greeting=second"]);
    assert_eq!(replicas(&namespace), 4);
    let _ = mcpt.run(&["scale", "demo", "--replicas", "2"]).ok();
    assert_eq!(replicas(&namespace), 2);
    scale("1");
    deploy(&mcpt, &["-c", "greeting=third"]);
    assert_eq!(replicas(&namespace), 1);
    // After mcpt nobody owns the number, so Helm 4 meets no conflict.
    upgrade("replicaCount=2");
    assert_eq!(replicas(&namespace), 2);
}
