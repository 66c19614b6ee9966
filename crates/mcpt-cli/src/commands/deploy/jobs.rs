//! Running deploys: one, or several at the same time, each by itself. One that fails does not stop the others.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use mcpt_core::{
    Backend, BackendKind, DeployOptions, Deployed, DryRun, Failure, Plan, Progress, ProgressEvent,
    Server, ServerName,
};
use mcpt_kube::ConnectOptions;

use super::show;
use crate::{
    args::{Format, Global},
    changed,
    ending::Ending,
    output, place, progress, report, runtime,
};

/// How many deploys are under way at most.
const AT_ONCE: usize = 8;

/// One server to deploy, and where.
pub(super) struct Job {
    pub(super) backend: BackendKind,
    pub(super) cluster: ConnectOptions,
    pub(super) plan: Plan,
    pub(super) options: DeployOptions,
}

impl Job {
    /// Whether both are for the same server. Processes are in no cluster.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.plan.name == other.plan.name
            && self.backend == other.backend
            && (self.backend == BackendKind::Process || self.cluster == other.cluster)
    }

    /// Renders it, when that can be done without a cluster: what is wrong with values is found before anything is touched.
    fn rendered(&self) -> Result<Option<Deployed>, Failure> {
        if self.backend != BackendKind::Kubernetes {
            return Ok(None);
        }
        mcpt_kube::dry_run(&self.plan, &self.options, self.cluster.namespace.as_ref()).map(Some)
    }
}

/// What came of one.
type Outcome = (ServerName, Result<Deployed, Failure>);

/// Runs all of them and tells what came of each.
pub(super) fn run(global: &Global, jobs: &[Job]) -> Result<(), Ending> {
    let several = jobs.len() > 1;
    let dry = jobs.iter().all(|job| {
        job.backend == BackendKind::Kubernetes && job.options.dry_run == Some(DryRun::Client)
    });
    let mut rendered = Vec::new();
    if several || dry {
        for job in jobs {
            rendered.push((job.plan.name.clone(), job.rendered()?));
        }
    }
    if dry {
        // Needs no cluster, and so asks for none.
        let outcomes = rendered
            .into_iter()
            .filter_map(|(name, deployed)| Some((name, Ok(deployed?))));
        return tell(global, outcomes.collect(), several);
    }
    let outcomes = runtime::run(async {
        let progress = progress::display(global);
        let backends = connect(global, jobs).await?;
        let deploys = jobs.iter().zip(backends).map(|(job, backend)| {
            let progress = progress.as_ref();
            async move {
                let named = Named {
                    name: several.then_some(&job.plan.name),
                    progress,
                };
                let outcome = backend.deploy(&job.plan, &job.options, &named).await;
                (job.plan.name.clone(), outcome)
            }
        });
        Ok(stream::iter(deploys).buffered(AT_ONCE).collect().await)
    })
    .map_err(|ending: Ending| {
        ending.hint_when_interrupted("the same command again finishes it; mcpt delete undoes it")
    })?;
    tell(global, outcomes, several)
}

/// The backend of each job; each place is connected to once.
async fn connect(global: &Global, jobs: &[Job]) -> Result<Vec<Arc<dyn Backend>>, Failure> {
    let mut places: Vec<(&Job, Arc<dyn Backend>)> = Vec::new();
    let mut backends = Vec::new();
    for job in jobs {
        let same = |other: &Job| other.backend == job.backend && other.cluster == job.cluster;
        let known = places.iter().find(|(other, _)| same(other));
        let backend = if let Some((_, backend)) = known {
            Arc::clone(backend)
        } else {
            let backend = Arc::from(place::open(global, job.backend, &job.cluster).await?);
            places.push((job, Arc::clone(&backend)));
            backend
        };
        backends.push(backend);
    }
    Ok(backends)
}

/// Puts the server's name before what is told, when there are several.
struct Named<'a> {
    name: Option<&'a ServerName>,
    progress: &'a dyn Progress,
}

impl Progress for Named<'_> {
    fn event(&self, event: ProgressEvent) {
        let Some(name) = self.name else {
            return self.progress.event(event);
        };
        self.progress.event(match event {
            ProgressEvent::Step(text) => ProgressEvent::Step(format!("{name}: {text}")),
            ProgressEvent::Waiting(text) => ProgressEvent::Waiting(format!("{name}: {text}")),
            ProgressEvent::Warning(text) => ProgressEvent::Warning(format!("{name}: {text}")),
        });
    }
}

/// Results on standard output; of several deploys each failure as it is, and one about all at the end.
fn tell(global: &Global, outcomes: Vec<Outcome>, several: bool) -> Result<(), Ending> {
    let number = outcomes.len();
    let mut servers = Vec::new();
    let mut manifest = None;
    let mut failed = Vec::new();
    for (name, outcome) in outcomes {
        match outcome {
            Ok(deployed) => {
                servers.extend(deployed.server);
                if let Some(more) = deployed.manifest {
                    manifest.get_or_insert_with(String::new).push_str(&more);
                }
            }
            Err(failure) => failed.push((name, failure)),
        }
    }
    if let Some(manifest) = manifest {
        output::manifest(global.output, &manifest)?;
    }
    match servers.as_slice() {
        [server] if !several => show(global, server)?,
        [] => {}
        servers => show_all(global, servers)?,
    }
    if !several {
        return match failed.pop() {
            Some((_, failure)) => Err(failure.into()),
            None => Ok(()),
        };
    }
    let Some(kind) = report::worst(failed.iter().map(|(_, failure)| failure.kind)) else {
        return Ok(());
    };
    let names: Vec<String> = failed.iter().map(|(name, _)| name.to_string()).collect();
    for (_, failure) in &failed {
        report::tell(failure, global.output);
    }
    let what = format!("{} of {number} servers were not deployed", failed.len());
    Err(Failure::new(kind, what).because(names.join(", ")).into())
}

fn show_all(global: &Global, servers: &[Server]) -> Result<(), Ending> {
    match global.output {
        Format::Json => output::json(&servers),
        Format::Yaml => output::yaml(&servers),
        Format::Name => output::lines(servers.iter().map(|server| &server.name)),
        Format::Table | Format::Wide => output::lines(servers.iter().map(changed::sentence)),
    }
}
