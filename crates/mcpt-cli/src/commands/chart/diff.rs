//! `mcpt chart diff upgrade|drift|revision`: what would be changed, what others have changed, and what differs.

use clap::{Args, Subcommand};
use helm_install::{
    action::{Changed, Conduct, Upgrade as Work},
    manifest,
};
use mcpt_core::{Comparison, Difference};

use super::{
    failed,
    install::SourceFlags,
    releases::{revision, revisions},
    session::{Teller, connect, refused},
    upgrade::ReuseFlags,
};
use crate::{args::Global, compared, ending::Ending, runtime};

/// Arguments of `mcpt chart diff`.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is changed. Secrets are never shown, only whether they are the same.
A conflict with others who own fields is not shown: it is told what would be if they were taken over.

Exit codes are those of the diff plugin of helm: 0, also when something differs; with --detailed-exitcode 2 then.

Examples:
  mcpt chart diff upgrade web ./chart --set replicas=2
  mcpt chart diff drift web --detailed-exitcode
  mcpt chart diff revision web 2 3"
)]
pub(crate) struct Diff {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What an upgrade would change of what is on the cluster
    Upgrade(Box<Upgrade>),
    /// What of a release is not on the cluster as its last revision says, because others changed it
    Drift(Drift),
    /// What differs between two revisions of a release
    Revision(Revision),
}

#[derive(Debug, Args)]
struct ExitFlag {
    /// End with 2 when something differs
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Debug, Args)]
struct Upgrade {
    /// The release
    release: String,
    #[arg(help = "A folder, an archive, repository/chart or oci://host/path/chart")]
    chart: String,
    #[command(flatten)]
    reuse: ReuseFlags,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    exit: ExitFlag,
}

#[derive(Debug, Args)]
struct Drift {
    /// The release
    release: String,
    #[command(flatten)]
    exit: ExitFlag,
}

#[derive(Debug, Args)]
struct Revision {
    /// The release
    release: String,
    /// Its revision [default: the one before the other]
    from: Option<u32>,
    /// The other revision [default: the last]
    to: Option<u32>,
    #[command(flatten)]
    exit: ExitFlag,
}

impl Diff {
    /// Shows it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        match &self.what {
            What::Upgrade(upgrade) => upgrade.run(global),
            What::Drift(drift) => drift.run(global),
            What::Revision(revision) => revision.run(global),
        }
    }
}

impl ExitFlag {
    fn show(&self, global: &Global, release: &str, comparison: Comparison) -> Result<(), Ending> {
        let shown = compared::show(global, &[(release.to_owned(), comparison)]);
        match shown {
            Err(Ending::Different) if self.detailed_exitcode => Err(Ending::DifferentInDetail),
            Err(Ending::Different) => Ok(()),
            other => other,
        }
    }
}

impl Upgrade {
    fn run(&self, global: &Global) -> Result<(), Ending> {
        let source = self.source.source(&self.chart)?;
        let work = Work {
            source: &source,
            reuse: self.reuse.meant(),
        };
        let (conduct, teller) = (Conduct::default(), Teller::new(global));
        let changed = runtime::run(async {
            let cluster = connect(global).await?;
            let action = teller.action(&cluster, &self.release, &conduct);
            let changed = Box::pin(work.compare(&action)).await;
            changed.map_err(|error| refused(&error))
        })?;
        drop(teller);
        let comparison = comparison("on the cluster", "what the upgrade would make", changed);
        self.exit.show(global, &self.release, comparison)
    }
}

impl Drift {
    fn run(&self, global: &Global) -> Result<(), Ending> {
        let (conduct, teller) = (Conduct::default(), Teller::new(global));
        let mut changed = runtime::run(async {
            let cluster = connect(global).await?;
            let action = teller.action(&cluster, &self.release, &conduct);
            let changed = Box::pin(action.drift()).await;
            changed.map_err(|error| refused(&error))
        })?;
        drop(teller);
        for one in &mut changed {
            // What the release says comes first, then what others made of it.
            std::mem::swap(&mut one.before, &mut one.after);
        }
        let comparison = comparison("as the release says", "on the cluster", changed);
        self.exit.show(global, &self.release, comparison)
    }
}

fn comparison(before: &str, after: &str, changed: Vec<Changed>) -> Comparison {
    let differences = changed
        .into_iter()
        .filter_map(|one| Difference::of(one.object, one.before, one.after, &[]));
    Comparison {
        before: before.to_owned(),
        after: after.to_owned(),
        differences: differences.collect(),
    }
}

impl Revision {
    fn run(&self, global: &Global) -> Result<(), Ending> {
        let to = revision(global, &self.release, self.to.unwrap_or_default())?.release;
        let all = revisions(global, &self.release)?;
        let mut earlier = all.iter().rev().map(|record| &record.release);
        let wanted = |number: u32| self.from.map_or(number < to.version, |from| number == from);
        let from = earlier.find(|one| wanted(one.version));
        let from = from.ok_or_else(|| failed("release: not found".to_owned()))?;
        let objects = |release| {
            let objects = manifest::of_release(release);
            objects.map_err(|error| failed(error.to_string()))
        };
        let (old, new) = (objects(from)?, objects(&to)?);
        let label = |object: &helm_install::Object| format!("{}/{}", object.kind, object.name);
        let mut differences = Vec::new();
        for object in &new {
            let before = old.iter().find(|other| other.same(object));
            let before = before.map(|before| before.body.clone());
            let after = Some(object.body.clone());
            differences.extend(Difference::of(label(object), before, after, &[]));
        }
        let gone = old
            .iter()
            .filter(|old| !new.iter().any(|new| new.same(old)));
        for object in gone {
            let before = Some(object.body.clone());
            differences.extend(Difference::of(label(object), before, None, &[]));
        }
        let comparison = Comparison {
            before: format!("revision {}", from.version),
            after: format!("revision {}", to.version),
            differences,
        };
        self.exit.show(global, &self.release, comparison)
    }
}
