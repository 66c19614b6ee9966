//! A server that its author describes in a `server.json`: the first of its packages that can be run.

use std::path::Path;

use mcpt_core::{Failure, FailureKind};
use mcpt_package::PackageSource;
use mcpt_source::{Recipe, Transport, server_json};

use crate::user_file;

/// Whether a name of the command is such a file. A template's file has another name.
pub(super) fn is_file(name: &str) -> bool {
    Path::new(name)
        .file_name()
        .is_some_and(|file| file == "server.json")
}

/// What to run of the server that a file describes.
pub(super) fn recipe(name: &str) -> Result<Recipe, Failure> {
    let what = || format!("cannot deploy {name}");
    let text = user_file::read(Path::new(name)).map_err(|error| {
        let kind = if error.is_missing() {
            FailureKind::NotFound
        } else {
            FailureKind::Usage
        };
        Failure::new(kind, what()).caused_by(&error)
    })?;
    let server = server_json::read(&text).map_err(|error| {
        let failure = Failure::new(FailureKind::Usage, what());
        error.problems.into_iter().fold(failure, Failure::because)
    })?;
    let mut refused = Failure::new(FailureKind::Usage, what());
    if server.status.as_deref() == Some("deleted") {
        return Err(refused.because("its author says that it must not be used any more"));
    }
    for offer in server.offers {
        match offer.recipe {
            Ok(recipe) if recipe.transport != Transport::Stdio => {
                refused = refused.because(format!(
                    "{}: {} speaks HTTP at an address, and only packages that speak stdio can be deployed so",
                    offer.place, recipe.source
                ));
            }
            Ok(recipe) if PackageSource::of(&recipe.source).is_some() => return Ok(*recipe),
            Ok(recipe) => {
                refused = refused.because(format!(
                    "{}: it is {}, and only packages of npm and PyPI can be deployed so",
                    offer.place, recipe.source
                ));
            }
            Err(unusable) => refused = refused.because(format!("{}: {unusable}", offer.place)),
        }
    }
    if refused.why.is_empty() {
        refused = refused.because("it names no package and no address");
    }
    Err(refused)
}
