//! `mcpt chart dependency list|update|build`: the charts that a chart depends on.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use helm_chart::{Chart, Constraint, Dependency as Wish, Version};
use helm_fetch::{Dependencies, Http, Registry};

use super::{
    columns, load,
    location::PlainFlag,
    places::{AccessFlags, PlaceFlags, TimeFlag, fetching},
};
use crate::{ending::Ending, output};

/// Arguments of `mcpt chart dependency`.
#[derive(Debug, Args)]
pub(crate) struct Dependency {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what a chart depends on, and what is there
    #[command(alias = "ls")]
    List(List),
    /// Choose the versions anew, lock and fetch them
    #[command(alias = "up")]
    Update(Box<Fetch>),
    /// Fetch the versions that Chart.lock says
    Build(Box<Fetch>),
}

#[derive(Debug, Args)]
struct List {
    /// The chart's folder, or an archive
    #[arg(default_value = ".")]
    chart: String,
    /// Widest column
    #[arg(long, value_name = "CHARACTERS", default_value_t = 80)]
    max_col_width: usize,
}

#[derive(Debug, Args)]
struct Fetch {
    /// The chart's folder
    #[arg(default_value = ".")]
    chart: PathBuf,
    /// Take the cached indexes as they are
    #[arg(long)]
    skip_refresh: bool,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    plain: PlainFlag,
    #[command(flatten)]
    time: TimeFlag,
    #[command(flatten)]
    places: PlaceFlags,
}

impl Dependency {
    /// Does it.
    pub(super) fn run(&self) -> Result<(), Ending> {
        match &self.action {
            Action::List(list) => list.run(),
            Action::Update(fetch) => fetch.run(Dependencies::update),
            Action::Build(fetch) => fetch.run(Dependencies::build),
        }
    }
}

type Work = fn(&Dependencies, &mut dyn FnMut(&str)) -> Result<(), helm_fetch::Error>;

impl Fetch {
    fn run(&self, work: Work) -> Result<(), Ending> {
        let (http, places) = (self.time.http(), self.places.places());
        let access = self.access.access();
        let registry = Registry::new(&http, &access, self.plain.plain_http, &places.credentials);
        let dependencies = Dependencies {
            chart: self.chart.components().collect(),
            places,
            http,
            skip_refresh: self.skip_refresh,
            registry,
        };
        telling(work, &dependencies)
    }
}

/// Works, and prints the lines that helm prints.
fn telling(work: Work, dependencies: &Dependencies) -> Result<(), Ending> {
    let mut said = Ok(());
    let mut say = |line: &str| {
        if said.is_ok() {
            said = output::text(&format!("{line}\n"));
        }
    };
    work(dependencies, &mut say).map_err(|error| fetching(&error))?;
    said
}

/// Chooses what a chart's folder depends on anew, locks and fetches it; by `shows` with the lines that helm prints.
pub(super) fn update(
    chart: &Path,
    access: &AccessFlags,
    plain: &PlainFlag,
    places: &PlaceFlags,
    shows: bool,
) -> Result<(), Ending> {
    let (http, places) = (Http::default(), places.places());
    let registry = Registry::new(
        &http,
        &access.access(),
        plain.plain_http,
        &places.credentials,
    );
    let dependencies = Dependencies {
        chart: chart.components().collect(),
        places,
        http,
        skip_refresh: false,
        registry,
    };
    if shows {
        return telling(Dependencies::update, &dependencies);
    }
    let updated = dependencies.update(&mut |_| {});
    Ok(updated.map_err(|error| fetching(&error))?)
}

impl List {
    fn run(&self) -> Result<(), Ending> {
        let chart = load(&self.chart)?;
        let charts = Path::new(&self.chart).components().collect::<PathBuf>();
        let charts = charts.join("charts");
        let wishes = &chart.metadata.dependencies;
        if wishes.is_empty() {
            return output::line(&format!("WARNING: no dependencies at {}", charts.display()));
        }
        let head = ["NAME", "VERSION", "REPOSITORY", "STATUS"].map(str::to_owned);
        let mut rows = vec![head.to_vec()];
        rows.extend(wishes.iter().map(|wish| {
            let status = status(wish, &chart, &charts).to_owned();
            vec![
                wish.name.clone(),
                wish.version.clone(),
                wish.repository.clone(),
                status,
            ]
        }));
        let mut all = columns::text(&rows, self.max_col_width);
        all.push('\n');
        for path in entries(&charts) {
            let is_archive = path.extension().is_some_and(|end| end == "tgz");
            if !path.is_dir() && !is_archive {
                continue;
            }
            let shown = path.display().to_string();
            match Chart::from_path(&path) {
                Err(_) => warn(&mut all, &shown, "a chart"),
                Ok(found) if !wishes.iter().any(|wish| wish.name == found.name()) => {
                    warn(&mut all, &shown, "in Chart.yaml");
                }
                Ok(_) => {}
            }
        }
        output::text(&all)
    }
}

fn warn(all: &mut String, path: &str, what: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(all, "WARNING: {path:?} is not {what}.");
}

/// What is in a folder, sorted; nothing where there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn status(wish: &Wish, chart: &Chart, charts: &Path) -> &'static str {
    let version = |path: &Path| -> Option<String> {
        let name = path.file_name()?.to_str()?;
        let version = name.strip_prefix(&wish.name)?.strip_prefix('-')?;
        version.strip_suffix(".tgz").map(str::to_owned)
    };
    let mut archives: Vec<(PathBuf, String)> = entries(charts)
        .into_iter()
        .filter_map(|path| version(&path).map(|version| (path, version)))
        .collect();
    if archives.len() > 1 {
        archives.retain(|(_, version)| is_strict(version));
        if archives.len() > 1 {
            return "too many matches";
        }
    }
    if let Some((archive, _)) = archives.first() {
        return match Chart::from_path(archive) {
            Err(_) => "corrupt",
            Ok(found) if found.name() != wish.name => "misnamed",
            Ok(found) => fit(wish, &found).unwrap_or("ok"),
        };
    }
    // Of several with one name the last counts.
    let unpacked = chart
        .dependencies
        .iter()
        .rfind(|found| found.name() == wish.name);
    match unpacked {
        None => "missing",
        Some(found) => fit(wish, found).unwrap_or("unpacked"),
    }
}

fn is_strict(version: &str) -> bool {
    let numbers = version.split(['-', '+']).next().unwrap_or(version);
    numbers.split('.').count() == 3 && !version.starts_with('v') && Version::parse(version).is_ok()
}

/// What is wrong with the version.
fn fit(wish: &Wish, found: &Chart) -> Option<&'static str> {
    let version = &found.metadata.version;
    if *version == wish.version {
        return None;
    }
    match (Constraint::parse(&wish.version), Version::parse(version)) {
        (Ok(constraint), Ok(version)) if constraint.check(&version) => None,
        (Ok(_), Ok(_)) => Some("wrong version"),
        _ => Some("invalid version"),
    }
}
