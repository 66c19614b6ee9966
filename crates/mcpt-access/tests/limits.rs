//! Limits: which are about a call, whose calls they count together, and which texts are none.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use mcpt_access::{Context, Limits, Principal, Rate};
use proptest::prelude::*;

const CONTEXT: Context<'_> = Context {
    default_namespace: "ns",
    issuers: &[],
};

fn limits(text: &str) -> Limits {
    Limits::parse(text, CONTEXT).unwrap()
}

fn user(name: &str) -> Principal {
    Principal::of_key(name, ["dev"]).unwrap()
}

#[test]
fn which_are_about_a_call() {
    let limits = limits(
        "limits:
- {who: ['*'], servers: ['*/*'], rate: 100/min}
- {who: ['*'], servers: [search], tools: [query_*], rate: 5/s, burst: 20, concurrent: 2}
- {who: [key:ci], servers: [search], concurrent: 1, shared: true}
",
    );
    let (alice, ci) = (user("alice"), user("ci"));
    for (who, namespace, name, tool, number) in [
        (Some(&alice), "ns", "search", Some("query_x"), 2),
        (Some(&alice), "ns", "search", Some("other"), 1),
        (Some(&alice), "ns", "search", None, 1),
        (Some(&ci), "ns", "search", Some("query_x"), 3),
        (Some(&ci), "other", "search", Some("query_x"), 1),
        (None, "ns", "search", Some("query_x"), 2),
    ] {
        let found = limits.of(who, namespace, name, tool).len();
        assert_eq!(found, number, "{who:?} {namespace}/{name} {tool:?}");
        assert!(limits.any(who, namespace, name));
    }
    let of = limits.of(Some(&ci), "ns", "search", Some("query_x"));
    let rates: Vec<_> = of.iter().map(|limit| limit.rate).collect();
    let rate = |per_second, burst| Some(Rate { per_second, burst });
    assert_eq!(rates, [rate(100.0 / 60.0, 100.0), rate(5.0, 20.0), None]);
    let concurrent: Vec<_> = of.iter().map(|limit| limit.concurrent).collect();
    assert_eq!(concurrent, [None, Some(2), Some(1)]);
}

#[test]
fn whose_calls_count_together() {
    let text = "limits:
- {who: ['*'], servers: [a], rate: 1/s}
- {who: ['*'], servers: [a], rate: 1/s, shared: true}
- {who: ['*'], servers: [a], rate: 2/s}
";
    let (one, other) = (limits(text), limits(text));
    let (alice, bob) = (user("alice"), user("bob"));
    let accounts = |limits: &Limits, who: &Principal| {
        let of = limits.of(Some(who), "ns", "a", None);
        of.iter()
            .map(|limit| limit.account(Some(who)))
            .collect::<Vec<_>>()
    };
    let (a, b) = (accounts(&one, &alice), accounts(&one, &bob));
    assert_eq!(a, accounts(&other, &alice));
    assert_ne!(a[0], b[0]);
    assert_eq!(a[1], b[1]);
    assert_ne!(a[0], a[2]);
}

#[test]
fn what_is_no_file_of_limits_is_named() {
    for (text, says) in [
        ("", "no file of limits"),
        ("limits: [{who: ['*'], servers: [a]}]", "limits nothing"),
        (
            "limits: [{who: ['*'], servers: [a], rate: 1}]",
            "\"1\" is no rate",
        ),
        ("limits: [{who: ['*'], servers: [a], rate: 0/s}]", "0/s"),
        ("limits: [{who: ['*'], servers: [a], rate: 1/week}]", "week"),
        (
            "limits: [{who: ['*'], servers: [a], burst: 1, concurrent: 1}]",
            "burst",
        ),
        (
            "limits: [{who: ['*'], servers: [a], concurrent: 0}]",
            "concurrent",
        ),
        (
            "limits: [{who: ['*'], servers: [a], rate: 1/s}, {who: [x], servers: [a], rate: 1/s}]",
            "entry 2: \"x\"",
        ),
    ] {
        let error = Limits::parse(text, CONTEXT).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,100}") {
        let _ = Limits::parse(&text, CONTEXT);
    }
}
