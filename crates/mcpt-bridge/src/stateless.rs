//! Requests of 2026-07-28, none of which has a session.
//!
//! A server that knows that version gets them as they are: all share one child ([`shared`]), since each stands alone. One with
//! sessions only gets what they become there (`mcpt_protocol::translate`): each request has a child of its own while it lasts,
//! which is lent to the next one of the same identity ([`leases`]). A call whose server asks its client something stays open
//! while the client answers ([`parked`]). Which kind of server it is, the check of readiness finds out with a child that
//! serves nobody.

mod leases;
mod parked;
mod shared;
mod translated;

use std::sync::Arc;

use self::leases::Leases;
pub(crate) use self::{
    leases::{Lease, Sharing, Unopened},
    parked::{Parked, Parking},
    shared::{ChildRequest, Shared},
    translated::{Beginning, Translated},
};

/// What a server speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 2026-07-28.
    Stateless,
    /// Sessions only; what it has answered to `initialize`.
    Sessions(Arc<str>),
}

/// Children that are used without a session of a client.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    pub(crate) shared: Shared,
    pub(crate) leases: Leases,
    pub(crate) parking: Parking,
}

impl Pools {
    /// Whether any child of them is in use.
    pub(crate) fn are_used(&self) -> bool {
        self.leases.are_lent() || self.shared.is_used()
    }

    /// Ends one child that nobody uses now, to make room; `false` when there is none.
    pub(crate) fn give_way(&self) -> bool {
        self.leases.end_oldest() || self.shared.end_unused()
    }

    /// Ends what nobody has wanted for a while.
    pub(crate) fn sweep(&self) {
        self.leases.sweep();
        self.parking.sweep();
        self.shared.sweep();
    }
}
