//! A server that its author describes in a `server.json`, in a file or in a registry: the first of its packages that can be run.

use std::path::Path;

use mcp_registry::Status;
use mcpt_core::{Capabilities, Capability, Failure, FailureKind};
use mcpt_package::PackageSource;
use mcpt_source::{
    Recipe, RegistryName, RemoteKind, Source, Transport, server_json, server_json::ServerJson,
};
use serde_json::Value;

use crate::{
    args::Global,
    mcp_registries::{McpRegistries, warn_of_status},
    user_config::UserConfig,
    user_file,
};

/// Whether a name of the command is such a file. A template's file has another name.
pub(super) fn is_file(name: &str) -> bool {
    Path::new(name)
        .file_name()
        .is_some_and(|file| file == "server.json")
}

/// The name of a server in a registry, `io.github.owner/name`, if a name of the command is one.
pub(super) fn registry_name(name: &str) -> Option<RegistryName> {
    match name.parse() {
        Ok(Source::Registry(name)) => Some(name),
        _ => None,
    }
}

/// What to run of the server that a file describes.
pub(super) fn recipe(name: &str, can: Capabilities) -> Result<Recipe, Failure> {
    let text = user_file::read(Path::new(name)).map_err(|error| {
        let kind = if error.is_missing() {
            FailureKind::NotFound
        } else {
            FailureKind::Usage
        };
        Failure::new(kind, refused(name).what).caused_by(&error)
    })?;
    usable(name, server_json::read(&text), can)
}

/// What to run of the server that a registry has under that name.
pub(super) fn of_registry(
    name: &RegistryName,
    config: &UserConfig,
    global: &Global,
    can: Capabilities,
) -> Result<Recipe, Failure> {
    let known = McpRegistries::open(config)?.find(name)?;
    let version = format!("{}@{}", known.record.name, known.record.version);
    if known.record.status == Status::Deleted {
        let failure = refused(&version).because(format!(
            "{} says that it must not be used any more",
            known.registry
        ));
        return Err(match &known.record.status_message {
            Some(why) => failure.because(why),
            None => failure,
        });
    }
    warn_of_status(global, &known);
    let document = Value::Object(known.record.document);
    usable(&version, server_json::read_value(&document), can)
}

fn refused(name: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("cannot deploy {name}"))
}

fn usable(
    name: &str,
    server: Result<ServerJson, server_json::InvalidServerJson>,
    can: Capabilities,
) -> Result<Recipe, Failure> {
    let mut refused = refused(name);
    let server = match server {
        Ok(server) => server,
        Err(error) => return Err(error.problems.into_iter().fold(refused, Failure::because)),
    };
    if server.status.as_deref() == Some("deleted") {
        return Err(refused.because("its author says that it must not be used any more"));
    }
    let mut older = None;
    for offer in server.offers {
        match offer.recipe {
            // Each of its sessions costs a connection, and dies with it: only where there is nothing else.
            Ok(recipe) if is_of_the_older_transport(&recipe.source) => {
                older.get_or_insert(recipe);
            }
            Ok(recipe) if recipe.transport == Transport::Remote => return Ok(*recipe),
            Ok(recipe)
                if matches!(recipe.source, Source::Oci(_)) && can.has(Capability::Images) =>
            {
                return Ok(*recipe);
            }
            Ok(recipe) if matches!(recipe.source, Source::Oci(_)) => {
                refused = refused.because(format!(
                    "{}: {} is an image, which an engine or a cluster runs and this backend does not",
                    offer.place, recipe.source.shown()
                ));
            }
            Ok(recipe)
                if matches!(recipe.source, Source::Mcpb(_)) && !can.has(Capability::Images) =>
            {
                return Ok(*recipe);
            }
            Ok(recipe) if recipe.transport != Transport::Stdio => {
                refused = refused.because(format!(
                    "{}: {} speaks HTTP at an address, and packages can be deployed that speak stdio",
                    offer.place, recipe.source.shown()
                ));
            }
            Ok(recipe) if PackageSource::of(&recipe.source).is_some() => return Ok(*recipe),
            Ok(recipe) => {
                refused = refused.because(format!(
                    "{}: it is {}, and only packages of npm and PyPI and images can be deployed so",
                    offer.place,
                    recipe.source.shown()
                ));
            }
            Err(unusable) => refused = refused.because(format!("{}: {unusable}", offer.place)),
        }
    }
    if let Some(recipe) = older {
        return Ok(*recipe);
    }
    if refused.why.is_empty() {
        refused = refused.because("it names no package and no address");
    }
    Err(refused)
}

fn is_of_the_older_transport(source: &Source) -> bool {
    matches!(source, Source::Remote(remote) if remote.kind == Some(RemoteKind::Sse))
}
