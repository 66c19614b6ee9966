//! `mcpt gateway install`: the gateway in a cluster or on this machine, made or updated.

use std::{
    cell::OnceCell,
    fmt::Write as _,
    path::{self, Path, PathBuf},
};

use clap::Args;
use helm_chart::Overrides;
use mcpt_access::Keys;
use mcpt_core::{Backend as _, Capability, DryRun, Failure, FailureKind};
use mcpt_kube::{Gateway, InstalledGateway, gateway_dry_run};
use mcpt_process::{LocalGateway, LocalGatewayOptions};
use serde_json::{Map, Value, json};

use super::{Installed, cluster, here, installed};
use crate::{
    args::{Format, Global},
    backends::unsupported,
    chart_values::{self, ChartValues},
    commands::deploy::values_file,
    deployment::Deployment,
    ending::Ending,
    messages, output, place, progress, runtime,
    user_config::UserConfig,
    user_file,
};

/// Arguments of `mcpt gateway install`.
#[derive(Debug, Args)]
#[command(
    after_help = "In a cluster it is the Helm release mcpt-gateway of the built-in chart mcpt-gateway; its README lists the values.
For the other backends it is a process of this machine that is kept running as servers are; after -- come further options \
        of mcpt gateway run, files in them by absolute paths.
The same command again updates it; what an earlier one set and this one does not is forgotten, but for the number \
        of replicas, the port and the session key.

Examples:
  mcpt gateway install
  mcpt gateway install --port 9000 -- --balance least-requests
  mcpt -b kubernetes -n mcp-servers gateway install
  mcpt -b kubernetes gateway install --all-namespaces --replicas 3 --set service.type=LoadBalancer"
)]
pub(super) struct Install {
    /// Serve the servers of all namespaces, which needs a cluster role
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Let in only who has one of these keys: a file with one a line, as `mcpt gateway key new` makes them
    #[arg(long, value_name = "FILE", env = "MCPT_GATEWAY_KEYS")]
    keys: Option<PathBuf>,
    /// Whoever reaches the gateway may call, and that is meant: do not warn of it
    #[arg(long, conflicts_with = "keys")]
    open: bool,
    /// Serve the external metrics API of the cluster, for `mcpt scale --sessions`. A cluster has one: not beside another adapter of it
    #[arg(long)]
    metrics_api: bool,
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
    /// Port of this machine, for backends other than Kubernetes [default: the present one, at first 8080 if it is free]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    #[command(flatten)]
    deployment: Deployment,
    /// Further options of `mcpt gateway run`, for backends other than Kubernetes
    #[arg(last = true, value_name = "OPTIONS")]
    arguments: Vec<String>,
}

impl Install {
    /// Installs it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let place = match installed(global, &config)? {
            Installed::Cluster(place) => place,
            Installed::Here(local) => return self.here(global, &config, &local),
        };
        if self.port.is_some() || !self.arguments.is_empty() {
            let only = if self.port.is_some() { "--port" } else { "--" };
            let what = format!("{only} is for a gateway on this machine");
            let failure = Failure::new(FailureKind::Usage, what);
            return Err(failure
                .hint("in a cluster the values of its chart say it: --set service.port=9000")
                .into());
        }
        let can = place::driver(global, &config)?.capabilities();
        let values = self.chart_values()?;
        warn_if_open(global, &values);
        let options = self.deployment.options(
            &config,
            can,
            ChartValues::of(values, "gateway install"),
            None,
        );
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

    /// The same on this machine.
    fn here(
        &self,
        global: &Global,
        config: &UserConfig,
        local: &LocalGateway,
    ) -> Result<(), Ending> {
        let driver = place::driver(global, config)?;
        let can = driver.capabilities();
        let given = [
            (
                "--all-namespaces",
                self.all_namespaces,
                Capability::Namespaces,
            ),
            (
                "--replicas",
                self.replicas.is_some(),
                Capability::InstalledGateway,
            ),
            (
                "--metrics-api",
                self.metrics_api,
                Capability::InstalledGateway,
            ),
            ("--values", !self.values.is_empty(), Capability::Chart),
            ("--set", !self.set.is_empty(), Capability::Chart),
        ];
        let given = given
            .into_iter()
            .filter(|(_, given, needed)| *given && !can.has(*needed));
        let given = given.map(|(option, _, needed)| (option, needed));
        if let Some((option, needed)) = given.chain(self.deployment.lacking(can)).next() {
            let what = format!("cannot install the gateway with {option}");
            return Err(unsupported(global.backends, driver, needed, what).into());
        }
        let backend = driver.name();
        let words = ["gateway", "run", "--backend", backend.as_str()];
        let mut arguments = words.map(str::to_owned).to_vec();
        arguments.push("--session-key-file".to_owned());
        arguments.push(local.keys_file().display().to_string());
        if let Some(file) = &self.keys {
            // What it has is looked at now, and not when nobody is there to be told.
            key_lines(file)?;
            let absolute = path::absolute(file).map_err(|error| {
                let what = format!("cannot use the keys of {}", file.display());
                Failure::new(FailureKind::Usage, what).caused_by(&error)
            })?;
            arguments.push("--keys".to_owned());
            arguments.push(absolute.display().to_string());
        }
        if self.open {
            arguments.push("--open".to_owned());
        }
        arguments.extend(self.arguments.iter().cloned());
        let port = self.port;
        let wanted = LocalGatewayOptions { port, arguments };
        let options = self
            .deployment
            .options(config, can, ChartValues::default(), None);
        let installed =
            runtime::run(async { Ok(here::install(global, local, &wanted, &options).await?) })?;
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
        if self.metrics_api {
            let text = "metricsApi: {enabled: true}\n".to_owned();
            overrides.files.push(("--metrics-api".to_owned(), text));
        }
        if let Some(file) = &self.keys {
            let text = json!({"access": {"keys": key_lines(file)?}}).to_string();
            overrides.files.push(("--keys".to_owned(), text));
        }
        if self.open {
            let text = "access:\n  open: true\n".to_owned();
            overrides.files.push(("--open".to_owned(), text));
        }
        if let Some(replicas) = self.replicas {
            let text = format!("replicaCount: {replicas}\n");
            overrides.files.push(("--replicas".to_owned(), text));
        }
        overrides.set.clone_from(&self.set);
        chart_values::merge(&overrides)
    }
}

/// The lines of a file of keys.
fn key_lines(file: &Path) -> Result<Vec<String>, Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let what = format!("cannot use the keys of {}", file.display());
        Failure::new(FailureKind::Usage, what)
            .caused_by(error)
            .hint("mcpt gateway key new NAME --keys FILE makes a key")
    };
    let text = user_file::read(file).map_err(|error| failed(&error))?;
    Keys::parse(&text).map_err(|error| failed(&error))?;
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    Ok(lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect())
}

/// Tells who installs a gateway for others without a lock that it has none.
fn warn_if_open(global: &Global, values: &Map<String, Value>) {
    let access = |name: &str| values.get("access").and_then(|access| access.get(name));
    let given = |name| match access(name) {
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Bool(yes)) => *yes,
        _ => false,
    };
    if !["keys", "existingSecret", "issuers", "open"]
        .into_iter()
        .any(given)
    {
        messages::warning(
            global,
            "whoever reaches the Service may call every server: --keys FILE lets only those in who have a key, \
             --open says that it is meant",
        );
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
            if gateway.release.namespace.is_some() {
                messages::hint(global, &way_from_here(gateway));
            }
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
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{url} is all servers as one, {url}/NAME one of them");
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
