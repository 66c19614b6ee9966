//! The front of a server as commands see it: made, told where the replicas are, and asked for its port.

use std::collections::HashMap;

use bollard::{
    exec::{CreateExecOptions, StartExecResults},
    models::{ContainerCreateBody, HostConfig, NetworkCreateRequest},
    query_parameters::{InspectNetworkOptions, StartContainerOptions},
};
use futures_util::StreamExt as _;
use mcpt_core::{Failure, FailureKind, ServerName, Sessions};
use mcpt_workload::free_port;

use crate::{
    body::{join, on_loopback, usual_host},
    engine::Engine,
    failure::{failure, is_missing, words},
    front_end::{FrontConfig, FrontReplica},
    marks::{self, Role},
    own_image,
    unit::{Group, Unit},
};

/// Port of the gateway in a front.
pub(crate) const PORT: u16 = 8080;
/// The command of the binary that a front runs.
pub(crate) const COMMAND: &str = "front";
/// The folder that a front may write to.
const FOLDER: &str = "front";
/// How often another port is tried when somebody took the last one meanwhile.
const TRIES: u32 = 4;
/// How a front asks for the addresses of replicas. The engine's resolver may lose a question or not know a name yet: Podman's is told
/// of every container that comes or goes, and is away for that moment. By itself the system asks again after 5 s, when the
/// caller has given up.
const RESOLVING: [&str; 2] = ["timeout:1", "attempts:5"];
/// How long a front may take to end: it lets calls finish.
const GRACE: i64 = 25;

/// Makes the server's network, unless it is there.
///
/// # Errors
/// When one of that name is somebody else's.
pub(crate) async fn ensure_network(
    engine: &Engine,
    server: &ServerName,
    what: &str,
) -> Result<(), Failure> {
    let name = marks::front(server);
    let found = engine
        .api
        .inspect_network(&name, None::<InspectNetworkOptions>)
        .await;
    match found {
        Ok(network) => {
            let labels = network.labels.unwrap_or_default();
            if labels.get(marks::SERVER).map(String::as_str) == Some(server.as_str()) {
                return Ok(());
            }
            return Err(Failure::new(FailureKind::Failed, what)
                .because(format!("there is a network {name} that mcpt did not make"))
                .hint(format!(
                    "remove it: {} network rm {name}",
                    engine.kind.backend()
                )));
        }
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(failure(what, &error)),
    }
    let request = NetworkCreateRequest {
        name: name.clone(),
        labels: Some(HashMap::from([(
            marks::SERVER.to_owned(),
            server.to_string(),
        )])),
        ..NetworkCreateRequest::default()
    };
    let made = engine.api.create_network(request).await;
    match made {
        // A killed command had asked for it, and the engine has done it meanwhile.
        Err(error) if !is_ours(engine, server, &name).await => Err(failure(what, &error)),
        _ => Ok(()),
    }
}

/// Whether there is a network of this name, and it is the server's.
async fn is_ours(engine: &Engine, server: &ServerName, name: &str) -> bool {
    let found = engine
        .api
        .inspect_network(name, None::<InspectNetworkOptions>)
        .await;
    found.is_ok_and(|network| {
        let labels = network.labels.unwrap_or_default();
        labels.get(marks::SERVER).map(String::as_str) == Some(server.as_str())
    })
}

/// Makes sure that the server's front runs, and gives its id.
///
/// # Errors
/// When it cannot be made or started.
pub(crate) async fn ensure(engine: &Engine, group: &Group, what: &str) -> Result<String, Failure> {
    if let Some(front) = &group.front {
        match front.state.as_str() {
            "running" => return Ok(front.id.clone()),
            // Whoever made it died before it was whole, or had its removal begun.
            "created" | "configured" | "removing" | "dead" => {
                engine.remove(&[&front.id], what).await?;
            }
            _ => {
                let started = start(engine, &front.id).await;
                started.map_err(|error| failure(what, &error))?;
                return Ok(front.id.clone());
            }
        }
    }
    let mut tries = TRIES;
    loop {
        let id = make(engine, &group.name, what).await?;
        let started = start(engine, &id).await;
        let Err(error) = started else {
            return Ok(id);
        };
        engine.remove(&[&id], what).await?;
        tries -= 1;
        let said = words(&error);
        let taken = said.contains("already allocated") || said.contains("already in use");
        if tries == 0 || !taken {
            return Err(failure(what, &error));
        }
    }
}

async fn start(engine: &Engine, id: &str) -> Result<(), bollard::errors::Error> {
    engine
        .api
        .start_container(id, None::<StartContainerOptions>)
        .await
}

async fn make(engine: &Engine, server: &ServerName, what: &str) -> Result<String, Failure> {
    let port = free_port()
        .map_err(|error| Failure::new(FailureKind::Failed, what).because(error.to_string()))?;
    let inner = format!("{PORT}/tcp");
    let labels = [
        (marks::SERVER, server.to_string()),
        (marks::ROLE, Role::Front.label().to_owned()),
        (marks::PORT, PORT.to_string()),
        (marks::PUBLISHED, port.to_string()),
        (marks::VERSION, env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let mut body = ContainerCreateBody {
        image: Some(own_image::reference()),
        user: Some(format!("{}:{}", own_image::USER, own_image::USER)),
        cmd: Some(vec![COMMAND.to_owned(), server.to_string()]),
        exposed_ports: Some(vec![inner.clone()]),
        labels: Some(HashMap::from(
            labels.map(|(key, value)| (key.to_owned(), value)),
        )),
        stop_timeout: Some(GRACE),
        host_config: Some(HostConfig {
            cap_drop: Some(vec!["ALL".to_owned()]),
            dns_options: Some(RESOLVING.map(str::to_owned).to_vec()),
            port_bindings: Some(HashMap::from([(
                inner,
                Some(vec![on_loopback(Some(port))]),
            )])),
            ..usual_host()
        }),
        ..ContainerCreateBody::default()
    };
    join(&mut body, server, "front".to_owned());
    let id = engine.make(server, Role::Front, body, what).await?;
    // Where it keeps what it is told: in a new container all is root's.
    let mut archive = tar::Builder::new(Vec::new());
    let user = u64::from(own_image::USER);
    own_image::append_folder(&mut archive, FOLDER, (user, user))
        .and_then(|()| archive.finish())
        .map_err(|error| Failure::new(FailureKind::Failed, what).because(error.to_string()))?;
    let archive = archive
        .into_inner()
        .map_err(|error| Failure::new(FailureKind::Failed, what).because(error.to_string()))?;
    engine.upload(&id, archive, what).await?;
    Ok(id)
}

/// What a front shall know of these replicas, of which some end.
pub(crate) fn told(replicas: &[Unit], ending: &[Unit]) -> Option<FrontConfig> {
    let first = replicas.first()?;
    let of = |units: &[Unit], ends: bool| {
        units
            .iter()
            .filter_map(|unit| match unit.role {
                Role::Replica {
                    revision, number, ..
                } => Some(FrontReplica {
                    id: unit.id.clone(),
                    host: marks::alias(revision, number),
                    ends,
                }),
                Role::Front | Role::Installer | Role::Lock | Role::DeadLock => None,
            })
            .collect::<Vec<_>>()
    };
    let mut all = of(replicas, false);
    all.extend(of(ending, true));
    Some(FrontConfig {
        sessions: sessions(first),
        path: first.label(marks::PATH)?.to_owned(),
        port: first.label(marks::PORT)?.parse().ok()?,
        replicas: all,
    })
}

/// Whether a replica's sessions stay with it, as its labels say.
pub(crate) fn sessions(unit: &Unit) -> Sessions {
    match unit.label(marks::SESSIONS) {
        Some("stateless") => Sessions::Stateless,
        Some("single") => Sessions::Single,
        _ => Sessions::Stateful,
    }
}

/// Tells a front where the replicas are, and returns when it applies it.
///
/// # Errors
/// When it does not.
pub(crate) async fn tell(
    engine: &Engine,
    front: &str,
    told: &FrontConfig,
    what: &str,
) -> Result<(), Failure> {
    let message = serde_json::to_string(told)
        .map_err(|error| Failure::new(FailureKind::Failed, what).caused_by(&error))?;
    let of_engine = |error: bollard::errors::Error| failure(what, &error);
    let options = CreateExecOptions {
        cmd: Some(vec![
            own_image::PROGRAM.to_owned(),
            COMMAND.to_owned(),
            "-".to_owned(),
            message,
        ]),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = engine
        .api
        .create_exec(front, options)
        .await
        .map_err(of_engine)?;
    let mut said = String::new();
    if let StartExecResults::Attached { mut output, .. } = engine
        .api
        .start_exec(&exec.id, None)
        .await
        .map_err(of_engine)?
    {
        while let Some(part) = output.next().await {
            said.push_str(&part.map_err(of_engine)?.to_string());
        }
    }
    let ended = engine.api.inspect_exec(&exec.id).await.map_err(of_engine)?;
    if ended.exit_code == Some(0) {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Failed, what).because(format!(
        "its front was not told of the replicas: {}",
        said.trim()
    )))
}

/// The port of this machine that a front has.
pub(crate) fn port(front: &Unit) -> Option<u16> {
    front.label(marks::PUBLISHED)?.parse().ok()
}
