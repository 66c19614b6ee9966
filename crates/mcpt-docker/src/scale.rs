//! Changing how many replicas of the current revision there are.

use mcpt_core::{
    Backend as _, Capability, ChangeOptions, Failure, FailureKind, Progress, ProgressEvent, Scale,
    Server, ServerName,
};

use crate::{
    body::Template,
    change::{self, Change},
    engine::Engine,
    lock::{Intent, Lock},
    own_image, restart, server,
    unit::{Group, Unit},
};

/// Changes the number of replicas. That is no new revision: a replica does not know how many others there are.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is no such server, otherwise as a deploy.
pub(crate) async fn scale(
    engine: &Engine,
    name: &ServerName,
    scale: &Scale,
    options: &ChangeOptions,
    progress: &dyn Progress,
) -> Result<Server, Failure> {
    let what = format!("cannot scale {name}");
    let replicas = match scale {
        Scale::To(0) => {
            return Err(Failure::new(FailureKind::Usage, what)
                .because("a server without an instance answers nobody")
                .hint(format!(
                    "end it instead: {}",
                    engine.command(&format!("delete {name}"))
                )));
        }
        Scale::To(replicas) => *replicas,
        Scale::Auto(_) => return Err(engine.unsupported(what, Capability::Autoscaling)),
    };
    if engine.group(name, &what).await?.current().is_none() {
        return Err(engine.not_found(name).await);
    }
    own_image::ensure(engine, &what, progress).await?;
    let image = own_image::reference();
    let lock = Lock::take(engine, name, Intent::Change, &image, &what, progress).await?;
    let changed = async {
        Box::pin(change(
            engine, name, &lock, replicas, options, &what, progress,
        ))
        .await?;
        // As long as nobody else may change it.
        server::now(engine, name, &what).await
    };
    let changed = changed.await;
    let released = lock.release(&what).await;
    let server = changed?;
    released.map(|()| server)
}

async fn change(
    engine: &Engine,
    name: &ServerName,
    lock: &Lock,
    replicas: u32,
    options: &ChangeOptions,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let group = change::settle(engine, name, lock, what, progress).await?;
    let first = group.current().and_then(|(_, units)| units.first());
    let kept = match first {
        Some(unit) => engine.inspect(&unit.id, what).await?,
        None => None,
    };
    let template = kept.and_then(|container| Template::of_container(name, &container));
    let Some(template) = template else {
        return Err(lock.explain(engine.not_found(name).await));
    };
    let change = Change {
        engine,
        secrets: template.secrets(),
        template,
        replicas,
        wait: options.wait,
        timeout: options.timeout,
        atomic: false,
        what,
    };
    to(&change, &group, progress).await
}

/// Brings the current revision to the number of replicas of a change, which is of an equal configuration.
///
/// # Errors
/// When a new replica does not pass its trial; those that were there stay.
pub(crate) async fn to(
    change: &Change<'_>,
    group: &Group,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let Some((revision, units)) = group.current() else {
        return change.perform(group, progress).await;
    };
    let there: Vec<u32> = units.iter().map(Unit::number).collect();
    let (stay, surplus) = units.split_at(units.len().min(change.replicas as usize));
    let missing: Vec<u32> = (1..)
        .filter(|number| !there.contains(number))
        .take(change.replicas as usize - stay.len())
        .collect();
    if !missing.is_empty() {
        change.add(group, revision, &missing, progress).await?;
    }
    if surplus.is_empty() {
        return Ok(());
    }
    progress.event(ProgressEvent::Step(format!(
        "ending {} replicas",
        surplus.len()
    )));
    restart::end(change.engine, group, stay, surplus, change.what).await
}
