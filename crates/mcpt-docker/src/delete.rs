//! Deleting a server: all of it, and nothing else.

use std::{collections::HashMap, time::Duration};

use bollard::query_parameters::{ListVolumesOptions, RemoveVolumeOptions};
use futures_util::future::try_join_all;
use mcpt_core::{
    Backend as _, Capability, DeleteOptions, Deleted, Failure, FailureKind, Progress,
    ProgressEvent, ServerName,
};
use tokio::time::{Instant, sleep};

use crate::{
    engine::Engine,
    failure::{failure, is_missing},
    lock::{self, Intent, Lock},
    marks, package,
    unit::Group,
};

/// How long what appears while all is removed is removed, too.
const FINISHED: Duration = Duration::from_secs(20);
/// Between two removals.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a server may take to end when nobody can ask it anything any more, in seconds: as long as engines give by default.
const UNASKED: i32 = 10;

/// Ends the server gracefully and removes what is ours of it.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when nothing of it is there.
pub(crate) async fn delete(
    engine: &Engine,
    name: &ServerName,
    options: &DeleteOptions,
    progress: &dyn Progress,
) -> Result<Deleted, Failure> {
    let what = format!("cannot delete {name}");
    if options.delete_namespace {
        return Err(engine.unsupported(what, Capability::Namespaces));
    }
    let group = engine.group(name, &what).await?;
    let image = if let Some(any) = group.everything().next() {
        any.image.clone()
    } else {
        let data = options.purge_data && !volumes(engine, name, &what).await?.is_empty();
        match lock::image(engine, &what).await?.filter(|_| data) {
            Some(image) => image,
            None => return Err(engine.not_found(name).await),
        }
    };
    let lock = Lock::take(engine, name, Intent::Delete, &image, &what, progress).await?;
    let deleted = under_lock(engine, name, &lock, options, &what, progress).await;
    let released = lock.release(&what).await;
    let deleted = deleted?;
    released?;
    package::clear(engine, false, &what).await?;
    Ok(deleted)
}

async fn under_lock(
    engine: &Engine,
    name: &ServerName,
    lock: &Lock,
    options: &DeleteOptions,
    what: &str,
    progress: &dyn Progress,
) -> Result<Deleted, Failure> {
    let group = engine.group(name, what).await?;
    // Under the lock: the next deploy makes its volumes by the same names.
    let volumes = volumes(engine, name, what).await?;
    let only_data = options.purge_data && !volumes.is_empty();
    // Another command may have deleted it until now, or have died before it was whole or when it was all but gone.
    if !group.is_there() && lock.left().is_none() && !only_data {
        return Err(engine.not_found(name).await);
    }
    end(engine, &group, options, what, progress).await?;
    lock.settled(what).await?;
    if options.purge_data {
        purge(engine, &volumes, what).await?;
        return Ok(Deleted::default());
    }
    let kept = volumes.iter().map(|volume| format!("volume {volume:?}"));
    Ok(Deleted {
        kept: kept.collect(),
    })
}

async fn end(
    engine: &Engine,
    group: &Group,
    options: &DeleteOptions,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    progress.event(ProgressEvent::Step(format!("ending {}", group.name)));
    if options.wait.is_some() {
        progress.event(ProgressEvent::Waiting("waiting for its end".to_owned()));
        // The front first: it takes nobody in any more, and what is on its way is answered.
        if let Some(front) = &group.front {
            engine.stop(&[&front.id], None, what).await?;
        }
        let replicas: Vec<_> = group
            .replicas()
            .filter(|unit| unit.state != "exited")
            .collect();
        let ids: Vec<_> = replicas.iter().map(|unit| unit.id.as_str()).collect();
        engine.stop(&ids, Some(UNASKED), what).await?;
    }
    remove_all(engine, group, what).await
}

/// Removes all containers of a server but the lock, and its network. The front goes last: as long as it is there, so is a
/// server. What an engine still makes meanwhile, since a killed command had asked for it, is removed as well.
///
/// # Errors
/// When the engine refuses.
pub(crate) async fn remove_all(engine: &Engine, group: &Group, what: &str) -> Result<(), Failure> {
    let mut there = group.clone();
    let begun = Instant::now();
    loop {
        let ids = there.replicas().chain(&there.installer);
        let ids: Vec<_> = ids.map(|unit| unit.id.as_str()).collect();
        engine.remove(&ids, what).await?;
        if let Some(front) = &there.front {
            engine.remove(&[&front.id], what).await?;
        }
        // Refused as long as one is made that is to be in it.
        let removed = remove_network(engine, &group.name, what).await;
        there = engine.group(&group.name, what).await?;
        let nothing = there.all().chain(&there.installer).next().is_none();
        match removed {
            Ok(()) if nothing => return Ok(()),
            _ if begun.elapsed() < FINISHED => {}
            Err(failure) => return Err(failure),
            Ok(()) => {
                return Err(Failure::new(FailureKind::Failed, what)
                    .because("containers of it are made again and again while they are removed"));
            }
        }
        sleep(PAUSE).await;
    }
}

/// Removes the server's network, if it is ours.
pub(crate) async fn remove_network(
    engine: &Engine,
    server: &ServerName,
    what: &str,
) -> Result<(), Failure> {
    let name = marks::front(server);
    let found = engine
        .api
        .inspect_network(
            &name,
            None::<bollard::query_parameters::InspectNetworkOptions>,
        )
        .await;
    let labels = match found {
        Ok(network) => network.labels.unwrap_or_default(),
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(failure(what, &error)),
    };
    if labels.get(marks::SERVER).map(String::as_str) != Some(server.as_str()) {
        return Ok(());
    }
    match engine.api.remove_network(&name).await {
        Err(error) if !is_missing(&error) => Err(failure(what, &error)),
        _ => Ok(()),
    }
}

/// The names of the volumes of a server.
async fn volumes(engine: &Engine, server: &ServerName, what: &str) -> Result<Vec<String>, Failure> {
    let label = format!("{}={server}", marks::SERVER);
    let options = ListVolumesOptions {
        filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
    };
    let found = engine.api.list_volumes(Some(options)).await;
    let found = found.map_err(|error| failure(what, &error))?.volumes;
    let names = found.into_iter().flatten().map(|volume| volume.name);
    let prefix = format!("mcpt-{server}.");
    // A label alone makes nothing ours.
    Ok(names.filter(|name| name.starts_with(&prefix)).collect())
}

async fn purge(engine: &Engine, volumes: &[String], what: &str) -> Result<(), Failure> {
    let removals = volumes.iter().map(|volume| async move {
        match engine
            .api
            .remove_volume(volume, None::<RemoveVolumeOptions>)
            .await
        {
            Err(error) if !is_missing(&error) => Err(failure(what, &error)),
            _ => Ok(()),
        }
    });
    try_join_all(removals).await.map(drop)
}
