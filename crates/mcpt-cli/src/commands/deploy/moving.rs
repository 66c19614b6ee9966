//! `mcpt move NAME --to BACKEND`: a server as it was deployed, in another backend. The old one ends when the new one answers, and
//! goes on as it was when that does not.

use std::time::Duration;

use clap::Args;
use mcpt_backend::Driver;
use mcpt_core::{
    Backend, BackendName, Capability, DeleteOptions, EntryPoint, Failure, FailureKind, Package,
    Recalled, RecordedPlan, ServerName,
};
use mcpt_package::PackageSource;
use mcpt_source::Source;

use super::{
    jobs::{self, Job, Work},
    packages::{self, Resolving},
};
use crate::{
    args::Global, backends, deployment, duration, ending::Ending, everywhere, messages, place,
    progress, runtime, user_config::UserConfig,
};

/// Arguments of `mcpt move`.
#[derive(Debug, Args)]
#[command(
    after_help = "Name, settings, secrets and number of instances are those that it was deployed with; its data stays behind, and what was given for a \
        chart alone (-f, --set, --profile), autoscaling and the idle time-out. A client of the gateway keeps its URL. The old one ends when the new one answers; when that fails, all is as before. \
        Of the options that name a place (-n, --context), --backend is where it is now.

Examples:
  mcpt move demo --to docker
  mcpt move demo --to kubernetes -n tools --create-namespace
  mcpt -b docker move demo --to kubernetes --dry-run"
)]
pub(crate) struct Move {
    /// Name of the server
    name: ServerName,
    /// Backend that it is to run in
    #[arg(long, value_name = "BACKEND")]
    to: BackendName,
    /// Make the namespace when it is not there (Kubernetes)
    #[arg(long)]
    create_namespace: bool,
    /// Show what would be deployed there and change nothing
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for the new one, and then for the end of the old one
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

/// Where the server is, and as what it was deployed there.
struct Old {
    driver: &'static dyn Driver,
    /// As messages say it.
    place: String,
    /// The command that ends it.
    delete: String,
    recalled: Recalled,
}

impl Move {
    /// Moves it.
    pub(crate) fn run(self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let target = global.backends.get(&self.to, "--to")?;
        let old = runtime::run(async { Ok(self.find(global, &config, target).await?) })?;
        let job = self.job(global, &config, target, &old.recalled)?;
        let work = Work {
            jobs: vec![job],
            faults: Vec::new(),
            bundles: Vec::new(),
        };
        let resolving = Resolving::usual();
        let deployed = jobs::run(global, &config, work, &resolving);
        deployed
            .map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))?;
        if self.dry_run {
            messages::hint(global, &format!("the one {} would end then", old.place));
            return Ok(());
        }
        let ended = runtime::run(async { Ok(self.end(global, &config, &old).await?) });
        ended.map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))
    }

    fn what(&self) -> String {
        format!("cannot move {} to {}", self.name, self.to)
    }

    /// The server where it is now, unless another one of its name is in the way.
    async fn find(
        &self,
        global: &Global,
        config: &UserConfig,
        target: &'static dyn Driver,
    ) -> Result<Old, Failure> {
        let refused = |kind| Failure::new(kind, self.what());
        if !target.capabilities().has(Capability::Recall) {
            // It could not come back, and a killed move could not be finished.
            let lacking = Capability::Recall;
            return Err(backends::unsupported(
                global.backends,
                target,
                lacking,
                self.what(),
            ));
        }
        let there = place::open_quietly(global, config, target).await?;
        let (source, unanswered) = self.source(global, config, target).await?;
        let Some(source) = source else {
            return Err(if there.has(&self.name).await? {
                refused(FailureKind::Usage).because(format!("it is {} already", there.place()))
            } else if let Some(mut failure) = unanswered.into_iter().next() {
                // It may be there.
                let why = std::mem::replace(&mut failure.what, self.what());
                failure.why.insert(0, why);
                failure
            } else {
                refused(FailureKind::NotFound)
                    .because(format!(
                        "there is no server {} in any other backend",
                        self.name
                    ))
                    .hint("mcpt list shows those that are there")
            });
        };
        let recalled = source.recall(&self.name).await;
        let has_one = there.has(&self.name).await?;
        let recalled = recalled.map_err(|mut failure| {
            failure.what = self.what();
            if has_one {
                failure.hint = Some(format!(
                    "there is one {} already: if it is the one that was to come, {} ends the old one",
                    there.place(),
                    source.command(&format!("delete {}", self.name))
                ));
            }
            failure
        })?;
        if recalled.replicas == 0 {
            return Err(refused(FailureKind::Usage)
                .because(format!("it is scaled to 0 {}", source.place()))
                .hint(format!(
                    "scale it up first: {}",
                    source.command(&format!("scale {} --replicas 1", self.name))
                )));
        }
        // What a killed move left there is finished by this one.
        let is_another = match there.recall(&self.name).await {
            Ok(other) => other != recalled,
            Err(mut failure) if has_one && failure.kind != FailureKind::NotFound => {
                failure.what = self.what();
                let where_it_is = format!("there is one of that name {} already", there.place());
                return Err(failure.because(where_it_is));
            }
            Err(_) => false,
        };
        if is_another {
            return Err(refused(FailureKind::Failed)
                .because(format!(
                    "there is another server of that name {}",
                    there.place()
                ))
                .hint(format!(
                    "{} removes it",
                    there.command(&format!("delete {}", self.name))
                )));
        }
        let driver = global.backends.get(&source.name(), "--backend")?;
        Ok(Old {
            driver,
            place: source.place(),
            delete: source.command(&format!("delete {}", self.name)),
            recalled,
        })
    }

    /// The backend that it is in: the one that is named, else the only one beside the target that has one of that name; and why
    /// others could not be asked, which is told.
    async fn source(
        &self,
        global: &Global,
        config: &UserConfig,
        target: &'static dyn Driver,
    ) -> Result<(Option<Box<dyn Backend>>, Vec<Failure>), Failure> {
        let refused = |kind| Failure::new(kind, self.what());
        if let Some(name) = &global.backend {
            let driver = global.backends.get(name, "--backend")?;
            if driver.name() == target.name() {
                return Err(refused(FailureKind::Usage).because(format!(
                    "--backend is where it is now, and that is {name} as well"
                )));
            }
            if !driver.capabilities().has(Capability::Recall) {
                let lacking = Capability::Recall;
                return Err(backends::unsupported(
                    global.backends,
                    driver,
                    lacking,
                    self.what(),
                ));
            }
            let named = place::open_quietly(global, config, driver).await?;
            return Ok((Some(named), Vec::new()));
        }
        let (mut found, failures) = everywhere::that_have(global, config, &self.name, target).await;
        for failure in &failures {
            messages::warning(global, &failure.to_string());
        }
        if found.len() > 1 {
            let names: Vec<_> = found.iter().map(|one| one.name().to_string()).collect();
            let failure = refused(FailureKind::Usage);
            let failure = found.iter().fold(failure, |failure, one| {
                failure.because(format!("there is one {}", one.place()))
            });
            return Err(failure.hint(format!("add --backend {}", names.join(" or "))));
        }
        Ok((found.pop(), failures))
    }

    /// What is to be deployed there.
    fn job(
        &self,
        global: &Global,
        config: &UserConfig,
        target: &'static dyn Driver,
        recalled: &Recalled,
    ) -> Result<Job, Failure> {
        let can = target.capabilities();
        warn_of_data(global, &recalled.recorded, can.has(Capability::Forwarding));
        let replicas = can.has(Capability::Instances).then_some(recalled.replicas);
        if replicas.is_none() && recalled.replicas > 1 {
            let text = format!(
                "{} instances become one: {}",
                recalled.replicas,
                backends::lacking(target, Capability::Instances)
            );
            messages::warning(global, &text);
        }
        let recorded = recalled.recorded.clone();
        let (plan, package) = recorded.plan(recalled.secrets.clone(), replicas);
        let mut job = Job {
            driver: target,
            place: place::place(global, config, target),
            plan,
            options: deployment::elsewhere(
                config,
                can,
                self.timeout,
                self.dry_run,
                self.create_namespace,
            ),
            to_resolve: None,
        };
        let locked = job.plan.package.take();
        if let Some(package) = locked.as_ref().or(package.as_ref())
            && !can.has(Capability::Packages)
        {
            let what = format!("cannot deploy {} there", package.source());
            return Err(backends::unsupported(
                global.backends,
                target,
                Capability::Packages,
                what,
            ));
        }
        match (locked, package) {
            (Some(package), _) if !packages::is_for_another_python(&package, can, config) => {
                packages::give(&mut job, package, config)?;
            }
            (Some(package), _) | (None, Some(package)) => {
                job.to_resolve = Some(the_same(&package).ok_or_else(|| {
                    Failure::new(FailureKind::Failed, self.what())
                        .because(format!("{} is no source of a package", package.source()))
                })?);
            }
            (None, None) => {}
        }
        Ok(job)
    }

    /// Ends the old one, unless somebody has changed it meanwhile.
    ///
    /// # Errors
    /// With the words that two run now, and how one of them is ended.
    async fn end(&self, global: &Global, config: &UserConfig, old: &Old) -> Result<(), Failure> {
        let both_run = |mut failure: Failure| {
            failure.what = format!("cannot end the old {}", self.name);
            failure
                .because(format!(
                    "the one {} may still run beside the new one",
                    old.place
                ))
                .hint(format!("{} ends the old one", old.delete))
        };
        let source = place::open_quietly(global, config, old.driver).await;
        let source = source.map_err(both_run)?;
        match source.recall(&self.name).await {
            Ok(now) if now == old.recalled => {}
            // Somebody else has ended it.
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(()),
            Ok(_) => {
                let what = format!("cannot end the old {}", self.name);
                return Err(Failure::new(FailureKind::Failed, what)
                    .because("it was changed while the new one was started, and both run now")
                    .hint(format!("end one of them: {}", old.delete)));
            }
            Err(failure) => return Err(both_run(failure)),
        }
        let progress = progress::display(global);
        let options = DeleteOptions {
            wait: Some(self.timeout),
            purge_data: false,
            keep_work: true,
            delete_namespace: false,
        };
        let deleted = source.delete(&self.name, &options, progress.as_ref()).await;
        drop(progress);
        let deleted = match deleted {
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(()),
            deleted => deleted.map_err(both_run)?,
        };
        for kept in deleted.kept {
            messages::hint(global, &format!("kept {kept} {}", source.place()));
        }
        Ok(())
    }
}

/// Data does not move.
fn warn_of_data(global: &Global, recorded: &RecordedPlan, far: bool) {
    for mount in recorded.mounts() {
        let text = match &mount.host {
            Some(host) if far => format!(
                "{}: what is in {} stays on this machine; there it has a volume of its own",
                mount.setting,
                host.display()
            ),
            Some(_) => continue,
            None => format!("{}: what is in its volume stays behind", mount.setting),
        };
        messages::warning(global, &text);
    }
}

/// What resolves to the very version of a package, with the program of it that was run.
fn the_same(package: &Package) -> Option<PackageSource> {
    let parse = |text: &str| PackageSource::of(&text.parse::<Source>().ok()?);
    let exact = parse(&package.source())?;
    let mut wanted = parse(&package.requested).unwrap_or_else(|| exact.clone());
    match (&mut wanted, exact) {
        (PackageSource::Npm(wanted), PackageSource::Npm(exact)) => {
            wanted.version = exact.version;
            if let EntryPoint::Program(program) = &package.entry_point {
                wanted.bin = Some(program.clone());
            }
        }
        (PackageSource::Pypi(wanted), PackageSource::Pypi(exact)) => {
            wanted.version = exact.version;
            match &package.entry_point {
                EntryPoint::Program(program) => wanted.script = Some(program.clone()),
                EntryPoint::Module(module) => wanted.module = Some(module.clone()),
            }
        }
        _ => return None,
    }
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mcpt_core::Ecosystem;

    use super::*;

    #[test]
    fn the_same_version_is_resolved_again() {
        let package = |ecosystem, requested: &str, entry_point| Package {
            ecosystem,
            name: "a-b".to_owned(),
            version: "1.2.3".to_owned(),
            requested: requested.to_owned(),
            entry_point,
            python: None,
            packages: 1,
            install_scripts: Vec::new(),
            lock: BTreeMap::new(),
        };
        let npm = package(
            Ecosystem::Npm,
            "npm:a-b@^1",
            EntryPoint::Program("x".to_owned()),
        );
        let Some(PackageSource::Npm(same)) = the_same(&npm) else {
            panic!("no package of npm");
        };
        assert_eq!(same.bin.as_deref(), Some("x"));
        assert_eq!(PackageSource::Npm(same).version().as_deref(), Some("1.2.3"));
        let pypi = package(
            Ecosystem::Pypi,
            "pypi:a-b",
            EntryPoint::Module("y".to_owned()),
        );
        let Some(PackageSource::Pypi(same)) = the_same(&pypi) else {
            panic!("no package of PyPI");
        };
        assert_eq!(same.module.as_deref(), Some("y"));
        assert_eq!(
            PackageSource::Pypi(same).version().as_deref(),
            Some("1.2.3")
        );
    }
}
