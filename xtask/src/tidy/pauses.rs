//! The pauses in code that ships, each with its reason.

/// Pauses that wait for nothing that could be awaited: file, how many, why.
pub(super) const PAUSES: &[(&str, usize, &str)] = &[
    (
        "crates/helm-install/src/action/crds.rs",
        1,
        "an API server that begins to tell of a kind says it to those alone who ask",
    ),
    (
        "crates/helm-install/src/heartbeat.rs",
        1,
        "an API server that failed is asked again",
    ),
    (
        "crates/kube-observe/src/logs/reader.rs",
        1,
        "what a kubelet still writes of a run that has ended has no end of its own",
    ),
    (
        "crates/mcpt-bridge/src/sessions.rs",
        1,
        "how long nobody used a session is a matter of time",
    ),
    (
        "crates/mcpt-bridge/src/stateless/translated.rs",
        1,
        "a server does not say that it has no further question",
    ),
    (
        "crates/mcpt-cli/src/commands/gateway/top.rs",
        1,
        "rates are differences over a time",
    ),
    (
        "crates/mcpt-discovery/src/cluster/watching.rs",
        1,
        "a watch that failed is begun again",
    ),
    (
        "crates/mcpt-docker/src/delete.rs",
        1,
        "an engine goes on making what a dead command asked for, and tells of it when it is there",
    ),
    (
        "crates/mcpt-docker/src/discovery.rs",
        2,
        "an engine that cannot be asked is asked again",
    ),
    (
        "crates/mcpt-docker/src/exec.rs",
        2,
        "an engine closes the output of a command before it knows its exit code, and refuses a terminal's size until it runs",
    ),
    (
        "crates/mcpt-docker/src/lock.rs",
        2,
        "an engine gives a name away before there is a container that it could tell of, and refuses names for a moment",
    ),
    (
        "crates/mcpt-docker/src/making.rs",
        1,
        "an engine gives a name away before there is a container that it could tell of",
    ),
    (
        "crates/mcpt-docker/src/front_end.rs",
        1,
        "no system tells when another process listens",
    ),
    (
        "crates/mcpt-gateway/src/access/caller.rs",
        1,
        "a token ends at its time",
    ),
    (
        "crates/mcpt-gateway/src/access/issuer.rs",
        1,
        "issuers tell of no changes, and are not to be flooded",
    ),
    (
        "crates/mcpt-gateway/src/older_clients/heard.rs",
        2,
        "a server says by time when a stream that has ended may be taken up again",
    ),
    (
        "crates/mcpt-gateway/src/older_clients/session.rs",
        1,
        "a silent stream says that it lives by time",
    ),
    (
        "crates/mcpt-gateway/src/aggregate/catalogue/keeper.rs",
        1,
        "instances of a server come and go one by one, and none is known to be the last",
    ),
    (
        "crates/mcpt-gateway/src/aggregate/stateless.rs",
        2,
        "a stream that has ended is opened again; one that is silent says that it lives",
    ),
    (
        "crates/mcpt-gateway/src/aggregate/stream.rs",
        2,
        "a stream that has ended is opened again; one that is silent says that it lives",
    ),
    (
        "crates/mcpt-gateway/src/exchange/body_budget.rs",
        1,
        "from when on a body is slow is a matter of time",
    ),
    (
        "crates/mcpt-gateway/src/exchange/listening.rs",
        1,
        "a server does not tell when it has heard of the end of a stream",
    ),
    (
        "crates/mcpt-gateway/src/listener.rs",
        1,
        "how long nobody used an endpoint is a matter of time",
    ),
    (
        "crates/mcpt-gateway/src/peers/addresses.rs",
        1,
        "a peer that did not answer is asked again",
    ),
    (
        "crates/mcpt-gateway/src/translate/new_calls.rs",
        2,
        "whether a server asks more at once, when it is to be asked again, and that a silent stream lives, are matters of time",
    ),
    (
        "crates/mcpt-gateway/src/translate/old_listening.rs",
        1,
        "that a silent stream lives is a matter of time",
    ),
    (
        "crates/mcpt-gateway/src/metrics_api.rs",
        1,
        "a listener that could take no connection says nothing when it can again",
    ),
    (
        "crates/mcpt-gateway/src/peers.rs",
        1,
        "neither the name service nor other gateways tell of changes",
    ),
    (
        "crates/mcpt-gateway/src/starting.rs",
        1,
        "that nobody calls a server is seen by looking from time to time",
    ),
    (
        "crates/mcpt-http/src/connections.rs",
        2,
        "want of descriptors tells no end; a connection that is new has time for its request",
    ),
    (
        "crates/mcpt-kube/src/exchange.rs",
        1,
        "no object tells when a pod takes connections",
    ),
    (
        "crates/mcpt-process/src/usage.rs",
        1,
        "use of processors is a difference over a time",
    ),
    (
        "crates/mcpt-workload/src/forward.rs",
        1,
        "want of descriptors tells no end",
    ),
    (
        "crates/mcpt-workload/src/readiness.rs",
        1,
        "no system tells when another process listens or answers",
    ),
];
