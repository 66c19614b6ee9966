//! Removing objects of a release, and only those: in Helm's order, each with its dependents, until they are gone.

use std::time::Duration;

use futures_util::future::try_join_all;
use helm_render::uninstall_order;
use kube::core::ObjectMeta;
use mcpt_core::{Failure, FailureKind, Progress, ProgressEvent};

use crate::{
    apply::Applier,
    manifest::{self, Object},
};

/// Asks for the deletion of the objects that are there and belong to the release. Returns them.
///
/// # Errors
/// When the API server refuses one of them; the others are asked for all the same.
pub(crate) async fn ask(
    applier: &Applier,
    objects: &[Object],
    what: &str,
) -> Result<Vec<(Object, ObjectMeta)>, Failure> {
    let mut asked = Vec::new();
    let mut failed: Option<Failure> = None;
    let mut ordered: Vec<&Object> = objects.iter().collect();
    ordered.sort_by(|a, b| uninstall_order(&a.kind, &b.kind));
    for object in ordered {
        match ask_one(applier, object).await {
            Ok(Some(live)) => asked.push((object.clone(), live)),
            Ok(None) => {}
            Err(failure) => match &mut failed {
                Some(first) => first.why.extend(failure.why),
                None => {
                    failed = Some(Failure {
                        what: what.to_owned(),
                        ..failure
                    });
                }
            },
        }
    }
    match failed {
        Some(failure) => Err(failure),
        None => Ok(asked),
    }
}

async fn ask_one(applier: &Applier, object: &Object) -> Result<Option<ObjectMeta>, Failure> {
    let Some(live) = applier.live(object).await? else {
        return Ok(None);
    };
    if let Some(why) = applier.foreign(&live) {
        tracing::debug!(object = object.label(), why, "left alone");
        return Ok(None);
    }
    if object.is_kept() || manifest::kept_alive(&live) {
        return Ok(None);
    }
    Ok(applier.delete(object, &live).await?.then_some(live))
}

/// Asks for the deletion of what hooks have left. Helm does not mark their objects with the release, so that only their name
/// and the hook annotation tell that they are its.
///
/// # Errors
/// When the API server refuses one of them.
pub(crate) async fn ask_hooks(
    applier: &Applier,
    objects: &[Object],
    what: &str,
) -> Result<Vec<(Object, ObjectMeta)>, Failure> {
    let mut asked = Vec::new();
    for object in objects {
        let ended = async {
            let live = applier.live(object).await?.filter(manifest::is_hook);
            let Some(live) = live else { return Ok(None) };
            Ok(applier.delete(object, &live).await?.then_some(live))
        };
        let ended: Result<_, Failure> = ended.await;
        let ended = ended.map_err(|failure| Failure {
            what: what.to_owned(),
            ..failure
        })?;
        asked.extend(ended.map(|live| (object.clone(), live)));
    }
    Ok(asked)
}

/// Waits until all are gone, but not forever: finalizers may hold them.
///
/// # Errors
/// When they cannot be watched; [`FailureKind::TimedOut`] with what is still there.
pub(crate) async fn gone(
    applier: &Applier,
    asked: &[(Object, ObjectMeta)],
    timeout: Duration,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let waits = asked.iter().map(|(object, live)| async move {
        applier.gone(object, live).await?;
        progress.event(ProgressEvent::Waiting(format!(
            "{} is gone",
            object.label()
        )));
        Ok::<(), Failure>(())
    });
    let failed = |failure| Failure {
        what: what.to_owned(),
        ..failure
    };
    if let Ok(done) = tokio::time::timeout(timeout, try_join_all(waits)).await {
        return done.map(drop).map_err(failed);
    }
    let late = format!("{what}: not done after {} s", timeout.as_secs());
    let mut failure = Failure::new(FailureKind::TimedOut, late);
    for (object, live) in asked {
        let now = applier.live(object).await.map_err(failed)?;
        if let Some(now) = now.filter(|now| now.uid == live.uid) {
            failure.why.push(still_there(object, &now));
        }
    }
    Err(failure)
}

/// What holds an object whose deletion was asked for.
pub(crate) fn still_there(object: &Object, live: &ObjectMeta) -> String {
    let holds = live.finalizers.as_deref().unwrap_or_default().join(", ");
    format!("{} is still there (finalizers: {holds})", object.label())
}
