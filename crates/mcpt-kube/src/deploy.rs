//! A deploy from plan to ready server: check, record, apply, wait, record again; and back when it fails.

mod rollout;
mod undo;

use std::collections::BTreeMap;

use futures_util::future::OptionFuture;
use helm_release::{
    APPLY_METHOD_SERVER_SIDE, DEFAULT_MAX_HISTORY, History, Info, Next, Release, Status,
};
use jiff::Timestamp;
use mcpt_core::{
    DeployOptions, Deployed, DryRun, Failure, FailureKind, Namespace, Plan, Progress,
    ProgressEvent, Revision, Server,
};

use self::rollout::RolledOut;
use crate::{
    apply::{Applier, Expected},
    chart::{Prepared, Rendered, When},
    claim,
    cluster::Cluster,
    connect,
    heartbeat::Heartbeat,
    manifest::{self, Object},
    namespace::{self, Made},
    records::{Record, Records, Work},
    server::{self, SERVER_LABEL, TEMPLATE_LABEL},
};

/// Deploys a plan as a Helm release.
pub(crate) async fn deploy(
    cluster: &Cluster,
    plan: &Plan,
    options: &DeployOptions,
    progress: &dyn Progress,
) -> Result<Deployed, Failure> {
    let what = format!("cannot deploy {}", plan.name);
    let mut prepared = Prepared::new(plan, options, &what)?;
    let deploy = Deploy {
        cluster,
        plan,
        options,
        progress,
        applier: Applier::new(cluster.clone(), plan.name.to_string()),
        records: Records::new(cluster.clone(), plan.name.as_str()),
        what,
    };
    match options.dry_run {
        Some(DryRun::Client) => Ok(dry(&prepared.offline(&cluster.namespace)?, &deploy.what)?),
        Some(DryRun::Server) => deploy.check_only(&mut prepared).await,
        None => deploy.run(&mut prepared).await,
    }
}

/// Renders and checks without a cluster: the deploy of [`DryRun::Client`]. Without a namespace the default one is meant, since
/// no kubeconfig is read.
///
/// # Errors
/// [`FailureKind::Usage`] with all faults of the values.
pub fn dry_run(
    plan: &Plan,
    options: &DeployOptions,
    namespace: Option<&Namespace>,
) -> Result<Deployed, Failure> {
    let what = format!("cannot deploy {}", plan.name);
    let default = connect::default_namespace()?;
    let prepared = Prepared::new(plan, options, &what)?;
    dry(&prepared.offline(namespace.unwrap_or(&default))?, &what)
}

/// What a dry run returns.
fn dry(rendered: &Rendered, what: &str) -> Result<Deployed, Failure> {
    let manifest = manifest::redact(&rendered.manifest).map_err(|error| unusable(what, &error))?;
    Ok(Deployed {
        server: None,
        revision: None,
        manifest: Some(manifest),
    })
}

fn unusable(what: &str, error: &manifest::ManifestError) -> Failure {
    Failure::new(FailureKind::Failed, what).because(format!(
        "the rendered chart cannot be used: {}",
        crate::failure::chain(error)
    ))
}

/// One deploy and all that its steps need.
struct Deploy<'a> {
    cluster: &'a Cluster,
    plan: &'a Plan,
    options: &'a DeployOptions,
    progress: &'a dyn Progress,
    applier: Applier,
    records: Records,
    what: String,
}

/// What a deploy changes: computed before anything is written.
struct Change {
    /// Records on which nobody works, the oldest first.
    history: Vec<Record>,
    /// The new revision.
    release: Release,
    /// Its objects, in the order of the manifest, and what is known of each.
    objects: Vec<(Object, Expected)>,
    /// Objects of older revisions that it does not have any more.
    gone: Vec<Object>,
}

impl Change {
    /// The newest revision that runs or ran; nothing to go back to when there is none.
    fn deployed(&self) -> Option<&Record> {
        self.history
            .iter()
            .rev()
            .find(|record| record.release.info.status == Status::Deployed)
    }

    /// Whether there is nothing to go back to, so that undoing means removing.
    fn is_first(&self) -> bool {
        self.deployed().is_none()
    }
}

/// How far a deploy came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// Nothing was written.
    Nothing,
    /// Its record was.
    Record,
    /// Another command works on the release, and what is there is that one's.
    Lost,
}

impl Reached {
    /// Whether a namespace that was made for the release goes again.
    fn may_remove_namespace(self, atomic: bool) -> bool {
        match self {
            Self::Nothing => true,
            Self::Record => atomic,
            Self::Lost => false,
        }
    }
}

impl Deploy<'_> {
    async fn check_only(&self, prepared: &mut Prepared) -> Result<Deployed, Failure> {
        let history = self.records.all(&self.what).await?;
        if let Some(last) = history
            .last()
            .filter(|record| claim::under_way(record.release.info.status))
        {
            return Err(claim::busy(last, &self.what));
        }
        let (change, rendered) = self.plan_change(prepared, history)?;
        if self.options.create_namespace && !namespace::exists(self.cluster, &self.what).await? {
            self.progress.event(ProgressEvent::Warning(format!(
                "namespace {} does not exist yet: the API server cannot check objects in it",
                self.cluster.namespace
            )));
        } else {
            self.check(&change).await?;
        }
        dry(&rendered, &self.what)
    }

    async fn run(&self, prepared: &mut Prepared) -> Result<Deployed, Failure> {
        let made: Option<Made> = if self.options.create_namespace {
            namespace::ensure(self.cluster, &self.what, self.progress).await?
        } else {
            None
        };
        let mut reached = Reached::Nothing;
        let result = self.change(prepared, &mut reached).await;
        match result {
            Err(mut failure) if reached.may_remove_namespace(self.options.atomic) => {
                let removed: OptionFuture<_> = made
                    .as_ref()
                    .map(|made| {
                        namespace::remove(self.cluster, made, self.options.timeout, &self.what)
                    })
                    .into();
                if let Some(Err(also)) = removed.await {
                    let why = also.why.join("; ");
                    failure
                        .why
                        .push(format!("its namespace was not removed: {why}"));
                }
                Err(failure)
            }
            other => other,
        }
    }

    /// Everything but the namespace.
    async fn change(
        &self,
        prepared: &mut Prepared,
        reached: &mut Reached,
    ) -> Result<Deployed, Failure> {
        let history = claim::settled(self.cluster, &self.records, &self.what, self.progress)
            .await
            .inspect_err(|_| *reached = Reached::Lost)?;
        let (change, _) = self.plan_change(prepared, history)?;
        Box::pin(self.perform(&change, reached)).await
    }

    /// Renders and compares with what is there.
    fn plan_change(
        &self,
        prepared: &mut Prepared,
        history: Vec<Record>,
    ) -> Result<(Change, Rendered), Failure> {
        let name = self.plan.name.as_str();
        if let Some(chart) = history.last().and_then(Record::foreign_chart) {
            return Err(Failure::new(FailureKind::Failed, &self.what)
                .because(format!(
                    "release {name:?} exists already: it is of chart {chart:?}, not of mcpt"
                ))
                .hint("choose another name with --name"));
        }
        let releases = History::new(name, history.iter().map(|r| r.release.clone()).collect());
        let next = releases
            .next()
            .map_err(|error| Failure::new(FailureKind::Failed, &self.what).caused_by(&error))?;
        let (when, first_deployed) = match next {
            Next::Install { revision } => (When::Install { revision }, None),
            Next::Upgrade { current, revision } => (
                When::Upgrade { revision },
                Some(current.info.first_deployed.clone()),
            ),
        };
        let running = history
            .iter()
            .rev()
            .find(|r| r.release.info.status == Status::Deployed);
        if let Some(running) = running {
            prepared.keep_replicas(&running.release.config);
        }
        let rendered = prepared.render(
            when,
            &self.cluster.namespace,
            Some(&self.cluster.version.git),
        )?;
        for warning in &rendered.warnings {
            self.progress.event(ProgressEvent::Warning(warning.clone()));
        }
        let now = Timestamp::now().to_string();
        let release = Release {
            name: name.to_owned(),
            namespace: self.cluster.namespace.to_string(),
            version: when.revision(),
            chart: Some(prepared.chart_record()),
            config: prepared.values().clone(),
            manifest: rendered.manifest.clone(),
            hooks: rendered.hooks.clone(),
            apply_method: APPLY_METHOD_SERVER_SIDE.to_owned(),
            info: Info {
                first_deployed: first_deployed.unwrap_or_else(|| now.clone()),
                last_deployed: now,
                description: when.begun().to_owned(),
                status: when.pending(),
                notes: rendered.notes.clone(),
                ..Info::default()
            },
            ..Release::default()
        };

        let parse =
            |text: &str| manifest::parse(text).map_err(|error| unusable(&self.what, &error));
        let mut objects = parse(&release.manifest)?;
        for object in &mut objects {
            object.claim(name, self.cluster.namespace.as_str());
        }
        // What the deployed revision has is known to be there and ours. Revisions after it failed: some of their objects may
        // be there, and are removed or taken over.
        let since = history
            .iter()
            .rposition(|r| r.release.info.status == Status::Deployed)
            .unwrap_or(0);
        let mut ours = Vec::new();
        let mut by_update = false;
        let mut old = Vec::new();
        for record in &history[since..] {
            let found = parse(&record.release.manifest)?;
            if record.release.info.status == Status::Deployed {
                ours.clone_from(&found);
                by_update = record.release.apply_method != APPLY_METHOD_SERVER_SIDE;
            }
            old.extend(found);
        }
        let gone = manifest::pruned(&old, &objects);
        let expect = |object: Object| {
            let known = ours.iter().any(|other| other.same(&object));
            let expected = match known {
                true if by_update => Expected::OursByUpdate,
                true => Expected::Ours,
                false => Expected::Absent,
            };
            (object, expected)
        };
        let objects = objects.into_iter().map(expect).collect();
        Ok((
            Change {
                history,
                release,
                objects,
                gone,
            },
            rendered,
        ))
    }

    async fn check(&self, change: &Change) -> Result<(), Failure> {
        self.step(format!(
            "checking {} with the API server",
            rollout::counted(change.objects.len())
        ));
        self.applier.check(&change.objects, &self.what).await
    }

    /// Checks, then takes the lock by making the record, then works.
    async fn perform(&self, change: &Change, reached: &mut Reached) -> Result<Deployed, Failure> {
        self.check(change).await?;
        let Some(record) = self
            .records
            .create(change.release.clone(), &self.labels(change), &self.what)
            .await?
        else {
            *reached = Reached::Lost;
            return Err(self.lost_race(change.release.version).await?);
        };
        *reached = Reached::Record;
        let mut heartbeat = Heartbeat::start(
            self.cluster,
            record.secret_name(),
            record.resource_version(),
        );
        let outcome = heartbeat.during(Box::pin(self.roll_out(change))).await;
        match outcome.inspect_err(|_| *reached = Reached::Lost)? {
            Ok(rolled_out) => {
                let version = heartbeat.stop().await?;
                self.succeed(change, &record, version, rolled_out).await
            }
            Err(failure) => Err(Box::pin(self.give_up(change, record, heartbeat, failure)).await),
        }
    }

    /// Labels of the record's Secret besides Helm's own.
    fn labels(&self, change: &Change) -> BTreeMap<String, String> {
        let kept = change
            .history
            .last()
            .map(|last| crate::records::custom_labels(&last.metadata));
        let mut labels = kept.unwrap_or_default();
        labels.insert(SERVER_LABEL.to_owned(), self.plan.name.to_string());
        labels.insert(TEMPLATE_LABEL.to_owned(), self.plan.template.to_string());
        labels
    }

    /// Another command made this revision first.
    async fn lost_race(&self, revision: u32) -> Result<Failure, Failure> {
        let winner = self.records.get(revision, &self.what).await?;
        Ok(match winner {
            Some(record) if claim::under_way(record.release.info.status) => {
                claim::busy(&record, &self.what)
            }
            _ => Failure::new(FailureKind::Failed, &self.what)
                .because(format!(
                    "another command made revision {revision} at the same time"
                ))
                .hint("try again"),
        })
    }

    async fn succeed(
        &self,
        change: &Change,
        record: &Record,
        version: String,
        rolled_out: RolledOut,
    ) -> Result<Deployed, Failure> {
        let mut release = record.release.clone();
        let done = if change.history.is_empty() {
            "Install complete"
        } else {
            "Upgrade complete"
        };
        release.info.status = Status::Deployed;
        done.clone_into(&mut release.info.description);
        let record = self.finish(record, release, version).await?;
        self.supersede(change, &record).await?;
        Ok(Deployed {
            revision: Some(Revision(record.release.version)),
            server: Some(self.server(&record, &rolled_out)),
            manifest: None,
        })
    }

    /// Writes the end of an operation into its record.
    async fn finish(
        &self,
        record: &Record,
        release: Release,
        version: String,
    ) -> Result<Record, Failure> {
        let done = self
            .records
            .replace(record, release, Work::Done, version, &self.what)
            .await?;
        done.ok_or_else(|| {
            Failure::new(FailureKind::Failed, &self.what)
                .because("another command took the release over")
                .hint(format!(
                    "look at its state with: mcpt status {}",
                    self.plan.name
                ))
        })
    }

    /// Marks what ran before `record`, and forgets the oldest revisions.
    async fn supersede(&self, change: &Change, record: &Record) -> Result<(), Failure> {
        for old in &change.history {
            if old.release.info.status != Status::Deployed {
                continue;
            }
            let mut release = old.release.clone();
            release.info.status = Status::Superseded;
            let version = old.resource_version();
            if self
                .records
                .replace(old, release, Work::Done, version, &self.what)
                .await?
                .is_none()
            {
                tracing::debug!(
                    revision = old.release.version,
                    "record changed or gone, not superseded"
                );
            }
        }
        let mut revisions: Vec<_> = change.history.iter().map(|r| r.release.clone()).collect();
        // The history counts one more to come; that one is there by now.
        for old in &mut revisions {
            old.info.status = Status::Superseded;
        }
        let history = History::new(self.plan.name.as_str(), revisions);
        for revision in history.to_prune(DEFAULT_MAX_HISTORY) {
            if revision != record.release.version {
                self.records.delete(revision, &self.what).await?;
            }
        }
        Ok(())
    }

    fn server(&self, record: &Record, rolled_out: &RolledOut) -> Server {
        let mut server = server::server(
            self.plan.name.clone(),
            &self.cluster.namespace,
            Some(&record.facts()),
            &rolled_out.observed,
            rolled_out.service.as_ref(),
        );
        server.env = server::env(&record.release.config);
        server
    }

    fn step(&self, text: String) {
        self.progress.event(ProgressEvent::Step(text));
    }
}
