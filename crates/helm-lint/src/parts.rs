//! The parts of a chart that are looked at by themselves, and the chart as a whole.

use crate::Fault;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use confined::{Folder, Kind};
use helm_chart::Chart;

/// The most bytes of one of the files; a chart has no more.
const MOST_BYTES: u64 = 100 * 1024 * 1024;

/// What is at a path of the chart.
#[derive(Debug)]
pub(crate) enum Part {
    Absent,
    Folder,
    File(Vec<u8>),
    /// It cannot be read, for this reason.
    Unreadable(String),
}

/// A chart, in parts.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where it is.
    pub(crate) place: String,
    pub(crate) chart_yaml: Part,
    pub(crate) values: Part,
    pub(crate) schema: Part,
    pub(crate) templates: Part,
    pub(crate) crds: Part,
    /// All of it, or why it cannot be loaded.
    pub(crate) chart: Result<Chart, Fault>,
}

impl Parts {
    pub(crate) fn of_folder(path: &Path) -> Result<Self, Fault> {
        let shown = cleaned(path).join("Chart.yaml");
        let unchecked = |why: &str| {
            let shown = shown.display();
            Fault(format!(
                "unable to check Chart.yaml file in chart: stat {shown}: {why}"
            ))
        };
        let folder = Folder::open(path).map_err(|error| match error {
            confined::Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
                unchecked("no such file or directory")
            }
            confined::Error::Io { source, .. } if source.kind() == ErrorKind::NotADirectory => {
                unchecked("not a directory")
            }
            other => unchecked(&other.to_string()),
        })?;
        let absolute = std::path::absolute(path).map_err(Fault::of)?;
        let place = cleaned(&absolute);
        let part = |name: &str| read(&folder, name, &place);
        let chart_yaml = part("Chart.yaml");
        if matches!(chart_yaml, Part::Absent) {
            return Err(unchecked("no such file or directory"));
        }
        Ok(Self {
            chart_yaml,
            values: part("values.yaml"),
            schema: part("values.schema.json"),
            templates: part("templates"),
            crds: part("crds"),
            chart: Chart::from_dir_of_any_version(path).map_err(Fault::of),
            place: place.display().to_string(),
        })
    }

    pub(crate) fn of_files(name: &str, files: &[(String, Vec<u8>)]) -> Self {
        let part = |name: &str| {
            let below = format!("{name}/");
            match files.iter().find(|(path, _)| path == name) {
                Some((_, data)) => Part::File(data.clone()),
                None if files.iter().any(|(path, _)| path.starts_with(&below)) => Part::Folder,
                None => Part::Absent,
            }
        };
        Self {
            place: name.to_owned(),
            chart_yaml: part("Chart.yaml"),
            values: part("values.yaml"),
            schema: part("values.schema.json"),
            templates: part("templates"),
            crds: part("crds"),
            chart: Chart::from_files_of_any_version(files.iter().cloned()).map_err(Fault::of),
        }
    }
}

fn read(folder: &Folder, name: &str, place: &Path) -> Part {
    let path = Path::new(name);
    match folder.kind(path) {
        Err(confined::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Part::Absent
        }
        Err(error) => Part::Unreadable(error.to_string()),
        Ok(Kind::Folder(..)) => Part::Folder,
        Ok(_) => match folder.read(path, MOST_BYTES) {
            Ok(data) => Part::File(data),
            Err(confined::Error::Io { source, .. }) => {
                Part::Unreadable(format!("open {}: {source}", place.join(name).display()))
            }
            Err(error) => Part::Unreadable(error.to_string()),
        },
    }
}

/// The path without `.` and `..`, as Go cleans it: no link is looked at.
fn cleaned(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match cleaned.components().next_back() {
                Some(Component::Normal(_)) => {
                    cleaned.pop();
                }
                Some(Component::RootDir) => {}
                _ => cleaned.push(component),
            },
            _ => cleaned.push(component),
        }
    }
    cleaned
}
