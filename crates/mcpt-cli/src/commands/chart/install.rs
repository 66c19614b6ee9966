//! `mcpt chart install [NAME] CHART`: a chart becomes a release.

use clap::Args;
use helm_install::action::{Conduct, Install as Work, Source};
use helm_release::Release;
use mcpt_core::Failure;

use super::{
    LONGEST_NAME, failed,
    flags::{DnsFlag, RenderFlags, ValueFlags},
    is_release_name,
    location::{ChartFlags, UpdateFlag},
    operation_flags::{DryRun, DryRunFlag, ForceFlags, JobsFlag, WaitFlags, labels},
    post_rendering::PostRenderFlags,
    printed::{self, Extra, manifest},
    session::{Teller, connect, namespace, refused_as},
    template::{from_template, generated},
};
use crate::{args::Global, ending::Ending};

/// What helm says before errors.
const FAILED: &str = "INSTALLATION FAILED: ";

/// Arguments of `mcpt chart install`.
#[derive(Debug, Args)]
pub(crate) struct Install {
    #[arg(
        required = true,
        num_args = 1..=2,
        value_name = "[NAME] CHART",
        help = "The release's name, and a folder, an archive, repository/chart or oci://host/path/chart"
    )]
    names: Vec<String>,
    /// Make up the release's name
    #[arg(short, long)]
    generate_name: bool,
    /// A template of the release's name
    #[arg(long = "name-template", value_name = "TEMPLATE")]
    name_from: Option<String>,
    /// Take the name of a release that failed, or was removed with its history kept
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    of_both: RevisionFlags,
}

/// The chart, its values, and how it is rendered.
#[derive(Debug, Args)]
pub(super) struct SourceFlags {
    #[command(flatten)]
    values: ValueFlags,
    /// Values are not checked against the chart's schema
    #[arg(long)]
    skip_schema_validation: bool,
    /// The notes of the charts in it too
    #[arg(long)]
    render_subchart_notes: bool,
    #[command(flatten)]
    render: RenderFlags,
    #[command(flatten)]
    dns: DnsFlag,
    #[command(flatten)]
    post_render: PostRenderFlags,
    #[command(flatten)]
    update: UpdateFlag,
    #[command(flatten)]
    from: ChartFlags,
}

/// What an installation and an upgrade have in common.
#[derive(Debug, Args)]
pub(super) struct RevisionFlags {
    #[command(flatten)]
    pub(super) source: SourceFlags,
    /// Make the namespace when it is not there
    #[arg(long)]
    pub(super) create_namespace: bool,
    /// Leave the custom resource definitions in crds/ out
    #[arg(long)]
    pub(super) skip_crds: bool,
    /// When it fails, put everything back as it was; waits until all is ready
    #[arg(long, alias = "atomic")]
    rollback_on_failure: bool,
    /// Take over objects that are there and are no release's, or another's
    #[arg(long)]
    take_ownership: bool,
    /// Labels of the record, as key=value,key=value
    #[arg(short = 'l', long, value_name = "LABELS")]
    labels: Vec<String>,
    /// No notes in the output
    #[arg(long)]
    pub(super) hide_notes: bool,
    /// No Secrets in what --dry-run prints
    #[arg(long)]
    hide_secret: bool,
    #[arg(long, hide = true)]
    disable_openapi_validation: bool,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    waits: WaitFlags,
    #[command(flatten)]
    jobs: JobsFlag,
    #[command(flatten)]
    force: ForceFlags,
}

impl SourceFlags {
    /// The chart and the values.
    pub(super) fn source(&self, chart: &str) -> Result<Source, Ending> {
        Ok(Source {
            chart: self.from.load_whole(chart, self.update)?,
            values: self.values.merged()?,
            limits: self.render.limits(),
            skip_schema: self.skip_schema_validation,
            subchart_notes: self.render_subchart_notes,
            resolver: self.dns.resolver(),
            post_renderer: self.post_render.meant()?,
        })
    }
}

impl RevisionFlags {
    pub(super) fn dry_run(&self, global: &Global) -> Result<DryRun, Failure> {
        self.dry_run.meant(global)
    }

    /// Whether Secrets are hidden.
    ///
    /// # Errors
    /// When something is to be changed: then nothing is printed that could be hidden.
    pub(super) fn hides_secrets(&self, dry_run: DryRun) -> Result<bool, Failure> {
        if self.hide_secret && dry_run == DryRun::No {
            let what = "hiding Kubernetes secrets requires a dry-run mode";
            return Err(failed(what.to_owned()));
        }
        Ok(self.hide_secret)
    }

    pub(super) fn conduct(&self, global: &Global) -> Result<Conduct, Failure> {
        self.force.over(Conduct {
            take_ownership: self.take_ownership,
            rollback_on_failure: self.rollback_on_failure,
            labels: labels(&self.labels)?,
            ..self.waits.conduct(global, self.jobs.waits())?
        })
    }
}

impl Install {
    /// Installs it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let (named, chart) = match self.names.as_slice() {
            [name, chart] => (Some(name.as_str()), chart),
            [chart] => (None, chart),
            _ => return Err(failed("name a chart".to_owned()).into()),
        };
        let name = self.release_name(named, chart);
        let name = name.map_err(|failure| prefixed(FAILED, failure.into()))?;
        let source = self.of_both.source.source(chart);
        let source = source.map_err(|ending| prefixed(FAILED, ending))?;
        let work = Work {
            source: &source,
            create_namespace: self.of_both.create_namespace,
            skip_crds: self.of_both.skip_crds,
            replace: self.replace,
        };
        install(global, &self.of_both, &work, &name, FAILED)
    }

    fn release_name(&self, named: Option<&str>, chart: &str) -> Result<String, Failure> {
        let clash = |flag: &str| failed(format!("cannot set {flag} and also specify a name"));
        match (named, self.generate_name, &self.name_from) {
            (Some(_), true, _) => Err(clash("--generate-name")),
            (Some(_), _, Some(_)) => Err(clash("--name-template")),
            (Some(name), ..) => Ok(name.to_owned()),
            (None, _, Some(template)) => from_template(template),
            (None, true, None) => Ok(generated(chart)),
            (None, false, None) => Err(failed(
                "must either provide a name or specify --generate-name".to_owned(),
            )),
        }
    }
}

/// Installs a chart and tells of the release, with what stands before an error.
pub(super) fn install(
    global: &Global,
    flags: &RevisionFlags,
    work: &Work<'_>,
    name: &str,
    prefix: &str,
) -> Result<(), Ending> {
    let fails = |failure: Failure| prefixed(prefix, failure.into());
    let conduct = flags.conduct(global).map_err(fails)?;
    let dry_run = flags.dry_run(global)?;
    let hides = flags.hides_secrets(dry_run).map_err(fails)?;
    if !is_release_name(name) {
        let what = format!("release name check failed: {}", invalid_name(name));
        return Err(fails(failed(what)));
    }
    let failed = refused_as(prefix);
    let teller = Teller::new(global);
    let (mut release, shown): (Release, Option<String>) = teller.run(Some(name), async {
        if dry_run == DryRun::Client {
            let namespace = namespace(global)?;
            let made = work.offline(name, &namespace, conduct.method);
            let made = made.await.map_err(&failed)?;
            return Ok((made.0, Some(manifest(&made.1, hides))));
        }
        let cluster = connect(global).await?;
        let action = teller.action(&cluster, name, &conduct);
        if dry_run == DryRun::Server {
            let made = work.check(&action).await.map_err(&failed)?;
            return Ok((made.0, Some(manifest(&made.1, hides))));
        }
        let made = Box::pin(work.run(&action)).await.map_err(&failed)?;
        Ok((made, None))
    })?;
    drop(teller);
    if let (true, Some(hidden)) = (hides, &shown) {
        // In every format.
        release.manifest.clone_from(hidden);
    }
    let extra = Extra {
        hide_notes: flags.hide_notes,
        manifest: shown.as_deref(),
        ..Extra::default()
    };
    printed::release(global, &release, extra)
}

/// Why a name is none of a release, in helm's words.
pub(super) fn invalid_name(name: &str) -> String {
    format!(
        "release name {name:?}: invalid release name, must match regex \
         ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must \
         not be longer than {LONGEST_NAME}"
    )
}

/// An ending with what helm says before it.
pub(super) fn prefixed(prefix: &str, ending: Ending) -> Ending {
    match ending {
        Ending::Failure(mut failure) => {
            failure.what = format!("{prefix}{}", failure.what);
            Ending::Failure(failure)
        }
        other => other,
    }
}
