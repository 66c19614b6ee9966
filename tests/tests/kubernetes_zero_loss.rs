//! No stateless call is lost while versions and sizes change: rolling updates, rollbacks and a smaller size, seen by
//! clients that try nothing again.

use mcpt_tests::{
    Mcpt, TestNamespace,
    calls::{Record, SteadyCalls},
    kubectl,
};

#[test]
fn no_call_is_lost() {
    let namespace = TestNamespace::new("zero-loss");
    let name = namespace.name();
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", name]);
    let run = |arguments: &[&str]| drop(mcpt.run(arguments).ok());
    run(&["deploy", "demo", "--replicas", "3", "-c", "greeting=first"]);
    run(&["gateway", "install", "--replicas", "2"]);
    let service = format!("{}/mcp", namespace.service_url("demo"));
    let gateway = format!("{}/mcp/demo", namespace.service_url("mcpt-gateway"));

    let calls = SteadyCalls::start(&[("service", &service), ("gateway", &gateway)]);
    for greeting in ["second", "third", "fourth"] {
        run(&["deploy", "demo", "-c", &format!("greeting={greeting}")]);
    }
    run(&["rollback", "demo"]);
    run(&["rollback", "demo", "1"]);
    run(&["scale", "demo", "--replicas", "5"]);
    run(&["scale", "demo", "--replicas", "2"]);
    // Until the last of the pods that leave is gone.
    let selector = "--selector=mcpt.io/server=demo";
    let leaving = kubectl(&[
        "get",
        "pods",
        "-n",
        name,
        selector,
        "-o",
        "jsonpath={range .items[?(@.metadata.deletionTimestamp)]}pod/{.metadata.name} {end}",
    ]);
    for pod in leaving.split_whitespace() {
        kubectl(&["wait", "--for=delete", pod, "-n", name, "--timeout=60s"]);
    }
    all_answered(&calls.finish());
}

fn all_answered(records: &[Record]) {
    let failures: Vec<_> = records
        .iter()
        .flat_map(|record| {
            record
                .failures
                .iter()
                .map(move |why| format!("{}: {why}", record.client))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} calls were lost:\n{}",
        failures.len(),
        failures.join("\n")
    );
    for record in records {
        assert!(
            record.answered >= 5,
            "{record:?} called too seldom to prove anything"
        );
    }
}
