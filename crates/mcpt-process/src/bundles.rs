//! Unpacked bundles in the state folder: which of them a run needs, and those that no run names cleared away.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use mcpt_bundle::Store;
use mcpt_core::Garbage;

use crate::{folder::StateFolder, state::RunState, wire::ServerSpec};

/// The folder of bundles.
pub(crate) fn folder(state: &StateFolder) -> PathBuf {
    state.path().join("bundles")
}

/// The folders of bundles that a server runs from: those that its command or its environment names.
pub(crate) fn named_in(server: &ServerSpec, state: &StateFolder) -> BTreeSet<PathBuf> {
    let folder = folder(state);
    let begin = format!("{}/", folder.display());
    let command = server.command.iter();
    let texts = command
        .chain(server.env.values())
        .chain(server.secrets.values());
    let named = texts.flat_map(|text| text.match_indices(&begin).map(move |(at, _)| (text, at)));
    let names = named.filter_map(|(text, at)| {
        let rest = text.get(at + begin.len()..)?;
        let name = rest.split(['/', ':', ' ', ',', ';', '"', '\'']).next()?;
        (!name.is_empty()).then(|| folder.join(name))
    });
    names.collect()
}

/// Bundles that no run names, removed unless it is a dry run. None of them while the state of any run cannot be read: it may name
/// one.
///
/// # Errors
/// When a folder cannot be read or removed.
pub(crate) fn clear(state: &StateFolder, dry_run: bool) -> io::Result<Vec<Garbage>> {
    let store = Store::new(folder(state));
    let Some(used) = used(state) else {
        return Ok(Vec::new());
    };
    let mut garbage = Vec::new();
    for bundle in store.unused(&used)? {
        if dry_run || store.remove(&bundle)? {
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

/// The folders that runs name, of all servers.
fn used(state: &StateFolder) -> Option<BTreeSet<PathBuf>> {
    let mut used = BTreeSet::new();
    for name in state.names().ok()? {
        for run in state.server(&name).runs().ok()? {
            let state = RunState::read(&run).ok()?;
            used.extend(state.map(|state| state.bundles).unwrap_or_default());
        }
    }
    Some(used)
}

/// The state folder of a run, by the run's own.
pub(crate) fn state_of(run: &Path) -> Option<StateFolder> {
    // servers/NAME/run-N
    let state = run.ancestors().nth(3)?;
    Some(StateFolder::new(state.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mcpt_core::{ServerName, Sessions, TemplateId};
    use mcpt_workload::Endpoint;

    use super::*;

    #[test]
    fn bundles_are_found_wherever_a_server_names_them() {
        let state = StateFolder::new(PathBuf::from("/s"));
        let variables =
            |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let server = ServerSpec {
            name: ServerName::new("demo").unwrap(),
            template: TemplateId::new("demo").unwrap(),
            template_version: String::new(),
            package: None,
            command: [
                "node",
                "--dir=/s/bundles/a-1/x",
                "/s/bundles",
                "/s/bundlesb/c",
            ]
            .map(str::to_owned)
            .into(),
            refers: false,
            env: variables("PATH", "/bin:/s/bundles/b-1/bin:/s/bundles/a-1"),
            secrets: variables("KEYS", "/s/bundles/c-1"),
            endpoint: Endpoint::Stdio,
            sessions: Sessions::Stateful,
        };
        let named = named_in(&server, &state);
        let expected = ["a-1", "b-1", "c-1"].map(|name| folder(&state).join(name));
        assert_eq!(named.into_iter().collect::<Vec<_>>(), expected);
        let run = Path::new("/s/servers/demo/run-3");
        assert_eq!(state_of(run).unwrap().path(), Path::new("/s"));
    }
}
