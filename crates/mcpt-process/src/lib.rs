//! The process backend: servers as supervised local processes.
//!
//! Each server has a supervisor: a detached `mcpt supervise` that outlives the command which started it (see `supervisor`).
//! It gets its spec, secrets included, through a pipe; on disk it keeps a state file without secrets, the log, and a lock
//! that tells the living from the dead. [`Processes`] is what commands see of it.

mod backend;
mod become_server;
mod bundles;
mod command;
mod compare;
mod configuration;
mod deploy;
mod discovery;
mod driver;
mod environment;
mod events;
mod folder;
mod gateway;
mod gc;
mod lock;
mod logs;
mod marked;
mod packages;
mod recall;
mod restart;
mod state;
mod supervisor;
mod trial;
mod usage;
mod watching;
mod wire;

pub use self::{
    backend::Processes,
    become_server::become_server,
    discovery::ProcessDiscovery,
    driver::ProcessDriver,
    gateway::{LocalGateway, LocalGatewayOptions, note_gateway_pages, pages_of_gateway_before},
    supervisor::supervise,
};
