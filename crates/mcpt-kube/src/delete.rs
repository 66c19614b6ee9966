//! The end of a server: all objects of its release, whatever state it is in, and its records last.

use helm_release::{Release, Status};
use mcpt_core::{DeleteOptions, Failure, FailureKind, Progress, ProgressEvent, ServerName};

use crate::{
    absent::last_of_server,
    apply::Applier,
    claim,
    cluster::Cluster,
    failure::chain,
    heartbeat::Heartbeat,
    manifest::{self, Object},
    records::{Record, Records, Work},
    removal,
};

/// Deletes a release. What a killed command left of it is finished by the next one, since the records go last.
pub(crate) async fn delete(
    cluster: &Cluster,
    name: &ServerName,
    options: &DeleteOptions,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let what = format!("cannot delete {name}");
    let records = Records::new(cluster.clone(), name.as_str());
    let history = claim::settled(cluster, &records, &what, progress).await?;
    let last = last_of_server(cluster, name, &history, "helm uninstall", &what).await?;
    let objects = objects(&history, &what)?;
    let hooks = hook_objects(&last.release, &what)?;

    let mut release = last.release.clone();
    release.info.status = Status::Uninstalling;
    "Deletion in progress (or silently failed)".clone_into(&mut release.info.description);
    release.info.deleted = Some(jiff::Timestamp::now().to_string());
    let version = last.resource_version();
    let Some(record) = records
        .replace(last, release, Work::UnderWay, version, &what)
        .await?
    else {
        return Err(Failure::new(FailureKind::Failed, what)
            .because("another command works on the release")
            .hint("try again"));
    };
    let mut heartbeat = Heartbeat::start(cluster, record.secret_name(), record.resource_version());
    let applier = Applier::new(cluster.clone(), name.to_string());
    let outcome = heartbeat
        .during(remove(&applier, &objects, &hooks, options, &what, progress))
        .await?;
    let version = heartbeat.stop().await?;
    if let Err(failure) = outcome {
        let mut release = record.release.clone();
        release.info.status = Status::Failed;
        release.info.description = format!("Deletion failed: {}", failure.why.join("; "));
        let _unless_taken_over = records
            .replace(&record, release, Work::Done, version, &what)
            .await?;
        return Err(failure);
    }
    // The latest goes last: as long as it is there, the command can be repeated.
    for old in &history {
        records.delete(old.release.version, &what).await?;
    }
    Ok(())
}

async fn remove(
    applier: &Applier,
    objects: &[Object],
    hooks: &[Object],
    options: &DeleteOptions,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    progress.event(ProgressEvent::Step(format!(
        "deleting {} objects",
        objects.len()
    )));
    let mut asked = removal::ask(applier, objects, what).await?;
    asked.extend(removal::ask_hooks(applier, hooks, what).await?);
    let Some(timeout) = options.wait else {
        return Ok(());
    };
    progress.event(ProgressEvent::Step(
        "waiting until they are gone".to_owned(),
    ));
    let gone = removal::gone(applier, &asked, timeout, what, progress).await;
    gone.map_err(|failure| match failure.kind {
        FailureKind::TimedOut => failure.hint("run the same command again to go on waiting"),
        _ => failure,
    })
}

/// Objects of all revisions, each once: an upgrade that was interrupted may have left those of several.
fn objects(history: &[Record], what: &str) -> Result<Vec<Object>, Failure> {
    let mut all: Vec<Object> = Vec::new();
    for record in history.iter().rev() {
        for object in parse(&record.release.manifest, what)? {
            if !all.iter().any(|other| other.same(&object)) {
                all.push(object);
            }
        }
    }
    Ok(all)
}

fn hook_objects(release: &Release, what: &str) -> Result<Vec<Object>, Failure> {
    let mut all = Vec::new();
    for hook in &release.hooks {
        all.extend(parse(&hook.manifest, what)?);
    }
    Ok(all)
}

fn parse(text: &str, what: &str) -> Result<Vec<Object>, Failure> {
    manifest::parse(text).map_err(|error| {
        Failure::new(FailureKind::Failed, what).because(format!(
            "a revision's manifest cannot be read: {}",
            chain(&error)
        ))
    })
}
