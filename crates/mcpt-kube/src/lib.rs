//! The Kubernetes backend: plans as Helm releases on a cluster.

mod absent;
mod apply;
mod backend;
mod capabilities;
mod change;
mod chart;
mod claim;
mod cluster;
mod connect;
mod contents;
mod delete;
mod deploy;
mod driver;
mod events;
mod exchange;
mod failure;
mod field_managers;
mod foreign;
mod gateway;
mod gc;
mod heartbeat;
mod history;
mod holder;
mod logs;
mod lookup;
mod manifest;
mod namespace;
mod operation;
mod options;
mod progress;
mod records;
mod release_kind;
mod removal;
mod revisions;
mod rollback;
mod scale;
#[cfg(test)]
mod scripted;
mod secrecy;
mod server;
mod status;
mod takeover;
mod trouble;
mod tunnel;

pub use self::{
    backend::Kubernetes,
    connect::ConnectOptions,
    driver::KubernetesDriver,
    gateway::{GATEWAY, Gateway, InstalledGateway, KnownServer, gateway_dry_run},
    options::ClusterOptions,
};
