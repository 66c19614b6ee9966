//! Where a request of an MCP client goes: servers and their endpoints, balancing, and session ids that need no store.
//!
//! No I/O and no clock: a [`Discovery`] source tells what there is, [`RoutingTable`] holds it, [`Server::pick`] chooses
//! where a new session begins, and [`SessionKeys`] seal that choice into the session id that the client carries. The
//! path of a request takes no lock that others wait for.

mod address;
mod credentials;
mod discovery;
mod endpoint;
mod handling;
mod idle;
mod joined;
mod ledger;
mod permit;
mod pick;
mod rounds;
mod seal;
mod sightings;
mod spec;
mod table;

pub use self::{
    address::{Address, InvalidAddress},
    credentials::{CredentialHeader, Credentials, HeaderSource, HiddenText},
    discovery::{Change, Discovery, StartError, Starter},
    endpoint::{Endpoint, InFlight},
    handling::{Balance, Handling, InvalidHandling},
    idle::LastUse,
    joined::{
        InvalidJoinedId, JOINED_PARTS, Joined, JoinedId, JoinedLeg, JoinedSessions, ToldSession,
    },
    ledger::SessionLedger,
    permit::{Asker, Permit},
    pick::{Policy, Work, key_of},
    rounds::{InvalidRoundKey, RoundKey, Rounds},
    seal::{
        Carried, Leg, MAX_SEALED, MAX_UPSTREAM_SESSION, SealError, SessionKeys, SessionKeysError,
        Ticket,
    },
    sightings::Sightings,
    spec::{Conditions, EndpointId, EndpointSpec, ServerKey, ServerSpec},
    table::{Applied, Pinned, RoutingTable, Server, Servers},
};
