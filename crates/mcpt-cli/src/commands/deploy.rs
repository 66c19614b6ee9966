//! `mcpt deploy NAME…`: makes servers or updates them, from templates and from entries of registries.

mod bundles;
mod described;
mod images;
mod jobs;
mod moving;
mod packages;
mod targets;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use helm_chart::Overrides;
use mcpt_backend::Driver;
use mcpt_catalog::{Settings, profile_values};
use mcpt_core::{Capability, Failure, FailureKind, Image, Server, ServerName, ServerState};
use serde_json::Value;

pub(crate) use self::moving::Move;
use crate::{
    args::{Format, Global},
    backends, changed,
    chart_values::ChartValues,
    commands::image::package::Ingredients,
    deployment::Deployment,
    duration,
    ending::Ending,
    messages,
    user_config::UserConfig,
    user_file, value_source,
};

/// Arguments of `mcpt deploy`.
#[derive(Debug, Args)]
#[command(
    after_help = "Values of -c: KEY=VALUE as it stands, KEY=@FILE from a file, KEY=@- from standard input, \
        KEY=@env:NAME from the environment; secrets are best given in one of the last three ways.
-e NAME without a value takes it from the environment. @@ stands for a leading @.

Examples:
  mcpt deploy demo
  mcpt deploy demo --name hello -c greeting=Hello -c token=@token.txt
  mcpt deploy ./my-template --config-file settings.yaml
  mcpt -b kubernetes deploy demo --replicas 2 --atomic --timeout 2m
  mcpt -b kubernetes deploy demo --profile prod --set resources.limits.memory=256Mi --dry-run
  mcpt deploy npm:@modelcontextprotocol/server-filesystem -- /data
  mcpt deploy pypi:mcp-server-time==2026.10.19 --name time
  mcpt deploy -- uvx mcp-server-time --local-timezone UTC
  mcpt -b docker deploy oci:ghcr.io/owner/server:1.2 -e TOKEN=@env:TOKEN
  mcpt -b kubernetes deploy pypi:mcp-server-time --build registry.example/team/time
  mcpt deploy https://mcp.example.com/mcp --header Authorization=@token.txt
  mcpt deploy github search --registry servers.json -f secrets.yaml
  mcpt deploy --all --registry servers.json -f secrets.yaml --create-namespace"
)]
pub(crate) struct Deploy {
    /// Template id, path of a template's folder or file (with a slash: ./my-template), package (npm:NAME,
    /// npm:NAME@VERSION, pypi:NAME, pypi:NAME==VERSION, ./server.json), container image (oci:IMAGE), bundle (mcpb:FILE, mcpb:URL), name in a registry of MCP servers (io.github.owner/name,
    /// io.github.owner/name@VERSION), address of a server that runs elsewhere (https://…), or entry of a registry file; several are deployed at the same time
    #[arg(value_name = "NAME", required_unless_present_any = ["all", "arguments"])]
    names: Vec<String>,
    /// Behind --: arguments of the server, if it is a package; without a NAME the command line that starts one, as a README has
    /// it: mcpt deploy -- npx -y PACKAGE
    #[arg(value_name = "ARGUMENT", last = true, conflicts_with = "all")]
    arguments: Vec<String>,
    /// Do not run what npm packages have for their installation; native modules may be missing then
    #[arg(long, help_heading = "Packages")]
    no_install_scripts: bool,
    /// Make an image of the package, put it into a registry under this name (HOST/PATH or HOST/PATH:TAG) and run that: where it runs
    /// nothing is fetched from a registry of packages
    #[arg(
        long,
        value_name = "IMAGE",
        conflicts_with = "image",
        help_heading = "Packages"
    )]
    build: Option<Image>,
    #[command(flatten)]
    ingredients: Ingredients,
    /// Registry whose entries the names are [default: those of the configuration file, and templates]; may be repeated
    #[arg(long, value_name = "FILE", help_heading = "Registries")]
    registry: Vec<PathBuf>,
    /// All entries
    #[arg(long, conflicts_with = "names", help_heading = "Registries")]
    all: bool,
    /// The names are those of templates only
    #[arg(long, conflicts_with_all = ["registry", "all"], help_heading = "Registries")]
    no_registry: bool,
    /// Name of the server [default: the template's id]
    #[arg(long, value_name = "NAME")]
    name: Option<ServerName>,
    /// Setting of the template; may be repeated
    #[arg(
        short,
        long = "config",
        value_name = "KEY=VALUE",
        help_heading = "Settings"
    )]
    config: Vec<String>,
    /// YAML or JSON file with settings; those of -c win
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    config_file: Option<PathBuf>,
    /// Environment variable of the server; may be repeated
    #[arg(
        short,
        long = "env",
        value_name = "NAME[=VALUE]",
        help_heading = "Settings"
    )]
    env: Vec<String>,
    /// Header of each request to a server at an address (https://…); values as those of -c; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", help_heading = "Settings")]
    headers: Vec<String>,
    /// File with the certificates by which a server at an address is trusted, instead of the system's
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    ca_file: Option<PathBuf>,
    /// Transport of the server, where the template has several: stdio or http
    #[arg(long, value_name = "TRANSPORT", help_heading = "Settings")]
    transport: Option<String>,
    /// Number of instances
    #[arg(long, value_name = "N", help_heading = "Settings")]
    replicas: Option<u32>,
    /// Stop all instances when nobody has called for this time, and start them with the next call, which waits (Kubernetes, with the
    /// gateway installed)
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "Settings")]
    idle_timeout: Option<Duration>,
    /// Container image instead of the template's (Kubernetes)
    #[arg(long, value_name = "IMAGE", help_heading = "Settings")]
    image: Option<Image>,
    /// File with values of the chart (Kubernetes), or for the expressions of registry entries; may be repeated, - is
    /// standard input
    #[arg(
        short = 'f',
        long = "values",
        value_name = "FILE",
        help_heading = "Chart values"
    )]
    values: Vec<PathBuf>,
    /// Value of the chart by its path (Kubernetes), or for the expressions of registry entries; may be repeated
    #[arg(long, value_name = "PATH=VALUE", help_heading = "Chart values")]
    set: Vec<String>,
    /// Values for a kind of place (Kubernetes): dev, staging or prod; -f and --set win
    #[arg(long, value_name = "PROFILE", help_heading = "Chart values")]
    profile: Option<String>,
    #[command(flatten)]
    deployment: Deployment,
}

impl Deploy {
    /// Deploys.
    pub(crate) fn run(self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let work = self.work(global, &config)?;
        if self.deployment.is_diff() {
            let compared = jobs::compare(global, &config, work, &self.resolving(false));
            return compared.map_err(Ending::above_one);
        }
        let changes = !self.deployment.is_dry_run();
        jobs::run(global, &config, work, &self.resolving(changes))
    }

    /// What the command says about the settings of one server.
    fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings {
            name: self.name.clone(),
            transport: self.transport.clone(),
            replicas: self.replicas,
            working_dir: std::env::current_dir().ok(),
            ..Settings::default()
        };
        if let Some(path) = &self.config_file {
            settings.config = settings_file(path)?;
        }
        for text in &self.config {
            settings.config.push(value_source::pair(text)?);
        }
        for text in &self.headers {
            settings.headers.push(value_source::pair(text)?);
        }
        if let Some(file) = &self.ca_file {
            let absolute = std::fs::canonicalize(file).map_err(|error| {
                let what = format!("cannot use {}", file.display());
                Failure::new(FailureKind::Usage, what).caused_by(&error)
            })?;
            settings.authority = Some(absolute);
        }
        for text in &self.env {
            settings.env.push(value_source::variable(text)?);
        }
        Ok(settings)
    }

    /// The user's chart values as Helm merges them: profile, then files, then `--set`.
    fn chart_values(&self) -> Result<ChartValues, Failure> {
        let mut overrides = Overrides::default();
        if let Some(profile) = &self.profile {
            let text = profile_values(profile).ok_or_else(|| {
                Failure::new(FailureKind::Usage, format!("unknown profile {profile:?}")).hint(
                    format!("the profiles are {}", mcpt_catalog::PROFILES.join(", ")),
                )
            })?;
            overrides
                .files
                .push((format!("profile {profile}"), text.to_owned()));
        }
        for path in &self.values {
            overrides.files.push(values_file(path)?);
        }
        if let Some(replicas) = self.replicas {
            // A flag says more than a profile or a file; only --set says more than the flag.
            let text = format!("replicaCount: {replicas}\n");
            overrides.files.push(("--replicas".to_owned(), text));
        }
        if let Some(idle) = self.idle_timeout {
            let text = format!("idle: {{timeoutSeconds: {}}}\n", whole_seconds(idle));
            overrides.files.push(("--idle-timeout".to_owned(), text));
        }
        overrides.set.clone_from(&self.set);
        ChartValues::merged(overrides)
    }

    /// Refuses, with all reasons at once, options that the backend of one server does not have; those that are values of a chart
    /// or of the whole command only `for_template`: of several servers one may have use for them.
    fn refuse_what_is_lacking(
        &self,
        global: &Global,
        driver: &dyn Driver,
        for_template: bool,
    ) -> Result<(), Failure> {
        let can = driver.capabilities();
        let chart_values = [
            ("-f", for_template && !self.values.is_empty()),
            ("--set", for_template && !self.set.is_empty()),
            ("--profile", self.profile.is_some()),
        ];
        let chart_values = chart_values.map(|(option, given)| (option, given, Capability::Chart));
        let several = for_template && self.replicas.is_some_and(|number| number != 1);
        let mut lacking: Vec<(&str, Capability)> = chart_values
            .into_iter()
            .chain([
                ("--image", self.image.is_some(), Capability::Images),
                ("--build", self.build.is_some(), Capability::Images),
                ("--replicas", several, Capability::Instances),
                (
                    "--idle-timeout",
                    self.idle_timeout.is_some(),
                    Capability::Idling,
                ),
            ])
            .filter(|(_, given, needed)| *given && !can.has(*needed))
            .map(|(option, _, needed)| (option, needed))
            .collect();
        if for_template || self.names.len() == 1 {
            lacking.extend(self.deployment.lacking(can));
        }
        let Some((_, first)) = lacking.first() else {
            return Ok(());
        };
        let options: Vec<&str> = lacking.iter().map(|(option, _)| *option).collect();
        let mut failure = Failure::new(
            FailureKind::Usage,
            format!("{} cannot be used here", options.join(", ")),
        );
        failure.hint = global
            .backends
            .that_can(*first)
            .map(|hint| format!("{hint}, or give settings of the template with -c KEY=VALUE"));
        lacking.dedup_by_key(|(_, needed)| *needed);
        for (_, needed) in lacking {
            failure = failure.because(backends::lacking(driver, needed));
        }
        Err(failure)
    }
}

/// A time in seconds, none of it lost.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// A file with chart values: its name and its text.
pub(super) fn values_file(path: &Path) -> Result<(String, String), Failure> {
    Ok((path.display().to_string(), read(path)?))
}

/// Settings from a file: a map of names to values. Lists and maps become JSON, which settings of these types read.
fn settings_file(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let values = goyaml::from_str_exact(&read(path)?).map_err(|error| {
        Failure::new(
            FailureKind::Usage,
            format!("cannot read the settings in {}", path.display()),
        )
        .caused_by(&error)
    })?;
    match values {
        Value::Null => Ok(Vec::new()),
        Value::Object(values) => Ok(values
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(text) => (key, text),
                other => (key, other.to_string()),
            })
            .collect()),
        _ => Err(Failure::new(
            FailureKind::Usage,
            format!("cannot read the settings in {}", path.display()),
        )
        .because("it is no map of settings: write one KEY: VALUE per line")),
    }
}

/// The text of a file; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    user_file::read(path).map_err(|error| {
        Failure::new(
            FailureKind::Usage,
            format!("cannot read {}", path.display()),
        )
        .caused_by(&error)
    })
}

/// Shows what was deployed; `tools` is the command that lists its tools.
fn show(global: &Global, server: &Server, tools: Option<&str>) -> Result<(), Ending> {
    changed::show(global, server)?;
    if let Some(tools) = tools
        && matches!(global.output, Format::Table | Format::Wide)
        && server.state == ServerState::Running
    {
        messages::hint(global, &format!("{tools} lists its tools"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn settings_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.yaml");
        fs::write(&file, "a: text\nb: 3\nc: true\nd: [p, q]\n").unwrap();
        let mut settings = settings_file(&file).unwrap();
        settings.sort();
        let expected = [
            ("a", "text"),
            ("b", "3"),
            ("c", "true"),
            ("d", r#"["p","q"]"#),
        ];
        assert_eq!(
            settings,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        fs::write(&file, "- a\n").unwrap();
        let failure = settings_file(&file).unwrap_err();
        assert!(failure.to_string().contains("s.yaml"), "{failure}");
    }
}
