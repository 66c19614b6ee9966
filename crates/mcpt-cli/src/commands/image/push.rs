//! `mcpt image push REGISTRY/NAME`: the image in a registry.

use clap::Args;
use mcpt_core::{Failure, FailureKind, Image, Progress, ProgressEvent};
use oci_image::Step;
use oci_registry::Reference;

use super::{Binary, made, show, way::Way};
use crate::{args::Global, ending::Ending, progress, user_config::UserConfig};

/// Arguments of `mcpt image push`.
#[derive(Debug, Args)]
pub(super) struct Push {
    #[arg(
        value_name = "IMAGE",
        help = "Where to: HOST[:PORT]/PATH, with :TAG if it shall not be mcpt's version"
    )]
    image: Image,
    #[command(flatten)]
    binary: Binary,
    #[command(flatten)]
    way: Way,
    /// Do not write the name into the configuration file, from where deploys take it
    #[arg(long)]
    no_remember: bool,
}

impl Push {
    /// Puts it there.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let what = format!("cannot push to {}", self.image.repository);
        let wrong = |why: &str| Failure::new(FailureKind::Usage, &what).because(why);
        if self.image.digest.is_some() {
            return Err(wrong("a digest cannot be chosen: leave it out").into());
        }
        if !is_registry(&self.image.repository) {
            return Err(wrong("it names no registry")
                .hint("begin with the registry's host: registry.example/team/mcpt")
                .into());
        }
        let tag = self
            .image
            .tag
            .as_deref()
            .unwrap_or(env!("CARGO_PKG_VERSION"));
        let name = format!("{}:{tag}", self.image.repository);
        let reference = Reference::parse(&name).map_err(|error| wrong(&error.to_string()))?;
        let image = made(&self.binary)?;
        let display = progress::display(global);
        display.event(ProgressEvent::Step(format!("pushing {name}")));
        put(&image, &reference, &what, &self.way, display.as_ref())?;
        drop(display);
        let file = if self.no_remember {
            None
        } else {
            Some(UserConfig::remember_image(&Image {
                repository: self.image.repository.clone(),
                tag: Some(tag.to_owned()),
                digest: Some(image.digest().to_owned()),
                pull_policy: None,
            })?)
        };
        show(global, &image, &name, file, None)
    }
}

/// Puts an image into a registry; `what` fails by it.
pub(super) fn put(
    image: &oci_image::Image,
    to: &Reference,
    what: &str,
    way: &Way,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let (image, reference) = (image.clone(), to.clone());
    way.ask(what, to, progress, move |registry, progress| {
        image.push(registry, &reference, &mut |step| {
            progress.event(ProgressEvent::Waiting(progress_of(step)));
        })
    })
}

/// Which layer is sent, for people.
fn progress_of(step: Step) -> String {
    let megabytes = step.size as f64 / 1e6;
    format!("layer {} of {}, {megabytes:.1} MB", step.layer, step.layers)
}

/// Whether a name begins with the host of a registry, as Docker tells it from a part of a path.
pub(super) fn is_registry(repository: &str) -> bool {
    let first = repository.split_once('/').map(|(first, _)| first);
    first.is_some_and(|first| first.contains(['.', ':']) || first == "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_told_from_a_path() {
        for (name, is) in [
            ("r.example/mcpt", true),
            ("localhost:5000/mcpt", true),
            ("localhost/mcpt", true),
            ("team/mcpt", false),
            ("mcpt", false),
        ] {
            assert_eq!(is_registry(name), is, "{name}");
        }
    }
}
