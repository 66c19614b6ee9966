//! Images as what runs: those that users name, and those that are made of packages for a deploy.

use mcpt_backend::Driver;
use mcpt_core::{
    Capabilities, Capability, Failure, FailureKind, Image, Package, Plan, Progress, Silent,
    Transport,
};
use mcpt_image::{Built, COMMAND_LABEL, PackageImage};
use mcpt_source::Recipe;
use oci_image::{Base, architecture};
use oci_registry::Reference;

use super::{jobs::Job, packages::Build};
use crate::{
    args::Global,
    backends,
    commands::image::{
        build::pushed,
        package::{full, tag},
        way::{self, Way},
    },
    ending::Ending,
    user_config::UserConfig,
};

/// Refuses an image where nothing runs images.
pub(super) fn refuse_without_engine(
    global: &Global,
    driver: &dyn Driver,
    recipe: &Recipe,
) -> Result<(), Failure> {
    if driver.capabilities().has(Capability::Images) {
        return Ok(());
    }
    let what = format!("cannot deploy {} here", recipe.source);
    Err(backends::unsupported(
        global.backends,
        driver,
        Capability::Images,
        what,
    ))
}

/// Gives a plan the image of its recipe. An engine knows what an image starts; for a cluster its registry is asked, since the
/// bridge must be told. Folders of this machine are not there, which is said with `warn`.
pub(super) fn give(
    plan: &mut Plan,
    recipe: &Recipe,
    image: &Image,
    can: Capabilities,
    warn: &dyn Fn(&str),
) -> Result<(), Failure> {
    let image = plan.image.get_or_insert_with(|| image.clone()).clone();
    plan.container_command = recipe.entrypoint.iter().cloned().collect();
    if can.has(Capability::Chart) {
        for mount in &mut plan.mounts {
            mount.host = None;
            warn(&format!(
                "the folder of this machine for {} is not in the cluster: the server finds an empty one there",
                mount.container
            ));
        }
    }
    if can.has(Capability::Chart)
        && plan.transport == Transport::Stdio
        && plan.container_command.is_empty()
    {
        plan.container_command = started(&image, plan.args.is_empty())?;
    }
    Ok(())
}

/// What an image starts, as its registry says; with its arguments where none are given.
fn started(image: &Image, whole: bool) -> Result<Vec<String>, Failure> {
    let what = format!("cannot find out what {} starts", image.reference());
    let hint = format!(
        "say it yourself: mcpt deploy -- docker run -i --entrypoint PROGRAM {} ARGUMENT…",
        image.reference()
    );
    let failure = || Failure::new(FailureKind::Failed, &what).hint(hint.clone());
    let reference = Reference::parse(&full(image)).map_err(|error| failure().caused_by(&error))?;
    let place = reference.clone();
    let base = Way::default().ask(&what, &reference, &Silent, move |registry, _| {
        Base::fetch(registry, &place, architecture())
    });
    let base = base.map_err(|failure| way::hinted(failure, &hint))?;
    let (entrypoint, arguments) = base.program();
    let stdio = base.label(COMMAND_LABEL);
    // Another's label of that name is no command of ours.
    let stdio = stdio.and_then(|text| serde_json::from_str(text).ok());
    let mut words = stdio.unwrap_or(entrypoint);
    if whole {
        words.extend(arguments);
    }
    if words.is_empty() {
        return Err(failure().because("it names no program that it starts"));
    }
    Ok(words)
}

/// Makes an image of a job's package, puts it where it is to be and gives it to the job in the package's place.
pub(super) fn build(
    build: &Build,
    job: &mut Job,
    package: &Package,
    config: &UserConfig,
    progress: &dyn Progress,
) -> Result<(), Ending> {
    let way = Way::default();
    let image = PackageImage::default();
    let runtimes = config.runtimes();
    let Built { image, command, .. } = build
        .ingredients
        .build(package, &image, &runtimes, &way, progress)?;
    if build.push {
        pushed(&image, &build.to, &tag(package), &way, progress)?;
    }
    job.plan.image = Some(Image {
        repository: build.to.repository.clone(),
        tag: None,
        digest: Some(image.digest().to_owned()),
        pull_policy: None,
    });
    job.plan.container_command = command;
    job.to_resolve = None;
    Ok(())
}
