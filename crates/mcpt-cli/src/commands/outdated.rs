//! `mcpt outdated [NAME…]`: which servers run from a package of which there is a newer version.

use std::collections::BTreeMap;

use clap::Args;
use futures_util::{StreamExt as _, stream};
use mcpt_core::{BackendName, Failure, FailureKind, Namespace, Server, ServerName};
use mcpt_package::{PackageSource, newer};
use mcpt_source::Source;
use serde::Serialize;

use crate::{
    args::{Format, Global},
    ending::Ending,
    everywhere, messages, output, place, report, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// Registries are asked for so many packages at a time.
const AT_ONCE: usize = 4;

/// Arguments of `mcpt outdated`.
#[derive(Debug, Args)]
#[command(
    after_help = "Asks npm and uv, as deploy does, what is the newest version of each package; servers run on without an answer. Nothing is changed: deploy the \
        package again to update a server, and with --diff to see what that would change. Images are not looked up.

Examples:
  mcpt outdated
  mcpt outdated time fetch -o json
  mcpt deploy pypi:mcp-server-time --name time --diff"
)]
pub(crate) struct Outdated {
    /// Names of servers [default: all that run from a package]
    #[arg(value_name = "NAME")]
    names: Vec<ServerName>,
    /// Those of all backends, also when the environment or the configuration file names one; the default when none is named
    #[arg(long)]
    all_backends: bool,
}

/// A server of whose package there is a newer version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Behind {
    name: ServerName,
    backend: BackendName,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<Namespace>,
    /// As it can be deployed: `npm:NAME`.
    package: String,
    version: String,
    newest: String,
}

impl Outdated {
    /// Asks and shows.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let of_all = self.all_backends || !everywhere::is_one_meant(global, &config);
        let (servers, mut failures) = runtime::run(async {
            if !of_all {
                let backend = place::backend(global, &config).await?;
                return Ok((backend.list().await?, Vec::new()));
            }
            let (found, failures) = everywhere::list(global, &config).await;
            let servers = found.into_iter().flat_map(|listed| listed.servers);
            Ok((servers.collect(), failures))
        })?;
        failures.extend(self.missing(&servers));
        let wanted = |server: &Server| self.names.is_empty() || self.names.contains(&server.name);
        let servers: Vec<(Server, PackageSource)> = servers
            .into_iter()
            .filter(wanted)
            .filter_map(|server| Some((package(&server.source)?, server)))
            .map(|(package, server)| (server, package))
            .collect();
        let (newest, unknown) = runtime::run(async { Ok(ask(&servers).await) })?;
        failures.extend(unknown);
        let behind: Vec<Behind> = servers
            .iter()
            .filter_map(|(server, package)| behind(server, package, &newest))
            .collect();
        show(global, &behind, of_all, failures.is_empty())?;
        match <[Failure; 1]>::try_from(failures) {
            Ok([failure]) => Err(failure.into()),
            Err(failures) => {
                let what = format!("{} questions have no answer", failures.len());
                report::together(&failures, global.output, what)
                    .map_or(Ok(()), |failure| Err(failure.into()))
            }
        }
    }

    /// That some of the names are no server's.
    fn missing(&self, servers: &[Server]) -> Vec<Failure> {
        let unknown = |name: &&ServerName| servers.iter().all(|server| server.name != **name);
        let names = self.names.iter().filter(unknown);
        let failure =
            |name| Failure::new(FailureKind::NotFound, format!("there is no server {name}"));
        names.map(failure).collect()
    }
}

/// The package in what a server says it runs from, with its version.
fn package(source: &str) -> Option<PackageSource> {
    let words = source.split(" -- ").next()?;
    let source: Source = words.parse().ok()?;
    PackageSource::of(&source).filter(|package| package.version().is_some())
}

/// Newer versions by the packages as they run, each asked for once, and why some are not known.
async fn ask(
    servers: &[(Server, PackageSource)],
) -> (BTreeMap<String, Option<String>>, Vec<Failure>) {
    let packages: BTreeMap<String, &PackageSource> = servers
        .iter()
        .map(|(_, package)| (package.to_string(), package))
        .collect();
    let asked = packages
        .into_iter()
        .map(|(key, package)| async move { (key, newer(package).await) });
    let answers: Vec<_> = stream::iter(asked.collect::<Vec<_>>())
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut newest = BTreeMap::new();
    let mut failures = Vec::new();
    for (key, answer) in answers {
        match answer {
            Ok(version) => drop(newest.insert(key, version)),
            Err(error) => failures.push(error.into()),
        }
    }
    (newest, failures)
}

fn behind(
    server: &Server,
    package: &PackageSource,
    newest: &BTreeMap<String, Option<String>>,
) -> Option<Behind> {
    let newest = newest.get(&package.to_string())?.clone()?;
    Some(Behind {
        name: server.name.clone(),
        backend: server.backend.clone(),
        namespace: server.namespace.clone(),
        package: package.name(),
        version: package.version()?,
        newest,
    })
}

fn show(global: &Global, behind: &[Behind], of_all: bool, all_known: bool) -> Result<(), Ending> {
    match global.output {
        Format::Json => output::json(&behind),
        Format::Yaml => output::yaml(&behind),
        Format::Name => output::lines(behind.iter().map(|one| &one.name)),
        Format::Table | Format::Wide if behind.is_empty() => {
            if !global.quiet && all_known {
                messages::line("no server runs from a package of which there is a newer version");
            }
            Ok(())
        }
        Format::Table => output::text(&rows(behind, of_all).text(table::terminal_width())),
        Format::Wide => output::text(&rows(behind, of_all).text(None)),
    }
}

fn rows(behind: &[Behind], of_all: bool) -> Table {
    let mut header = vec!["NAME"];
    if of_all {
        header.push("BACKEND");
    }
    header.extend(["VERSION", "NEWEST", "PACKAGE"]);
    let mut table = Table::new(&header);
    for one in behind {
        let mut row = vec![one.name.to_string()];
        if of_all {
            row.push(one.backend.to_string());
        }
        row.extend([one.version.clone(), one.newest.clone(), one.package.clone()]);
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_read_off_what_a_server_runs_from() {
        for (source, expected) in [
            ("npm:@a/b@1.2.3", Some(("npm:@a/b", "1.2.3"))),
            (
                "pypi:time==1.0rc1 -- --zone UTC",
                Some(("pypi:time", "1.0rc1")),
            ),
            ("npm:@a/b", None),
            ("docker.io/library/x:1", None),
            ("https://host/mcp", None),
            ("mcpt demo", None),
            ("", None),
        ] {
            let found = package(source).map(|one| (one.name(), one.version().unwrap()));
            let found = found.as_ref().map(|(name, version)| (&**name, &**version));
            assert_eq!(found, expected, "{source}");
        }
    }
}
