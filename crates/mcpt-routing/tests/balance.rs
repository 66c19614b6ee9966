//! The table and the choices made from it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use mcpt_core::{Namespace, ServerName, Sessions};
use mcpt_routing::{
    Address, Asker, Change, Conditions, Endpoint, EndpointId, EndpointSpec, Handling, Pinned,
    Policy, RoutingTable, ServerKey, ServerSpec, SessionLedger, Work, key_of,
};
use proptest::prelude::*;

/// What a transport would keep per endpoint: here nothing.
#[derive(Debug)]
struct NoLink;

impl From<&Address> for NoLink {
    fn from(_: &Address) -> Self {
        Self
    }
}

type Table = RoutingTable<NoLink>;

const NEW: Work = Work::NewSession(Policy::LeastLoaded);

fn key(name: &str) -> ServerKey {
    ServerKey {
        namespace: Namespace::new("ns").unwrap(),
        name: ServerName::new(name).unwrap(),
    }
}

fn spec(name: &str, endpoints: &[(&str, Conditions)]) -> ServerSpec {
    ServerSpec {
        key: key(name),
        sessions: Sessions::Stateful,
        handling: Handling::default(),
        endpoints: endpoints
            .iter()
            .map(|(id, conditions)| EndpointSpec {
                id: EndpointId::new(id),
                address: Address::new(id, 80, "/mcp").unwrap(),
                conditions: *conditions,
                weight: NonZeroU32::MIN,
            })
            .collect(),
    }
}

fn table(endpoints: &[(&str, Conditions)]) -> Table {
    let table = Table::new(1);
    table.apply(0, Change::Snapshot(vec![spec("demo", endpoints)]));
    table
}

fn pick(table: &Table, work: Work, tried: &[&str], now: u64) -> Option<Arc<Endpoint<NoLink>>> {
    let tried: Vec<_> = tried.iter().map(|id| EndpointId::new(id)).collect();
    let servers = table.current();
    let in_flight = servers.get("ns", "demo")?.pick(work, &tried, now)?;
    Some(Arc::clone(in_flight.endpoint()))
}

fn ready(ids: &[&'static str]) -> Vec<(&'static str, Conditions)> {
    ids.iter().map(|id| (*id, Conditions::READY)).collect()
}

#[test]
fn sessions_are_spread_evenly_and_new_endpoints_catch_up() {
    let table = table(&ready(&["a", "b", "c"]));
    let ledger = SessionLedger::new(1000);
    let open = |range: std::ops::Range<u32>| {
        for session in range {
            let endpoint = pick(&table, NEW, &[], 0).unwrap();
            ledger.touch(&session.to_be_bytes(), &endpoint, 0);
        }
    };
    let counts = || {
        let servers = table.current();
        let demo = servers.get("ns", "demo").unwrap();
        demo.endpoints()
            .iter()
            .map(|(e, _)| (e.id().as_str().to_owned(), e.sessions()))
            .collect::<BTreeMap<_, _>>()
    };
    open(0..99);
    assert!(
        counts().values().all(|count| *count == 33),
        "{:?}",
        counts()
    );
    table.apply(0, Change::Set(spec("demo", &ready(&["a", "b", "c", "d"]))));
    open(99..132);
    assert!(
        counts().values().all(|count| *count == 33),
        "{:?}",
        counts()
    );
    ledger.end(&0_u32.to_be_bytes(), 0);
    assert_eq!(counts().values().sum::<u32>(), 131);
    ledger.touch(
        &5_u32.to_be_bytes(),
        &pick(&table, NEW, &[], 0).unwrap(),
        900,
    );
    ledger.sweep(1000);
    assert_eq!(
        counts().values().sum::<u32>(),
        1,
        "all but the one used lately are forgotten"
    );
}

/// Each session has a stream at the gateway that its client came by. One of which this gateway carries the streams has no more
/// sessions than one of which it does not, and new ones, with streams of their own, level them out.
#[test]
fn sessions_count_and_not_their_streams() {
    let table = table(&ready(&["a", "b", "c", "d"]));
    let ledger = SessionLedger::new(1000);
    let endpoint = |id: &str| {
        let servers = table.current();
        let demo = servers.get("ns", "demo").unwrap();
        let found = demo.endpoints().iter().find(|(e, _)| e.id().as_str() == id);
        Arc::clone(&found.unwrap().0)
    };
    let mut streams = Vec::new();
    for (id, carried) in [("a", true), ("b", false)] {
        for session in 0..30 {
            ledger.touch(format!("{id}{session}").as_bytes(), &endpoint(id), 0);
            streams.extend(carried.then(|| endpoint(id).begin()));
        }
    }
    let servers = table.current();
    let demo = servers.get("ns", "demo").unwrap();
    for ten in 0..6 {
        // All of them begin before the first is there.
        let beginning: Vec<_> = (0..10).map(|_| demo.pick(NEW, &[], 0).unwrap()).collect();
        for (session, mut began) in beginning.into_iter().enumerate() {
            let id = format!("new{ten}{session}");
            ledger.touch(id.as_bytes(), began.endpoint(), 0);
            began.begun();
            streams.push(began.endpoint().begin());
        }
    }
    for id in ["a", "b", "c", "d"] {
        assert_eq!(endpoint(id).sessions(), 30, "{id}");
    }
    // Of equals the one with the fewest requests comes first.
    assert_eq!(pick(&table, NEW, &[], 0).unwrap().id().as_str(), "b");
}

#[test]
fn single_requests_go_to_all_in_turn_and_avoid_the_busy() {
    let table = table(&ready(&["a", "b", "c"]));
    let mut seen = BTreeMap::new();
    for _ in 0..30 {
        let endpoint = pick(&table, Work::OneRequest, &[], 0).unwrap();
        *seen.entry(endpoint.id().clone()).or_insert(0) += 1;
    }
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [10, 10, 10]);
    let busy = pick(&table, Work::OneRequest, &[], 0).unwrap();
    let _held = busy.begin();
    for _ in 0..30 {
        assert_ne!(
            pick(&table, Work::OneRequest, &[], 0).unwrap().id(),
            busy.id()
        );
    }
}

#[test]
fn conditions_decide() {
    for (endpoints, expected) in [
        (
            vec![("a", Conditions::READY), ("b", Conditions::UNREADY)],
            Some("a"),
        ),
        (
            vec![("a", Conditions::DRAINING), ("b", Conditions::READY)],
            Some("b"),
        ),
        // Better one that is about to end than none.
        (
            vec![("a", Conditions::DRAINING), ("b", Conditions::UNREADY)],
            Some("a"),
        ),
        (vec![("a", Conditions::UNREADY)], None),
        (vec![], None),
    ] {
        let table = table(&endpoints);
        for work in [NEW, Work::NewSession(Policy::RoundRobin), Work::OneRequest] {
            for _ in 0..3 {
                let picked = pick(&table, work, &[], 0);
                assert_eq!(
                    picked.as_ref().map(|e| e.id().as_str()),
                    expected,
                    "{endpoints:?}"
                );
            }
        }
    }
}

#[test]
fn the_unreachable_are_passed_over_for_a_while() {
    let table = table(&ready(&["a", "b"]));
    let broken = pick(&table, NEW, &["b"], 0).unwrap();
    broken.unreachable(0);
    for _ in 0..4 {
        assert_eq!(pick(&table, NEW, &[], 100).unwrap().id().as_str(), "b");
    }
    assert_eq!(
        pick(&table, NEW, &["b"], 100).unwrap().id().as_str(),
        "a",
        "better than none"
    );
    assert!(pick(&table, NEW, &["a", "b"], 100).is_none());
    let all = |now| {
        (0..2)
            .map(|_| pick(&table, NEW, &[], now).unwrap().id().clone())
            .collect::<Vec<_>>()
    };
    assert_ne!(all(250)[0], all(250)[1], "its time is over");
    broken.unreachable(1000);
    assert_eq!(all(1499)[0], all(1499)[1], "twice as long the second time");
    broken.answered();
    assert_ne!(all(1499)[0], all(1499)[1]);
}

#[test]
fn sessions_stay_as_long_as_their_endpoint_is_there() {
    let table = table(&ready(&["a", "b"]));
    let a = EndpointId::new("a");
    let pinned = || {
        table
            .current()
            .get("ns", "demo")
            .map(|server| server.pinned(&a))
    };
    let Some(Pinned::Endpoint(first, _)) = pinned() else {
        panic!("a is there")
    };
    for conditions in [Conditions::DRAINING, Conditions::UNREADY, Conditions::READY] {
        table.apply(
            0,
            Change::Set(spec("demo", &[("a", conditions), ("c", Conditions::READY)])),
        );
        let Some(Pinned::Endpoint(now, told)) = pinned() else {
            panic!("{conditions:?}")
        };
        assert_eq!(told, conditions);
        assert!(Arc::ptr_eq(&first, &now), "load and connections are kept");
    }
    let applied = table.apply(0, Change::Set(spec("demo", &ready(&["c"]))));
    assert!(matches!(pinned(), Some(Pinned::Gone)));
    assert_eq!(
        applied
            .gone
            .iter()
            .map(|e| e.id().as_str())
            .collect::<Vec<_>>(),
        ["a"]
    );
    // The same name at another address is another instance.
    table.apply(0, Change::Set(spec("demo", &ready(&["a"]))));
    let mut moved = spec("demo", &ready(&["a"]));
    moved.endpoints[0].address = Address::new("elsewhere", 80, "/mcp").unwrap();
    let Some(Pinned::Endpoint(before, _)) = pinned() else {
        panic!("a is back")
    };
    let applied = table.apply(0, Change::Set(moved));
    assert!(Arc::ptr_eq(&applied.gone[0], &before));
    table.apply(0, Change::Remove(key("demo")));
    assert!(pinned().is_none());
}

#[test]
fn the_first_source_wins_and_gives_way() {
    let table = Table::new(2);
    let endpoints = || {
        let servers = table.current();
        servers
            .get("ns", "demo")
            .map(|s| s.endpoints()[0].0.id().as_str().to_owned())
    };
    table.apply(
        1,
        Change::Snapshot(vec![spec("demo", &ready(&["second"])), spec("other", &[])]),
    );
    assert_eq!(endpoints().as_deref(), Some("second"));
    table.apply(0, Change::Snapshot(vec![spec("demo", &ready(&["first"]))]));
    assert_eq!(endpoints().as_deref(), Some("first"));
    table.apply(1, Change::Snapshot(vec![spec("demo", &ready(&["third"]))]));
    assert_eq!(endpoints().as_deref(), Some("first"));
    assert!(
        table.current().get("ns", "other").is_none(),
        "not in the snapshot, so gone"
    );
    table.apply(0, Change::Remove(key("demo")));
    assert_eq!(endpoints().as_deref(), Some("third"));
    let unchanged = table.apply(1, Change::Set(spec("demo", &ready(&["third"]))));
    assert!(unchanged.changed.is_empty() && unchanged.gone.is_empty());
}

fn conditions() -> impl Strategy<Value = Conditions> {
    prop::sample::select(vec![
        Conditions::READY,
        Conditions::UNREADY,
        Conditions::DRAINING,
    ])
}

proptest! {
    /// Whatever the order of changes: the table ends as the last word of its sources, and a pick is always allowed.
    #[test]
    fn changes_end_in_what_was_said_last(
        changes in prop::collection::vec(
            (prop::collection::btree_map("[a-d]", conditions(), 0..4), prop::bool::ANY), 1..12)
    ) {
        let table = Table::new(1);
        for (endpoints, as_snapshot) in changes {
            let pairs: Vec<_> = endpoints.iter().map(|(id, c)| (id.as_str(), *c)).collect();
            let server = spec("demo", &pairs);
            table.apply(0, if as_snapshot { Change::Snapshot(vec![server]) } else { Change::Set(server) });
            let servers = table.current();
            let now: Vec<_> = servers.get("ns", "demo").unwrap().endpoints().iter()
                .map(|(e, c)| (e.id().as_str().to_owned(), *c)).collect();
            prop_assert_eq!(now, endpoints.clone().into_iter().collect::<Vec<_>>());
            let any_ready = endpoints.values().any(|c| c.ready);
            let any_serving = endpoints.values().any(|c| c.serving);
            match pick(&table, NEW, &[], 0) {
                Some(picked) => {
                    let conditions = endpoints[picked.id().as_str()];
                    let allowed = if any_ready { conditions.ready } else { conditions.serving };
                    prop_assert!(allowed);
                }
                None => prop_assert!(!any_serving),
            }
        }
    }
}

/// A table whose server is handled so, its endpoints with these weights.
fn handled(balance: &str, weights: &[(&str, u32)]) -> Table {
    let ids: Vec<_> = weights
        .iter()
        .map(|(id, _)| (*id, Conditions::READY))
        .collect();
    let mut spec = spec("demo", &ids);
    spec.handling = Handling::read(Some(balance), None, None, None).unwrap();
    for (endpoint, (_, weight)) in spec.endpoints.iter_mut().zip(weights) {
        endpoint.weight = NonZeroU32::new(*weight).unwrap();
    }
    let table = Table::new(1);
    table.apply(0, Change::Set(spec));
    table
}

/// How often each endpoint was picked, each session being noted.
fn shares(table: &Table, work: Work, turns: u32) -> BTreeMap<String, u32> {
    let ledger = SessionLedger::new(1000);
    let mut shares = BTreeMap::new();
    for turn in 0..turns {
        let picked = pick(table, work, &[], 0).unwrap();
        if work == NEW {
            ledger.touch(&turn.to_be_bytes(), &picked, 0);
        }
        *shares.entry(picked.id().to_string()).or_default() += 1;
    }
    shares
}

#[test]
fn twice_the_weight_gets_twice_as_much() {
    let wanted = BTreeMap::from([
        ("a".to_owned(), 60),
        ("b".to_owned(), 30),
        ("c".to_owned(), 30),
    ]);
    for (balance, work) in [
        ("least-sessions", NEW),
        ("round-robin", NEW),
        ("round-robin", Work::OneRequest),
    ] {
        let table = handled(balance, &[("a", 2), ("b", 1), ("c", 1)]);
        assert_eq!(shares(&table, work, 120), wanted, "{balance} {work:?}");
    }
}

#[test]
fn fewest_requests_count_where_that_is_said() {
    let table = handled("least-requests", &[("a", 1), ("b", 1)]);
    let busy = pick(&table, NEW, &["b"], 0).unwrap();
    let _calls: Vec<_> = (0..3).map(|_| busy.begin()).collect();
    for work in [NEW, Work::OneRequest] {
        assert_eq!(pick(&table, work, &[], 0).unwrap().id().as_str(), "b");
    }
}

#[test]
fn the_same_key_goes_to_the_same_endpoint_and_few_move() {
    let home = |table: &Table, work: Work, key: u64| {
        let servers = table.current();
        let demo = servers.get("ns", "demo").unwrap();
        let picked = demo.pick_for(work, Some(key), &[], 0).unwrap();
        picked.id().to_string()
    };
    let keys: Vec<_> = (0..1000_u32).map(|n| key_of(&n.to_be_bytes())).collect();
    let all = [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)];
    let (five, four) = (
        handled("hash:x-user", &all),
        handled("hash:x-user", &all[..4]),
    );
    let mut shares = BTreeMap::<String, u32>::new();
    for key in &keys {
        let before = home(&five, NEW, *key);
        assert_eq!(home(&five, Work::OneRequest, *key), before);
        if before != "e" {
            assert_eq!(home(&four, NEW, *key), before, "only those of e move");
        }
        *shares.entry(before).or_default() += 1;
    }
    assert_eq!(shares.len(), 5);
    assert!(
        shares.values().all(|share| (150..250).contains(share)),
        "{shares:?}"
    );
    // Without a key it is spread.
    let spread = self::shares(&five, NEW, 50);
    assert!(spread.values().all(|share| *share == 10), "{spread:?}");
}

#[test]
fn places_are_given_back_and_outlive_a_change() {
    let (table, two) = (table(&ready(&["a"])), NonZeroU32::new(2).unwrap());
    let server = |table: &Table| Arc::clone(table.current().get("ns", "demo").unwrap());
    let demo = server(&table);
    let (first, second) = (
        demo.place(two, Asker::Client),
        demo.place(two, Asker::Client),
    );
    assert!(first.is_some() && second.is_some());
    table.apply(0, Change::Snapshot(vec![spec("demo", &ready(&["a", "b"]))]));
    let changed = server(&table);
    assert!(changed.place(two, Asker::Client).is_none());
    drop(first);
    assert!(changed.place(two, Asker::Client).is_some());
}
