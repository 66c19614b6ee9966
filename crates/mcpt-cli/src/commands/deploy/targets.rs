//! From the names of a command to what is to be deployed where: templates and entries of registries, all of it checked before
//! anything is touched.

use std::{cell::RefCell, collections::BTreeSet};

use mcpt_catalog::{
    Catalog, CompiledEntry, EntryChoices, RegistryEntry, Settings, compile, compile_entry,
};
use mcpt_core::{Capability, Failure, FailureKind};
use mcpt_package::PackageSource;
use mcpt_source::Recipe;
use serde_json::{Map, Value, json};

use super::{
    Deploy,
    bundles::Bundles,
    jobs::{Job, Work},
    packages,
};
use crate::{
    args::Global,
    chart_values::ChartValues,
    commands::{
        registry::{files::Registries, user_values},
        templates,
    },
    messages, place,
    user_config::UserConfig,
};

/// What a name means.
enum NameMeaning<'a> {
    Template(&'a str),
    Package(Box<Recipe>),
    Entry(&'a RegistryEntry),
}

impl Deploy {
    /// All that is to be deployed.
    pub(super) fn work(&self, global: &Global, config: &UserConfig) -> Result<Work, Failure> {
        let catalog = templates(config);
        let none = UserConfig::default();
        let known = if self.no_registry { &none } else { config };
        let registries = if self.all {
            Registries::required(&self.registry, known)?
        } else {
            Registries::open(&self.registry, known)?
        };
        let settings = self.settings()?;
        let bundles = Bundles {
            config: &settings.config,
            pending: RefCell::default(),
        };
        let targets = self.targets(&registries, &catalog, global, config, &bundles)?;
        if targets.len() != 1 {
            self.refuse_what_is_for_one()?;
        }
        let entries: Vec<&RegistryEntry> = targets
            .iter()
            .filter_map(|target| match target {
                NameMeaning::Entry(entry) => Some(*entry),
                NameMeaning::Template(_) | NameMeaning::Package(_) => None,
            })
            .collect();
        self.refuse_arguments(&targets)?;
        let mut user = Map::new();
        if !entries.is_empty() {
            self.refuse_mixture(&targets)?;
            user_values::refuse_unread(&self.set, &entries)?;
            user = user_values::merged(config, &self.values, &self.set)?;
        }
        let mut jobs = Vec::new();
        let mut faults = Vec::new();
        for target in &targets {
            let job = match target {
                NameMeaning::Template(name) => {
                    self.template_job(name, &catalog, &settings, global, config)
                }
                NameMeaning::Package(recipe) => self.package_job(recipe, &settings, global, config),
                NameMeaning::Entry(entry) => {
                    self.entry_job(entry, &catalog, &settings, &user, global, config)
                }
            };
            match job {
                Ok(job) => jobs.push((target, job)),
                Err(fault) => faults.push(fault),
            }
        }
        refuse_same(&jobs)?;
        let jobs: Vec<Job> = jobs.into_iter().map(|(_, job)| job).collect();
        self.refuse_unused_ingredients(&jobs)?;
        Ok(Work {
            jobs,
            faults,
            bundles: bundles.pending.into_inner(),
        })
    }

    fn targets<'a>(
        &'a self,
        registries: &'a Registries,
        catalog: &Catalog,
        global: &Global,
        config: &UserConfig,
        bundles: &Bundles<'_>,
    ) -> Result<Vec<NameMeaning<'a>>, Failure> {
        if self.all {
            // Each name means one, as it must when it is named.
            let named = registries
                .entries()
                .map(|entry| registries.get(entry.name.as_str()));
            return named.map(|entry| entry.map(NameMeaning::Entry)).collect();
        }
        if self.names.is_empty() {
            let recipe = packages::pasted(global, &self.arguments)?;
            return Ok(vec![NameMeaning::Package(Box::new(recipe))]);
        }
        let mut seen = BTreeSet::new();
        let mut targets = Vec::new();
        for name in &self.names {
            if !seen.insert(name) {
                return Err(Failure::new(
                    FailureKind::Usage,
                    format!("{name} is named twice"),
                ));
            }
            if let Some(recipe) = packages::named(name, &self.arguments, config, global, bundles)? {
                targets.push(NameMeaning::Package(Box::new(recipe)));
                continue;
            }
            let entry = if name.contains('/') && self.registry.is_empty() {
                None
            } else {
                registries.meant(name, catalog)?
            };
            targets.push(entry.map_or(NameMeaning::Template(name), NameMeaning::Entry));
        }
        Ok(targets)
    }

    fn refuse_what_is_for_one(&self) -> Result<(), Failure> {
        let given: Vec<&str> = [
            ("--name", self.name.is_some()),
            ("-c", !self.config.is_empty()),
            ("--config-file", self.config_file.is_some()),
            ("-e", !self.env.is_empty()),
            ("--header", !self.headers.is_empty()),
            ("--ca-file", self.ca_file.is_some()),
            ("--transport", self.transport.is_some()),
            ("--replicas", self.replicas.is_some()),
            ("--idle-timeout", self.idle_timeout.is_some()),
            ("--image", self.image.is_some()),
            ("--build", self.build.is_some()),
        ]
        .into_iter()
        .filter_map(|(option, given)| given.then_some(option))
        .collect();
        if given.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Usage,
            format!("{} cannot be used here", given.join(", ")),
        )
        .because("they are settings of one server, and several are to be deployed"))
    }

    /// `-f` and `--set` are values of the chart for a template, and values of expressions for an entry.
    fn refuse_mixture(&self, targets: &[NameMeaning<'_>]) -> Result<(), Failure> {
        let templates: Vec<String> = targets
            .iter()
            .filter_map(|target| match target {
                NameMeaning::Template(name) => Some((*name).to_owned()),
                NameMeaning::Package(recipe) => Some(recipe.source.shown()),
                NameMeaning::Entry(_) => None,
            })
            .collect();
        if templates.is_empty() || (self.values.is_empty() && self.set.is_empty()) {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Usage,
            "-f and --set cannot be used here",
        )
        .because(format!(
            "they are chart values for templates ({}), and values of expressions for entries of registries",
            templates.join(", ")
        ))
        .hint("deploy the templates with a command of their own"))
    }

    /// Arguments of a template are its settings, and those of an entry are in its file.
    fn refuse_arguments(&self, targets: &[NameMeaning<'_>]) -> Result<(), Failure> {
        let at_an_address: Vec<&str> = [
            ("--header", !self.headers.is_empty()),
            ("--ca-file", self.ca_file.is_some()),
        ]
        .into_iter()
        .filter_map(|(option, given)| given.then_some(option))
        .collect();
        let packages = matches!(targets, [NameMeaning::Package(_)]);
        if !at_an_address.is_empty() && !packages {
            return Err(Failure::new(
                FailureKind::Usage,
                format!("{} cannot be used here", at_an_address.join(", ")),
            )
            .because("only a server at an address is asked by mcpt itself"));
        }
        if self.arguments.is_empty() || matches!(targets, [NameMeaning::Package(_)]) {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Usage,
            "arguments behind -- cannot be used here",
        )
        .because("they are for one package; templates and entries of registries have settings")
        .hint("give settings with -c KEY=VALUE"))
    }

    fn template_job(
        &self,
        name: &str,
        catalog: &Catalog,
        settings: &Settings,
        global: &Global,
        config: &UserConfig,
    ) -> Result<Job, Failure> {
        let driver = place::driver(global, config)?;
        self.refuse_what_is_lacking(global, driver, true)?;
        let can = driver.capabilities();
        let values = if can.has(Capability::Chart) {
            self.chart_values()?
        } else {
            ChartValues::default()
        };
        let template = catalog.get(name)?;
        let mut plan = compile(&template, settings)?;
        let package = template.package_for(can).filter(|_| self.image.is_none());
        let to_resolve = package.and_then(PackageSource::of);
        if let Some(image) = &self.image {
            plan.image = Some(image.clone());
        }
        Ok(Job {
            driver,
            place: place::place(global, config, driver),
            plan,
            options: self.deployment.options(config, can, values, None),
            to_resolve,
        })
    }

    fn entry_job(
        &self,
        entry: &RegistryEntry,
        catalog: &Catalog,
        settings: &Settings,
        user: &Map<String, Value>,
        global: &Global,
        config: &UserConfig,
    ) -> Result<Job, Failure> {
        let driver = place::driver_for(global, config, entry)?;
        self.refuse_what_is_lacking(global, driver, false)?;
        let can = driver.capabilities();
        let choices = EntryChoices {
            backend: driver.name(),
            capabilities: can,
            settings: settings.clone(),
            image: self.image.clone(),
            profile: self.profile.clone(),
            values: user.clone(),
        };
        let CompiledEntry {
            plan,
            mut values,
            chart,
            warnings,
            package,
            ..
        } = compile_entry(entry, catalog, &choices)?;
        for warning in warnings {
            messages::warning(global, &warning);
        }
        if let Some(replicas) = self.replicas
            && can.has(Capability::Chart)
        {
            values.insert("replicaCount".to_owned(), json!(replicas));
            // Where an autoscaler says the number, that one would mean nothing.
            if let Some(Value::Object(autoscaling)) = values.get_mut("autoscaling") {
                autoscaling.insert("enabled".to_owned(), json!(false));
            }
        }
        if self.idle_timeout.is_some()
            && let Some(chart) = chart.as_ref().filter(|chart| !chart.takes_plan)
        {
            let what = format!("--idle-timeout cannot be used for {}", entry.name);
            return Err(Failure::new(FailureKind::Usage, what)
                .because(format!(
                    "{} is not mcpt's chart, and nothing in it lets the gateway stop and start its pods",
                    chart.origin
                ))
                .hint("leave it out, or deploy the server with mcpt's own chart"));
        }
        if let Some(idle) = self.idle_timeout
            && can.has(Capability::Idling)
        {
            let idle = json!({"timeoutSeconds": super::whole_seconds(idle)});
            values.insert("idle".to_owned(), idle);
        }
        Ok(Job {
            driver,
            place: place::place_for(global, config, driver, entry),
            plan,
            options: self.deployment.options(
                config,
                can,
                ChartValues::of(values, &format!("entry {}", entry.name)),
                chart,
            ),
            to_resolve: package.as_ref().and_then(PackageSource::of),
        })
    }
}

/// Refuses two jobs for the same server: they would run at the same time.
fn refuse_same(jobs: &[(&NameMeaning<'_>, Job)]) -> Result<(), Failure> {
    for (index, (target, job)) in jobs.iter().enumerate() {
        let mut before = jobs.iter().take(index);
        let Some((first, _)) = before.find(|(_, other)| job.same(other)) else {
            continue;
        };
        let name = &job.plan.name;
        let failure = Failure::new(
            FailureKind::Usage,
            format!("{name} would be deployed twice"),
        );
        return Err([first, target]
            .into_iter()
            .fold(failure, |failure, target| {
                failure.because(match target {
                    NameMeaning::Template(template) => {
                        format!("it is the server of template {template}")
                    }
                    NameMeaning::Package(recipe) => {
                        format!("it is the server of {}", recipe.source.shown())
                    }
                    NameMeaning::Entry(entry) => {
                        format!("it is an entry of {}", entry.file().display())
                    }
                })
            }));
    }
    Ok(())
}
