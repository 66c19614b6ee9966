//! The namespace itself, when a deploy made it and died before there was a server in it.

use std::collections::BTreeSet;

use mcpt_core::Failure;

use super::Gc;
use crate::{
    contents,
    namespace::{self, Made},
    server::SERVER_LABEL,
};

impl Gc<'_> {
    /// Removes the namespace if nothing is in it but what every namespace has, and those releases which are removed.
    pub(super) async fn namespace(&mut self, removed: &BTreeSet<String>) {
        let object = format!("namespace {}", self.cluster.namespace);
        let made = match self.abandoned(removed).await {
            Ok(Some(made)) => made,
            Ok(None) => return,
            Err(failure) => return self.fail(&object, failure),
        };
        let done = if self.options.dry_run {
            Ok(())
        } else {
            namespace::remove(self.cluster, &made, self.options.timeout, &self.what).await
        };
        let reason = "it was made by a deploy that died, and is empty".to_owned();
        self.note(object, reason, done);
    }

    async fn abandoned(&self, removed: &BTreeSet<String>) -> Result<Option<Made>, Failure> {
        let Some(made) = namespace::abandoned(self.cluster, &self.what).await? else {
            return Ok(None);
        };
        let found = contents::of_namespace(self.cluster, None, true, &self.what).await?;
        let used = found.iter().any(|found| {
            let labels = found.metadata.labels.as_ref();
            let server = labels.and_then(|labels| labels.get(SERVER_LABEL));
            let goes = server.is_some_and(|server| removed.contains(server));
            !goes && !found.owned && !found.is_of_every_namespace()
        });
        Ok((!used).then_some(made))
    }
}
