//! Packages of npm and `PyPI` as sources of `deploy`: from a name to a plan with a lock.

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use mcpt_catalog::{Settings, compile_recipe};
use mcpt_core::{Capabilities, Capability, Failure, FailureKind, Image, Package, Progress};
use mcpt_package::{
    PackageSource, ResolveOptions, VOLUME, command_in, of_this_machine, resolve, tree_in,
};
use mcpt_source::{Recipe, Source, Transport, pasted};
use tokio::time::timeout;

use super::{
    Deploy,
    bundles::Bundles,
    described, images,
    jobs::{AT_ONCE, Job},
};
use crate::{
    args::Global,
    backends,
    chart_values::ChartValues,
    commands::image::{package::Ingredients, way::Way},
    ending::Ending,
    messages, place, progress, runtime,
    user_config::UserConfig,
};

/// The package that a name of the command means, with the server's arguments; `None` when it means something else.
pub(super) fn named(
    name: &str,
    arguments: &[String],
    config: &UserConfig,
    global: &Global,
    bundles: &Bundles<'_>,
) -> Result<Option<Recipe>, Failure> {
    let driver = || place::driver(global, config);
    let can = || Ok::<_, Failure>(driver()?.capabilities());
    let described = if described::is_file(name) {
        Some(described::recipe(name, can()?)?)
    } else if let Some(name) = described::registry_name(name) {
        Some(described::of_registry(&name, config, global, can()?)?)
    } else {
        None
    };
    if let Some(mut recipe) = described {
        if let Source::Mcpb(bundle) = recipe.source.clone() {
            recipe = bundles.beside(recipe, bundle, driver()?, global)?;
        }
        recipe.add_arguments(arguments.iter().cloned());
        warn_of_notes(&recipe, global);
        return Ok(Some(recipe));
    }
    let kinds = ["npm:", "pypi:", "oci:", "https://", "http://", "mcpb:"];
    if !kinds.iter().any(|kind| name.starts_with(kind)) {
        return Ok(None);
    }
    let shown = without_secrets(name);
    let what = || format!("cannot deploy {shown:?}");
    let source: Source = name
        .parse()
        .map_err(|error| Failure::new(FailureKind::Usage, what()).caused_by(&error))?;
    let mut recipe = match source {
        Source::Mcpb(bundle) => bundles.recipe(bundle, driver()?, global)?,
        source => Recipe::new(source),
    };
    recipe.add_arguments(arguments.iter().cloned());
    Ok(Some(recipe))
}

/// A source as it may be shown: an address may have a key in its query, or a password before its host.
fn without_secrets(name: &str) -> String {
    let shown = name.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = shown.split_once("://") else {
        return shown.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// The package that a command line starts, as people paste it.
pub(super) fn pasted(global: &Global, words: &[String]) -> Result<Recipe, Failure> {
    let failure = || {
        Failure::new(
            FailureKind::Usage,
            "cannot deploy what that command line starts",
        )
    };
    let recipe = pasted::command(words).map_err(|error| failure().caused_by(&error))?;
    let known = PackageSource::of(&recipe.source).is_some()
        || matches!(recipe.source, Source::Oci(_))
        || recipe.transport == Transport::Remote;
    if !known {
        return Err(failure().because(format!(
            "it is {}, and only packages of npm and PyPI, images and servers at an address can be deployed so",
            recipe.source
        )));
    }
    warn_of_notes(&recipe, global);
    Ok(recipe)
}

fn warn_of_notes(recipe: &Recipe, global: &Global) {
    for note in &recipe.notes {
        messages::warning(global, &note.0);
    }
}

impl Deploy {
    /// The job of a package, all of it checked but what only the registry can tell.
    pub(super) fn package_job(
        &self,
        recipe: &Recipe,
        settings: &Settings,
        global: &Global,
        config: &UserConfig,
    ) -> Result<Job, Failure> {
        let driver = place::driver(global, config)?;
        let can = driver.capabilities();
        if recipe.transport == Transport::Remote {
            if can.has(Capability::Images) {
                let what = format!("cannot deploy {} here", recipe.source.shown());
                return Err(Failure::new(FailureKind::Usage, what)
                    .because("a process of this machine stands for a server that runs elsewhere")
                    .hint("deploy it with --backend process"));
            }
        } else if let Source::Oci(_) = &recipe.source {
            images::refuse_without_engine(global, driver, recipe)?;
        } else if matches!(recipe.source, Source::Mcpb(_)) {
            // It was looked through for this backend.
        } else if !can.has(Capability::Packages) {
            let what = format!("cannot deploy {} here", recipe.source);
            return Err(backends::unsupported(
                global.backends,
                driver,
                Capability::Packages,
                what,
            ));
        }
        self.refuse_what_is_lacking(global, driver, true)?;
        let values = if can.has(Capability::Chart) {
            self.chart_values()?
        } else {
            ChartValues::default()
        };
        let mut plan = compile_recipe(recipe, settings)?;
        if let Some(image) = &self.image {
            plan.image = Some(image.clone());
        }
        if let Source::Oci(image) = &recipe.source {
            let warn = |text: &str| messages::warning(global, text);
            images::give(&mut plan, recipe, image, can, &warn)?;
        }
        if let Source::Mcpb(_) = &recipe.source {
            plan.local_command = recipe.entrypoint.iter().cloned().collect();
        }
        if recipe.transport == Transport::Remote {
            let text = format!(
                "{} runs elsewhere: its owner sees what is sent to it",
                recipe.source.shown()
            );
            messages::warning(global, &text);
        }
        Ok(Job {
            driver,
            place: place::place(global, config, driver),
            plan,
            options: self.deployment.options(config, can, values, None),
            to_resolve: PackageSource::of(&recipe.source),
        })
    }

    /// How packages are resolved, and what they become. Nothing is put into a registry unless it `changes` anything.
    pub(super) fn resolving(&self, changes: bool) -> Resolving {
        Resolving {
            install_scripts: !self.no_install_scripts,
            build: self.build.clone().map(|to| Build {
                to,
                ingredients: self.ingredients.clone(),
                push: changes,
            }),
        }
    }

    /// Refuses what is said about an image that is to be made where none is.
    pub(super) fn refuse_unused_ingredients(&self, jobs: &[Job]) -> Result<(), Failure> {
        let wrong = |option: &str| {
            Failure::new(FailureKind::Usage, format!("{option} cannot be used here"))
        };
        if self.build.is_some() {
            let other = jobs.iter().find(|job| job.to_resolve.is_none());
            return match other {
                Some(job) => Err(wrong("--build").because(format!(
                    "{} is no package of npm or PyPI, and an image is made of these",
                    job.plan.name
                ))),
                None => Ok(()),
            };
        }
        for (option, given) in [
            ("--base", self.ingredients.base.is_some()),
            ("--platform", self.ingredients.platform.is_some()),
        ] {
            if given {
                return Err(wrong(option).because("it is for the image that --build makes"));
            }
        }
        Ok(())
    }
}

/// Whether a package was resolved for another Python than the one that it is to run with there.
pub(super) fn is_for_another_python(
    package: &Package,
    can: Capabilities,
    config: &UserConfig,
) -> bool {
    let there = config.runtimes().pythons();
    can.has(Capability::Images)
        && !there.is_empty()
        && package
            .python
            .as_ref()
            .is_some_and(|python| !there.contains(python))
}

/// How packages are resolved, and what they become.
pub(super) struct Resolving {
    install_scripts: bool,
    build: Option<Build>,
}

impl Resolving {
    /// The versions of Python that a job's package may be resolved for: what it is resolved for must be what runs it.
    fn pythons(
        &self,
        job: &Job,
        config: &UserConfig,
        progress: &dyn Progress,
    ) -> Result<Vec<String>, Failure> {
        let Some(source @ PackageSource::Pypi(_)) = &job.to_resolve else {
            return Ok(Vec::new());
        };
        let mut runtimes = config.runtimes();
        if let Some(build) = &self.build {
            return build
                .ingredients
                .pythons(source, &runtimes, &Way::default(), progress);
        }
        if !job.driver.capabilities().has(Capability::Images) {
            return Ok(Vec::new());
        }
        if let Some(image) = &job.plan.image {
            runtimes.python = vec![image.reference()];
        }
        Ok(runtimes.pythons())
    }

    /// As `npx` and `uvx` do, to be installed where they run.
    pub(super) fn usual() -> Self {
        Self {
            install_scripts: true,
            build: None,
        }
    }
}

/// An image that is made of a package and run in its place.
pub(super) struct Build {
    pub(super) to: Image,
    pub(super) ingredients: Ingredients,
    /// Whether it is put there, too.
    pub(super) push: bool,
}

/// Resolves the packages of all jobs that have one, several at a time, each within the time that its deploy has.
pub(super) fn resolve_all(
    global: &Global,
    jobs: &mut [Job],
    resolving: &Resolving,
    config: &UserConfig,
) -> Result<Vec<Failure>, Ending> {
    if jobs.iter().all(|job| job.to_resolve.is_none()) {
        return Ok(Vec::new());
    }
    let progress = progress::display(global);
    let mut all_options = Vec::new();
    for job in jobs.iter() {
        all_options.push(ResolveOptions {
            install_scripts: resolving.install_scripts,
            pythons: resolving.pythons(job, config, progress.as_ref())?,
        });
    }
    let resolved = runtime::run(async {
        let work = jobs.iter().zip(&all_options).enumerate();
        let work = work.filter_map(|(index, (job, options))| {
            let source = job.to_resolve.as_ref()?;
            let progress = progress.as_ref();
            Some(async move {
                let resolving = resolve(source, options, progress);
                let outcome = match timeout(job.options.timeout, resolving).await {
                    Ok(outcome) => outcome.map_err(Failure::from),
                    Err(_) => Err(Failure::new(
                        FailureKind::TimedOut,
                        format!("cannot resolve {source}"),
                    )
                    .because(format!(
                        "the registry has not told all within {} s",
                        job.options.timeout.as_secs()
                    ))
                    .hint("give it more time with --timeout")),
                };
                (index, outcome)
            })
        });
        let work: Vec<_> = work.collect();
        let outcomes: Vec<(usize, Result<Package, Failure>)> =
            stream::iter(work).buffered(AT_ONCE).collect().await;
        Ok(outcomes)
    })?;
    let mut faults = Vec::new();
    for (index, outcome) in resolved {
        match outcome {
            Ok(package) => {
                let Some(job) = jobs.get_mut(index) else {
                    continue;
                };
                if let Some(build) = &resolving.build {
                    images::build(build, job, &package, config, progress.as_ref())?;
                } else {
                    faults.extend(give(job, package, config).err());
                }
            }
            Err(failure) => faults.push(failure),
        }
    }
    Ok(faults)
}

/// Gives a job its package and, where servers are containers, what runs it there.
pub(super) fn give(job: &mut Job, package: Package, config: &UserConfig) -> Result<(), Failure> {
    let plan = &mut job.plan;
    let can = job.driver.capabilities();
    if can.has(Capability::Images) {
        if plan.image.is_none() {
            let image = config.runtimes().image(&package).map_err(|error| {
                Failure::new(
                    FailureKind::Failed,
                    format!("there is no image to run {} in", package.source()),
                )
                .caused_by(&error)
                .hint("name one in the configuration: runtimes.node or runtimes.python")
            })?;
            plan.image = Some(image);
        }
        // In a namespace of a cluster others may read it.
        if !can.has(Capability::Namespaces) || config.runtimes.settings {
            let told = of_this_machine(package.ecosystem).map_err(|error| {
                let what = format!("cannot tell the installer of {}", package.source());
                Failure::new(FailureKind::Failed, what).caused_by(&error)
            })?;
            plan.package_settings = told;
        }
        plan.container_command = command_in(&package, &tree_in(Path::new(VOLUME)));
    }
    plan.package = Some(package);
    Ok(())
}
