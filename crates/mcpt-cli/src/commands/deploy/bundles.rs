//! MCPB bundles as what runs: fetched where they are at an address, and unpacked once into a folder of the user's when all else is
//! checked.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env,
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use mcpt_backend::Driver;
use mcpt_bundle::{Bundle, BundleError, Store, Unpacked};
use mcpt_core::{Failure, FailureKind, Silent, chain};
use mcpt_source::{Bundle as Source, Recipe};
use oci_registry::{Http, Tls};
use url::Url;

use crate::{args::Global, messages, runtime};

/// How long an address may take to send a bundle.
const FETCH: Duration = Duration::from_mins(10);
/// The most bytes of a bundle.
const MOST: u64 = 512 << 20;

/// What is said of bundles on the command line.
pub(super) struct Bundles<'a> {
    /// The settings that were given.
    pub(super) config: &'a [(String, String)],
    /// Those that were looked through.
    pub(super) pending: RefCell<Vec<Pending>>,
}

/// A bundle that is to be unpacked, and where.
pub(super) struct Pending {
    store: Store,
    bundle: Bundle,
    what: String,
}

impl Bundles<'_> {
    /// What a bundle runs, once it is unpacked; its program is the recipe's entrypoint.
    pub(super) fn recipe(
        &self,
        source: Source,
        driver: &dyn Driver,
        global: &Global,
    ) -> Result<Recipe, Failure> {
        let what = format!("cannot deploy mcpb:{}", shown(&source));
        let store = driver.bundles().ok_or_else(|| {
            Failure::new(FailureKind::Usage, &what)
                .because("a bundle runs as a process of this machine")
                .hint("deploy it with --backend process")
        })?;
        let store = Store::new(store?);
        let file = fetched(&source, &what, global)?;
        let bundle = runtime::aside(&Silent, move |_| Bundle::open(file))?;
        let bundle =
            bundle.map_err(|error| Failure::new(FailureKind::Failed, &what).caused_by(&error))?;
        if let Source::Url {
            sha256: Some(wanted),
            ..
        } = &source
            && wanted != bundle.sha256()
        {
            return Err(Failure::new(FailureKind::Failed, &what).because(format!(
                "its SHA-256 is {} instead of {wanted}: it is not what was published",
                bundle.sha256()
            )));
        }
        let home = env::var_os("HOME").map(PathBuf::from);
        let manifest = bundle.manifest();
        let mut several: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in manifest.several() {
            let given = self.config.iter().filter(|(known, _)| known == name);
            let values: Vec<String> = given.flat_map(|(_, value)| values(value)).collect();
            if !values.is_empty() {
                several.insert(name.to_owned(), values);
            }
        }
        let place = store.place(&bundle);
        let (command, mut recipe) = manifest.recipe(source, &place, home.as_deref(), &several);
        recipe.entrypoint = Some(command);
        self.pending.borrow_mut().push(Pending {
            store,
            bundle,
            what,
        });
        Ok(recipe)
    }

    /// The same with what a `server.json` says of the bundle.
    pub(super) fn beside(
        &self,
        described: Recipe,
        source: Source,
        driver: &dyn Driver,
        global: &Global,
    ) -> Result<Recipe, Failure> {
        let mut recipe = self.recipe(source, driver, global)?;
        recipe.name = described.name.or(recipe.name);
        recipe.args.extend(described.args);
        recipe.env.extend(described.env);
        recipe.settings.extend(described.settings);
        recipe.notes.extend(described.notes);
        Ok(recipe)
    }
}

/// Unpacked bundles: nobody removes them as long as this is there.
#[derive(Default)]
pub(super) struct InUse(Vec<(Store, Unpacked)>);

impl InUse {
    /// Unpacks bundles. When one cannot be, those that were before it go again.
    pub(super) fn unpack(pending: Vec<Pending>) -> Result<Self, Failure> {
        let mut all = Self::default();
        for Pending {
            store,
            bundle,
            what,
        } in pending
        {
            let there = store.clone();
            let unpacked = runtime::aside(&Silent, move |_| there.unpack(&bundle));
            match unpacked {
                Ok(Ok(unpacked)) => all.0.push((store, unpacked)),
                Ok(Err(error)) => {
                    all.take_back();
                    return Err(failed(&what, &error));
                }
                Err(interrupted) => {
                    all.take_back();
                    return Err(interrupted);
                }
            }
        }
        Ok(all)
    }

    /// Removes those that were unpacked for nothing: no server runs from them. One that cannot be removed is left to `gc`.
    pub(super) fn take_back(self) {
        for (store, unpacked) in self.0 {
            if unpacked.is_new {
                drop(store.take_back(unpacked));
            }
        }
    }
}

fn failed(what: &str, error: &BundleError) -> Failure {
    Failure::new(FailureKind::Failed, what).caused_by(error)
}

/// The values of a setting that may have several: a list in JSON, else one.
fn values(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()])
}

/// A bundle as it may be shown: an address may have a key in its query.
fn shown(source: &Source) -> String {
    let text = source.to_string();
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// Its archive, which has no name where it was fetched.
fn fetched(source: &Source, what: &str, global: &Global) -> Result<File, Failure> {
    match source {
        Source::File(path) => opened(path).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => FailureKind::NotFound,
                _ => FailureKind::Failed,
            };
            Failure::new(kind, what).caused_by(&error)
        }),
        Source::Url { url, sha256 } => {
            if url.scheme() == "http" && sha256.is_none() {
                let text = "the bundle comes over HTTP without TLS: somebody on the way may have changed it";
                messages::warning(global, text);
            }
            let failed = |why: String| Failure::new(FailureKind::Failed, what).because(why);
            let address = url.clone();
            let fetched = runtime::aside(&Silent, move |_| {
                let mut file = tempfile::tempfile().map_err(oci_registry::Error::Write)?;
                let http = Http::new(FETCH).at_most(MOST);
                http.download(&address, &Tls::default(), &mut file)?;
                Ok(file)
            })?;
            fetched.map_err(|error: oci_registry::Error| failed(without_query(url, &chain(&error))))
        }
    }
}

/// A file, and nothing that would keep whoever opens it waiting.
fn opened(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        let why = "it is no file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    File::open(path)
}

/// A text about an address, without its query and its fragment.
fn without_query(url: &Url, text: &str) -> String {
    let query = url.query().map(|query| format!("?{query}"));
    let fragment = url.fragment().map(|fragment| format!("#{fragment}"));
    let parts = fragment.into_iter().chain(query);
    parts.fold(text.to_owned(), |text, part| text.replace(&part, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_an_address_are_in_no_error() {
        let url: Url = "https://x.test/a.mcpb?key=hunter2#f".parse().unwrap();
        let text = format!("failed to fetch {url} : 403 Forbidden");
        let told = without_query(&url, &text);
        assert_eq!(
            told,
            "failed to fetch https://x.test/a.mcpb : 403 Forbidden"
        );
    }

    #[test]
    fn several_values_are_a_list_or_one() {
        assert_eq!(values("/a b"), ["/a b"]);
        assert_eq!(values(r#"["/a", "/b"]"#), ["/a", "/b"]);
        assert_eq!(values("[/a]"), ["[/a]"]);
        assert_eq!(values("5"), ["5"]);
    }
}
