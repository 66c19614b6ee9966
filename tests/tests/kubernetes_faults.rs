//! Faults of the cluster itself: no call through a gateway fails while the API server stands still, is gone or cannot be
//! reached, nor while a node's kubelet is gone; afterwards the gateway knows what it missed, and `status` tells the truth.
//!
//! One test, since its parts would hurt each other. It needs `MCPT_XTASK`, which `cargo xtask cluster exec` sets.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    process::Command,
    time::{Duration, Instant},
};

use mcpt_tests::{
    LossyWay, Mcpt, TestNamespace,
    calls::SteadyCalls,
    eventually, kubectl,
    processes::{Known, Process},
    raw::{Session, agent},
};

/// How long the API server is away.
const OUTAGE: Duration = Duration::from_secs(20);
/// How soon a gateway catches up with the endpoints that the API server knows.
const CATCH_UP: Duration = Duration::from_secs(5);
/// Long enough for pods and nodes to change on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A component that is hurt; it is well again at the latest when this is dropped.
struct Hurt {
    component: String,
    remedy: &'static str,
}

impl Hurt {
    fn freeze(component: &str) -> Self {
        fault("freeze", component);
        Self {
            component: component.to_owned(),
            remedy: "thaw",
        }
    }

    fn kill(component: &str) -> Self {
        fault("kill", component);
        Self {
            component: component.to_owned(),
            remedy: "start",
        }
    }
}

impl Drop for Hurt {
    fn drop(&mut self) {
        // A test that fails already says why.
        assert!(run(self.remedy, &self.component) || std::thread::panicking());
    }
}

fn fault(what: &str, component: &str) {
    assert!(run(what, component), "cluster fault {what} {component}");
}

fn run(what: &str, component: &str) -> bool {
    let xtask =
        std::env::var_os("MCPT_XTASK").expect("MCPT_XTASK, as cargo xtask cluster exec sets it");
    let status = Command::new(xtask)
        .args(["cluster", "fault", what, component])
        .status()
        .expect("running xtask");
    status.success()
}

#[test]
fn the_gateway_goes_on_with_what_it_knows_and_catches_up() {
    let namespace = TestNamespace::new("faults");
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let _ = mcpt.run(&["deploy", "demo", "--replicas", "4"]).ok();
    let way = LossyWay::open();
    let over_way = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let kubeconfig = way.kubeconfig(over_way.home());
    let gateways = [
        Process::gateway_of(&mcpt, &[]),
        Process::gateway_of(&over_way, &["--kubeconfig", &kubeconfig]),
    ];
    namespace.endpoints_become("demo", 4);
    for gateway in &gateways {
        gateway.learns("demo", Some(Known::ready(4)), CATCH_UP);
    }
    let urls = gateways.each_ref().map(|gateway| gateway.url("/mcp/demo"));
    let calls = SteadyCalls::start(&[("direct", &urls[0]), ("over the way", &urls[1])]);
    let agent = agent();
    let sessions: Vec<_> = (0..8).map(|_| Session::open(&agent, &urls[0])).collect();
    let mut count = 0;
    let mut all_go_on = || {
        count += 1;
        for session in &sessions {
            assert_eq!(session.count(&urls[0]), count);
        }
    };
    let scale = |replicas: usize| {
        let number = format!("--replicas={replicas}");
        kubectl(&["scale", "deployment/demo", &number, "-n", namespace.name()]);
        namespace.rolled_out("demo");
        namespace.endpoints_become("demo", replicas);
    };
    // A Deployment follows what becomes of its pods later than their endpoints do.
    let status_becomes = |state: &str, ready: u64| {
        eventually(PATIENCE, || {
            let status = mcpt.json(&["status", "demo"]);
            if status["state"] == state && status["ready"] == ready {
                Ok(())
            } else {
                Err(format!("wanted {state} with {ready}: {status}"))
            }
        });
    };

    // What changed while nothing could be watched is known soon after.
    way.cut();
    way.block();
    scale(6);
    gateways[0].learns("demo", Some(Known::ready(6)), CATCH_UP);
    assert_eq!(gateways[1].knows("demo"), Some(Known::ready(4)));
    way.unblock();
    gateways[1].learns("demo", Some(Known::ready(6)), CATCH_UP);
    all_go_on();

    // An API server that answers nothing, for as long as connections to it stay open.
    {
        let _frozen = Hurt::freeze("kube-apiserver");
        let over = Instant::now() + OUTAGE;
        while Instant::now() < over {
            all_go_on();
        }
        assert!(
            gateways
                .iter()
                .all(|gateway| gateway.knows("demo") == Some(Known::ready(6)))
        );
    }
    answers();
    nodes_report();
    // One that is gone, and another in its place.
    drop(Hurt::kill("kube-apiserver"));
    all_go_on();
    answers();
    scale(8);
    for gateway in &gateways {
        gateway.learns("demo", Some(Known::ready(8)), CATCH_UP);
    }
    all_go_on();

    // A node that is heard of no more, though its pods go on.
    let on_node = |node: &str| {
        let selector = format!("--field-selector=spec.nodeName={node}");
        let pods = ["get", "pods", "-l", "mcpt.io/server=demo", "-o", "name"];
        let pods = kubectl(&[&pods[..], &[&selector, "-n", namespace.name()]].concat());
        pods.lines().count() as u64
    };
    let (here, lost) = (on_node("node-1"), on_node("node-2"));
    assert_eq!(here + lost, 8);
    assert!(here > 0 && lost > 0, "{here} and {lost}");
    {
        let _dead = Hurt::kill("kubelet-2");
        for gateway in &gateways {
            gateway.learns("demo", Some(Known::ready(here)), PATIENCE);
        }
        all_go_on();
        for _ in 0..here {
            Session::open(&agent, &urls[1]);
        }
        status_becomes("degraded", here);
    }
    for gateway in &gateways {
        gateway.learns("demo", Some(Known::ready(8)), PATIENCE);
    }
    all_go_on();
    status_becomes("running", 8);

    for record in calls.finish() {
        assert!(record.answered > 0, "{record:?}");
        assert_eq!(record.failures, [""; 0], "{}", record.client);
    }
}

/// Waits until the API server answers again.
fn answers() {
    eventually(PATIENCE, || {
        let output = Command::new("kubectl")
            .args(["get", "--raw=/readyz?verbose", "--request-timeout=5s"])
            .output()
            .expect("kubectl");
        if output.status.success() {
            return Ok(());
        }
        let [said, why] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Err(format!("the API server stays away: {why}{said}"))
    });
}

/// Waits until every node has reported once more. One that is not heard of for too long is given up, and two outages in a row
/// count as one unless it is heard of in between.
fn nodes_report() {
    let each = "-o=jsonpath={range .items[*]}{.metadata.name} {.spec.renewTime}{\"\\n\"}{end}";
    let reports = || kubectl(&["get", "leases", "-n", "kube-node-lease", each]);
    let before = reports();
    eventually(PATIENCE, || {
        let now = reports();
        let silent = now
            .lines()
            .find(|now| before.lines().any(|old| old == *now));
        silent.map_or(Ok(()), |node| Err(format!("no report since {node}")))
    });
}
