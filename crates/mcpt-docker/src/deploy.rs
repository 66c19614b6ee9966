//! Deploying a plan.

use jiff::Timestamp;
use mcpt_core::{
    Backend as _, Capability, DeployOptions, Deployed, DryRun, Failure, FailureKind, Image, Plan,
    Progress, ProgressEvent,
};

use crate::{
    body::Template,
    change::{self, Change},
    engine::Engine,
    image::{self, Facts},
    lock::{Intent, Lock},
    marks, own_image, package, scale, server,
    unit::Group,
};

/// What fails.
pub(crate) fn cannot(engine: &Engine, plan: &Plan) -> String {
    format!("cannot deploy {} to {}", plan.name, engine.kind)
}

/// What is wrong with a plan and its options.
///
/// # Errors
/// [`FailureKind::Usage`] with all faults.
pub(crate) fn check(
    engine: &Engine,
    plan: &Plan,
    options: &DeployOptions,
) -> Result<Template, Failure> {
    let what = cannot(engine, plan);
    options.platform.refuse(&what)?;
    if options.dry_run == Some(DryRun::Server) {
        return Err(engine.unsupported(what, Capability::RemoteDryRun));
    }
    if plan.replicas == Some(0) {
        return Err(Failure::new(FailureKind::Usage, what)
            .because("a server without an instance answers nobody")
            .hint(format!(
                "end it instead: {}",
                engine.command(&format!("delete {}", plan.name))
            )));
    }
    Template::of_plan(plan, &Facts::default(), &what)
}

/// Makes the server or updates it.
///
/// # Errors
/// A failure that names the cause, with the last log lines.
pub(crate) async fn deploy(
    engine: &Engine,
    plan: &Plan,
    options: &DeployOptions,
    progress: &dyn Progress,
) -> Result<Deployed, Failure> {
    let template = check(engine, plan, options)?;
    if options.dry_run.is_some() {
        return Ok(Deployed {
            server: None,
            revision: None,
            manifest: Some(template.manifest(plan)),
        });
    }
    let what = cannot(engine, plan);
    own_image::ensure(engine, &what, progress).await?;
    let reference = plan.image.as_ref().map(Image::reference);
    let reference = reference.unwrap_or_default();
    let facts = image::ensure(engine, &reference, &what, progress).await?;
    let template = Template::of_plan(plan, &facts, &what)?;

    let image = own_image::reference();
    let lock = Lock::take(engine, &plan.name, Intent::Change, &image, &what, progress).await?;
    let changed = async {
        let group = change::settle(engine, &plan.name, &lock, &what, progress).await?;
        // It is there until the server is, so that the package is in use all the time.
        let installer = package::install(engine, plan, &facts, options, &what, progress).await?;
        let change = change(engine, plan, template, &group, options, &what, progress);
        let changed = Box::pin(change).await;
        package::end(engine, installer, &what).await?;
        changed?;
        // As long as nobody else may change it.
        server::now(engine, &plan.name, &what).await
    };
    let changed = Box::pin(changed).await;
    let released = lock.release(&what).await;
    // What was replaced, or failed, may have been the last to use a package.
    let cleared = package::clear(engine, false, &what).await;
    let server = changed?;
    released.and(cleared.map(drop))?;
    Ok(Deployed {
        revision: server.revision,
        server: Some(server),
        manifest: None,
    })
}

async fn change(
    engine: &Engine,
    plan: &Plan,
    template: Template,
    group: &Group,
    options: &DeployOptions,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let there = group.current().map_or(0, |(_, units)| units.len() as u32);
    let replicas = plan.replicas.unwrap_or(there.max(1));
    let digest = template.digest(&Timestamp::now().as_nanosecond().to_string());
    let description = if there == 0 {
        "Install complete"
    } else {
        "Upgrade complete"
    };
    let same = runs_already(group, &template);
    let change = Change {
        engine,
        template: template.described(description, digest),
        replicas,
        wait: options.wait,
        timeout: options.timeout,
        atomic: options.atomic,
        secrets: plan.secrets.values().cloned().collect(),
        what,
    };
    if same && there == replicas {
        // A command that ended in between may not have told the front of them.
        change::take_over(engine, &plan.name, change.what, progress).await?;
        progress.event(ProgressEvent::Step(format!(
            "{} already runs with this configuration",
            plan.name
        )));
        return Ok(());
    }
    if same {
        return scale::to(&change, group, progress).await;
    }
    change.perform(group, progress).await
}

/// Whether all replicas run with this configuration.
fn runs_already(group: &Group, template: &Template) -> bool {
    group.current().is_some_and(|(_, units)| {
        units.iter().all(|unit| {
            let digest = unit.label(marks::DIGEST);
            unit.is_ready() && digest.is_some_and(|digest| template.has_digest(digest))
        })
    }) && group.front.as_ref().is_some_and(crate::unit::Unit::runs)
}
