//! Removing objects of a release, and only those: in Helm's order, each with its dependents, until they are gone.

use futures_util::future::try_join_all;
use helm_render::uninstall_order;
use kube::core::ObjectMeta;
use mcpt_core::{Failure, Progress, ProgressEvent};

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

/// Waits until all are gone.
///
/// # Errors
/// When they cannot be watched.
pub(crate) async fn gone(
    applier: &Applier,
    asked: &[(Object, ObjectMeta)],
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
    try_join_all(waits).await.map(drop)
}
