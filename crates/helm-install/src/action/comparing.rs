//! What differs between what is on the cluster and what a revision makes of it, as the API server would merge them: what an
//! upgrade would change, and what others have changed since.

use kube::api::DynamicObject;
use serde_json::Value;

use super::{Action, ActionError, Result, Upgrade, performing::current};
use crate::{Error, Object, RevisionChanges, manifest::kept_alive};

/// What the API server writes into each object, and what controllers tell of it: nobody's configuration.
const OF_THE_SERVER: [&str; 6] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Annotations that say what is elsewhere: of its revision, which the server counts, and the whole object as kubectl applied it,
/// with what of it is secret.
const SAID_ELSEWHERE: [&str; 2] = [
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// An object that would be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// `Kind/name`
    pub object: String,
    /// As it is on the cluster; `None` when it is not there.
    pub before: Option<Value>,
    /// As it would be; `None` when it would go.
    pub after: Option<Value>,
}

impl Upgrade<'_> {
    /// What it would change. Nothing is, but the API server is asked for each object, as in a dry run.
    ///
    /// Fields that an object has from helm 3 or a client-side apply, and that the new revision does not have, are shown as if they
    /// stayed: the API server knows only when they change hands.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn compare(&self, action: &Action<'_>) -> Result<Vec<Changed>> {
        let history = action.records.all().await?;
        let (revision, _) = self.revision(action, history).await?;
        let RevisionChanges { objects, gone, .. } =
            RevisionChanges::of(&revision.history, &revision.release)?;
        action.served(&objects, "").await?;
        let mut changed = Vec::new();
        for (object, _) in &objects {
            changed.extend(action.changed(object).await?);
        }
        for object in gone.iter().filter(|object| !object.is_kept()) {
            changed.extend(action.going(object).await?);
        }
        Ok(changed)
    }
}

impl Action<'_> {
    /// What of the objects of the revision that runs is not as that one says: what others have changed or deleted since.
    ///
    /// # Errors
    /// When nothing runs, or the cluster does not tell.
    pub async fn drift(&self) -> Result<Vec<Changed>> {
        let history = self.records.all().await?;
        if history.is_empty() {
            return Err(ActionError::NotFound);
        }
        let running = current(self.name, &history)?;
        let mut changed = Vec::new();
        let RevisionChanges { objects, .. } = RevisionChanges::of(&history, &running.release)?;
        for (object, _) in &objects {
            changed.extend(self.changed(object).await?);
        }
        Ok(changed)
    }

    /// How applying an object would change it.
    async fn changed(&self, object: &Object) -> Result<Option<Changed>> {
        let Some(before) = self.applier.found(object).await? else {
            return Ok(Some(Changed {
                object: label(object),
                before: None,
                after: Some(object.body.clone()),
            }));
        };
        let after = match self.applier.tried(object).await {
            // It is there in another version: nobody can tell more.
            Err(Error::UnknownKind { .. }) => return Ok(None),
            tried => configured(tried?)?,
        };
        let before = configured(before)?;
        Ok((before != after).then(|| Changed {
            object: label(object),
            before: Some(before),
            after: Some(after),
        }))
    }

    /// An object that would go, if it is there, the release's, and not kept by what others wrote into it.
    async fn going(&self, object: &Object) -> Result<Option<Changed>> {
        let found = self.applier.found(object).await?;
        let goes = |live: &DynamicObject| {
            self.applier.not_of_release(&live.metadata).is_none() && !kept_alive(&live.metadata)
        };
        found
            .filter(goes)
            .map(|live| {
                Ok(Changed {
                    object: label(object),
                    before: Some(configured(live)?),
                    after: None,
                })
            })
            .transpose()
    }
}

fn label(object: &Object) -> String {
    format!("{}/{}", object.kind, object.name)
}

/// What of a live object somebody has configured.
fn configured(live: DynamicObject) -> Result<Value> {
    let value = serde_json::to_value(live);
    let mut value = value.map_err(|error| Error::Record(error.to_string()))?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.retain(|field, _| !OF_THE_SERVER.contains(&field.as_str()));
        let annotations = metadata.get_mut("annotations");
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.retain(|name, _| !SAID_ELSEWHERE.contains(&name.as_str()));
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_configured_is_compared_alone() {
        let live = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "uid": "x", "managedFields": [], "generation": 2,
                "annotations": {"deployment.kubernetes.io/revision": "1",
                    "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"a\":\"b\"}}"}},
            "data": {"a": "b"}, "status": {"ready": 1},
        });
        let live: DynamicObject = serde_json::from_value(live).unwrap();
        assert_eq!(
            configured(live).unwrap(),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}})
        );
    }
}
