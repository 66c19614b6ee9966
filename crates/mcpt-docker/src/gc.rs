//! What commands that died left behind on an engine, and its removal.

use std::collections::{BTreeSet, HashMap};

use bollard::query_parameters::ListNetworksOptions;
use mcpt_core::{Failure, Garbage, GcOptions, Progress, ProgressEvent, ServerName};

use crate::{
    change, delete,
    engine::Engine,
    failure::failure,
    lock::{self, Intent, Lock},
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
            // What another one cleans up is clean as well when this one ends.
            if group.is_being_cleaned() && !options.dry_run {
                garbage.extend(Box::pin(clean(engine, group, what, progress)).await?);
            }
            continue;
        }
        let found = left(group);
        if found.is_empty() {
            continue;
        }
        if options.dry_run {
            garbage.extend(found);
            continue;
        }
        progress.event(ProgressEvent::Step(format!("cleaning up {}", group.name)));
        garbage.extend(Box::pin(clean(engine, group, what, progress)).await?);
    }
    for server in networks(engine, what).await? {
        // Looked at anew: a deploy that began meanwhile has its lock before its network.
        let group = engine.group(&server, what).await?;
        if group.everything().next().is_some() {
            continue;
        }
        if !options.dry_run && !remove_network(engine, &server, what, progress).await? {
            continue;
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
    let locks = group.lock.iter().chain(&group.dead_lock);
    let why = "the command that held it is dead";
    all.extend(
        locks
            .clone()
            .map(|lock| found(format!("container {}", lock.name), why)),
    );
    if locks.clone().any(|lock| Intent::of(lock) == Intent::Delete) {
        let why = "its deletion was begun";
        let rest = group.all().chain(&group.installer);
        all.extend(rest.map(|unit| found(format!("container {}", unit.name), why)));
        return all;
    }
    let died = has_died(group);
    if let Some(installer) = &group.installer {
        let why = "the command that waited for it is dead";
        all.push(found(format!("container {}", installer.name), why));
    }
    let replaced = group.current().is_some();
    // Those of a first deployment that failed are there to be looked at, unless its command died.
    if replaced || died {
        let why = "the command that tried it is dead";
        all.extend(
            group
                .trial
                .iter()
                .map(|unit| found(format!("container {}", unit.name), why)),
        );
    }
    let why = "the command that ended it is dead";
    let ending = group.ending.iter();
    all.extend(ending.map(|unit| found(format!("container {}", unit.name), why)));
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
    if !replaced && (group.trial.is_empty() || died) {
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

/// Whether a command died that made or changed the server. One that cleaned up has made nothing.
fn has_died(group: &Group) -> bool {
    let mut locks = group.lock.iter().chain(&group.dead_lock);
    locks.any(|lock| Intent::of(lock) != Intent::Clean)
}

/// Cleans up one server of which this was seen, and tells what was taken away: nothing when another command works on it by now, or
/// has since.
async fn clean(
    engine: &Engine,
    seen: &Group,
    what: &str,
    progress: &dyn Progress,
) -> Result<Vec<Garbage>, Failure> {
    let Some(any) = seen.everything().next() else {
        return Ok(Vec::new());
    };
    let (name, image) = (&seen.name, &any.image);
    let lock = Lock::try_take(engine, name, Intent::Clean, image, what, progress).await?;
    let Some(lock) = lock else {
        return Ok(Vec::new());
    };
    let cleaned = async {
        let now = engine.group(name, what).await?;
        // Its own lock is none that was left.
        let now = Group { lock: None, ..now };
        let containers = |group: &Group| -> BTreeSet<String> {
            group.all().map(|unit| unit.id.clone()).collect()
        };
        // An engine may go on with what a dead command asked for: where that had the lock, what is new is its own.
        let died = has_died(seen) || lock.left().is_some();
        if now.current().is_none() && !died && !containers(&now).is_subset(&containers(seen)) {
            // What is there is of a later deployment that has failed, and is left to be looked at.
            return Ok(Vec::new());
        }
        let found = left(&now);
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let group = change::settle(engine, name, &lock, what, progress).await?;
        if group.current().is_none() {
            delete::remove_all(engine, &group, what).await?;
            return Ok(found);
        }
        let installer: Vec<_> = group
            .installer
            .iter()
            .map(|unit| unit.id.as_str())
            .collect();
        engine.remove(&installer, what).await?;
        Ok(found)
    };
    let cleaned: Result<Vec<Garbage>, Failure> = Box::pin(cleaned).await;
    let released = lock.release(what).await;
    let cleaned = cleaned?;
    released.map(|()| cleaned)
}

/// Removes the network of a server of which nothing else is there; `false` when that has changed.
async fn remove_network(
    engine: &Engine,
    server: &ServerName,
    what: &str,
    progress: &dyn Progress,
) -> Result<bool, Failure> {
    let lock = match lock::image(engine, what).await? {
        Some(image) => {
            let intent = Intent::Clean;
            match Lock::try_take(engine, server, intent, &image, what, progress).await? {
                Some(lock) => Some(lock),
                None => return Ok(false),
            }
        }
        // Without an image nobody has a lock, and nobody makes containers.
        None => None,
    };
    let removed = async {
        let group = engine.group(server, what).await?;
        if group.all().chain(&group.installer).next().is_some() {
            return Ok(false);
        }
        delete::remove_network(engine, server, what).await?;
        Ok(true)
    };
    let removed: Result<bool, Failure> = removed.await;
    let released = match lock {
        Some(lock) => lock.release(what).await,
        None => Ok(()),
    };
    let removed = removed?;
    released.map(|()| removed)
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
