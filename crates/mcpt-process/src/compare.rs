//! What a deploy would change of a server that runs here. Its secrets are known to nobody but its supervisor: whether theirs are
//! the same is told by a digest of them.

use std::{collections::BTreeMap, fmt::Write as _};

use mcpt_core::{Comparison, Difference, REDACTED};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{state::RunState, wire::ServerSpec};

/// A digest of secrets, salted and cut short, so that no guess can be confirmed with it.
pub(crate) fn secrets_digest(salt: &str, secrets: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update([0]);
    // Maps are ordered, so equal ones have equal texts.
    hash.update(json!(secrets).to_string());
    let mut digest = format!("{salt}#");
    for byte in &hash.finalize()[..4] {
        // Writing to a string cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

/// Compares what runs with what would run.
pub(crate) fn with_running(running: Option<&RunState>, server: &ServerSpec) -> Comparison {
    let after = "what would be deployed".to_owned();
    let Some(running) = running else {
        let difference = Difference::of("server".to_owned(), None, Some(shown(server)), &[]);
        return Comparison {
            before: "nothing".to_owned(),
            after,
            differences: difference.into_iter().collect(),
        };
    };
    let mut new = shown(server);
    let mut old = json!({
        "template": running.template,
        "templateVersion": running.template_version,
        "source": running.source,
        "sessions": running.sessions,
        "transport": running.transport,
    });
    let (secret, plain): (BTreeMap<_, _>, BTreeMap<_, _>) = running
        .env
        .iter()
        .partition(|(_, value)| *value == REDACTED);
    old["env"] = json!(plain);
    // Equal ones stand for values that are equal; which of several differ is not known.
    let same = running.secrets_digest.as_ref().is_none_or(|digest| {
        let salt = digest.rsplit_once('#').map(|(salt, _)| salt);
        salt.is_some_and(|salt| secrets_digest(salt, &server.secrets) == *digest)
    });
    let of_names = |names: Vec<&String>, value: &str| -> BTreeMap<String, String> {
        let each = names.into_iter();
        each.map(|name| (name.clone(), value.to_owned())).collect()
    };
    let value = if same { "the same" } else { "another one" };
    old["secrets"] = json!(of_names(secret.into_keys().collect(), "the same"));
    new["secrets"] = json!(of_names(server.secrets.keys().collect(), value));
    let difference = Difference::of("server".to_owned(), Some(old), Some(new), &[]);
    Comparison {
        before: "what runs".to_owned(),
        after,
        differences: difference.into_iter().collect(),
    }
}

/// What of a server can be compared, but its secrets.
fn shown(server: &ServerSpec) -> Value {
    json!({
        "template": server.template,
        "templateVersion": server.template_version,
        "source": server.shown(),
        "sessions": server.sessions,
        "transport": server.endpoint.transport(),
        "env": server.env,
        "secrets": server.secrets,
    })
}
