//! `status`, `events` and `logs` on the real cluster tell what kubectl tells, and what is followed outlives cut connections.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::{
    collections::BTreeSet,
    process::Child,
    time::{Duration, Instant},
};

use mcpt_tests::{
    LossyWay, Mcpt, TestNamespace, eventually, kubectl, kubectl_json, processes::Lines,
};
use serde_json::{Value, json};

/// Long enough for what the cluster does by itself on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

fn deployed(word: &str, replicas: &str) -> (TestNamespace, Mcpt) {
    let namespace = TestNamespace::new(word);
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let _ = mcpt.run(&["deploy", "demo", "--replicas", replicas]).ok();
    (namespace, mcpt)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// Another Deployment whose name begins like the server's and whose pods bear the server's label.
const LOOK_ALIKE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: demo-2}
spec:
  replicas: 1
  selector: {matchLabels: {app: demo-2}}
  template:
    metadata: {labels: {app: demo-2, mcpt.io/server: demo}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: server
          image: localhost/mcpt:0.1.0
          imagePullPolicy: IfNotPresent
          args: [demo]
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
";

#[test]
fn status_shows_the_pods_that_kubectl_shows() {
    let (namespace, mcpt) = deployed("status", "2");
    namespace.apply(LOOK_ALIKE);
    namespace.rolled_out("demo-2");

    let pods = kubectl_json(&[
        "get",
        "pods",
        "-n",
        namespace.name(),
        "-l",
        "app.kubernetes.io/instance=demo",
    ]);
    let expected: BTreeSet<_> = list(&pods["items"])
        .iter()
        .map(|pod| (text(pod, "/metadata/name"), text(pod, "/spec/nodeName"), 0))
        .collect();
    let status = mcpt.json(&["status", "demo"]);
    let shown: BTreeSet<_> = list(&status["replicas"])
        .iter()
        .map(|replica| {
            let restarts = replica["restarts"].as_u64().expect("a number");
            (text(replica, "/name"), text(replica, "/node"), restarts)
        })
        .collect();
    assert_eq!(shown, expected);
    assert_eq!(status["revision"], 1);

    let text = mcpt.run(&["status", "demo"]).ok().stdout;
    for (name, node, _) in expected {
        assert!(text.contains(name) && text.contains(node), "{text}");
    }
}

/// The metrics API has no watch, and measures new pods only after a while: both are asked until they tell something, and
/// then the status must be what `kubectl top` said before or after it.
#[test]
fn status_shows_the_usage_that_kubectl_top_shows() {
    let (namespace, mcpt) = deployed("usage", "1");
    let top = || -> Option<String> {
        let pods = ["get", "--raw"];
        let path = format!(
            "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods",
            namespace.name()
        );
        let measured = kubectl(&[&pods[..], &[&path]].concat());
        let top = ["top", "pods", "--no-headers", "-n", namespace.name()];
        measured.contains("\"usage\"").then(|| kubectl(&top))
    };
    let words =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    eventually(PATIENCE, || {
        let Some(before) = top() else {
            return Err("no usage was measured".to_owned());
        };
        let status = mcpt.run(&["status", "demo"]).ok().stdout;
        let after = top().unwrap_or_default();
        let row = status
            .lines()
            .skip_while(|line| *line != "Instances:")
            .nth(2);
        let row = words(row.expect("a row for the pod"));
        let usage = [row[0].clone(), row[5].clone(), row[6].clone()];
        if [before.as_str(), &after]
            .map(words)
            .iter()
            .any(|top| *top == usage)
        {
            return Ok(());
        }
        assert_ne!(before, after, "kubectl top says otherwise than {status}");
        Err(format!("kubectl top said {after:?} after {status}"))
    });
}

/// What one event says, without how often and when.
type Said = (String, String, String);

fn said(events: &Value) -> BTreeSet<Said> {
    let said = |event: &Value| {
        let part = |pointer| text(event, pointer).to_owned();
        (part("/object"), part("/reason"), part("/message"))
    };
    list(events).iter().map(said).collect()
}

#[test]
fn events_are_those_that_kubectl_tells_of_the_release_and_no_others() {
    let (namespace, mcpt) = deployed("events", "1");
    namespace.apply(LOOK_ALIKE);
    namespace.rolled_out("demo-2");

    let pods = kubectl(&[
        "get",
        "pods,replicasets",
        "-n",
        namespace.name(),
        "-l",
        "app.kubernetes.io/instance=demo",
        "-o",
        "jsonpath={range .items[*]}{.kind}/{.metadata.name} {end}",
    ]);
    let mut ours: BTreeSet<&str> = pods.split_whitespace().collect();
    ours.insert("Deployment/demo");
    let told_by_kubectl = || -> BTreeSet<Said> {
        let events = kubectl_json(&["get", "events", "-n", namespace.name()]);
        let object = |event: &Value| {
            format!(
                "{}/{}",
                text(event, "/involvedObject/kind"),
                text(event, "/involvedObject/name")
            )
        };
        let events = list(&events["items"]).iter();
        let events = events.filter(|event| ours.contains(object(event).as_str()));
        events
            .map(|event| {
                (
                    object(event),
                    text(event, "/reason").to_owned(),
                    text(event, "/message").trim().to_owned(),
                )
            })
            .collect()
    };
    let before = told_by_kubectl();
    let events = mcpt.json(&["events", "demo"]);
    let shown = said(&events);
    assert!(
        shown.is_superset(&before),
        "{shown:#?}\nlacks some of\n{before:#?}"
    );
    assert!(told_by_kubectl().is_superset(&shown), "{shown:#?}");
    assert!(shown.iter().any(|(object, reason, _)| object == "Deployment/demo" && reason == "ScalingReplicaSet"));

    let times: Vec<_> = list(&events)
        .iter()
        .map(|event| text(event, "/time"))
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let last = said(&mcpt.json(&["status", "demo"])["events"]);
    assert!(
        (1..=10).contains(&last.len()) && told_by_kubectl().is_superset(&last),
        "{last:#?}"
    );
    let _ = mcpt.run(&["events", "nothing"]).exits(3);
}

/// Reads JSON lines until one is as wanted; gives all of them.
fn until(lines: &Lines, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    while let Some(line) = lines.next_before(deadline) {
        let event: Value = serde_json::from_str(&line).expect("one JSON document a line");
        seen.push(event);
        if seen.last().is_some_and(&wanted) {
            return seen;
        }
    }
    panic!("what is followed ended, or took too long, after {seen:#?}");
}

/// Ends it whatever becomes of the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn followed_events_go_on_after_cut_connections_and_over_an_update() {
    let (namespace, mcpt) = deployed("follow", "1");
    let way = LossyWay::open();
    let config = way.kubeconfig(mcpt.home());
    let mut child = Ended(mcpt.spawn(&[
        "--kubeconfig",
        &config,
        "events",
        "demo",
        "-f",
        "-o",
        "json",
    ]));
    let lines = Lines::of(child.0.stdout.take().expect("stdout"));
    let scaled = |to: &str| {
        let text_of = format!("to {to}");
        move |event: &Value| {
            text(event, "/reason") == "ScalingReplicaSet"
                && text(event, "/message").ends_with(&text_of)
        }
    };
    let first = until(&lines, scaled("1"));
    assert!(way.cut() > 0, "nothing was connected");

    let _ = mcpt.run(&["deploy", "demo", "--replicas", "2"]).ok();
    let second = until(&lines, scaled("2"));
    let again: Vec<_> = second
        .iter()
        .filter(|event| first.contains(event))
        .collect();
    assert!(again.is_empty(), "told twice: {again:#?}");

    // An update brings a replica set and pods that the command has never seen.
    let _ = mcpt
        .run(&["deploy", "demo", "--replicas", "2", "-c", "greeting=new"])
        .ok();
    let sets = kubectl(&[
        "get",
        "replicasets",
        "-n",
        namespace.name(),
        "--sort-by=.metadata.creationTimestamp",
        "-o",
        "jsonpath={.items[-1:].metadata.name}",
    ]);
    let pod = format!("Pod/{}-", sets.trim());
    until(&lines, |event| {
        text(event, "/object").starts_with(&pod) && text(event, "/reason") == "Started"
    });
}

/// Ends after 40 lines, and is another one after that.
const TALKS_ONCE: &str = "if [ -e /tmp/once ]; then while true; do echo again; sleep 1; done; fi
touch /tmp/once; i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; sleep 0.2; done";

#[test]
fn followed_lines_of_a_run_that_ended_unseen_are_told() {
    let namespace = TestNamespace::new("lines");
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let entry =
        json!({"talk": {"image": "localhost/busybox:1", "command": ["sh", "-c", TALKS_ONCE]}});
    let registry = mcpt.file("servers.json", &entry.to_string());
    let _ = mcpt
        .run(&["deploy", "talk", "--registry", &registry, "--no-wait"])
        .ok();
    let way = LossyWay::open();
    let config = way.kubeconfig(mcpt.home());
    // Nothing can be awaited of pods before there is one.
    let made = "--for=jsonpath={.status.replicas}=1";
    let deployment = ["deployment/talk", "-n", namespace.name()];
    kubectl(&[&["wait", made, "--timeout=60s"], &deployment[..]].concat());
    let pods = ["pod", "-l", "mcpt.io/server=talk", "-n", namespace.name()];
    let restarts = |number: &str| {
        let path = "jsonpath={.status.containerStatuses[?(@.name==\"server\")]";
        let running = format!("--for={path}.state.running}}");
        let restarted = format!("--for={path}.restartCount}}={number}");
        for wanted in [running, restarted] {
            kubectl(&[&["wait", &wanted, "--timeout=60s"], &pods[..]].concat());
        }
    };
    restarts("0");
    let mut child =
        Ended(mcpt.spawn(&["--kubeconfig", &config, "logs", "talk", "-f", "-o", "json"]));
    let lines = Lines::of(child.0.stdout.take().expect("stdout"));
    let said = |wanted: &'static str| move |line: &Value| text(line, "/text") == wanted;
    let mut seen = until(&lines, said("line 5"));
    way.block();
    restarts("1");
    way.unblock();
    seen.extend(until(&lines, said("again")));

    let seen: Vec<_> = seen.iter().map(|line| text(line, "/text")).collect();
    let mut expected: Vec<_> = (1..=40).map(|number| format!("line {number}")).collect();
    expected.push("again".to_owned());
    assert_eq!(seen, expected);
}
