//! Sessions of clients that others wrote, through two replicas of the gateway, to a server that grows and loses a pod.
//!
//! Each session counts its calls on its pod. A counter that does not go on by one means that a call was lost, was made
//! twice, or went to another pod. The clients try connections again that could not be made, on which nothing was sent, and
//! send no request twice.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mcpt_tests::{
    Mcpt, TestNamespace, in_flight, kill_container, kubectl,
    sessions::{Answer, PythonSessions, RmcpSessions, Sessions, spread},
};

/// Sessions of each kind of client.
const OF_EACH: usize = 50;
/// Most sessions of one pod, compared with the mean.
const MOST_TO_MEAN: f64 = 1.2;
/// How soon new sessions must reach new pods that a gateway can know of.
const NEW_PODS_WITHIN: Duration = Duration::from_secs(2);

/// Sessions of both kinds, and what is known of each.
struct Crowd {
    url: String,
    kinds: [Kind; 2],
}

struct Kind {
    name: &'static str,
    clients: Box<dyn Sessions + Send>,
    last: Vec<Answer>,
}

impl Crowd {
    fn new(url: String) -> Self {
        let kind = |name, clients| Kind {
            name,
            clients,
            last: Vec::new(),
        };
        Self {
            url,
            kinds: [
                kind("Python SDK", Box::new(PythonSessions::start())),
                kind("rmcp", Box::<RmcpSessions>::default()),
            ],
        }
    }

    /// Opens as many sessions of each kind, at the same time.
    fn open(&mut self, of_each: usize) {
        let url = &self.url;
        thread::scope(|scope| {
            for kind in &mut self.kinds {
                scope.spawn(move || {
                    let opened = kind.clients.open(url, of_each);
                    assert_eq!(opened.len(), of_each, "{}", kind.name);
                    for answer in &opened {
                        assert_eq!(counter(answer), Some(1), "{}: {answer:?}", kind.name);
                    }
                    kind.last.extend(opened);
                });
            }
        });
    }

    /// Every session calls once: it must be where it was, one call further.
    fn goes_on(&mut self, when: &str) {
        self.call(when, &BTreeSet::new());
    }

    /// The same, but sessions on these pods must be gone; they are opened anew. Gives how many there were.
    fn call(&mut self, when: &str, lost_pods: &BTreeSet<String>) -> usize {
        thread::scope(|scope| {
            let calls: Vec<_> = self
                .kinds
                .iter_mut()
                .map(|kind| scope.spawn(move || kind.call(when, lost_pods)))
                .collect();
            calls
                .into_iter()
                .map(|call| call.join().expect("a kind of client"))
                .sum()
        })
    }

    /// Sessions per pod.
    fn spread(&self) -> BTreeMap<String, usize> {
        let answers: Vec<_> = self
            .kinds
            .iter()
            .flat_map(|kind| kind.last.clone())
            .collect();
        spread(&answers)
            .into_iter()
            .map(|(pod, sessions)| (pod.to_owned(), sessions))
            .collect()
    }

    fn is_even(&self, pods: usize) {
        let spread = self.spread();
        let most = spread.values().max().copied().unwrap_or_default() as f64;
        let mean = spread.values().sum::<usize>() as f64 / pods as f64;
        assert_eq!(spread.len(), pods, "{spread:?}");
        assert!(most <= MOST_TO_MEAN * mean, "{spread:?}");
    }
}

impl Kind {
    fn call(&mut self, when: &str, lost_pods: &BTreeSet<String>) -> usize {
        let answers = self.clients.call();
        assert_eq!(answers.len(), self.last.len());
        let mut wrong = Vec::new();
        let mut lost = Vec::new();
        for (number, (before, now)) in self.last.iter_mut().zip(answers).enumerate() {
            let pod = before.instance().expect("a session that has answered");
            let wanted = if lost_pods.contains(pod) {
                lost.push(number);
                Answer::Gone
            } else {
                Answer::Counted {
                    instance: pod.to_owned(),
                    counter: counter(before).unwrap_or_default() + 1,
                }
            };
            if now != wanted {
                wrong.push(format!("session {number}: wanted {wanted:?}, not {now:?}"));
            }
            *before = now;
        }
        assert!(
            wrong.is_empty(),
            "{} {when}:\n{}",
            self.name,
            wrong.join("\n")
        );
        for (number, answer) in lost.iter().zip(self.clients.reopen(&lost)) {
            assert_eq!(
                counter(&answer),
                Some(1),
                "{} {when}: {answer:?}",
                self.name
            );
            self.last[*number] = answer;
        }
        lost.len()
    }
}

fn counter(answer: &Answer) -> Option<u64> {
    match answer {
        Answer::Counted { counter, .. } => Some(*counter),
        _ => None,
    }
}

#[test]
fn calls_in_flight_break_with_their_gateway_and_are_made_once() {
    let namespace = TestNamespace::new("in-flight");
    let name = namespace.name();
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", name]);
    let _ = mcpt.run(&["deploy", "demo", "--replicas", "2"]).ok();
    let _ = mcpt.run(&["gateway", "install", "--replicas", "2"]).ok();
    let gateways = pods(name, "mcpt.io/gateway=mcpt-gateway");
    let [carrier, other] = [0, 1].map(|index| {
        let pod = namespace.get(&format!("pod/{}", gateways[index]));
        let address = pod["status"]["podIP"].as_str().expect("an address");
        format!("http://{address}:8080/mcp/demo")
    });
    // Longer than it may take to have the process killed.
    in_flight::outlive_their_gateway(&carrier, &other, 70, || kill_container(name, &gateways[0]));
}

#[test]
fn calls_in_flight_finish_when_gateways_are_restarted_in_turn() {
    let namespace = TestNamespace::new("restart");
    let name = namespace.name();
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", name]);
    let _ = mcpt.run(&["deploy", "demo", "--replicas", "2"]).ok();
    let _ = mcpt.run(&["gateway", "install", "--replicas", "2"]).ok();
    let url = format!("{}/mcp/demo", namespace.service_url("mcpt-gateway"));
    // Over both gateways, and longer than a pod keeps accepting connections.
    in_flight::outlast(&url, 16, 15, || {
        kubectl(&["rollout", "restart", "deployment/mcpt-gateway", "-n", name]);
        namespace.rolled_out("mcpt-gateway");
    });
}

#[test]
fn sessions_stay_on_their_pods() {
    let namespace = TestNamespace::new("sessions");
    let name = namespace.name();
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", name]);
    // Long enough for all sessions to call while a pod terminates.
    let deploy = ["deploy", "demo", "--replicas", "3"];
    let slow_end = [
        "--set",
        "drainSeconds=20",
        "--set",
        "terminationGracePeriodSeconds=60",
    ];
    let _ = mcpt.run(&[&deploy[..], &slow_end].concat()).ok();
    let _ = mcpt.run(&["gateway", "install", "--replicas", "2"]).ok();
    let url = format!("{}/mcp/demo", namespace.service_url("mcpt-gateway"));

    let mut crowd = Crowd::new(url);
    crowd.open(OF_EACH);
    crowd.is_even(3);
    crowd.goes_on("at first");
    counts(&mcpt, 2 * OF_EACH);

    let gateways = pods(name, "mcpt.io/gateway=mcpt-gateway");
    kill_container(name, &gateways[0]);
    crowd.goes_on("right after a gateway was killed");
    let restarted = "jsonpath={.status.containerStatuses[0].restartCount}=1";
    wait_for(name, &format!("pod/{}", gateways[0]), restarted);
    wait_for(name, &format!("pod/{}", gateways[0]), "condition=Ready");
    crowd.goes_on("when the killed gateway is back");

    kubectl(&["rollout", "restart", "deployment/mcpt-gateway", "-n", name]);
    let mut rollout = Command::new("kubectl")
        .args([
            "rollout",
            "status",
            "deployment/mcpt-gateway",
            "-n",
            name,
            "--timeout=90s",
        ])
        .stdout(Stdio::null())
        .spawn()
        .expect("starting kubectl");
    while rollout.try_wait().expect("waiting for kubectl").is_none() {
        crowd.goes_on("while the gateways are restarted in turn");
    }
    assert!(rollout.wait().expect("waiting for kubectl").success());
    crowd.goes_on("after both gateways were restarted");
    counts(&mcpt, 2 * OF_EACH);

    let old: BTreeSet<_> = crowd.spread().into_keys().collect();
    let _ = mcpt
        .run(&["scale", "demo", "--replicas", "5", "--no-wait"])
        .ok();
    namespace.endpoints_become("demo", 5);
    let ready = Instant::now();
    let mut reached = BTreeSet::new();
    let mut probes = RmcpSessions::default();
    while reached.len() < 2 {
        let answers = probes.open(&crowd.url, 1);
        let pod = answers[0].instance().map(str::to_owned);
        reached.extend(pod.filter(|pod| !old.contains(pod)));
        assert!(
            ready.elapsed() < NEW_PODS_WITHIN,
            "new sessions reached only {reached:?} of the new pods"
        );
    }
    drop(probes);
    crowd.open(OF_EACH / 3 * 2);
    crowd.is_even(5);

    let deleted: BTreeSet<_> = old.into_iter().take(1).collect();
    for pod in &deleted {
        kubectl(&["delete", "pod", pod, "-n", name, "--wait=false"]);
        crowd.goes_on("while a pod terminates");
        kubectl(&[
            "wait",
            "--for=delete",
            &format!("pod/{pod}"),
            "-n",
            name,
            "--timeout=120s",
        ]);
    }
    let lost = crowd.call("after a pod was deleted", &deleted);
    assert!(lost > 0, "nobody was on {deleted:?}");
    crowd.goes_on("with new sessions for those that were lost");
}

/// The gateways tell each other once a second what they have seen: soon each session is counted, and counted once.
fn counts(mcpt: &Mcpt, sessions: usize) {
    let begin = Instant::now();
    loop {
        let status = mcpt.json(&["gateway", "status"]);
        if status["servers"][0]["sessions"] == sessions {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{status}");
    }
}

fn pods(namespace: &str, selector: &str) -> Vec<String> {
    let listed = kubectl(&["get", "pods", "-n", namespace, "-l", selector, "-o", "name"]);
    let names = listed.lines().filter_map(|line| line.strip_prefix("pod/"));
    names.map(str::to_owned).collect()
}

fn wait_for(namespace: &str, object: &str, what: &str) {
    let what = format!("--for={what}");
    kubectl(&["wait", "-n", namespace, object, &what, "--timeout=60s"]);
}
