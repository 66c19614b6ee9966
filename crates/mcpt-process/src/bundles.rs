//! Unpacked bundles in the state folder: which of them a run needs, and those that no run names cleared away.

use std::{collections::BTreeSet, io, path::PathBuf};

use mcpt_bundle::Store;
use mcpt_core::Garbage;

use crate::{folder::StateFolder, packages::named_by_runs, wire::ServerSpec};

/// The folder of bundles in the state folder.
const FOLDER: &str = "bundles";

/// The folder of bundles.
pub(crate) fn folder(state: &StateFolder) -> PathBuf {
    state.path().join(FOLDER)
}

/// The names of the bundles that a server runs from: those that its command or its environment has the paths of. A path to the
/// state folder may be written in several ways, so only what follows it is looked at.
pub(crate) fn named_in(server: &ServerSpec) -> BTreeSet<String> {
    let begin = format!("/{FOLDER}/");
    let command = server.command.iter();
    let texts = command
        .chain(server.env.values())
        .chain(server.secrets.values());
    let named = texts.flat_map(|text| text.match_indices(&begin).map(move |(at, _)| (text, at)));
    let paths = named.filter_map(|(text, at)| text.get(at + begin.len()..));
    let names = paths.map(|path| path.trim_start_matches('/'));
    names
        .filter_map(Store::name_in)
        .map(str::to_owned)
        .collect()
}

/// Bundles that no run names, removed unless it is a dry run. None of them while the state of any run cannot be read: it may name
/// one.
///
/// # Errors
/// When a folder cannot be read or removed.
pub(crate) fn clear(state: &StateFolder, dry_run: bool) -> io::Result<Vec<Garbage>> {
    let store = Store::new(folder(state));
    let Some(in_use) = used(state) else {
        return Ok(Vec::new());
    };
    let mut garbage = Vec::new();
    for bundle in store.unused(&in_use)? {
        // A state that cannot be read any more may name it.
        let is_used = |name: &str| used(state).is_none_or(|used| used.contains(name));
        if dry_run || store.remove(&bundle, is_used)? {
            garbage.push(Garbage {
                reason: if bundle.whole {
                    "no server runs from it".to_owned()
                } else {
                    "the command that unpacked it died".to_owned()
                },
                object: format!("bundle {}", bundle.name),
                namespace: None,
            });
        }
    }
    Ok(garbage)
}

/// The names that runs have, of all servers.
fn used(state: &StateFolder) -> Option<BTreeSet<String>> {
    named_by_runs(state, |run| {
        // Older versions kept paths.
        let names = run
            .bundles
            .iter()
            .filter_map(|path| path.rsplit('/').next());
        names.map(str::to_owned).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mcpt_core::{ServerName, Sessions, TemplateId};
    use mcpt_workload::Endpoint;

    use super::*;

    #[test]
    fn bundles_are_found_wherever_a_server_names_them() {
        let [a, b, c] = ["a-1", "b-2.0", "c"].map(|name| format!("{name}-0123456789abcdef"));
        let variables =
            |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let server = ServerSpec {
            name: ServerName::new("demo").unwrap(),
            template: TemplateId::new("demo").unwrap(),
            template_version: String::new(),
            package: None,
            command: vec![
                "node".to_owned(),
                format!("--dir=/s$$/bundles//{a}/x"),
                "/s/bundles".to_owned(),
                "/s/bundles/other".to_owned(),
                format!("/s/bundlesb/{c}"),
            ],
            refers: false,
            env: variables("PATH", &format!("/bin:/t/bundles/{b}/bin:/s/bundles/{a}")),
            secrets: variables("KEYS", &format!("'/s/bundles/{c}'")),
            endpoint: Endpoint::Stdio,
            sessions: Sessions::Stateful,
        };
        assert_eq!(named_in(&server), BTreeSet::from([a, b, c]));
    }
}
