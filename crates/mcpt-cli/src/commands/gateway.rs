//! `mcpt gateway`: one address for all servers.

mod install;
mod key;
mod lock;
mod pages;
mod run;
mod status;
mod top;
mod uninstall;
mod why;

use clap::{Args, Subcommand};
use mcpt_backend::Driver;
use mcpt_core::{Capability, Failure, FailureKind};
use mcpt_kube::{ConnectOptions, Kubernetes};

use crate::{args::Global, backends, ending::Ending, log, place, user_config::UserConfig};

/// Arguments of `mcpt gateway`.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve all servers at one address, here and now
    Run(run::Run),
    /// Make keys that let clients in
    Key(key::Key),
    /// Install or update the gateway in a cluster
    Install(install::Install),
    /// Show the gateway in a cluster, the servers that it knows and their instances
    Status,
    /// Show what goes through gateways now, server by server
    Top(top::Top),
    /// Tell where a session lives and what becomes of its next request
    Why(why::Why),
    /// Remove the gateway from a cluster
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

/// Only a cluster has a gateway that is installed.
fn where_installed(
    global: &Global,
    config: &UserConfig,
    verb: &str,
) -> Result<ConnectOptions, Failure> {
    let driver = place::driver(global, config)?;
    let needed = Capability::InstalledGateway;
    if driver.capabilities().has(needed) {
        return Ok(connect_options(global, config, driver));
    }
    let what = format!("cannot {verb} the gateway");
    let mut failure =
        Failure::new(FailureKind::Usage, what).because(backends::lacking(driver, needed));
    failure.hint = global
        .backends
        .that_can(needed)
        .map(|hint| format!("{hint}; on this machine one is run: mcpt gateway run"));
    Err(failure)
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
