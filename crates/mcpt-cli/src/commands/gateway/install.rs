//! `mcpt gateway install`: the gateway in a cluster, made or updated.

use std::{cell::OnceCell, path::PathBuf};

use clap::Args;
use helm_chart::Overrides;
use mcpt_core::{Backend as _, DryRun, Failure};
use mcpt_kube::{Gateway, InstalledGateway, gateway_dry_run};
use serde_json::{Map, Value};

use super::{cluster, where_installed};
use crate::{
    args::{Format, Global},
    commands::deploy::{merged, values_file},
    deployment::Deployment,
    ending::Ending,
    messages, output, place, progress, runtime,
    user_config::UserConfig,
};

/// Arguments of `mcpt gateway install`.
#[derive(Debug, Args)]
#[command(
    after_help = "It is the Helm release mcpt-gateway of the built-in chart mcpt-gateway; its README lists the values.
The same command again updates it; what an earlier one set and this one does not is forgotten, but for the number \
        of replicas and the session key.

Examples:
  mcpt -b kubernetes -n mcp-servers gateway install
  mcpt -b kubernetes gateway install --all-namespaces --replicas 3 --set service.type=LoadBalancer"
)]
pub(super) struct Install {
    /// Serve the servers of all namespaces, which needs a cluster role
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Number of pods [default: as many as there are, at first 2]
    #[arg(long, value_name = "N")]
    replicas: Option<u32>,
    /// File with values of the chart; may be repeated, - is standard input
    #[arg(
        short = 'f',
        long = "values",
        value_name = "FILE",
        help_heading = "Chart values"
    )]
    values: Vec<PathBuf>,
    /// Value of the chart by its path; may be repeated
    #[arg(long, value_name = "PATH=VALUE", help_heading = "Chart values")]
    set: Vec<String>,
    #[command(flatten)]
    deployment: Deployment,
}

impl Install {
    /// Installs it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let place = where_installed(global, &config, "install")?;
        let can = place::driver(global, &config)?.capabilities();
        let options = self.deployment.options(can, self.chart_values()?, None);
        if options.dry_run == Some(DryRun::Client) {
            // Needs no cluster, and so asks for none.
            let namespace = place.namespace.as_ref();
            return show(global, &gateway_dry_run(&options, namespace)?);
        }
        let removal = OnceCell::new();
        let installed = runtime::run(async {
            let progress = progress::display(global);
            let cluster = cluster(&place).await?;
            let _first = removal.set(cluster.command("gateway uninstall"));
            Ok(cluster.install_gateway(&options, progress.as_ref()).await?)
        })
        .map_err(|ending| ending.hint_again_or(removal.get()))?;
        show(global, &installed)
    }

    /// The user's values: files, then the flags, then `--set`.
    fn chart_values(&self) -> Result<Map<String, Value>, Failure> {
        let mut overrides = Overrides::default();
        for path in &self.values {
            overrides.files.push(values_file(path)?);
        }
        if self.all_namespaces {
            let scope = ("--all-namespaces".to_owned(), "scope: cluster\n".to_owned());
            overrides.files.push(scope);
        }
        if let Some(replicas) = self.replicas {
            let text = format!("replicaCount: {replicas}\n");
            overrides.files.push(("--replicas".to_owned(), text));
        }
        overrides.set.clone_from(&self.set);
        merged(&overrides)
    }
}

fn show(global: &Global, installed: &InstalledGateway) -> Result<(), Ending> {
    if let Some(manifest) = &installed.manifest {
        return output::manifest(global.output, manifest);
    }
    let Some(gateway) = &installed.gateway else {
        return Ok(());
    };
    match global.output {
        Format::Json => output::json(gateway),
        Format::Yaml => output::yaml(gateway),
        Format::Name => output::line(gateway.release.name.as_str()),
        Format::Table | Format::Wide => {
            output::text(&text(gateway))?;
            messages::hint(global, &way_from_here(gateway));
            Ok(())
        }
    }
}

fn text(gateway: &Gateway) -> String {
    let release = &gateway.release;
    let revision = release
        .revision
        .map_or_else(String::new, |revision| format!(" (revision {revision})"));
    let state = if gateway.is_running() {
        "is running"
    } else {
        "was started"
    };
    let mut text = format!("{}{revision} {state}\n", release.name);
    for url in &gateway.urls {
        text.push_str(url);
        text.push_str("/NAME\n");
    }
    text
}

/// How the gateway is reached from outside of the cluster, whatever its Service is.
fn way_from_here(gateway: &Gateway) -> String {
    let port = gateway
        .urls
        .first()
        .and_then(|url| url.strip_suffix("/mcp")?.rsplit(':').next())
        .unwrap_or("8080");
    let namespace = gateway
        .release
        .namespace
        .as_ref()
        .map_or("default", |namespace| namespace.as_str());
    format!(
        "from here: kubectl -n {namespace} port-forward service/{} 8900:{port}, then http://127.0.0.1:8900/mcp/NAME",
        gateway.release.name
    )
}
