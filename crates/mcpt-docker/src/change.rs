//! [`Change`]: a new revision beside the old one, tried, and put into its place.

use std::{collections::HashMap, time::Duration};

use bollard::{models::VolumeCreateRequest, query_parameters::StartContainerOptions};
use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;
use mcpt_core::{
    Backend as _, CommandOption, Failure, FailureKind, Progress, ProgressEvent, Secret, ServerName,
};
use mcpt_workload::{Unready, until_ready, until_started};
use tokio::time::{Instant, timeout_at};

use crate::{
    body::{BRIDGE_FOLDER, Template},
    delete,
    engine::Engine,
    failure::failure,
    front,
    lock::{Intent, Lock},
    logs,
    marks::{self, Role, Stage},
    own_image, restart, trial,
    unit::{Group, Unit},
};

/// Revisions before the current one that are kept, one stopped replica of each.
const KEPT: usize = 5;
/// Log lines that a failure looks at.
const TAIL: u32 = 120;

/// What shall be made, and how.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) template: Template,
    pub(crate) replicas: u32,
    /// Whether each replica must have answered.
    pub(crate) wait: bool,
    pub(crate) timeout: Duration,
    /// Whether nothing may be left of a first deployment that fails.
    pub(crate) atomic: bool,
    /// What may not be shown of its log.
    pub(crate) secrets: Vec<Secret>,
    /// What fails if it fails.
    pub(crate) what: &'a str,
}

/// A replica on trial.
#[derive(Debug)]
struct Tried {
    id: String,
    number: u32,
    /// When it was made, in seconds since the epoch.
    since: i64,
}

impl Change<'_> {
    fn server(&self) -> &ServerName {
        &self.template.server
    }

    /// Makes the revision the server, of which this is what is there now. The lock must be held.
    ///
    /// # Errors
    /// Why a replica did not pass; what was the server before still is.
    pub(crate) async fn perform(
        &self,
        group: &Group,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let numbers: Vec<u32> = (1..=self.replicas).collect();
        self.add(group, group.next_revision(), &numbers, progress)
            .await
    }

    /// Adds replicas of these numbers to a revision, which may be a new one, and makes it the server.
    ///
    /// # Errors
    /// As [`Self::perform`].
    pub(crate) async fn add(
        &self,
        group: &Group,
        revision: u32,
        numbers: &[u32],
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let tried = self.try_out(group, revision, numbers, progress).await;
        let tried = match tried {
            Ok(tried) => tried,
            Err(failure) => return Err(self.undo(group, failure, progress).await),
        };
        // Once one of them has its name, a later command gives it to the others.
        for tried in &tried {
            let role = Role::Replica {
                revision,
                number: tried.number,
                stage: Stage::Passed,
            };
            let name = role.name(self.server());
            self.engine.rename(&tried.id, &name, self.what).await?;
        }
        take_over(self.engine, self.server(), self.what, progress).await
    }

    /// Makes and starts all replicas, and waits until they have passed.
    async fn try_out(
        &self,
        group: &Group,
        revision: u32,
        numbers: &[u32],
        progress: &dyn Progress,
    ) -> Result<Vec<Tried>, Failure> {
        let deadline = Instant::now() + self.timeout;
        front::ensure_network(self.engine, self.server(), self.what).await?;
        self.make_volumes().await?;
        let number = match numbers {
            [_] => String::new(),
            several => format!("{} replicas of ", several.len()),
        };
        progress.event(ProgressEvent::Step(format!(
            "starting {number}{}",
            self.template.label(marks::SOURCE).unwrap_or_default()
        )));
        let attempt = Timestamp::now().as_nanosecond().to_string();
        let made = numbers
            .iter()
            .map(|number| self.make(revision, *number, &attempt));
        let (tried, _) = futures_util::future::try_join(
            try_join_all(made),
            front::ensure(self.engine, group, self.what),
        )
        .await?;
        let outcomes = tried
            .iter()
            .map(|tried| self.pass(tried, deadline, progress));
        let outcomes: Result<Vec<()>, Failure> = join_all(outcomes).await.into_iter().collect();
        outcomes.map(|_| tried)
    }

    /// Makes the volumes that are not there yet.
    async fn make_volumes(&self) -> Result<(), Failure> {
        for volume in &self.template.volumes {
            let request = VolumeCreateRequest {
                name: Some(volume.name.clone()),
                labels: Some(HashMap::from([(
                    marks::SERVER.to_owned(),
                    self.server().to_string(),
                )])),
                ..VolumeCreateRequest::default()
            };
            let made = self.engine.api.create_volume(request).await;
            made.map_err(|error| failure(self.what, &error))?;
        }
        Ok(())
    }

    /// Makes a replica and starts it.
    async fn make(&self, revision: u32, number: u32, attempt: &str) -> Result<Tried, Failure> {
        let since = Timestamp::now().as_second();
        let body = self.template.replica(revision, number, attempt);
        let role = Role::Replica {
            revision,
            number,
            stage: Stage::Trial,
        };
        let id = self
            .engine
            .make(self.server(), role, body, self.what)
            .await?;
        if let Some(archive) = self.files()? {
            self.engine.upload(&id, archive, self.what).await?;
        }
        let started = self
            .engine
            .api
            .start_container(&id, None::<StartContainerOptions>)
            .await;
        started.map_err(|error| failure(self.what, &error))?;
        Ok(Tried { id, number, since })
    }

    /// What is put into a replica before it starts: the binary that serves a stdio server, and folders of the server's user in
    /// new volumes, which are root's otherwise.
    fn files(&self) -> Result<Option<Vec<u8>>, Failure> {
        let io_failure = |error: std::io::Error| {
            Failure::new(FailureKind::Failed, self.what).because(error.to_string())
        };
        let mut archive = tar::Builder::new(Vec::new());
        let mut any = false;
        if self.template.starts_binary() {
            let program =
                own_image::program().map_err(|error| own_image::unfit(self.what, &error))?;
            let name = format!("{BRIDGE_FOLDER}{}", own_image::PROGRAM);
            own_image::append(&mut archive, &name, &program, 0o755).map_err(io_failure)?;
            any = true;
        }
        for volume in &self.template.volumes {
            let Some((user, group)) = volume.owner else {
                continue;
            };
            own_image::append_folder(&mut archive, &volume.path, (user, group))
                .map_err(io_failure)?;
            any = true;
        }
        let bytes = archive.into_inner().map_err(io_failure)?;
        Ok(any.then_some(bytes))
    }

    /// Waits until a replica has passed its trial.
    async fn pass(
        &self,
        tried: &Tried,
        deadline: Instant,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let events = trial::events(
            self.engine,
            &tried.id,
            &self.template.endpoint,
            self.template.port,
            tried.since,
        );
        let mut last_why = None;
        let outcome = if self.wait {
            timeout_at(deadline, until_ready(events, progress, &mut last_why)).await
        } else {
            timeout_at(deadline, until_started(events)).await
        };
        let failed = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(unready)) => {
                let why = match unready {
                    Unready::Gone => "the engine tells no more of it".to_owned(),
                    other => other.to_string(),
                };
                Failure::new(FailureKind::Failed, self.what).because(why)
            }
            Err(_) => Failure::new(FailureKind::TimedOut, self.what)
                .because(format!("not ready within {} s", self.timeout.as_secs()))
                .because(last_why.unwrap_or_else(|| "it has not answered yet".to_owned()))
                .hint(format!(
                    "give it more time with {}, or look at its log",
                    CommandOption::Timeout
                )),
        };
        let tail = logs::tail(self.engine, &tried.id, TAIL).await.join("\n");
        Err(failed.with_log(&tail, &self.secrets, |name| self.template.gives(name)))
    }

    /// After a failure: takes away what was tried, or leaves a first deployment for inspection.
    async fn undo(&self, group: &Group, mut failed: Failure, progress: &dyn Progress) -> Failure {
        let server = self.server();
        let first = group.current().is_none();
        let command = |words: &str| self.engine.command(words);
        if first && !self.atomic && failed.kind != FailureKind::Usage {
            failed.hint.get_or_insert_with(|| {
                format!(
                    "it is left for inspection: {}; {} removes it",
                    command(&format!("logs {server}")),
                    command(&format!("delete {server}"))
                )
            });
            return failed;
        }
        let undone = async {
            let now = self.engine.group(server, self.what).await?;
            if first {
                return delete::remove_all(self.engine, &now, self.what).await;
            }
            let ids: Vec<_> = now.trial.iter().map(|unit| unit.id.as_str()).collect();
            self.engine.remove(&ids, self.what).await
        };
        if let Err(undone) = undone.await {
            progress.event(ProgressEvent::Warning(format!(
                "what was tried could not be removed: {undone}; {} does it",
                command("gc")
            )));
        }
        if !first {
            failed.hint = Some(format!("{server} goes on as it was before"));
        }
        failed
    }
}

/// Makes the newest revision the one that serves: tells the front of it, ends the replicas before it, and removes those that
/// are not kept. What a killed command has left of that is done, too.
pub(crate) async fn take_over(
    engine: &Engine,
    server: &ServerName,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let group = engine.group(server, what).await?;
    let Some((_, current)) = group.current() else {
        return Ok(());
    };
    let earlier: Vec<Unit> = group
        .earlier()
        .flat_map(|(_, units)| units.to_vec())
        .collect();
    let running: Vec<Unit> = earlier
        .iter()
        .filter(|unit| unit.state != "exited")
        .cloned()
        .collect();
    let front_id = front::ensure(engine, &group, what).await?;
    if let Some(told) = front::told(current, &running) {
        front::tell(engine, &front_id, &told, what).await?;
    }
    if !running.is_empty() {
        progress.event(ProgressEvent::Step("ending the old one".to_owned()));
        let ids: Vec<_> = running.iter().map(|unit| unit.id.as_str()).collect();
        engine.stop(&ids, None, what).await?;
        if let Some(told) = front::told(current, &[]) {
            front::tell(engine, &front_id, &told, what).await?;
        }
    }
    let kept: Vec<u32> = {
        let mut revisions: Vec<u32> = group.earlier().map(|(revision, _)| revision).collect();
        revisions.reverse();
        revisions.truncate(KEPT);
        revisions
    };
    let mut surplus = Vec::new();
    for (revision, units) in group.earlier() {
        let keep = usize::from(kept.contains(&revision));
        surplus.extend(units.iter().skip(keep).map(|unit| unit.id.as_str()));
    }
    engine.remove(&surplus, what).await
}

/// Finishes or undoes what a killed command has left of a server, and gives what is there then. The lock is that of this command.
///
/// # Errors
/// When the engine cannot be asked or refuses.
pub(crate) async fn settle(
    engine: &Engine,
    server: &ServerName,
    lock: &Lock,
    what: &str,
    progress: &dyn Progress,
) -> Result<Group, Failure> {
    let group = settle_left(engine, server, lock.left(), what, progress).await?;
    lock.settled(what).await?;
    Ok(group)
}

async fn settle_left(
    engine: &Engine,
    server: &ServerName,
    left: Option<Intent>,
    what: &str,
    progress: &dyn Progress,
) -> Result<Group, Failure> {
    let group = engine.group(server, what).await?;
    let deleted = left == Some(Intent::Delete);
    if deleted {
        let step = format!("finishing a deletion of {server} that was cut off");
        progress.event(ProgressEvent::Step(step));
    }
    if deleted || (left.is_some() && group.current().is_none()) {
        // Of what was to end the engine may be about to end any part, the front too, though all of it looks as if it ran.
        delete::remove_all(engine, &group, what).await?;
        return engine.group(server, what).await;
    }
    let (passed, failed) = group.passed();
    for unit in &passed {
        restart::rename(engine, unit, Stage::Passed, what).await?;
    }
    let doomed = failed.into_iter().chain(&group.ending);
    let doomed: Vec<_> = doomed.map(|unit| unit.id.as_str()).collect();
    let runs = group
        .earlier()
        .flat_map(|(_, units)| units)
        .any(|unit| unit.state != "exited");
    if doomed.is_empty() && passed.is_empty() && !runs && !restart::is_unfinished(&group) {
        return Ok(group);
    }
    engine.remove(&doomed, what).await?;
    if runs || !passed.is_empty() {
        take_over(engine, server, what, progress).await?;
    }
    // With those that have passed it may be whole.
    let group = engine.group(server, what).await?;
    restart::finish(engine, &group, what, progress).await?;
    engine.group(server, what).await
}
