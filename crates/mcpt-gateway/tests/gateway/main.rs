//! The gateway between real servers and raw connections.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod aggregate;
mod aggregate_known;
mod aggregate_levels;
mod aggregate_many;
mod aggregate_stateless;
mod answers;
mod authorization;
mod behind;
mod bodies;
mod bounds;
mod changes;
mod connections;
mod crossing;
mod ending;
mod handling;
mod harness;
mod idle;
mod leaving;
mod limits;
mod lock;
mod metrics_api;
mod naming;
mod new_clients;
mod old_clients;
mod older;
mod older_clients;
mod older_passed;
mod pages;
mod passed_rounds;
mod recorded;
mod rounds;
mod scripted;
mod seeing;
mod sets;
mod traps;
mod web_pages;
mod wire;
