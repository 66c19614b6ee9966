//! The namespace itself, when a deploy made it and died before there was a server in it.

use std::collections::BTreeSet;

use helm_install::{
    contents::{self, NamespaceObject},
    manifest,
    namespace::{self, NamespaceVersion, Removed},
};
use mcpt_core::{Failure, FailureKind};
use tokio::time::Instant;

use super::Gc;
use crate::{
    cluster::TOOL,
    failure::{OrFail as _, not_installed},
    progress::AsProgress,
    server::SERVER_LABEL,
};

impl Gc<'_> {
    /// Removes the namespace if nothing is in it but what every namespace has, and those releases which are removed.
    pub(super) async fn namespace(&mut self, removed: &BTreeSet<String>) {
        let object = format!("namespace {}", self.cluster.namespace);
        let seen = match self.abandoned(removed).await {
            Ok(Some(seen)) => seen,
            Ok(None) => return,
            Err(failure) => return self.fail(&object, failure),
        };
        let done = if self.options.dry_run {
            Ok(())
        } else {
            let timeout = self.deadline.saturating_duration_since(Instant::now());
            let what = &self.what;
            match namespace::remove(self.cluster, &seen, timeout, &AsProgress(self.progress)).await
            {
                Ok(Removed::Yes) => Ok(()),
                Ok(Removed::InUse(others)) => Err(Failure {
                    why: contents::it_has(&others),
                    ..Failure::new(FailureKind::Failed, what)
                }),
                // A command that lives begins to use it.
                Ok(Removed::Changed) => return,
                Err(error) => Err(not_installed(self.cluster, what, &error)),
            }
        };
        let reason = "it was made by a deploy that died, and is empty".to_owned();
        self.note(object, reason, done);
    }

    async fn abandoned(
        &self,
        removed: &BTreeSet<String>,
    ) -> Result<Option<NamespaceVersion>, Failure> {
        let seen = namespace::abandoned(self.cluster, TOOL).await;
        let Some(seen) = seen.or_fail(self.cluster, &self.what)? else {
            return Ok(None);
        };
        let found = contents::of_namespace(self.cluster, None, true).await;
        let found = found.or_fail(self.cluster, &self.what)?;
        let used = found
            .iter()
            .any(|found| !found.is_of_every_namespace() && !goes(found, removed));
        Ok((!used).then_some(seen))
    }
}

/// Whether an object goes with what is removed. What holds data, or is told to outlive its release, does not.
fn goes(found: &NamespaceObject, removed: &BTreeSet<String>) -> bool {
    if found.object.is_claim() || manifest::kept_alive(&found.metadata) {
        return false;
    }
    let labels = found.metadata.labels.as_ref();
    let server = labels.and_then(|labels| labels.get(SERVER_LABEL));
    found.owned || server.is_some_and(|server| removed.contains(server))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use helm_install::Object;

    #[test]
    fn what_holds_data_does_not_go() {
        let removed = BTreeSet::from(["demo".to_owned()]);
        let keep = json!({"helm.sh/resource-policy": "keep"});
        for (kind, server, annotations, owned, expected) in [
            ("ConfigMap", "demo", json!({}), false, true),
            ("ConfigMap", "other", json!({}), false, false),
            ("ConfigMap", "other", json!({}), true, true),
            ("ConfigMap", "demo", keep.clone(), false, false),
            ("ConfigMap", "demo", keep, true, false),
            ("PersistentVolumeClaim", "demo", json!({}), false, false),
            ("PersistentVolumeClaim", "demo", json!({}), true, false),
        ] {
            let metadata =
                json!({"labels": {"mcpt.io/server": server}, "annotations": annotations});
            let found = NamespaceObject {
                object: Object::named("v1", kind, "x"),
                metadata: serde_json::from_value(metadata).unwrap(),
                owned,
            };
            assert_eq!(goes(&found, &removed), expected, "{found:?}");
        }
    }
}
