//! Running deploys: one, or several at the same time. Of several all are checked before anything is changed; after that each runs
//! by itself, and one that fails does not stop the others.

use std::{
    cell::{Cell, OnceCell},
    sync::Arc,
};

use futures_util::{StreamExt as _, stream};
use mcpt_backend::{Driver, Place};
use mcpt_core::{
    Backend, DeployOptions, Deployed, Failure, FailureKind, Plan, Progress, ProgressEvent, Server,
    ServerName,
};
use mcpt_package::PackageSource;

use super::{
    bundles::{InUse, Pending},
    packages::{self, Resolving},
    show,
};
use crate::{
    args::{Format, Global},
    changed, compared,
    ending::Ending,
    output, place, progress, report, runtime,
    user_config::UserConfig,
};

/// How many deploys are under way at most.
pub(super) const AT_ONCE: usize = 8;

/// One server to deploy, and where.
pub(super) struct Job {
    pub(super) driver: &'static dyn Driver,
    pub(super) place: Place,
    pub(super) plan: Plan,
    pub(super) options: DeployOptions,
    /// The package that the plan is to have, which the registry must be asked about first.
    pub(super) to_resolve: Option<PackageSource>,
}

impl Job {
    /// Whether both are for the same server.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.plan.name == other.plan.name && self.is_beside(other)
    }

    /// Whether both are for the same place.
    fn is_beside(&self, other: &Self) -> bool {
        self.driver.name() == other.driver.name() && self.place == other.place
    }

    /// What would be deployed, when that is all that is asked for and the place need not be opened for it.
    fn offline(&self, progress: &dyn Progress) -> Option<Result<Deployed, Failure>> {
        self.options.dry_run?;
        let (plan, options) = (&self.plan, &self.options);
        self.driver.dry_run(plan, options, &self.place, progress)
    }
}

/// What a command is to deploy, and what is wrong with the rest.
pub(super) struct Work {
    pub(super) jobs: Vec<Job>,
    pub(super) faults: Vec<Failure>,
    /// Bundles that the jobs run from.
    pub(super) bundles: Vec<Pending>,
}

/// What came of one.
type Outcome = (ServerName, Result<Deployed, Failure>);

/// Runs all of it and tells what came of each.
pub(super) fn run(
    global: &Global,
    config: &UserConfig,
    work: Work,
    resolving: &Resolving,
) -> Result<(), Ending> {
    let Work {
        mut jobs,
        mut faults,
        bundles,
    } = work;
    let number = jobs.len() + faults.len();
    let several = number > 1;
    if faults.is_empty() {
        // What is wrong without asking anybody is told without asking anybody.
        faults = packages::resolve_all(global, &mut jobs, resolving, config)?;
    }
    jobs.retain(|job| job.to_resolve.is_none() || job.plan.package.is_some());
    let mut outcomes = Vec::new();
    let mut online = Vec::new();
    let display = progress::display(global);
    for job in &jobs {
        let progress = Named {
            name: several.then_some(&job.plan.name),
            progress: display.as_ref(),
        };
        match job.offline(&progress) {
            None => online.push(job),
            Some(Ok(deployed)) => outcomes.push((job.plan.name.clone(), Ok(deployed))),
            Some(Err(fault)) => faults.push(fault),
        }
    }
    drop(display);
    if online.is_empty() {
        refuse(global, faults, number)?;
        return tell(global, outcomes, several, None);
    }
    // From here on nothing is wrong that could be known without it.
    let changes = jobs.iter().any(|job| job.options.dry_run.is_none());
    let bundles = if faults.is_empty() && changes {
        InUse::unpack(bundles)?
    } else {
        InUse::default()
    };
    let next = OnceCell::new();
    let begun = Cell::new(false);
    let done = runtime::run(async {
        let progress = progress::display(global);
        let backends = match connect(global, config, &online).await {
            Ok(backends) => backends,
            Err(failure) if faults.is_empty() => return Err(failure.into()),
            Err(failure) => {
                faults.push(failure);
                Vec::new()
            }
        };
        let work: Vec<_> = online.iter().copied().zip(backends).collect();
        if let [(job, backend)] = work.as_slice() {
            let [tools, delete] = ["tools", "delete"]
                .map(|word| backend.command(&format!("{word} {}", job.plan.name)));
            let _first = next.set(Next { tools, delete });
        }
        if several {
            let checks = work
                .iter()
                .map(|(job, backend)| backend.check(&job.plan, &job.options));
            let checks = stream::iter(checks.collect::<Vec<_>>()).buffered(AT_ONCE);
            faults.extend(
                checks
                    .filter_map(async |checked| checked.err())
                    .collect::<Vec<_>>()
                    .await,
            );
        }
        refuse(global, faults, number)?;
        begun.set(true);
        let outcomes = if several {
            together(&work, progress.as_ref()).await?
        } else {
            each(&work, several, progress.as_ref()).await
        };
        let left = match (&outcomes[..], &work[..]) {
            // It may be there although it does not run.
            ([(name, Err(_))], [(_, backend)]) => {
                let there = backend.status(name).await;
                !there.is_err_and(|failure| failure.kind == FailureKind::NotFound)
            }
            _ => true,
        };
        Ok((outcomes, left))
    });
    match &done {
        Ok((_, false)) => bundles.take_back(),
        Err(_) if !begun.get() => bundles.take_back(),
        _ => drop(bundles),
    }
    let (others, _) =
        done.map_err(|ending: Ending| ending.hint_again_or(next.get().map(|next| &next.delete)))?;
    outcomes.extend(others);
    tell(global, outcomes, several, next.get())
}

/// Shows what would change of each, and changes nothing.
pub(super) fn compare(
    global: &Global,
    config: &UserConfig,
    work: Work,
    resolving: &Resolving,
) -> Result<(), Ending> {
    let Work {
        mut jobs,
        mut faults,
        bundles: _,
    } = work;
    let number = jobs.len() + faults.len();
    if faults.is_empty() {
        faults = packages::resolve_all(global, &mut jobs, resolving, config)?;
    }
    refuse(global, faults, number)?;
    let jobs: Vec<&Job> = jobs.iter().collect();
    let (compared, faults) = runtime::run(async {
        let backends = connect(global, config, &jobs).await?;
        let asked = jobs.iter().zip(&backends).map(|(job, backend)| async move {
            let compared = backend.compare(&job.plan, &job.options).await;
            compared.map(|compared| (job.plan.name.to_string(), compared))
        });
        let asked: Vec<_> = asked.collect();
        let outcomes: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let (mut compared, mut faults) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            match outcome {
                Ok(found) => compared.push(found),
                Err(fault) => faults.push(fault),
            }
        }
        Ok((compared, faults))
    })?;
    refuse(global, faults, number)?;
    compared::show(global, &compared)
}

/// Commands that may be next for the only server.
struct Next {
    tools: String,
    delete: String,
}

/// Jobs, each with its backend.
type Connected<'a> = [(&'a Job, Arc<dyn Backend>)];

/// Runs several, with what they share made before them, and taken away again if nothing came of them.
async fn together(work: &Connected<'_>, progress: &dyn Progress) -> Result<Vec<Outcome>, Failure> {
    let mut begun: Vec<(&Job, &Arc<dyn Backend>)> = Vec::new();
    let mut refused = Ok(());
    for (job, backend) in work.iter().filter(|(job, _)| job.options.dry_run.is_none()) {
        if begun.iter().any(|(_, known)| Arc::ptr_eq(known, backend)) {
            continue;
        }
        let here = work.iter().filter(|(_, other)| Arc::ptr_eq(other, backend));
        let options: Vec<&DeployOptions> = here.map(|(job, _)| &job.options).collect();
        refused = backend.begin_together(&options, progress).await;
        if refused.is_err() {
            break;
        }
        begun.push((job, backend));
    }
    let outcomes = match refused {
        Ok(()) => Ok(each(work, true, progress).await),
        Err(failure) => Err(failure),
    };
    for (job, backend) in begun {
        if let Err(failure) = backend.end_together(job.options.timeout, progress).await {
            progress.event(ProgressEvent::Warning(failure.to_string()));
        }
    }
    outcomes
}

/// Runs each by itself.
async fn each(work: &Connected<'_>, several: bool, progress: &dyn Progress) -> Vec<Outcome> {
    let deploys = work.iter().map(|(job, backend)| async move {
        let named = Named {
            name: several.then_some(&job.plan.name),
            progress,
        };
        let outcome = backend.deploy(&job.plan, &job.options, &named).await;
        (job.plan.name.clone(), outcome)
    });
    let deploys: Vec<_> = deploys.collect();
    stream::iter(deploys).buffered(AT_ONCE).collect().await
}

/// The end of a command of which some servers cannot be deployed: each fault as it is, and one about all at the end.
fn refuse(global: &Global, mut faults: Vec<Failure>, number: usize) -> Result<(), Ending> {
    if number == 1
        && let Some(fault) = faults.pop()
    {
        return Err(fault.into());
    }
    let what = format!("{} of {number} servers cannot be deployed", faults.len());
    match report::together(&faults, global.output, what) {
        Some(refused) => Err(refused.because("nothing was changed").into()),
        None => Ok(()),
    }
}

/// The backend of each job; each place is connected to once.
async fn connect(
    global: &Global,
    config: &UserConfig,
    jobs: &[&Job],
) -> Result<Vec<Arc<dyn Backend>>, Failure> {
    let mut places: Vec<(&Job, Arc<dyn Backend>)> = Vec::new();
    let mut backends = Vec::new();
    for job in jobs {
        let known = places.iter().find(|(other, _)| job.is_beside(other));
        let backend = if let Some((_, backend)) = known {
            Arc::clone(backend)
        } else {
            let backend = place::open(global, config, job.driver, &job.place).await?;
            let backend = Arc::from(backend);
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
fn tell(
    global: &Global,
    outcomes: Vec<Outcome>,
    several: bool,
    next: Option<&Next>,
) -> Result<(), Ending> {
    let number = outcomes.len();
    let mut servers = Vec::new();
    let mut manifest = None;
    let mut failed = Vec::new();
    for (name, outcome) in outcomes {
        match outcome {
            Ok(deployed) => {
                servers.extend(deployed.server);
                if let Some(more) = deployed.manifest {
                    join(manifest.get_or_insert_with(String::new), &more);
                }
            }
            Err(failure) => failed.push((name, failure)),
        }
    }
    if let Some(manifest) = manifest {
        output::manifest(global.output, &manifest)?;
    }
    match servers.as_slice() {
        [server] if !several => show(global, server, next.map(|next| next.tools.as_str()))?,
        [] => {}
        servers => show_all(global, servers)?,
    }
    if !several {
        return match failed.pop() {
            Some((_, failure)) => Err(failure.into()),
            None => Ok(()),
        };
    }
    let names: Vec<String> = failed.iter().map(|(name, _)| name.to_string()).collect();
    let what = format!("{} of {number} servers were not deployed", failed.len());
    let failures = failed.iter().map(|(_, failure)| failure);
    match report::together(failures, global.output, what) {
        Some(failure) => Err(failure.because(names.join(", ")).into()),
        None => Ok(()),
    }
}

/// Adds documents to a stream of them.
fn join(stream: &mut String, more: &str) {
    if !stream.is_empty() && !stream.ends_with('\n') {
        stream.push('\n');
    }
    // What is rendered for a cluster begins with its separator; what a process would be has none.
    if !stream.is_empty() && !more.starts_with("---") {
        stream.push_str("---\n");
    }
    stream.push_str(more);
}

fn show_all(global: &Global, servers: &[Server]) -> Result<(), Ending> {
    match global.output {
        Format::Json => output::json(&servers),
        Format::Yaml => output::yaml(&servers),
        Format::Name => output::lines(servers.iter().map(|server| &server.name)),
        Format::Table | Format::Wide => output::lines(servers.iter().map(changed::sentence)),
    }
}
