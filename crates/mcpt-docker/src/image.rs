//! Images of servers: there, or pulled with progress.

use std::{collections::BTreeMap, fmt::Write as _};

use bollard::{
    auth::DockerCredentials, models::CreateImageInfo, query_parameters::CreateImageOptions,
};
use futures_util::StreamExt as _;
use mcpt_core::{CommandOption, Failure, FailureKind, Progress, ProgressEvent, chain};

use crate::{
    engine::Engine,
    failure::{failure, is_missing, status, words},
    logins, own_image,
};

/// What must be known of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Its id, `sha256:…`, which changes with anything in it.
    pub(crate) id: String,
    /// Its user: empty for root.
    pub(crate) user: String,
    /// The program that it starts, and its leading arguments.
    pub(crate) entrypoint: Option<Vec<String>>,
    /// The arguments that it starts with when none are given.
    pub(crate) command: Option<Vec<String>>,
    /// The program that speaks over standard input and output and its first arguments, where the image says it in a label, since
    /// it starts another one.
    pub(crate) stdio: Option<Vec<String>>,
}

impl Facts {
    /// The program that it starts and its leading arguments, which whoever runs it does not replace: of a server over standard input
    /// and output the one that speaks so.
    pub(crate) fn program(&self, stdio: bool) -> Vec<String> {
        let stdio = self.stdio.as_ref().filter(|_| stdio);
        let words = stdio.or(self.entrypoint.as_ref());
        words.cloned().unwrap_or_default()
    }

    /// What a server over standard input and output is run by, with these arguments or else the image's: what an engine would
    /// start. Empty when the image starts nothing.
    pub(crate) fn words(&self, arguments: Vec<String>) -> Vec<String> {
        let mut words = self.program(true);
        if arguments.is_empty() {
            words.extend(self.command.iter().flatten().cloned());
        }
        words.extend(arguments);
        words
    }
}

/// Makes sure that the engine has an image, and tells about it.
///
/// # Errors
/// When it cannot be had.
pub(crate) async fn ensure(
    engine: &Engine,
    reference: &str,
    what: &str,
    progress: &dyn Progress,
) -> Result<Facts, Failure> {
    if reference == own_image::reference() {
        own_image::ensure(engine, what, progress).await?;
    }
    if let Some(facts) = look(engine, reference, what).await? {
        return Ok(facts);
    }
    pull(engine, reference, what, progress).await?;
    look(engine, reference, what).await?.ok_or_else(|| {
        Failure::new(FailureKind::Failed, what).because(format!(
            "image {reference} is not there after it was pulled"
        ))
    })
}

/// Tells about an image; `None` when the engine does not have it.
///
/// # Errors
/// When the engine cannot be asked.
pub(crate) async fn look(
    engine: &Engine,
    reference: &str,
    what: &str,
) -> Result<Option<Facts>, Failure> {
    match engine.api.inspect_image(reference).await {
        Ok(image) => {
            let config = image.config.unwrap_or_default();
            let labels = config.labels.unwrap_or_default();
            let stdio = labels.get(mcpt_image::COMMAND_LABEL);
            Ok(Some(Facts {
                id: image.id.unwrap_or_default(),
                user: config.user.unwrap_or_default(),
                entrypoint: config.entrypoint,
                command: config.cmd,
                // Another's label of that name is no command of ours.
                stdio: stdio.and_then(|text| serde_json::from_str(text).ok()),
            }))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(failure(what, &error)),
    }
}

async fn pull(
    engine: &Engine,
    reference: &str,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    progress.event(ProgressEvent::Step(format!("pulling {reference}")));
    let options = CreateImageOptions {
        from_image: Some(reference.to_owned()),
        ..CreateImageOptions::default()
    };
    let mut layers = Layers::default();
    let login = login(engine, reference, progress).await;
    let mut steps = engine.api.create_image(Some(options), None, login);
    while let Some(step) = steps.next().await {
        let step =
            step.map_err(|error| {
                let missing = status(&error) == Some(404);
                let failure = Failure::new(FailureKind::Failed, what).because(format!(
                    "image {reference} is not on this engine, and cannot be pulled: {}",
                    words(&error)
                ));
                failure.hint(if missing {
                format!("check its name and tag, or name another one with {}", CommandOption::Image)
            } else {
                format!(
                    "{} pull {reference} shows whether the registry can be reached and lets you in",
                    engine.kind.backend()
                )
            })
            })?;
        if let Some(told) = layers.take(&step) {
            progress.event(ProgressEvent::Waiting(told));
        }
    }
    Ok(())
}

/// The user's login at the image's registry. Many images can be had without one, so that one which cannot be told is a warning.
async fn login(
    engine: &Engine,
    reference: &str,
    progress: &dyn Progress,
) -> Option<DockerCredentials> {
    let (kind, name) = (engine.kind, reference.to_owned());
    let found = tokio::task::spawn_blocking(move || logins::login(kind, &name)).await;
    let why = match found {
        Ok(Ok(login)) => return login,
        Ok(Err(error)) => chain(&error),
        Err(error) => chain(&error),
    };
    progress.event(ProgressEvent::Warning(format!(
        "{reference} is pulled without a login: {why}"
    )));
    None
}

/// How far each layer is.
#[derive(Debug, Default)]
struct Layers {
    done: BTreeMap<String, bool>,
    bytes: BTreeMap<String, (i64, i64)>,
    told: String,
}

impl Layers {
    /// Takes one message of the engine; gives a text when there is something new to tell.
    fn take(&mut self, step: &CreateImageInfo) -> Option<String> {
        let id = step.id.clone()?;
        let status = step.status.as_deref().unwrap_or_default();
        match status {
            "Pulling fs layer" | "Waiting" | "Downloading" | "Verifying Checksum"
            | "Extracting" => {
                self.done.insert(id.clone(), false);
            }
            "Download complete" | "Pull complete" | "Already exists" => {
                self.done.insert(id.clone(), status != "Download complete");
            }
            _ => return None,
        }
        let detail = step
            .progress_detail
            .as_ref()
            .filter(|_| status == "Downloading");
        if let Some(detail) = detail
            && let (Some(current), Some(total)) = (detail.current, detail.total)
        {
            self.bytes.insert(id, (current, total));
        }
        let (current, total) = self.bytes.values().fold((0, 0), |(current, total), layer| {
            (current + layer.0, total + layer.1)
        });
        let done = self.done.values().filter(|done| **done).count();
        let mut text = format!("{done} of {} layers", self.done.len());
        if total > 0 {
            let (current, total) = (current / 1_000_000, total / 1_000_000);
            // Writing to a string cannot fail.
            let _ = write!(text, ", {current} of {total} MB");
        }
        if text == self.told {
            return None;
        }
        self.told.clone_from(&text);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn an_image_is_run_as_engines_do() {
        let words = |text: &str| -> Option<Vec<String>> {
            (!text.is_empty()).then(|| text.split(' ').map(str::to_owned).collect())
        };
        for (entrypoint, command, stdio, arguments, expected) in [
            ("/e x", "c", "", "", "/e x c"),
            ("/e x", "c", "", "a b", "/e x a b"),
            ("", "c d", "", "", "c d"),
            ("/mcpt bridge", "c", "/s", "", "/s c"),
            ("", "", "", "", ""),
        ] {
            let facts = Facts {
                entrypoint: words(entrypoint),
                command: words(command),
                stdio: words(stdio),
                ..Facts::default()
            };
            let found = facts.words(words(arguments).unwrap_or_default());
            assert_eq!(found.join(" "), expected);
        }
    }

    #[test]
    fn layers_are_counted() {
        let mut layers = Layers::default();
        let step = |id: &str, status: &str, bytes: Option<(i64, i64)>| CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: bytes.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        };
        let mut told = |id, status, bytes| layers.take(&step(id, status, bytes));
        assert_eq!(told("latest", "Pulling from library/a", None), None);
        assert_eq!(
            told("a", "Pulling fs layer", None).unwrap(),
            "0 of 1 layers"
        );
        assert_eq!(told("a", "Waiting", None), None, "nothing new");
        let half = told("a", "Downloading", Some((5_000_000, 10_000_000)));
        assert_eq!(half.unwrap(), "0 of 1 layers, 5 of 10 MB");
        let done = told("a", "Pull complete", None).unwrap();
        assert!(done.starts_with("1 of 1 layers"), "{done}");
    }
}
