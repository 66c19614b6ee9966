//! How evenly gateways spread sessions together, whether or not they know of each other.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeMap, num::NonZeroU32};

use mcpt_core::{Namespace, ServerName, Sessions};
use mcpt_routing::{
    Address, Change, Conditions, EndpointId, EndpointSpec, Handling, Policy, RoutingTable,
    ServerKey, ServerSpec, SessionLedger, Sightings, Work,
};
use proptest::prelude::*;
use serde_json::json;

#[derive(Debug)]
struct NoLink;

impl From<&Address> for NoLink {
    fn from(_: &Address) -> Self {
        Self
    }
}

/// A gateway without the network: its own table and its own knowledge of sessions.
struct Gateway {
    table: RoutingTable<NoLink>,
    ledger: SessionLedger<NoLink>,
    policy: Policy,
}

/// Where each session lives, by its number.
type Homes = Vec<EndpointId>;

impl Gateway {
    fn new(pods: usize, policy: Policy) -> Self {
        let gateway = Self {
            table: RoutingTable::new(1),
            ledger: SessionLedger::new(u64::MAX),
            policy,
        };
        gateway.scale(pods);
        gateway
    }

    fn scale(&self, pods: usize) {
        let endpoint = |pod| EndpointSpec {
            id: EndpointId::new(&format!("pod-{pod}")),
            address: Address::new("pod", 1000 + pod as u16, "/mcp").unwrap(),
            conditions: Conditions::READY,
            weight: NonZeroU32::MIN,
        };
        self.table.apply(
            0,
            Change::Set(ServerSpec {
                key: ServerKey {
                    namespace: Namespace::new("ns").unwrap(),
                    name: ServerName::new("demo").unwrap(),
                },
                sessions: Sessions::Stateful,
                handling: Handling::default(),
                endpoints: (0..pods).map(endpoint).collect(),
            }),
        );
    }

    fn open(&self, homes: &mut Homes) {
        let servers = self.table.current();
        let demo = servers.get("ns", "demo").unwrap();
        let picked = demo.pick(Work::NewSession(self.policy), &[], 0).unwrap();
        self.ledger
            .touch(&homes.len().to_be_bytes(), picked.endpoint(), 0);
        homes.push(picked.endpoint().id().clone());
    }

    /// A session ends by a request that came here.
    fn end(&self, session: usize) {
        self.ledger.end(&session.to_be_bytes(), 0);
    }

    /// It has learned what the others have seen.
    fn merges(&self, others: &[Self]) {
        let told: Vec<_> = others
            .iter()
            .map(|other| other.ledger.sightings(&other.table))
            .collect();
        let told: Vec<_> = told.iter().collect();
        self.ledger.merge(&self.table, &told);
    }

    /// How many sessions it takes into account.
    fn knows(&self) -> u32 {
        let servers = self.table.current();
        let demo = servers.get("ns", "demo").unwrap();
        demo.endpoints().iter().map(|(e, _)| e.all_sessions()).sum()
    }

    /// A request of a session that began anywhere.
    fn request(&self, session: usize, homes: &Homes) {
        let servers = self.table.current();
        let endpoints = servers.get("ns", "demo").unwrap().endpoints();
        let (home, _) = endpoints
            .iter()
            .find(|(e, _)| *e.id() == homes[session])
            .unwrap();
        self.ledger.touch(&session.to_be_bytes(), home, 0);
    }
}

/// The largest number of sessions on one of the pods to the mean.
fn largest_to_mean(homes: &[EndpointId], pods: usize) -> f64 {
    let mut counts = BTreeMap::<_, usize>::new();
    for home in homes {
        *counts.entry(home).or_default() += 1;
    }
    let largest = counts.values().max().copied().unwrap_or_default();
    largest as f64 * pods as f64 / homes.len() as f64
}

fn policy() -> impl Strategy<Value = Policy> {
    prop::sample::select(vec![Policy::LeastLoaded, Policy::RoundRobin])
}

proptest! {
    /// Clients come to either gateway by chance, in any order.
    #[test]
    fn two_gateways_spread_a_hundred_sessions_over_three_pods(
        policy in policy(),
        clients in prop::collection::vec(any::<bool>(), 100),
    ) {
        let gateways = [Gateway::new(3, policy), Gateway::new(3, policy)];
        let mut homes = Homes::new();
        for client in clients {
            gateways[usize::from(client)].open(&mut homes);
        }
        let ratio = largest_to_mean(&homes, 3);
        prop_assert!(ratio <= 1.2, "{ratio}");
    }

    /// After a scale-up the next sessions go to the new pods until these have caught up, also when requests of sessions
    /// come by a gateway that did not begin them.
    #[test]
    fn new_pods_catch_up(
        clients in prop::collection::vec(any::<bool>(), 100),
        requests in prop::collection::vec((any::<bool>(), 0..100_usize), 0..200),
    ) {
        let gateways = [(); 2].map(|()| Gateway::new(3, Policy::LeastLoaded));
        let mut homes = Homes::new();
        for client in &clients {
            gateways[usize::from(*client)].open(&mut homes);
        }
        for (client, session) in requests {
            gateways[usize::from(client)].request(session, &homes);
        }
        for gateway in &gateways {
            gateway.scale(5);
        }
        for _ in 0..33 {
            gateways[1].open(&mut homes);
        }
        let new = [EndpointId::new("pod-3"), EndpointId::new("pod-4")];
        let on_new = homes[100..].iter().filter(|home| new.contains(home)).count();
        let known = clients.iter().filter(|client| **client).count();
        // Until a new pod has as many as the gateway knows on each old one, it gets all.
        prop_assert!(on_new >= 33.min(2 * (known / 3)), "{on_new} of 33, {known} known");
    }
}

proptest! {
    /// Gateways that tell each other what they have seen spread sessions as one would, however little comes by each: after a
    /// restart, after a scale-up, and with sessions that several of them have seen.
    #[test]
    fn gateways_that_tell_each_other_spread_as_one(
        clients in prop::collection::vec(any::<bool>(), 99),
        requests in prop::collection::vec((any::<bool>(), 0..99_usize), 0..200),
        restarted in any::<bool>(),
        new in prop::collection::vec(any::<bool>(), 66),
    ) {
        let mut gateways = [(); 2].map(|()| Gateway::new(3, Policy::LeastLoaded));
        let mut homes = Homes::new();
        for client in &clients {
            gateways[usize::from(*client)].open(&mut homes);
        }
        for (client, session) in requests {
            gateways[usize::from(client)].request(session, &homes);
        }
        if restarted {
            // Whatever came by the one that is gone comes by the other.
            for session in 0..homes.len() {
                gateways[0].request(session, &homes);
            }
            gateways[1] = Gateway::new(3, Policy::LeastLoaded);
        }
        for gateway in &gateways {
            gateway.scale(5);
            gateway.merges(&gateways);
            prop_assert_eq!(gateway.knows(), 99);
        }
        for client in &new {
            gateways[usize::from(*client)].open(&mut homes);
        }
        let ratio = largest_to_mean(&homes, 5);
        prop_assert!(ratio <= 1.2, "{ratio}");
    }
}

/// Of very many sessions a part is told, and stands for all.
#[test]
fn many_sessions_are_estimated() {
    let gateways = [(); 2].map(|()| Gateway::new(3, Policy::LeastLoaded));
    let mut homes = Homes::new();
    for _ in 0..100_000 {
        gateways[0].open(&mut homes);
    }
    gateways[1].merges(&gateways);
    let known = f64::from(gateways[1].knows());
    assert!((known / 100_000.0 - 1.0).abs() < 0.05, "{known}");
    gateways[1].merges(&[]);
    assert_eq!(gateways[1].knows(), 0);
}

/// It was seen by both, and ends at one of them.
#[test]
fn a_session_that_ended_elsewhere_is_counted_no_more() {
    let gateways = [(); 2].map(|()| Gateway::new(3, Policy::LeastLoaded));
    let mut homes = Homes::new();
    gateways[0].open(&mut homes);
    gateways[1].request(0, &homes);
    gateways[1].open(&mut homes);
    gateways[0].end(0);
    // The other one does not know of it yet.
    gateways[0].merges(&gateways);
    assert_eq!(gateways[0].knows(), 1);
    gateways[1].merges(&gateways);
    assert_eq!(gateways[1].knows(), 1);
    // It is told for a while only.
    gateways[0].ledger.sweep(60_000);
    gateways[0].merges(&gateways);
    assert_eq!(gateways[0].knows(), 1);

    // Whoever uses a session says that it goes on.
    gateways[1].end(1);
    gateways[1].request(1, &homes);
    gateways[0].merges(&gateways);
    gateways[1].merges(&gateways);
    for gateway in &gateways {
        assert_eq!(gateway.knows(), 1);
    }
}

#[test]
fn so_many_ended_sessions_are_told_at_most() {
    let gateway = Gateway::new(1, Policy::LeastLoaded);
    for session in 0..100_000 {
        gateway.end(session);
    }
    let told = serde_json::to_string(&gateway.ledger.sightings(&gateway.table)).unwrap();
    assert!(told.len() < 400_000, "{}", told.len());
}

/// Gateways of several versions run side by side while they are updated.
#[test]
fn gateways_that_tell_no_ends_are_heeded_too() {
    let gateway = Gateway::new(1, Policy::LeastLoaded);
    let told = r#"{"thinned":0,"servers":{"ns/demo":{"pod-0":[1,2,3]}}}"#;
    let told: Sightings = serde_json::from_str(told).unwrap();
    gateway.ledger.merge(&gateway.table, &[&told]);
    assert_eq!(gateway.knows(), 3);
}

/// Whatever a peer says, the sessions that others tell count.
#[test]
fn what_no_gateway_tells_is_not_believed() {
    let gateway = Gateway::new(1, Policy::LeastLoaded);
    let told = |thinned: u64, sessions: u64| -> Sightings {
        // Of hashes that are thinned so much nothing is left but zeros at their begin.
        let hashes: Vec<_> = (0..sessions).map(|session| 1000 + session).collect();
        let told = json!({"thinned": thinned, "servers": {"ns/demo": {"pod-0": hashes}}});
        serde_json::from_value(told).unwrap()
    };
    let honest = json!({"thinned": 0, "servers": {"ns/demo": {"pod-0": [u64::MAX, 1, 2]}}});
    let honest: Sightings = serde_json::from_value(honest).unwrap();
    for (thinned, sessions, known) in [
        (0, 0, 3),
        (0, 4, 7),
        (1, 4, 3),
        (32, 0, 3),
        (33, 16_384, 3),
        (u64::from(u32::MAX), 16_384, 3),
        // As much as is believed of one endpoint.
        (32, 16_384, 1 << 20),
    ] {
        gateway
            .ledger
            .merge(&gateway.table, &[&honest, &told(thinned, sessions)]);
        assert_eq!(gateway.knows(), known, "{thinned} {sessions}");
    }
}

/// Each begins elsewhere: with the same first choice, one pod of three would get all.
#[test]
fn many_gateways_with_one_session_each() {
    let mut homes = Homes::new();
    for _ in 0..300 {
        Gateway::new(3, Policy::LeastLoaded).open(&mut homes);
    }
    let ratio = largest_to_mean(&homes, 3);
    // Six standard deviations.
    assert!(ratio < 1.5, "{ratio}");
}
