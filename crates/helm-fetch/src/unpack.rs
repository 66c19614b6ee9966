//! A chart's archive as a folder.

use std::fs;
use std::path::{Component, Path};

use helm_chart::Chart;

use crate::Error;

/// Unpacks an archive into a folder of the chart's name below `folder`; nothing is written anywhere else.
///
/// # Errors
/// When it is no chart, the chart's name or a path in it leads out of the folder, or a file cannot be written.
pub fn unpack(archive: &[u8], folder: &Path) -> Result<(), Error> {
    let chart = Chart::from_archive(archive)?;
    let name = chart.name();
    let is_inside = |path: &Path| {
        path.components()
            .all(|part| matches!(part, Component::Normal(_)))
    };
    if name.is_empty() || !is_inside(Path::new(name)) {
        return Err(Error::Refused(format!("{name:?} is no name of a folder")));
    }
    let folder = folder.join(name);
    for file in &chart.raw {
        if !is_inside(Path::new(&file.name)) {
            return Err(Error::Refused(format!(
                "{:?} leads out of the chart",
                file.name
            )));
        }
        let path = folder.join(&file.name);
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(Error::file(parent))?;
        fs::write(&path, &file.data).map_err(Error::file(&path))?;
    }
    Ok(())
}
