//! Installed packages in the state folder: made before a server starts, and cleared away when no run names them.

use std::{collections::BTreeSet, io, path::PathBuf};

use mcpt_core::{
    CommandOption, DeployOptions, Failure, FailureKind, Garbage, Package, Plan, Progress,
};
use mcpt_package::{Store, Tree};
use mcpt_workload::own_files;
use tokio::time::timeout;

use crate::{folder::StateFolder, state::RunState};

fn store(state: &StateFolder) -> Store {
    Store::new(folder(state))
}

fn folder(state: &StateFolder) -> PathBuf {
    state.path().join("packages")
}

/// The package of a plan, installed now if it is not yet; `None` when the plan has none.
///
/// # Errors
/// A failure that names the cause; [`FailureKind::TimedOut`] when it takes longer than the options allow.
pub(crate) async fn installed(
    state: &StateFolder,
    plan: &Plan,
    options: &DeployOptions,
    progress: &dyn Progress,
) -> Result<Option<Tree>, Failure> {
    let Some(package) = &plan.package else {
        return Ok(None);
    };
    let what = format!("cannot deploy {}", plan.name);
    let checked = own_files::check_named_folder(state.path())
        .and_then(|()| own_files::create_folder(&folder(state)));
    checked.map_err(|error| {
        Failure::new(FailureKind::Failed, &what)
            .because(format!("state folder {}: {error}", state.path().display()))
    })?;
    let installing = async { store(state).install(package, progress).await };
    match timeout(options.timeout, installing).await {
        Ok(tree) => Ok(Some(tree?)),
        Err(_) => Err(late(package, options, &what)),
    }
}

/// A package was not installed in time. What its authors have run may build for long, or wait for something that is not there.
fn late(package: &Package, options: &DeployOptions, what: &str) -> Failure {
    let mut failure = Failure::new(FailureKind::TimedOut, what).because(format!(
        "{} was not installed within {} s",
        package.source(),
        options.timeout.as_secs()
    ));
    if !package.install_scripts.is_empty() {
        failure = failure.because(format!(
            "install scripts run for it, which may build or fetch something: those of {}; {} leaves them out",
            package.install_scripts.join(", "),
            CommandOption::NoInstallScripts
        ));
    }
    failure.hint(format!("give it more time with {}", CommandOption::Timeout))
}

/// Installed packages that no run names, removed unless it is a dry run. None of them while the state of any run cannot be
/// read: it may name one.
///
/// # Errors
/// When a folder cannot be read or removed.
pub(crate) fn clear(state: &StateFolder, dry_run: bool) -> io::Result<Vec<Garbage>> {
    let store = store(state);
    let Some(in_use) = used(state) else {
        return Ok(Vec::new());
    };
    let mut garbage = Vec::new();
    for tree in store.unused(&in_use)? {
        // A state that cannot be read any more may name it.
        let is_used = |name: &str| used(state).is_none_or(|used| used.contains(name));
        if dry_run || store.remove(&tree, is_used)? {
            garbage.push(Garbage {
                reason: if tree.whole {
                    "no server runs from it".to_owned()
                } else {
                    "the command that installed it died".to_owned()
                },
                object: format!("package {}", tree.name),
                namespace: None,
            });
        }
    }
    Ok(garbage)
}

/// The names of the folders of trees that runs name.
fn used(state: &StateFolder) -> Option<BTreeSet<String>> {
    named_by_runs(state, |run| {
        let tree = run.package.as_ref().map(|package| &package.tree);
        let name = tree.and_then(|tree| tree.file_name()?.to_str());
        name.map(str::to_owned).into_iter().collect()
    })
}

/// What the runs of all servers name; `None` while the state of any cannot be read.
pub(crate) fn named_by_runs(
    state: &StateFolder,
    named: impl Fn(&RunState) -> Vec<String>,
) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for name in state.names().ok()? {
        for run in state.server(&name).runs().ok()? {
            let run = RunState::read(&run).ok()?;
            all.extend(run.iter().flat_map(&named));
        }
    }
    Some(all)
}
