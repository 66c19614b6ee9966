//! A deploy: from a plan to a [`Change`], and the namespace that it may have to make.

use futures_util::future::OptionFuture;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use mcpt_core::{
    DeployOptions, Deployed, DryRun, Failure, FailureKind, Namespace, Plan, Progress, ProgressEvent,
};

use crate::{
    change::{Change, deployed, unusable},
    chart::{Prepared, Rendered},
    claim,
    cluster::Cluster,
    connect, manifest,
    namespace::{self, Made},
    operation::{Conduct, Operation, Reached},
    records::Record,
    server::{SERVER_LABEL, TEMPLATE_LABEL},
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
    let conduct = Conduct {
        wait: options.wait,
        timeout: options.timeout,
        atomic: options.atomic,
    };
    let deploy = Deploy {
        plan,
        options,
        operation: Operation::new(cluster, &plan.name, conduct, progress, what),
    };
    match options.dry_run {
        Some(DryRun::Client) => dry(
            &prepared.offline(&cluster.namespace)?,
            &deploy.operation.what,
        ),
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

/// One deploy.
struct Deploy<'a> {
    plan: &'a Plan,
    options: &'a DeployOptions,
    operation: Operation<'a>,
}

impl Deploy<'_> {
    async fn check_only(&self, prepared: &mut Prepared) -> Result<Deployed, Failure> {
        let Operation {
            cluster,
            progress,
            what,
            ..
        } = &self.operation;
        let history = self.operation.records.all(what).await?;
        if let Some(last) = history
            .last()
            .filter(|record| claim::under_way(record.release.info.status))
        {
            return Err(claim::busy(last, what));
        }
        let (change, rendered) = self.change(prepared, history).await?;
        if self.options.create_namespace && !namespace::exists(cluster, what).await? {
            progress.event(ProgressEvent::Warning(format!(
                "namespace {} does not exist yet: the API server cannot check objects in it",
                cluster.namespace
            )));
        } else {
            self.operation.check(&change).await?;
        }
        dry(&rendered, what)
    }

    async fn run(&self, prepared: &mut Prepared) -> Result<Deployed, Failure> {
        let Operation {
            cluster,
            progress,
            what,
            ..
        } = &self.operation;
        let made: Option<Made> = if self.options.create_namespace {
            namespace::ensure(cluster, what, *progress).await?
        } else {
            None
        };
        let mut reached = Reached::Nothing;
        let result = self.perform(prepared, &mut reached).await;
        match result {
            Err(mut failure) if self.may_remove_namespace(reached) => {
                let removed: OptionFuture<_> = made
                    .as_ref()
                    .map(|made| namespace::remove(cluster, made, self.options.timeout, what))
                    .into();
                if let Some(Err(also)) = removed.await {
                    let why = also.why.join("; ");
                    failure
                        .why
                        .push(format!("its namespace was not removed: {why}"));
                }
                Err(failure)
            }
            other => {
                if let Some(made) = &made {
                    namespace::settle(cluster, made).await;
                }
                other
            }
        }
    }

    /// Whether a namespace that was made for the release goes again.
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
        let settled = self.operation.settled().await;
        let history = settled.inspect_err(|_| *reached = Reached::Lost)?;
        let (change, _) = self.change(prepared, history).await?;
        let server = Box::pin(self.operation.perform(&change, reached)).await?;
        Ok(Deployed {
            revision: server.revision,
            server: Some(server),
            manifest: None,
        })
    }

    /// Renders and compares with what is there.
    async fn change(
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
        if let Some(chart) = history.last().and_then(Record::foreign_chart) {
            return Err(Failure::new(FailureKind::Failed, what)
                .because(format!(
                    "release {:?} exists already: it is of chart {chart:?}, not of mcpt",
                    self.plan.name.as_str()
                ))
                .hint("choose another name with --name"));
        }
        if let Some(running) = deployed(&history) {
            let deployments: Api<Deployment> = cluster.api();
            let live = cluster
                .answer(deployments.get_opt(self.plan.name.as_str()))
                .await
                .map_err(|error| cluster.failure(what, &error))?;
            let number = live.and_then(|live| live.spec.replicas);
            prepared.keep_scale(&running.release.config, number);
        }
        let labels = [
            (SERVER_LABEL, self.plan.name.as_str()),
            (TEMPLATE_LABEL, self.plan.template.as_str()),
        ];
        let done = "Upgrade complete";
        let (change, rendered) = Change::rendered(cluster, prepared, history, &labels, done, what)?;
        for warning in &rendered.warnings {
            progress.event(ProgressEvent::Warning(warning.clone()));
        }
        Ok((change, rendered))
    }
}
