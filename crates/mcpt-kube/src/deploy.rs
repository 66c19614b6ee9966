//! A deploy: from a chart with values to a [`Change`], and the namespace that it may have to make. Servers come from plans.

use futures_util::future::OptionFuture;
use helm_chart::Values;
use helm_install::{
    Error as InstallError, Object, Record, contents, manifest,
    namespace::{self, Entered, Existence},
    revisions, takeover,
};
use helm_release::{Release, Status};
use helm_render::Limits;
use mcpt_core::{
    CommandOption, Deployed, DryRun, Failure, FailureKind, Namespace, Plan, Progress,
    ProgressEvent, ServerName, Silent,
};

use crate::{
    change::{Change, unusable},
    chart::{Prepared, Rendered, lay_over},
    cluster::{Cluster, TOOL},
    connect,
    failure::{OrFail as _, not_installed},
    operation::{Conduct, Operation, Reached},
    options::DeployOptions,
    progress::AsProgress,
    redaction,
    release_kind::ReleaseKind,
    server::{SERVER_LABEL, TEMPLATE_LABEL},
};

pub(crate) const CANNOT_INSTALL: &str = "cannot install the gateway";

/// What fails when a plan cannot be deployed.
pub(crate) fn cannot(plan: &Plan) -> String {
    format!("cannot deploy {}", plan.name)
}

/// Deploys a plan as a Helm release.
pub(crate) async fn deploy(
    cluster: &Cluster,
    plan: &Plan,
    options: &DeployOptions,
    progress: &dyn Progress,
) -> Result<Deployed, Failure> {
    let what = cannot(plan);
    let prepared = Prepared::new(plan, options, &what)?;
    let deploy = Deploy::server(cluster, plan, options, progress, what);
    deploy.go(prepared).await
}

/// Renders a plan for the cluster as a deploy would do it now, and changes nothing.
///
/// # Errors
/// What is wrong with the plan and its options.
pub(crate) async fn check(
    cluster: &Cluster,
    plan: &Plan,
    options: &DeployOptions,
) -> Result<(), Failure> {
    let what = cannot(plan);
    let mut prepared = Prepared::new(plan, options, &what)?;
    let deploy = Deploy::server(cluster, plan, options, &Silent, what);
    let Operation { records, what, .. } = &deploy.operation;
    let mut history = records.all().await.or_fail(cluster, what)?;
    // Whether another command works on it, and may go on, is seen when it is done.
    if let Some(last) = history.last_mut()
        && takeover::under_way(last.release.info.status)
    {
        last.release.info.status = Status::Failed;
    }
    Box::pin(deploy.change(&mut prepared, history))
        .await
        .map(drop)
}

fn operation<'a>(
    cluster: &'a Cluster,
    name: &'a ServerName,
    options: &DeployOptions,
    progress: &'a dyn Progress,
    what: String,
) -> Operation<'a> {
    let conduct = Conduct {
        wait: options.wait,
        timeout: options.timeout,
        atomic: options.atomic,
        force_conflicts: options.force_conflicts,
    };
    Operation::new(cluster, name, conduct, progress, what)
}

/// Installs or updates the gateway as a Helm release.
pub(crate) async fn gateway(
    cluster: &Cluster,
    name: &ServerName,
    options: &DeployOptions,
    progress: &dyn Progress,
) -> Result<Deployed, Failure> {
    let (kind, what) = (ReleaseKind::Gateway, CANNOT_INSTALL.to_owned());
    let prepared = Prepared::builtin(kind, name, gateway_values(options), &what)?;
    let deploy = Deploy {
        kind,
        labels: vec![(kind.label(), name.as_str())],
        another_name: "remove that release first, or choose another namespace".to_owned(),
        options,
        operation: operation(cluster, name, options, progress, what).of(kind),
    };
    deploy.go(prepared).await
}

/// The user's values of the gateway's chart, over what lies beneath them.
fn gateway_values(options: &DeployOptions) -> Values {
    let mut values = options.beneath(ReleaseKind::Gateway);
    lay_over(&mut values, &options.values);
    values
}

/// As [`dry_run`], for the gateway.
pub(crate) fn gateway_offline(
    name: &ServerName,
    options: &DeployOptions,
    namespace: Option<&Namespace>,
) -> Result<Deployed, Failure> {
    let default = connect::default_namespace()?;
    let values = gateway_values(options);
    let prepared = Prepared::builtin(ReleaseKind::Gateway, name, values, CANNOT_INSTALL)?;
    let rendered = prepared.offline(namespace.unwrap_or(&default), Limits::default())?;
    dry(&prepared, &rendered, options, CANNOT_INSTALL)
}

/// Renders and checks without a cluster: the deploy of [`DryRun::Client`]. Without a namespace the default one is meant, since
/// no kubeconfig is read.
///
/// # Errors
/// [`FailureKind::Usage`] with all faults of the values.
pub(crate) fn dry_run(
    plan: &Plan,
    options: &DeployOptions,
    namespace: Option<&Namespace>,
    limits: Limits,
    progress: &dyn Progress,
) -> Result<Deployed, Failure> {
    let what = cannot(plan);
    let default = connect::default_namespace()?;
    let prepared = Prepared::new(plan, options, &what)?;
    let rendered = prepared.offline(namespace.unwrap_or(&default), limits)?;
    rendered.warn(progress);
    dry(&prepared, &rendered, options, &what)
}

/// What a dry run returns.
fn dry(
    prepared: &Prepared,
    rendered: &Rendered,
    options: &DeployOptions,
    what: &str,
) -> Result<Deployed, Failure> {
    // The built-in chart has secrets in Secrets only. Of any other nobody knows.
    let secrets = options.chart.as_ref().map(|_| prepared.secrets());
    let manifest = redaction::redact(&rendered.manifest, secrets.unwrap_or_default())
        .map_err(|error| unusable(what, &error))?;
    Ok(Deployed {
        server: None,
        revision: None,
        manifest: Some(manifest),
    })
}

/// One deploy.
pub(crate) struct Deploy<'a> {
    kind: ReleaseKind,
    /// Labels of its records besides Helm's own.
    labels: Vec<(&'static str, &'a str)>,
    /// What to do when the name is another release's.
    another_name: String,
    options: &'a DeployOptions,
    operation: Operation<'a>,
}

impl<'a> Deploy<'a> {
    pub(crate) fn server(
        cluster: &'a Cluster,
        plan: &'a Plan,
        options: &'a DeployOptions,
        progress: &'a dyn Progress,
        what: String,
    ) -> Self {
        Self {
            kind: ReleaseKind::Server,
            labels: vec![
                (SERVER_LABEL, plan.name.as_str()),
                (TEMPLATE_LABEL, plan.template.as_str()),
            ],
            another_name: format!("choose another name with {}", CommandOption::Name),
            options,
            operation: operation(cluster, &plan.name, options, progress, what),
        }
    }

    async fn go(mut self, mut prepared: Prepared) -> Result<Deployed, Failure> {
        match self.options.dry_run {
            Some(DryRun::Client) => {
                let Cluster {
                    namespace, limits, ..
                } = self.operation.cluster;
                let rendered = prepared.offline(namespace, *limits)?;
                rendered.warn(self.operation.progress);
                dry(&prepared, &rendered, self.options, &self.operation.what)
            }
            Some(DryRun::Server) => self.check_only(&mut prepared).await,
            None => self.run(&mut prepared).await,
        }
    }

    async fn check_only(&mut self, prepared: &mut Prepared) -> Result<Deployed, Failure> {
        let cluster = self.operation.cluster;
        let create = self.options.create_namespace;
        let exists = namespace::exists(cluster).await;
        let exists = self.operation.told(exists)?;
        if let Existence::Unknown(denied) = &exists
            && create
        {
            self.operation.denied = Some(denied.clone());
        }
        let Operation { progress, what, .. } = &self.operation;
        let history = self.operation.told(self.operation.records.all().await)?;
        if let Some(last) = history
            .last()
            .filter(|record| takeover::under_way(record.release.info.status))
        {
            let busy = InstallError::Busy(Box::new(last.clone()));
            return Err(not_installed(cluster, what, &busy));
        }
        let (change, rendered) = self.change(prepared, history).await?;
        if create && matches!(exists, Existence::Absent) {
            progress.event(ProgressEvent::Warning(format!(
                "namespace {} does not exist yet: the API server cannot check objects in it",
                cluster.namespace
            )));
        } else {
            self.operation.check(&change).await?;
        }
        dry(prepared, &rendered, self.options, what)
    }

    async fn run(&mut self, prepared: &mut Prepared) -> Result<Deployed, Failure> {
        let Operation {
            cluster, progress, ..
        } = self.operation;
        let create = self.options.create_namespace;
        let entered = namespace::enter(cluster, TOOL, create, &AsProgress(progress)).await;
        let entered = self.operation.told(entered)?;
        if let Entered::Unknown(denied) = &entered {
            self.operation.denied = Some(denied.clone());
        }
        let mut reached = Reached::Nothing;
        let result = self.perform(prepared, &mut reached).await;
        match result {
            Err(mut failure) if self.may_remove_namespace(reached) => {
                let told = AsProgress(progress);
                let left: OptionFuture<_> = matches!(entered, Entered::Counted(_))
                    .then(|| namespace::leave(cluster, TOOL, self.options.timeout, &told))
                    .into();
                let why = match left.await.transpose() {
                    Ok(others) => contents::it_has(&others.unwrap_or_default()),
                    Err(also) => also.causes(),
                };
                if !why.is_empty() {
                    let why = why.join("; ");
                    failure
                        .why
                        .push(format!("its namespace was not removed: {why}"));
                }
                Err(failure)
            }
            other => {
                match &entered {
                    Entered::Counted(seen) => {
                        namespace::settle(cluster, TOOL, Some(seen), &AsProgress(progress)).await;
                    }
                    Entered::Marked if other.is_ok() => {
                        namespace::settle(cluster, TOOL, None, &AsProgress(progress)).await;
                    }
                    _ => {}
                }
                other
            }
        }
    }

    /// Whether a namespace that was made for the release may go again.
    fn may_remove_namespace(&self, reached: Reached) -> bool {
        match reached {
            Reached::Nothing => true,
            Reached::Record => self.options.atomic,
            Reached::Lost => false,
        }
    }

    /// Everything but the namespace.
    async fn perform(
        &self,
        prepared: &mut Prepared,
        reached: &mut Reached,
    ) -> Result<Deployed, Failure> {
        // Of one on which another command works, the records are in the namespace: it stays for them.
        let history = self.operation.settled().await?;
        let (change, _) = self.change(prepared, history).await?;
        let server = Box::pin(self.operation.perform(&change, reached)).await?;
        Ok(Deployed {
            revision: server.revision,
            server: Some(server),
            manifest: None,
        })
    }

    /// Renders and compares with what is there.
    pub(crate) async fn change(
        &self,
        prepared: &mut Prepared,
        history: Vec<Record>,
    ) -> Result<(Change, Rendered), Failure> {
        let Operation {
            cluster,
            progress,
            what,
            ..
        } = &self.operation;
        let other = history.last();
        let other = other.filter(|record| ReleaseKind::of(record) != Some(self.kind));
        if let Some(other) = other {
            let whose = if ReleaseKind::of(other).is_some() {
                ""
            } else {
                ", not of mcpt"
            };
            return Err(Failure::new(FailureKind::Failed, what)
                .because(format!(
                    "release {:?} exists already: it is of chart {:?}{whose}",
                    other.release.name,
                    other.chart()
                ))
                .hint(self.another_name.clone()));
        }
        let running = revisions::running(&history);
        let running = running.filter(|running| prepared.is_sized_as(running));
        if let Some(running) = running.filter(|_| !prepared.names_size()) {
            let release = &running.release;
            let live = match workload(release, self.kind, what)? {
                Some(workload) => self.operation.replicas(&workload).await?,
                None => None,
            };
            prepared.keep_scale(&release.config, live);
        }
        let done = "Upgrade complete";
        let (change, rendered) =
            Change::rendered(cluster, prepared, history, &self.labels, done, what).await?;
        rendered.warn(*progress);
        Ok((change, rendered))
    }
}

/// The workload that a revision made, however it is named.
fn workload(release: &Release, kind: ReleaseKind, what: &str) -> Result<Option<Object>, Failure> {
    let objects = manifest::parse(&release.manifest).map_err(|error| unusable(what, &error))?;
    let ours = |object: &Object| object.has_scale() && object.has_label(kind.label());
    Ok(objects.into_iter().find(ours))
}

#[cfg(test)]
mod tests;
