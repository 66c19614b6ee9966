//! What the black-box suites share: the real binary, a throw-away home for its state, and the cluster's namespaces.
//!
//! The suites know mcpt only as a user does: arguments, exit codes, standard output and error. What must hold on the
//! cluster is checked with kubectl and helm, never with mcpt's own code.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "linked into tests only: a panic is how they fail"
)]

mod bare;
pub mod beside_helm;
mod binary;
pub mod calls;
mod cluster;
mod engine;
mod executing;
pub mod in_flight;
mod lossy;
pub mod processes;
pub mod raw;
#[cfg(feature = "cluster")]
pub mod sessions;

pub use self::{
    bare::{BareHttp, BareServer, list_tools},
    binary::{Mcpt, Outcome, mcpt_binary},
    cluster::{
        Helm, TestNamespace, eventually, kill_container, kubectl, kubectl_json, kubectl_with_input,
    },
    engine::{engine, engine_command, engine_objects, inspect},
    executing::commands_run_beside,
    lossy::LossyWay,
};
