//! Packages of npm and `PyPI` on an engine: installed by a container of the runtime image into a volume, from which the replicas
//! of all servers with the same lock and the same image run.
//!
//! A volume is whole when a replica has it, since none is made before. As long as a command needs one, so does the command's
//! installer; a volume that no container has belongs to nobody.

use std::collections::HashMap;

use bollard::{
    container::LogOutput,
    models::{
        ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions, VolumeCreateRequest,
    },
    query_parameters::{
        ListContainersOptions, ListVolumesOptions, LogsOptions, RemoveVolumeOptions,
        StartContainerOptions, WaitContainerOptions,
    },
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use mcpt_core::{
    CommandOption, DeployOptions, Failure, FailureKind, Garbage, Image, Package, Plan, Progress,
    ProgressEvent, redact,
};
use mcpt_package::VOLUME;
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    body::{BRIDGE_FOLDER, usual_host},
    engine::Engine,
    failure::{failure, is_missing, status},
    image::Facts,
    marks::{self, Role},
    own_image, states,
    unit::Unit,
};

/// The home of installers and servers, which any user may write to.
pub(crate) const HOME: &str = "/tmp";
/// Where the installer finds the lock and what it is told about registries.
const LOCK: &str = "package.json";
const SETTINGS: &str = "settings";
/// Words of a failure's text that are shown at most, in lines.
const TAIL: usize = 15;

/// Who installs packages and runs them: nobody on the machine.
pub(crate) fn user() -> String {
    format!("{0}:{0}", own_image::USER)
}

/// The name of the volume of a package for one runtime image.
fn volume(key: &str) -> String {
    format!("mcpt-package-{key}")
}

/// What tells apart volumes: the lock, whether programs of its authors may run, and the image.
fn key(package: &Package, image: &Image, facts: &Facts) -> String {
    // Before the engine is asked, the id is not known.
    let runtime = match facts.id.as_str() {
        "" => image.reference(),
        id => id.to_owned(),
    };
    mcpt_package::volume_key(package, &runtime)
}

/// The volume of a package as a replica has it, or its installer.
pub(crate) fn mount(package: &Package, image: &Image, facts: &Facts, read_only: bool) -> Mount {
    let key = key(package, image, facts);
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(volume(&key)),
        target: Some(VOLUME.to_owned()),
        read_only: Some(read_only),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            labels: Some(labels(&key)),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

fn labels(key: &str) -> HashMap<String, String> {
    HashMap::from([(marks::PACKAGE.to_owned(), key.to_owned())])
}

/// The installer of a server's package, by its id. It must be ended.
#[derive(Debug)]
#[must_use]
pub(crate) struct Installer(Option<String>);

/// Makes sure that the package of a plan is in its volume. The lock of the server must be held.
///
/// # Errors
/// Why it cannot be installed; nothing is left but the volume then, which the caller clears away.
pub(crate) async fn install(
    engine: &Engine,
    plan: &Plan,
    facts: &Facts,
    options: &DeployOptions,
    what: &str,
    progress: &dyn Progress,
) -> Result<Installer, Failure> {
    let (Some(package), Some(image)) = (&plan.package, &plan.image) else {
        return Ok(Installer(None));
    };
    let group = engine.group(&plan.name, what).await?;
    if let Some(left) = &group.installer {
        engine.remove(&[&left.id], what).await?;
    }
    let key = key(package, image, facts);
    let request = VolumeCreateRequest {
        name: Some(volume(&key)),
        labels: Some(labels(&key)),
        ..VolumeCreateRequest::default()
    };
    let made = engine.api.create_volume(request).await;
    made.map_err(|error| failure(what, &error))?;
    let id = make(
        engine,
        plan,
        mount(package, image, facts, false),
        image,
        what,
    )
    .await?;
    // From here on nobody takes the volume away.
    let installer = Installer(Some(id.clone()));
    let done = async {
        if is_used(engine, &volume(&key), what).await? {
            return Ok(());
        }
        progress.event(ProgressEvent::Step(mcpt_package::installing(package)));
        run(engine, plan, package, &id, options, what).await
    };
    match done.await {
        Ok(()) => Ok(installer),
        Err(failed) => {
            end(engine, installer, what).await?;
            Err(failed)
        }
    }
}

/// Removes an installer.
///
/// # Errors
/// When the engine does not do it; `gc` does.
pub(crate) async fn end(engine: &Engine, installer: Installer, what: &str) -> Result<(), Failure> {
    match &installer.0 {
        Some(id) => engine.remove(&[id.as_str()], what).await,
        None => Ok(()),
    }
}

/// Makes the container. It is in the machine's own network: what npm and uv are told here, a proxy on this machine say, holds
/// there only so.
async fn make(
    engine: &Engine,
    plan: &Plan,
    mount: Mount,
    image: &Image,
    what: &str,
) -> Result<String, Failure> {
    let server = &plan.name;
    let in_folder = |name: &str| format!("/{BRIDGE_FOLDER}/{name}");
    let words = [
        format!("/{BRIDGE_FOLDER}{}", own_image::PROGRAM),
        "-o".to_owned(),
        "json".to_owned(),
        "install-package".to_owned(),
        in_folder(LOCK),
        VOLUME.to_owned(),
        in_folder(SETTINGS),
    ];
    let body = ContainerCreateBody {
        image: Some(image.reference()),
        user: Some(user()),
        entrypoint: Some(words.to_vec()),
        cmd: Some(Vec::new()),
        env: Some(vec![format!("HOME={HOME}")]),
        labels: Some(HashMap::from([
            (marks::SERVER.to_owned(), server.to_string()),
            (marks::ROLE.to_owned(), Role::Installer.label().to_owned()),
            (
                marks::VERSION.to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
        ])),
        host_config: Some(HostConfig {
            mounts: Some(vec![mount]),
            network_mode: Some("host".to_owned()),
            cap_drop: Some(vec!["ALL".to_owned()]),
            restart_policy: None,
            ..usual_host()
        }),
        ..ContainerCreateBody::default()
    };
    engine.make(server, Role::Installer, body, what).await
}

/// Whether a replica has this volume.
async fn is_used(engine: &Engine, volume: &str, what: &str) -> Result<bool, Failure> {
    let users = users(engine, volume, what).await?;
    let units = users.iter().filter_map(Unit::read);
    let mut roles = units.map(|unit| unit.role);
    Ok(roles.any(|role| matches!(role, Role::Replica { .. })))
}

/// The containers that have a volume.
async fn users(
    engine: &Engine,
    volume: &str,
    what: &str,
) -> Result<Vec<bollard::models::ContainerSummary>, Failure> {
    let options = ListContainersOptions {
        all: true,
        filters: Some(HashMap::from([(
            "volume".to_owned(),
            vec![volume.to_owned()],
        )])),
        ..ListContainersOptions::default()
    };
    let found = engine.api.list_containers(Some(options)).await;
    states::read(found).map_err(|error| failure(what, &error))
}

/// Runs the installer to its end.
async fn run(
    engine: &Engine,
    plan: &Plan,
    package: &Package,
    id: &str,
    options: &DeployOptions,
    what: &str,
) -> Result<(), Failure> {
    engine.upload(id, files(plan, package, what)?, what).await?;
    let started = engine
        .api
        .start_container(id, None::<StartContainerOptions>)
        .await;
    started.map_err(|error| failure(what, &error))?;
    let wait = engine
        .api
        .wait_container(id, None::<WaitContainerOptions>)
        .try_collect::<Vec<_>>();
    let code = match timeout(options.timeout, wait).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
        Ok(Err(error)) => return Err(failure(what, &error)),
        Err(_) => {
            return Err(Failure::new(FailureKind::TimedOut, what)
                .because(format!(
                    "{} was not installed within {} s",
                    package.source(),
                    options.timeout.as_secs()
                ))
                .hint(format!("give it more time with {}", CommandOption::Timeout)));
        }
    };
    let settings = plan.package_settings.iter();
    let secrets = mcpt_package::credentials(settings.map(|(name, text)| (name, text.expose())));
    let said = redact(&said(engine, id, what).await?, &secrets);
    Err(read(&said, what, code))
}

/// What the installer said.
async fn said(engine: &Engine, id: &str, what: &str) -> Result<String, Failure> {
    let options = LogsOptions {
        stderr: true,
        stdout: true,
        ..LogsOptions::default()
    };
    let mut text = Vec::new();
    let mut lines = engine.api.logs(id, Some(options));
    while let Some(line) = lines.next().await {
        match line.map_err(|error| failure(what, &error))? {
            LogOutput::StdErr { message } | LogOutput::StdOut { message } => text.extend(message),
            _ => {}
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A failure as the installer tells it.
#[derive(Deserialize)]
struct InstallerFailure {
    error: ToldError,
}

#[derive(Deserialize)]
struct ToldError {
    kind: String,
    why: Vec<String>,
    hint: Option<String>,
}

/// What the end of an installer means.
fn read(said: &str, what: &str, code: i64) -> Failure {
    let told = said.lines().rev().find_map(|line| {
        let told: InstallerFailure = serde_json::from_str(line).ok()?;
        Some(told.error)
    });
    if let Some(told) = told {
        let kind = match told.kind.as_str() {
            "notFound" => FailureKind::NotFound,
            "unreachable" => FailureKind::Unreachable,
            "usage" => FailureKind::Usage,
            _ => FailureKind::Failed,
        };
        let mut failure = Failure::new(kind, what);
        failure.why = told.why;
        failure.hint = told.hint;
        return failure;
    }
    let mut failure = Failure::new(FailureKind::Failed, what).because(format!(
        "the container that installs its package {}",
        crate::trial::ended(Some(code), false)
    ));
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines.iter().skip(lines.len().saturating_sub(TAIL));
    failure.log_tail = tail.map(|line| (*line).to_owned()).collect();
    failure
}

/// What is put into the installer: the binary that does the work, the lock, what it is told about registries, and the volume as
/// one of its user, which is root's otherwise.
fn files(plan: &Plan, package: &Package, what: &str) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(FailureKind::Failed, what).because(error.to_string());
    let program = own_image::program().map_err(|error| own_image::unfit(what, &error))?;
    let lock = serde_json::to_vec(package).map_err(|error| failed(error.into()))?;
    let user = u64::from(own_image::USER);
    let name = |name: &str| format!("{BRIDGE_FOLDER}/{name}");
    let mut archive = tar::Builder::new(Vec::new());
    let written = (|| {
        let binary = format!("{BRIDGE_FOLDER}{}", own_image::PROGRAM);
        own_image::append(&mut archive, &binary, &program, 0o755)?;
        own_image::append(&mut archive, &name(LOCK), &lock, 0o644)?;
        own_image::append_folder(&mut archive, &name(SETTINGS), (user, user))?;
        for (file, text) in &plan.package_settings {
            let path = name(&format!("{SETTINGS}/{file}"));
            let text = text.expose().as_bytes();
            own_image::append_of(&mut archive, &path, text, 0o400, (user, user))?;
        }
        own_image::append_folder(&mut archive, VOLUME, (user, user))
    })();
    written.map_err(failed)?;
    archive.into_inner().map_err(failed)
}

/// Volumes of packages that no container has, removed unless it is a dry run.
///
/// # Errors
/// When the engine cannot be asked or refuses.
pub(crate) async fn clear(
    engine: &Engine,
    dry_run: bool,
    what: &str,
) -> Result<Vec<Garbage>, Failure> {
    let options = ListVolumesOptions {
        filters: Some(HashMap::from([(
            "label".to_owned(),
            vec![marks::PACKAGE.to_owned()],
        )])),
    };
    let found = engine.api.list_volumes(Some(options)).await;
    let found = found.map_err(|error| failure(what, &error))?.volumes;
    let mut garbage = Vec::new();
    for found in found.into_iter().flatten() {
        // A label alone makes nothing ours.
        let key = found
            .labels
            .get(marks::PACKAGE)
            .cloned()
            .unwrap_or_default();
        if found.name != volume(&key) || !users(engine, &found.name, what).await?.is_empty() {
            continue;
        }
        if !dry_run {
            let removed = engine
                .api
                .remove_volume(&found.name, None::<RemoveVolumeOptions>)
                .await;
            match removed {
                Ok(()) => {}
                Err(error) if is_missing(&error) => continue,
                // Somebody has begun to use it.
                Err(error) if status(&error) == Some(409) => continue,
                Err(error) => return Err(failure(what, &error)),
            }
        }
        garbage.push(Garbage {
            object: format!("volume {}", found.name),
            namespace: None,
            reason: "no server runs from the package in it".to_owned(),
        });
    }
    Ok(garbage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_installer_says_is_read() {
        let said = "installing npm:x@1\n{\"error\":{\"kind\":\"unreachable\",\"exitCode\":4,\"what\":\"w\",\"why\":[\"a\"],\"hint\":\"h\"}}\n";
        let failed = read(said, "cannot deploy x", 4);
        assert_eq!(failed.kind, FailureKind::Unreachable);
        assert_eq!(
            (failed.why, failed.hint),
            (vec!["a".to_owned()], Some("h".to_owned()))
        );
        let failed = read("exec format error\n", "cannot deploy x", 1);
        assert_eq!(failed.log_tail, ["exec format error"]);
        assert!(failed.why[0].ends_with("exited with code 1"), "{failed}");
    }
}
