//! Charts of third parties: what marks their objects as a server's, and what of them cannot be deployed here. Pure.
//!
//! The marks go into the rendered manifest, as a post-renderer of Helm would put them there: the record has them, and a
//! rollback brings them back.

use helm_install::{Object, manifest};
use helm_release::{Hook, HookEvent};
use helm_render::split_documents;
use serde_json::Value;

use crate::server::{PATH_ANNOTATION, SERVER_LABEL, TRANSPORT_ANNOTATION};

/// What is known of the server that such a chart makes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ThirdParty {
    /// Path of its MCP endpoint, if it is known to have one.
    pub(crate) path: Option<String>,
}

/// Why a chart cannot be deployed as a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThirdPartyError {
    /// Its objects cannot be read.
    #[error(transparent)]
    Manifest(#[from] manifest::ManifestError),
    /// An object cannot be written with its marks.
    #[error("{object} cannot be written")]
    Write {
        object: String,
        #[source]
        source: goyaml::Error,
    },
    /// Nothing in it could be watched.
    #[error(
        "the chart {chart} makes no Deployment, by which it could be told whether the server runs"
    )]
    NoDeployment { chart: String },
    /// It counts on what only Helm does.
    #[error("the chart {chart} has hooks ({hooks}) that mcpt does not run: install it with helm")]
    Hooks { chart: String, hooks: String },
}

impl ThirdParty {
    /// What the marks in a manifest say.
    pub(crate) fn of(manifest: &str) -> Self {
        let objects = manifest::parse(manifest).unwrap_or_default();
        let annotated = objects
            .iter()
            .filter(|object| object.has_label(SERVER_LABEL))
            .find_map(|object| {
                let path = object.body.pointer("/metadata/annotations")?;
                path.get(PATH_ANNOTATION)?.as_str()
            });
        Self {
            path: annotated.map(str::to_owned),
        }
    }

    /// The manifest with the marks of a server on its Deployment and Service.
    ///
    /// # Errors
    /// When there is no Deployment, or the manifest cannot be read.
    pub(crate) fn mark(
        &self,
        manifest: &str,
        release: &str,
        chart: &str,
    ) -> Result<String, ThirdPartyError> {
        let objects = manifest::parse(manifest)?;
        let Some(deployment) = of_kind(&objects, "Deployment", release, |_| true) else {
            return Err(ThirdPartyError::NoDeployment {
                chart: chart.to_owned(),
            });
        };
        let labels = deployment.body.pointer("/spec/template/metadata/labels");
        let labels = labels.and_then(Value::as_object);
        let service = of_kind(&objects, "Service", release, |service| {
            let selector = service.body.pointer("/spec/selector");
            selector.and_then(Value::as_object).is_some_and(|selector| {
                !selector.is_empty()
                    && selector
                        .iter()
                        .all(|(key, value)| labels.and_then(|l| l.get(key)) == Some(value))
            })
        });
        let mut marked = String::new();
        for document in split_documents(manifest) {
            // Each document begins with a comment about its source.
            let comments: String = document
                .split_inclusive('\n')
                .take_while(|line| line.starts_with('#') || line.trim_end() == "---")
                .collect();
            let mut objects = manifest::parse(document)?;
            let own = |object: &&mut Object| {
                [Some(deployment), service]
                    .into_iter()
                    .flatten()
                    .any(|one| one.same(object))
            };
            let text = match objects.iter_mut().find(own) {
                Some(object) => {
                    self.put(object, release);
                    let yaml = goyaml::to_string(&object.body).map_err(|source| {
                        let object = object.label();
                        ThirdPartyError::Write { object, source }
                    })?;
                    format!("{comments}{yaml}")
                }
                None => format!("{}\n", document.trim_end()),
            };
            marked.push_str("---\n");
            marked.push_str(text.strip_prefix("---\n").unwrap_or(&text));
        }
        Ok(marked)
    }

    fn put(&self, object: &mut Object, release: &str) {
        object.set_label(SERVER_LABEL, release);
        if let Some(path) = &self.path {
            object.set_annotation(PATH_ANNOTATION, path);
            object.set_annotation(TRANSPORT_ANNOTATION, "http");
        }
    }
}

/// Refuses charts whose hooks are more than tests.
///
/// # Errors
/// [`ThirdPartyError::Hooks`] with their names.
pub(crate) fn refuse_hooks(hooks: &[Hook], chart: &str) -> Result<(), ThirdPartyError> {
    let needed: Vec<&str> = hooks
        .iter()
        .filter(|hook| hook.events.iter().any(|event| *event != HookEvent::Test))
        .map(|hook| hook.name.as_str())
        .collect();
    if needed.is_empty() {
        return Ok(());
    }
    Err(ThirdPartyError::Hooks {
        chart: chart.to_owned(),
        hooks: needed.join(", "),
    })
}

/// The object of a kind that is named as the release, else the first that fits.
fn of_kind<'a>(
    objects: &'a [Object],
    kind: &str,
    release: &str,
    fits: impl Fn(&Object) -> bool,
) -> Option<&'a Object> {
    let mut all = objects.iter().filter(|o| o.kind == kind && fits(o));
    let first = all.clone().next();
    all.find(|object| object.name == release).or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "---\n# Source: c/templates/s.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: other\nspec:\n  selector: {app: x}\n\
        ---\n# Source: c/templates/s2.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  selector: {app: w}\n\
        ---\n# Source: c/templates/d.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  annotations:\nspec:\n  \
        template:\n    metadata:\n      labels: {app: w, more: y}\n";

    #[test]
    fn deployment_and_its_service_are_marked() {
        let known = ThirdParty {
            path: Some("/mcp".to_owned()),
        };
        let marked = known.mark(MANIFEST, "rel", "c").unwrap();
        let objects = manifest::parse(&marked).unwrap();
        let marks: Vec<_> = objects
            .iter()
            .map(|o| (o.name.as_str(), o.kind.as_str(), o.has_label(SERVER_LABEL)))
            .collect();
        assert_eq!(
            marks,
            [
                ("other", "Service", false),
                ("web", "Service", true),
                ("web", "Deployment", true)
            ]
        );
        assert_eq!(
            objects[2].body["metadata"]["annotations"][PATH_ANNOTATION],
            "/mcp"
        );
        for source in ["s.yaml", "s2.yaml", "d.yaml"] {
            assert!(marked.contains(&format!("---\n# Source: c/templates/{source}\n")));
        }
        assert_eq!(ThirdParty::of(&marked), known);
        // Marking again changes nothing.
        assert_eq!(known.mark(&marked, "rel", "c").unwrap(), marked);
        let unknown = ThirdParty::default().mark(MANIFEST, "rel", "c").unwrap();
        assert!(!unknown.contains(PATH_ANNOTATION), "{unknown}");
        assert_eq!(ThirdParty::of(&unknown), ThirdParty::default());
    }

    #[test]
    fn charts_without_a_deployment_are_refused() {
        let manifest = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n";
        let error = ThirdParty::default()
            .mark(manifest, "rel", "c")
            .unwrap_err();
        assert!(error.to_string().contains("makes no Deployment"), "{error}");
    }
}
