//! MCPB bundles as what runs: fetched where they are at an address, unpacked once into a folder of the user's.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use mcpt_backend::Driver;
use mcpt_bundle::Bundle;
use mcpt_core::{Capability, Failure, FailureKind};
use mcpt_source::{Bundle as Source, Recipe};
use oci_registry::{Http, Tls};

use crate::{args::Global, messages};

/// How long an address may take to send a bundle.
const FETCH: Duration = Duration::from_mins(10);
/// The most bytes of a bundle.
const MOST: u64 = 512 << 20;

/// What is said of bundles on the command line.
pub(super) struct Bundles<'a> {
    /// The settings that were given.
    pub(super) config: &'a [(String, String)],
    /// Whether they are unpacked; else only what would run is told.
    pub(super) write: bool,
}

impl Bundles<'_> {
    /// What a bundle runs; its program is the recipe's entrypoint.
    pub(super) fn recipe(&self, source: Source, global: &Global) -> Result<Recipe, Failure> {
        let what = format!("cannot deploy mcpb:{}", shown(&source));
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(FailureKind::Failed, &what).caused_by(error)
        };
        let data = fetched(&source, &what, global)?;
        let bundle = Bundle::read(data).map_err(|error| failed(&error))?;
        if let Source::Url {
            sha256: Some(wanted),
            ..
        } = &source
            && *wanted != bundle.sha256()
        {
            return Err(Failure::new(FailureKind::Failed, &what).because(format!(
                "its SHA-256 is {} instead of {wanted}: it is not what was published",
                bundle.sha256()
            )));
        }
        let home = env::var_os("HOME").map(PathBuf::from);
        let parent = folder(home.as_deref()).ok_or_else(|| {
            Failure::new(FailureKind::Failed, &what)
                .because("neither XDG_DATA_HOME nor HOME is set to a folder")
        })?;
        let place = if self.write {
            bundle.unpack(&parent).map_err(|error| failed(&error))?
        } else {
            bundle.place(&parent)
        };
        let manifest = bundle.manifest();
        let mut several: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in manifest.several() {
            let given = self.config.iter().filter(|(known, _)| known == name);
            let values: Vec<String> = given.flat_map(|(_, value)| values(value)).collect();
            if !values.is_empty() {
                several.insert(name.to_owned(), values);
            }
        }
        let (command, mut recipe) = manifest.recipe(source, &place, home.as_deref(), &several);
        recipe.entrypoint = Some(command);
        Ok(recipe)
    }

    /// The same with what a `server.json` says of the bundle.
    pub(super) fn beside(
        &self,
        described: Recipe,
        source: Source,
        global: &Global,
    ) -> Result<Recipe, Failure> {
        let mut recipe = self.recipe(source, global)?;
        recipe.name = described.name.or(recipe.name);
        recipe.args.extend(described.args);
        recipe.env.extend(described.env);
        recipe.settings.extend(described.settings);
        recipe.notes.extend(described.notes);
        Ok(recipe)
    }
}

/// Refuses a bundle where servers are containers.
pub(super) fn refuse_in_containers(driver: &dyn Driver, recipe: &Recipe) -> Result<(), Failure> {
    if !driver.capabilities().has(Capability::Images) {
        return Ok(());
    }
    let what = format!("cannot deploy {} here", recipe.source.shown());
    Err(Failure::new(FailureKind::Usage, what)
        .because("a bundle runs as a process of this machine")
        .hint("deploy it with --backend process"))
}

/// The values of a setting that may have several: a list in JSON, else one.
fn values(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()])
}

/// Where bundles are unpacked.
fn folder(home: Option<&Path>) -> Option<PathBuf> {
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.filter(|folder| folder.is_absolute());
    let usual = || Some(home?.join(".local/share"));
    Some(data.or_else(usual)?.join("mcpt/bundles"))
}

/// A bundle as it may be shown: an address may have a key in its query.
fn shown(source: &Source) -> String {
    let text = source.to_string();
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn fetched(source: &Source, what: &str, global: &Global) -> Result<Vec<u8>, Failure> {
    match source {
        Source::File(path) => fs::read(path).map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => FailureKind::NotFound,
                _ => FailureKind::Failed,
            };
            Failure::new(kind, what).caused_by(&error)
        }),
        Source::Url { url, sha256 } => {
            if url.scheme() == "http" && sha256.is_none() {
                let text = "the bundle comes over HTTP without TLS: somebody on the way may have changed it";
                messages::warning(global, text);
            }
            let http = Http::new(FETCH).at_most(MOST);
            let fetched = http.get_authorized(url, None, &Tls::default());
            fetched.map_err(|error| Failure::new(FailureKind::Failed, what).caused_by(&error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_are_a_list_or_one() {
        assert_eq!(values("/a b"), ["/a b"]);
        assert_eq!(values(r#"["/a", "/b"]"#), ["/a", "/b"]);
        assert_eq!(values("[/a]"), ["[/a]"]);
        assert_eq!(values("5"), ["5"]);
    }
}
