//! From a [`Plan`] to values of the chart `mcp-server`.

use mcpt_core::{Mount, Plan, Sessions, Transport, before_server, reference};
use serde_json::{Map, Value, json};

/// Port of the bridge, which serves stdio servers in a container.
const BRIDGE_PORT: u16 = 8080;
/// The binary in a container that has a bridge.
const MCPT: &str = "/mcpt-bin/mcpt";
/// Path of the bridge's MCP endpoint.
const BRIDGE_PATH: &str = "/mcp";

/// Values that make the chart `mcp-server` run the plan; what the plan leaves open is left to the chart's defaults.
///
/// The values contain the plan's secrets in clear, under `secrets` and `package.settings` alone, from where they reach the
/// release's Secrets and nothing else. A plan without image gives values without image.
pub fn chart_values(plan: &Plan) -> Map<String, Value> {
    let mut values = Map::new();
    if let Some(image) = &plan.image {
        let mut block = Map::new();
        block.insert("repository".into(), json!(image.repository));
        block.insert("tag".into(), json!(image.version()));
        if let Some(policy) = &image.pull_policy {
            block.insert("pullPolicy".into(), json!(policy));
        }
        values.insert("image".into(), Value::Object(block));
    }
    if let Some(replicas) = plan.replicas {
        values.insert("replicaCount".into(), json!(replicas));
    }
    values.insert("mcp".into(), mcp(plan));
    if let Some(package) = &plan.package {
        let mut block = Map::new();
        // A text, since YAML's numbers and a chart's merging are nothing for a lock.
        block.insert("lock".into(), json!(json!(package).to_string()));
        if !plan.package_settings.is_empty() {
            let settings: Map<_, _> = plan
                .package_settings
                .iter()
                .map(|(name, text)| (name.clone(), json!(text.expose())))
                .collect();
            block.insert("settings".into(), Value::Object(settings));
        }
        values.insert("package".into(), Value::Object(block));
    }
    if !plan.env.is_empty() {
        values.insert("env".into(), json!(plan.env));
    }
    if !plan.secrets.is_empty() {
        let secrets: Map<_, _> = plan
            .secrets
            .iter()
            .map(|(name, secret)| (name.clone(), json!(secret.expose())))
            .collect();
        values.insert("secrets".into(), Value::Object(secrets));
    }
    if !plan.mounts.is_empty() {
        values.insert(
            "workspace".into(),
            json!({ "mounts": workspace_mounts(&plan.mounts) }),
        );
    }
    let mut resources = Map::new();
    for (kind, amounts) in [
        ("requests", &plan.resources.requests),
        ("limits", &plan.resources.limits),
    ] {
        if !amounts.is_empty() {
            resources.insert(kind.into(), json!(amounts));
        }
    }
    if !resources.is_empty() {
        values.insert("resources".into(), Value::Object(resources));
    }
    values
}

fn mcp(plan: &Plan) -> Value {
    let (transport, port, path, port_env) = match &plan.transport {
        Transport::Stdio => ("stdio", BRIDGE_PORT, BRIDGE_PATH, None),
        Transport::Http {
            port,
            path,
            port_env,
        } => ("http", *port, path.as_str(), port_env.as_deref()),
    };
    let (command, args) = words(plan);
    let mut mcp = json!({
        "transport": transport,
        "port": port,
        "path": path,
        "portEnv": port_env.unwrap_or_default(),
        "command": command,
        "args": args,
        "sessions": match plan.sessions {
            Sessions::Stateful | Sessions::Single => "stateful",
            Sessions::Stateless => "stateless",
        },
        "template": plan.template.as_str(),
        "templateVersion": plan.template_version,
    });
    if plan.package.is_some() && plan.template_version.is_empty() {
        // It comes from none.
        mcp["template"] = json!("");
    }
    if plan.sessions == Sessions::Single {
        mcp["maxSessions"] = json!(1);
    }
    mcp
}

/// Command and arguments. Kubernetes replaces `$(NAME)` and reads `$$` as one dollar, as [`mcpt_core::Arg::reference`] has it: so it fills in
/// what a server over HTTP refers to. The bridge gets all words as they stand, since its own must hold no secret, and starts its
/// server by `mcpt fill`.
fn words(plan: &Plan) -> (Vec<String>, Vec<String>) {
    let folder = |index: usize| {
        let mount = plan.mounts.get(index);
        mount.map_or_else(String::new, |mount| mount.container.clone())
    };
    let command = plan.container_command.iter();
    let args = plan.args.iter().map(|arg| arg.reference(folder));
    if plan.transport != Transport::Stdio || !plan.has_secret_arguments() {
        return (
            command.map(|word| reference(word)).collect(),
            args.collect(),
        );
    }
    let fill = std::iter::once(MCPT).chain(before_server::FILL);
    let fill = fill.map(str::to_owned);
    let command = command.enumerate().map(|(index, word)| match index {
        0 => word.clone(),
        _ => reference(word),
    });
    let command = fill.chain(command).map(|word| reference(&word));
    (
        command.collect(),
        args.map(|word| reference(&word)).collect(),
    )
}

/// All mounts share one volume, so each gets a folder of its own there, named after its path: adding a mount later
/// does not move the data of another.
fn workspace_mounts(mounts: &[Mount]) -> Vec<Value> {
    let mut taken: Vec<String> = Vec::new();
    mounts
        .iter()
        .map(|mount| {
            let base = mount.container.trim_matches('/').replace('/', "-");
            let mut folder = base.clone();
            let mut n = 2;
            while taken.contains(&folder) {
                folder = format!("{base}-{n}");
                n += 1;
            }
            taken.push(folder.clone());
            json!({ "path": mount.container, "subPath": folder })
        })
        .collect()
}
