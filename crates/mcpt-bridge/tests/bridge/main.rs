//! The bridge in front of a scripted stdio server, over real HTTP and real processes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as the test does"
)]

mod faults;
mod harness;
mod limits;
mod messages;
mod older;
mod processes;
mod protocol;
mod resuming;
mod stateless;
mod unusable;
