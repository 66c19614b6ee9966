//! HTTP/1.1 by hand, both ways: what the HTTP servers inside mcpt share, connections that are counted
//! and an end that loses no request ([`Connections`]), and exchanges with servers ([`client`]).
//!
//! A server that ends closes its connections. When it closes one that is kept for further requests, the next request may
//! already be on its way, and nobody knows what became of it. So clients are asked first: each answer says that it is
//! the last on its connection, and only connections that stay silent for a while are closed by the server, once it has
//! made sure that no request waits in them. What a server keeps for its clients must outlast all that: it is given up when
//! nothing can arrive any more.

mod body;
mod budget;
mod carried;
pub mod client;
mod connections;
mod count;
mod descriptors;
mod driven;
mod listener;
mod ready_state;
mod room;
mod silence;
mod unclosed;
mod watched;
mod workers;

pub use self::{
    body::{BodyError, ReadBody, read_body},
    budget::{Account, Budget, Charge, OverBudget},
    connections::Connections,
    descriptors::{connections_within, descriptor_limit, raise_descriptor_limit},
    driven::{Driven, Unanswered},
    listener::listen,
    ready_state::{ReadyState, UnknownState},
    watched::{Look, Watched},
    workers::{Workers, worker_number},
};
