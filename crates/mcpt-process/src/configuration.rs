//! The configuration of a server: from the plan to what a supervisor gets, its digest, and what of it may be shown.

use std::{collections::BTreeMap, fmt::Write as _};

use mcpt_core::{Failure, Plan, REDACTED, Transport};
use mcpt_package::Tree;
use mcpt_workload::Endpoint;
use sha2::{Digest as _, Sha256};

use crate::{
    command,
    wire::{InstalledPackage, ServerSpec},
};

/// What the plan says about the server, in the form that supervisors get. `tree` is its package as it is installed: without it
/// the spec of a package is only to be shown.
///
/// # Errors
/// When the plan cannot run as a local process.
pub(crate) fn server_spec(plan: &Plan, tree: Option<&Tree>) -> Result<ServerSpec, Failure> {
    let installed = tree.map(Tree::command);
    Ok(ServerSpec {
        sessions: plan.sessions,
        name: plan.name.clone(),
        template: plan.template.clone(),
        template_version: plan.template_version.clone(),
        command: command::command_line(plan, installed)?,
        refers: plan.has_secret_arguments(),
        package: plan.package.as_ref().map(|package| InstalledPackage {
            requested: package.requested.clone(),
            source: package.source(),
            leading: installed.map_or(1, <[String]>::len),
            tree: tree.map(|tree| tree.path().to_owned()).unwrap_or_default(),
            programs: tree
                .map(|tree| tree.programs().to_owned())
                .unwrap_or_default(),
        }),
        env: plan.env.clone(),
        secrets: plan
            .secrets
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect(),
        endpoint: match &plan.transport {
            Transport::Stdio => Endpoint::Stdio,
            Transport::Http {
                port,
                path,
                port_env,
            } => Endpoint::Http {
                port: *port,
                path: path.clone(),
                port_env: port_env.clone(),
            },
        },
    })
}

/// A digest of the configuration that tells nothing about it without the salt and the guess.
pub(crate) fn salted_digest(salt: &str, server: &ServerSpec) -> String {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update([0]);
    hash.update(env!("CARGO_PKG_VERSION"));
    // Maps are ordered, so equal specs have equal texts; an unserializable one equals nothing.
    hash.update(serde_json::to_vec(server).unwrap_or_default());
    let mut digest = format!("{salt}#");
    for byte in hash.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

pub(crate) fn digest_matches(digest: &str, server: &ServerSpec) -> bool {
    digest
        .rsplit_once('#')
        .is_some_and(|(salt, _)| salted_digest(salt, server) == digest)
}

/// What a deployment of the plan would start, secrets redacted; of a package what it was resolved to.
pub(crate) fn manifest(plan: &Plan, server: &ServerSpec) -> String {
    let mut env: BTreeMap<&str, &str> = server
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    env.extend(server.secrets.keys().map(|name| (name.as_str(), REDACTED)));
    let mut value = serde_json::json!({
        "name": server.name,
        "command": server.command,
        "env": env,
        "endpoint": server.endpoint,
    });
    if let Some(package) = &plan.package {
        value["package"] = mcpt_package::described(package);
    }
    if plan.package.is_none() || !server.template_version.is_empty() {
        value["template"] = serde_json::json!(server.template);
        value["templateVersion"] = serde_json::json!(server.template_version);
    }
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use mcpt_core::{ServerName, Sessions, TemplateId};

    use super::*;

    fn plan() -> Plan {
        Plan {
            template_version: "1".to_owned(),
            local_command: vec!["mcpt".to_owned()],
            ..Plan::bare(
                ServerName::new("demo").unwrap(),
                TemplateId::new("demo").unwrap(),
                Transport::Stdio,
            )
        }
    }

    fn server(secret: &str) -> ServerSpec {
        ServerSpec {
            name: ServerName::new("demo").unwrap(),
            template: TemplateId::new("demo").unwrap(),
            template_version: "1".to_owned(),
            package: None,
            command: vec!["mcpt".to_owned(), "demo".to_owned()],
            refers: false,
            env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            secrets: BTreeMap::from([("TOKEN".to_owned(), secret.to_owned())]),
            endpoint: Endpoint::Stdio,
            sessions: Sessions::Stateful,
        }
    }

    #[test]
    fn a_digest_sees_a_changed_secret() {
        let digest = salted_digest("/x/run-1", &server("one"));
        assert!(digest_matches(&digest, &server("one")));
        assert!(!digest_matches(&digest, &server("two")));
        assert_ne!(digest, salted_digest("/x/run-2", &server("one")));
        assert!(!digest_matches("", &server("one")));
    }

    #[test]
    fn a_manifest_has_no_secret() {
        let text = manifest(&plan(), &server("hunter2"));
        assert!(text.contains("TOKEN") && text.contains(REDACTED), "{text}");
        assert!(!text.contains("hunter2"));
        assert!(!format!("{:?}", server("hunter2")).contains("hunter2"));
    }
}
