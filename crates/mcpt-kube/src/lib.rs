//! The Kubernetes backend: plans as Helm releases on a cluster.

mod absent;
mod backend;
mod change;
mod chart;
mod cluster;
mod compare;
mod connect;
mod delete;
mod deploy;
mod driver;
mod events;
mod exchange;
mod exec;
mod failure;
mod gateway;
mod gc;
mod history;
mod logs;
mod operation;
mod options;
mod progress;
mod recall;
mod redaction;
mod release_kind;
mod restart;
mod rights;
mod rollback;
mod scale;
#[cfg(test)]
mod scripted;
mod secrecy;
mod server;
mod status;
mod third_party;
mod trouble;
mod tunnel;
mod usage;
mod values;

pub use self::{
    backend::Kubernetes,
    cluster::TOOL,
    connect::ConnectOptions,
    driver::KubernetesDriver,
    gateway::{GATEWAY, Gateway, GatewayPages, InstalledGateway, gateway_dry_run},
    options::ClusterOptions,
    rights::{GrantedRights, ObjectKind, RequestedRights, Use, roles},
};
