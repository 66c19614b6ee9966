//! Revisions: those whose containers are kept, and the way back to one of them.

use mcpt_core::{
    Backend as _, ChangeOptions, Failure, FailureKind, Progress, Revision, RevisionEntry, Server,
    ServerName,
};

use crate::{
    body::Template,
    change::{self, Change},
    engine::Engine,
    lock::{Intent, Lock},
    marks, own_image, server,
    unit::{Group, Unit},
};

/// The revisions that are kept, the oldest first.
pub(crate) fn entries(group: &Group) -> Vec<RevisionEntry> {
    let current = group.current().map(|(revision, _)| revision);
    let kept = group.revisions.iter().map(|(revision, units)| {
        let status = if Some(*revision) == current {
            "deployed"
        } else {
            "superseded"
        };
        entry(*revision, units, status)
    });
    let mut all: Vec<_> = kept.collect();
    if current.is_none() && !group.trial.is_empty() && !group.is_being_changed() {
        let revision = group.next_revision() - 1;
        let mut failed = entry(revision, &group.trial, "failed");
        "Install failed".clone_into(&mut failed.description);
        all.push(failed);
    }
    all
}

fn entry(revision: u32, units: &[Unit], status: &str) -> RevisionEntry {
    let first = units.first();
    let label = |name: &str| {
        let text = first.and_then(|unit| unit.label(name));
        text.unwrap_or_default().to_owned()
    };
    RevisionEntry {
        revision: Revision(revision),
        updated: server::time(first.map_or(0, |unit| unit.created)),
        status: status.to_owned(),
        chart: String::new(),
        app_version: label(marks::VERSION),
        source: label(marks::SOURCE),
        description: label(marks::DESCRIPTION),
    }
}

/// Makes an earlier revision run again as a new one: of the same image, to the byte, with the same settings and secrets.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is none such, otherwise as a deploy.
pub(crate) async fn rollback(
    engine: &Engine,
    name: &ServerName,
    to: Option<Revision>,
    options: &ChangeOptions,
    progress: &dyn Progress,
) -> Result<Server, Failure> {
    let what = format!("cannot roll {name} back");
    if !engine.group(name, &what).await?.is_there() {
        return Err(engine.not_found(name).await);
    }
    own_image::ensure(engine, &what, progress).await?;
    let image = own_image::reference();
    let lock = Lock::take(engine, name, Intent::Change, &image, &what, progress).await?;
    let changed = async {
        Box::pin(change(engine, name, &lock, to, options, &what, progress)).await?;
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
    to: Option<Revision>,
    options: &ChangeOptions,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let group = change::settle(engine, name, lock, what, progress).await?;
    if !group.is_there() {
        return Err(lock.explain(engine.not_found(name).await));
    }
    let missing = |why: String| {
        Failure::new(FailureKind::NotFound, what)
            .because(why)
            .hint(format!(
                "{} shows the revisions that are kept",
                engine.command(&format!("history {name}"))
            ))
    };
    let found = match to {
        Some(Revision(wanted)) => group
            .revisions
            .get_key_value(&wanted)
            .map(|(revision, units)| (*revision, units.as_slice())),
        None => group.earlier().last(),
    };
    let (revision, units) = found.ok_or_else(|| {
        missing(match to {
            Some(revision) => format!("there is no revision {revision}"),
            None => "there is no revision before the current one".to_owned(),
        })
    })?;
    let kept = match units.first() {
        Some(unit) => engine.inspect(&unit.id, what).await?,
        None => None,
    };
    let template = kept.and_then(|container| Template::of_container(name, &container));
    let template =
        template.ok_or_else(|| missing(format!("revision {revision} is not kept any more")))?;
    let digest = template.label(marks::DIGEST).unwrap_or_default().to_owned();
    let replicas = group.current().map_or(1, |(_, units)| units.len() as u32);
    let change = Change {
        engine,
        secrets: template.secrets(),
        template: template.described(&format!("Rollback to {revision}"), digest),
        replicas,
        wait: options.wait,
        timeout: options.timeout,
        atomic: false,
        what,
    };
    change.perform(&group, progress).await
}
