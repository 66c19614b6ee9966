//! What commands that died left behind on an engine, and its removal.

use std::collections::HashMap;

use bollard::query_parameters::ListNetworksOptions;
use mcpt_core::{Failure, Garbage, GcOptions, Progress, ProgressEvent, ServerName};

use crate::{
    change, delete,
    engine::Engine,
    failure::failure,
    lock::Lock,
    marks, package, restart,
    unit::{Group, Unit},
};

/// Removes what was left, or with a dry run only says what that is. What a command that may live still works on is left alone.
///
/// # Errors
/// When the engine cannot be asked or refuses.
pub(crate) async fn gc(
    engine: &Engine,
    options: &GcOptions,
    progress: &dyn Progress,
) -> Result<Vec<Garbage>, Failure> {
    let what = "cannot clean up";
    let mut garbage = Vec::new();
    for group in &engine.groups(what).await? {
        if group.is_being_changed() {
            continue;
        }
        let found = left(group);
        if found.is_empty() {
            continue;
        }
        if !options.dry_run {
            progress.event(ProgressEvent::Step(format!("cleaning up {}", group.name)));
            clean(engine, group, what, progress).await?;
        }
        garbage.extend(found);
    }
    for server in networks(engine, what).await? {
        // Looked at anew: a deploy that began meanwhile has its lock before its network.
        let group = engine.group(&server, what).await?;
        if group.everything().next().is_some() {
            continue;
        }
        if !options.dry_run {
            delete::remove_network(engine, &server, what).await?;
        }
        garbage.push(Garbage {
            object: format!("network {}", marks::front(&server)),
            namespace: None,
            reason: "no container is left of its server".to_owned(),
        });
    }
    garbage.extend(package::clear(engine, options.dry_run, what).await?);
    Ok(garbage)
}

/// What of a server nobody needs.
fn left(group: &Group) -> Vec<Garbage> {
    let found = |object: String, reason: &str| Garbage {
        object,
        namespace: None,
        reason: reason.to_owned(),
    };
    let mut all = Vec::new();
    if let Some(lock) = &group.lock {
        let why = "the command that held it is dead";
        all.push(found(format!("container {}", lock.name), why));
    }
    if let Some(installer) = &group.installer {
        let why = "the command that waited for it is dead";
        all.push(found(format!("container {}", installer.name), why));
    }
    let replaced = group.current().is_some();
    // Those of a first deployment that failed are there to be looked at, unless its command died.
    if replaced || group.lock.is_some() {
        let why = "the command that tried it is dead";
        all.extend(
            group
                .trial
                .iter()
                .map(|unit| found(format!("container {}", unit.name), why)),
        );
    }
    let running = group
        .earlier()
        .flat_map(|(_, units)| units)
        .filter(|unit| unit.state != "exited");
    all.extend(running.map(|unit| {
        found(
            format!("container {}", unit.name),
            "a later revision took its place",
        )
    }));
    if let Some((_, units)) = group.current()
        && restart::is_unfinished(group)
    {
        let why = "the command that restarted its server is dead";
        let last = units.iter().map(Unit::start).max();
        let older = units.iter().filter(|unit| Some(unit.start()) != last);
        all.extend(older.map(|unit| found(format!("container {}", unit.name), why)));
    }
    if !replaced && (group.trial.is_empty() || group.lock.is_some()) {
        let why = "no replica is left behind it";
        all.extend(
            group
                .front
                .iter()
                .map(|unit| found(format!("container {}", unit.name), why)),
        );
    }
    all
}

async fn clean(
    engine: &Engine,
    group: &Group,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let Some(any) = group.everything().next() else {
        return Ok(());
    };
    let lock = Lock::take(engine, &group.name, &any.image, what).await?;
    let cleaned = async {
        let group = change::settle(engine, &group.name, what, progress).await?;
        if group.current().is_none() {
            return delete::remove_all(engine, &group, what).await;
        }
        let installer: Vec<_> = group
            .installer
            .iter()
            .map(|unit| unit.id.as_str())
            .collect();
        engine.remove(&installer, what).await
    };
    let cleaned = cleaned.await;
    let released = lock.release(what).await;
    cleaned.and(released)
}

/// The servers that have a network of ours.
async fn networks(engine: &Engine, what: &str) -> Result<Vec<ServerName>, Failure> {
    let options = ListNetworksOptions {
        filters: Some(HashMap::from([(
            "label".to_owned(),
            vec![marks::SERVER.to_owned()],
        )])),
    };
    let found = engine.api.list_networks(Some(options)).await;
    let found = found.map_err(|error| failure(what, &error))?;
    let servers = found.into_iter().filter_map(|network| {
        let server = ServerName::new(network.labels?.get(marks::SERVER)?.clone()).ok()?;
        (network.name? == marks::front(&server)).then_some(server)
    });
    Ok(servers.collect())
}
