//! From a plan, or from a container that is there, to what the engine is asked to make.

mod words;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    os::unix::fs::MetadataExt as _,
};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig, Mount, MountType,
    NetworkingConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use mcpt_core::{
    CommandOption, Failure, FailureKind, Plan, REDACTED, RecordedPlan, Secret, ServerName,
    Sessions, Transport,
};
use mcpt_workload::{BRIDGE_PATH, Endpoint};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    image::Facts,
    marks::{self, Role, Stage},
    package, quantity,
};

/// Folder of the binary in a container whose server it serves as a bridge.
pub(crate) const BRIDGE_FOLDER: &str = ".mcpt";
/// Port of the bridge.
const BRIDGE_PORT: u16 = 8080;
/// How long a server may take to end once it is told to, in seconds: it finishes its calls, as pods do.
const GRACE: i64 = 30;
/// Most processes and threads of one container.
const PROCESSES: i64 = 4096;

/// A server as its replicas are made, each of them alike.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) server: ServerName,
    /// How it is asked whether it answers.
    pub(crate) endpoint: Endpoint,
    /// The port that it listens on.
    pub(crate) port: u16,
    /// Named volumes, and who shall own them.
    pub(crate) volumes: Vec<Volume>,
    body: ContainerCreateBody,
}

/// A folder that outlives its containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) name: String,
    /// Where it is in the container.
    pub(crate) path: String,
    /// User and group that the server runs as, where the image says them as numbers.
    pub(crate) owner: Option<(u64, u64)>,
}

impl Template {
    /// What a plan says.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] with all that is wrong with it.
    pub(crate) fn of_plan(plan: &Plan, facts: &Facts, what: &str) -> Result<Self, Failure> {
        let mut faults = Failure::new(FailureKind::Usage, what);
        let Some(image) = &plan.image else {
            return Err(faults
                .because(format!("template {} names no image", plan.template))
                .hint(format!(
                    "name one with {}, or deploy it as a process",
                    CommandOption::Image
                )));
        };
        let (endpoint, port) = match &plan.transport {
            Transport::Stdio => (Endpoint::Stdio, BRIDGE_PORT),
            Transport::Http {
                port,
                path,
                port_env,
            } => {
                let endpoint = Endpoint::Http {
                    port: *port,
                    path: path.clone(),
                    port_env: port_env.clone(),
                };
                (endpoint, *port)
            }
        };
        let (mut mounts, volumes, mut owner) = mounts(plan, facts, &mut faults);
        if let Some(package) = &plan.package {
            mounts.push(package::mount(package, image, facts, true));
            owner.get_or_insert_with(package::user);
        }
        // A bridge must be told what it is to start, and so must who fills in arguments.
        let told = plan.transport == Transport::Stdio || plan.has_secret_arguments();
        let own = told && plan.container_command.is_empty();
        let (command, args) = words::words(plan, facts, own);
        if own && command.is_empty() && !facts.id.is_empty() {
            faults.why.push(format!(
                "image {} names no program that it starts",
                image.reference()
            ));
        }
        let limit = |name: &str, read: fn(&str) -> Option<i64>, faults: &mut Failure| {
            let text = plan.resources.limits.get(name)?;
            let amount = read(text);
            if amount.is_none() {
                faults
                    .why
                    .push(format!("resources.limits.{name}: {text:?} is no amount"));
            }
            amount
        };
        let body = ContainerCreateBody {
            image: Some(image.reference()),
            user: owner,
            entrypoint: words::entrypoint(plan, command),
            cmd: (!args.is_empty()).then_some(args),
            env: Some(environment(plan)),
            working_dir: plan.package.as_ref().map(|_| package::HOME.to_owned()),
            labels: Some(labels(plan, &endpoint, port)),
            stop_timeout: Some(GRACE),
            host_config: Some(HostConfig {
                nano_cpus: limit("cpu", quantity::nano_cpus, &mut faults),
                memory: limit("memory", quantity::bytes, &mut faults),
                mounts: Some(mounts),
                ..usual_host()
            }),
            ..ContainerCreateBody::default()
        };
        if !faults.why.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            server: plan.name.clone(),
            endpoint,
            port,
            volumes,
            body,
        })
    }

    /// What a replica that is there was made of, with its very image and its secrets. `None` when it lacks what ours have.
    pub(crate) fn of_container(
        server: &ServerName,
        container: &ContainerInspectResponse,
    ) -> Option<Self> {
        let config = container.config.clone()?;
        let labels = config.labels?;
        let label = |name: &str| labels.get(name).cloned();
        let port = label(marks::PORT)?.parse().ok()?;
        let endpoint = match label(marks::TRANSPORT)?.as_str() {
            "stdio" => Endpoint::Stdio,
            _ => Endpoint::Http {
                port,
                path: label(marks::PATH)?,
                port_env: None,
            },
        };
        let host = container.host_config.clone()?;
        Some(Self {
            server: server.clone(),
            endpoint,
            port,
            // They are there, and whose they are.
            volumes: Vec::new(),
            body: ContainerCreateBody {
                image: container.image.clone(),
                user: config.user,
                entrypoint: config.entrypoint,
                cmd: config.cmd,
                env: config.env,
                working_dir: config.working_dir,
                labels: Some(labels),
                stop_signal: config.stop_signal,
                stop_timeout: config.stop_timeout,
                host_config: Some(HostConfig {
                    nano_cpus: host.nano_cpus,
                    memory: host.memory,
                    mounts: host.mounts.or_else(|| mounted(container)),
                    ..usual_host()
                }),
                ..ContainerCreateBody::default()
            },
        })
    }

    /// Says how the revision came to be, and the digest by which an equal configuration is known.
    pub(crate) fn described(mut self, description: &str, digest: String) -> Self {
        let labels = self.body.labels.get_or_insert_default();
        labels.insert(marks::DESCRIPTION.to_owned(), description.to_owned());
        labels.insert(marks::DIGEST.to_owned(), digest);
        self
    }

    /// Says of which start its replicas are.
    pub(crate) fn of_start(mut self, start: u32) -> Self {
        let labels = self.body.labels.get_or_insert_default();
        labels.insert(marks::START.to_owned(), start.to_string());
        self
    }

    /// What a label of its replicas says.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.body.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// The variables that are secret, by the label that names them: their values may be in no text that is shown.
    pub(crate) fn secret_variables(&self) -> BTreeMap<String, Secret> {
        let names = self.label(marks::ENV).unwrap_or_default().split(',');
        let names: Vec<&str> = names.filter_map(|name| name.strip_suffix('!')).collect();
        let variables = self.body.env.iter().flatten();
        variables
            .filter_map(|line| line.split_once('='))
            .filter(|(name, _)| names.contains(name))
            .map(|(name, value)| (name.to_owned(), Secret::new(value)))
            .collect()
    }

    /// Their values.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        self.secret_variables().into_values().collect()
    }

    /// Whether it is given a variable of that name.
    pub(crate) fn gives(&self, name: &str) -> bool {
        let mut names = self.body.env.iter().flatten();
        names.any(|line| line.split('=').next() == Some(name))
    }

    /// All that makes a replica, as it can be compared with another one: what is not said is what the image says, if that is known.
    /// The values of secrets are in it, under `secrets`.
    pub(crate) fn as_value(&self, image: Option<&Facts>) -> Value {
        let body = &self.body;
        let host = body.host_config.clone().unwrap_or_default();
        let known: Vec<&str> = self
            .label(marks::ENV)
            .unwrap_or_default()
            .split(',')
            .collect();
        let lines = || {
            body.env
                .iter()
                .flatten()
                .filter_map(|line| line.split_once('='))
        };
        let env: BTreeMap<_, _> = lines().filter(|(name, _)| known.contains(name)).collect();
        let marked = |name: &str| {
            known
                .iter()
                .any(|known| known.strip_suffix('!') == Some(name))
        };
        let secrets: BTreeMap<_, _> = lines().filter(|(name, _)| marked(name)).collect();
        // Whoever names a program of their own has none of the image's arguments.
        let own = body.entrypoint.as_ref().filter(|words| !words.is_empty());
        let of_image = image.filter(|_| own.is_none());
        let entrypoint = own.or(of_image.and_then(|image| image.entrypoint.as_ref()));
        let command = body.cmd.as_ref().filter(|words| !words.is_empty());
        let command = command.or(of_image.and_then(|image| image.command.as_ref()));
        let user = body.user.as_deref().filter(|user| !user.is_empty());
        let user = user.or(image.map(|image| image.user.as_str()));
        let mounts: Vec<_> = host
            .mounts
            .iter()
            .flatten()
            .map(|mount| json!({"source": mount.source, "target": mount.target}))
            .collect();
        json!({
            "image": self.label(marks::SOURCE),
            "template": self.label(marks::TEMPLATE),
            "templateVersion": self.label(marks::TEMPLATE_VERSION),
            "transport": self.label(marks::TRANSPORT),
            "path": self.label(marks::PATH),
            "port": self.port,
            "sessions": self.label(marks::SESSIONS),
            "entrypoint": entrypoint.cloned().unwrap_or_default(),
            "command": command.cloned().unwrap_or_default(),
            "user": user.unwrap_or_default(),
            "env": env,
            "secrets": secrets,
            "mounts": mounts,
            // Zero is how an engine says that there is no limit.
            "nanoCpus": host.nano_cpus.filter(|limit| *limit != 0),
            "memory": host.memory.filter(|limit| *limit != 0),
        })
    }

    /// Whether the binary must be in the container.
    pub(crate) fn starts_binary(&self) -> bool {
        let program = self.body.entrypoint.iter().flatten().next();
        program.is_some_and(|program| *program == words::binary())
    }

    /// One replica of a revision, tried together with those of the same attempt.
    pub(crate) fn replica(&self, revision: u32, number: u32, attempt: &str) -> ContainerCreateBody {
        let mut body = self.body.clone();
        let labels = body.labels.get_or_insert_default();
        labels.insert(marks::ATTEMPT.to_owned(), attempt.to_owned());
        labels.insert(marks::REVISION.to_owned(), revision.to_string());
        labels.insert(marks::REPLICA.to_owned(), number.to_string());
        let port = format!("{}/tcp", self.port);
        body.exposed_ports = Some(vec![port.clone()]);
        let host = body.host_config.get_or_insert_default();
        // Any port: who needs it asks for it.
        host.port_bindings = Some(HashMap::from([(port, Some(vec![on_loopback(None)]))]));
        join(&mut body, &self.server, marks::alias(revision, number));
        body
    }

    /// A digest of all that makes a replica. It is salted and cut short, so that no guess of a secret can be confirmed with it.
    pub(crate) fn digest(&self, salt: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(salt);
        let body = &self.body;
        // Sorted, since maps are not; an unserializable part equals nothing.
        let labels: BTreeMap<_, _> = body.labels.iter().flatten().collect();
        let text = json!([
            body.image,
            body.user,
            body.entrypoint,
            body.cmd,
            body.env,
            body.host_config,
            labels
        ]);
        hash.update(text.to_string());
        let mut digest = format!("{salt}.");
        for byte in &hash.finalize()[..4] {
            // Writing to a string cannot fail.
            let _ = write!(digest, "{byte:02x}");
        }
        digest
    }

    /// Whether this digest is of an equal one.
    pub(crate) fn has_digest(&self, digest: &str) -> bool {
        digest
            .rsplit_once('.')
            .is_some_and(|(salt, _)| self.digest(salt) == digest)
    }

    /// What would be made, secrets redacted.
    pub(crate) fn manifest(&self, plan: &Plan) -> String {
        let body = &self.body;
        let host = body.host_config.clone().unwrap_or_default();
        let mut env: BTreeMap<&str, &str> = plan
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        env.extend(plan.secrets.keys().map(|name| (name.as_str(), REDACTED)));
        let mut labels: BTreeMap<_, _> = body.labels.iter().flatten().collect();
        // It says again what the rest of this does.
        labels.remove(&marks::PLAN.to_owned());
        let mut value = json!({
            "name": Role::Replica { revision: 1, number: 1, stage: Stage::Passed }.name(&self.server),
            "image": body.image,
            "user": body.user,
            "entrypoint": body.entrypoint,
            "command": body.cmd,
            "env": env,
            "port": self.port,
            "mounts": host.mounts,
            "nanoCpus": host.nano_cpus,
            "memory": host.memory,
            "labels": labels,
            "replicas": plan.replicas.unwrap_or(1),
        });
        if let Some(package) = &plan.package {
            value["package"] = mcpt_package::described(package);
        }
        format!("{value:#}\n")
    }
}

/// Puts a container into its server's network, under a name there.
pub(crate) fn join(body: &mut ContainerCreateBody, server: &ServerName, alias: String) {
    let network = marks::front(server);
    body.host_config.get_or_insert_default().network_mode = Some(network.clone());
    let endpoint = EndpointSettings {
        aliases: Some(vec![alias]),
        ..EndpointSettings::default()
    };
    body.networking_config = Some(NetworkingConfig {
        endpoints_config: Some(HashMap::from([(network, endpoint)])),
    });
}

/// A port of this machine alone; `None` lets the engine choose.
pub(crate) fn on_loopback(port: Option<u16>) -> PortBinding {
    PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(port.map_or_else(String::new, |port| port.to_string())),
    }
}

/// What all our containers have.
pub(crate) fn usual_host() -> HostConfig {
    HostConfig {
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
            maximum_retry_count: None,
        }),
        pids_limit: Some(PROCESSES),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        ..HostConfig::default()
    }
}

/// `NAME=VALUE`, secrets too: the engine keeps them for as long as the container is there, and shows them to whoever may use
/// the engine, who could read them in the server's memory as well. A file would need a server that reads it.
fn environment(plan: &Plan) -> Vec<String> {
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    if plan.package.is_some() {
        // Many write below HOME, and whose the runtime image's is differs.
        all.insert("HOME", package::HOME);
    }
    if plan.transport == Transport::Stdio && plan.sessions == Sessions::Single {
        all.insert("MCPT_BRIDGE_MAX_SESSIONS", "1");
    }
    let port = match &plan.transport {
        Transport::Http {
            port,
            port_env: Some(name),
            ..
        } => Some((name, port.to_string())),
        _ => None,
    };
    if let Some((name, port)) = &port {
        all.insert(name, port);
    }
    all.extend(
        plan.env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    all.extend(
        plan.secrets
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose())),
    );
    all.iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

fn labels(plan: &Plan, endpoint: &Endpoint, port: u16) -> HashMap<String, String> {
    let (transport, path) = match endpoint {
        Endpoint::Stdio => ("stdio", BRIDGE_PATH),
        Endpoint::Gateway => ("http", BRIDGE_PATH),
        Endpoint::Http { path, .. } => ("http", path.as_str()),
    };
    let sessions = match plan.sessions {
        Sessions::Stateful => "stateful",
        Sessions::Stateless => "stateless",
        Sessions::Single => "single",
    };
    let mut names: Vec<String> = plan.env.keys().cloned().collect();
    names.extend(plan.secrets.keys().map(|name| format!("{name}!")));
    let source = match &plan.package {
        Some(package) => Some(package.source()),
        None => plan.image.as_ref().map(mcpt_core::Image::reference),
    };
    let labels = [
        (marks::SERVER, plan.name.to_string()),
        (marks::ROLE, "replica".to_owned()),
        (marks::TEMPLATE, plan.template.to_string()),
        (marks::TEMPLATE_VERSION, plan.template_version.clone()),
        (marks::TRANSPORT, transport.to_owned()),
        (marks::PATH, path.to_owned()),
        (marks::SESSIONS, sessions.to_owned()),
        (marks::PORT, port.to_string()),
        (marks::SOURCE, source.unwrap_or_default()),
        (marks::ENV, names.join(",")),
        (marks::VERSION, env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let mut labels = HashMap::from(labels.map(|(key, value)| (key.to_owned(), value)));
    // What cannot be written down cannot be moved, and runs all the same.
    let recorded = RecordedPlan::of(plan).without_lock();
    labels.extend(
        serde_json::to_string(&recorded)
            .ok()
            .map(|text| (marks::PLAN.to_owned(), text)),
    );
    if plan.package.is_some() && plan.template_version.is_empty() {
        // It comes from none.
        labels.remove(marks::TEMPLATE);
    }
    labels
}

/// The folders of a container as they were asked for, which Podman does not keep: by what it has.
fn mounted(container: &ContainerInspectResponse) -> Option<Vec<Mount>> {
    let points = container.mounts.as_ref()?.iter();
    let mounts = points.map(|point| {
        let typ = match point.typ.as_deref() {
            Some("bind") => MountType::BIND,
            _ => MountType::VOLUME,
        };
        let source = match typ {
            MountType::BIND => point.source.clone(),
            _ => point.name.clone(),
        };
        Mount {
            typ: Some(typ),
            source,
            target: point.destination.clone(),
            read_only: point.rw.map(|writable| !writable),
            ..Mount::default()
        }
    });
    Some(mounts.collect())
}

/// The folders of a plan: as mounts, those that are volumes, and as whom the server runs if that is for their sake.
fn mounts(
    plan: &Plan,
    facts: &Facts,
    faults: &mut Failure,
) -> (Vec<Mount>, Vec<Volume>, Option<String>) {
    let (mut mounts, mut volumes, mut owner) = (Vec::new(), Vec::new(), None);
    let user = plan.package.as_ref().map_or_else(
        || facts.user.clone(),
        // Its containers run as that one, whatever the runtime image says.
        |_| package::user(),
    );
    for mount in &plan.mounts {
        let (typ, source) = if let Some(host) = &mount.host {
            match std::fs::metadata(host) {
                Ok(folder) if folder.is_dir() => {
                    // What it writes there is then the folder's owner's, as if that one had run it.
                    owner.get_or_insert_with(|| format!("{}:{}", folder.uid(), folder.gid()));
                }
                _ => {
                    faults.why.push(format!(
                        "{}: {} is not a folder",
                        mount.setting,
                        host.display()
                    ));
                    faults.hint = Some(format!("mkdir -p {}", host.display()));
                }
            }
            (MountType::BIND, host.display().to_string())
        } else {
            let name = volume_name(&plan.name, &mount.container);
            volumes.push(Volume {
                name: name.clone(),
                path: mount.container.clone(),
                owner: numbers(&user),
            });
            (MountType::VOLUME, name)
        };
        mounts.push(Mount {
            typ: Some(typ),
            source: Some(source),
            target: Some(mount.container.clone()),
            read_only: mount.read_only.then_some(true),
            ..Mount::default()
        });
    }
    (mounts, volumes, owner)
}

/// The volume of a folder, named after its path as volumes on a cluster are.
pub(crate) fn volume_name(server: &ServerName, path: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let path: String = path.trim_matches('/').chars().map(plain).collect();
    format!("mcpt-{server}.{path}")
}

/// User and group, where they are numbers; a user alone has the group of that number.
fn numbers(user: &str) -> Option<(u64, u64)> {
    let (user, group) = user.split_once(':').unwrap_or((user, user));
    Some((user.parse().ok()?, group.parse().ok()?))
}

#[cfg(test)]
mod tests;
