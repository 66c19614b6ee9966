//! `mcpt gateway`: one address for all servers.

mod audit;
mod here;
mod install;
mod key;
mod lock;
mod metrics_api;
mod pages;
mod run;
mod status;
mod top;
mod uninstall;
mod why;

use clap::{Args, Subcommand};
use mcpt_backend::Driver;
use mcpt_core::{Capability, Failure};
use mcpt_kube::{ConnectOptions, Kubernetes};
use mcpt_process::LocalGateway;

use crate::{args::Global, ending::Ending, log, place, user_config::UserConfig};

/// Arguments of `mcpt gateway`.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve all servers at one address, here and now
    Run(Box<run::Run>),
    /// Make keys that let clients in
    Key(key::Key),
    /// Install or update a gateway that goes on running, in a cluster or on this machine
    Install(install::Install),
    /// Show the installed gateway, the servers that it knows and their instances
    Status,
    /// Show what goes through gateways now, server by server
    Top(top::Top),
    /// Tell where a session lives and what becomes of its next request
    Why(why::Why),
    /// End and remove the installed gateway
    Uninstall(uninstall::Uninstall),
}

impl Gateway {
    /// Does what is asked for.
    pub(crate) fn run(self, global: &Global) -> Result<(), Ending> {
        if !matches!(self.action, Action::Run(_)) {
            log::start_for_command(global.verbose);
        }
        match self.action {
            Action::Run(run) => run.run(global),
            Action::Key(key) => key.run(global),
            Action::Install(install) => install.run(global),
            Action::Status => status::run(global),
            Action::Top(top) => top.run(global),
            Action::Why(why) => why.run(global),
            Action::Uninstall(uninstall) => uninstall.run(global),
        }
    }
}

/// Where the gateway is that commands mean.
enum Installed {
    /// In the cluster, beside its servers.
    Cluster(ConnectOptions),
    /// A process of this machine.
    Here(LocalGateway),
}

/// A backend that can have one of its own has it there; for the servers of the others it runs on this machine.
fn installed(global: &Global, config: &UserConfig) -> Result<Installed, Failure> {
    let driver = place::driver(global, config)?;
    Ok(if driver.capabilities().has(Capability::InstalledGateway) {
        Installed::Cluster(connect_options(global, config, driver))
    } else {
        Installed::Here(LocalGateway::of(&driver.name())?)
    })
}

fn connect_options(global: &Global, config: &UserConfig, driver: &dyn Driver) -> ConnectOptions {
    let place = place::place(global, config, driver);
    ConnectOptions {
        kubeconfig: place.kubeconfig,
        context: place.context,
        namespace: place.namespace,
        ..ConnectOptions::default()
    }
}

/// The cluster of the options.
async fn cluster(options: &ConnectOptions) -> Result<Kubernetes, Failure> {
    Kubernetes::connect(options).await
}
