//! [`ListChanges`]: when the lists are others that somebody sees: since servers or their lists are, or since his set is.

use std::{collections::BTreeSet, sync::Arc};

use mcpt_aggregate::Merged;
use tokio::sync::watch;

use super::{
    Parties,
    catalogue::{State, differences},
    viewer::Viewer,
};

/// What somebody sees, and what changes it.
pub(super) struct ListChanges {
    parties: Arc<Parties>,
    viewer: Viewer,
    lists: watch::Receiver<State>,
    sets: Option<watch::Receiver<()>>,
    known: Arc<Merged>,
}

impl ListChanges {
    /// From now on.
    pub(super) fn of(parties: &Arc<Parties>, viewer: Viewer) -> Self {
        let mut lists = parties.catalogue.changes();
        lists.mark_unchanged();
        let sets = parties.sets.changes().filter(|_| viewer.set.is_some());
        Self {
            lists,
            sets,
            known: parties.catalogue.lists_of(&viewer),
            parties: Arc::clone(parties),
            viewer,
        }
    }

    /// The lists as they were last seen.
    pub(super) fn known(&self) -> &Merged {
        &self.known
    }

    /// Waits for a change: which notifications tell of it. `None` when there will be none, or the set is gone.
    pub(super) async fn changed(&mut self) -> Option<BTreeSet<&'static str>> {
        let sets = async {
            match &mut self.sets {
                Some(sets) => sets.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.lists.changed() => changed.ok()?,
            changed = sets => {
                changed.ok()?;
                let name = self.viewer.set_name()?.to_owned();
                self.viewer.set = Some(self.parties.sets.named(&name)?);
            }
        }
        self.lists.mark_unchanged();
        let now = self.parties.catalogue.lists_of(&self.viewer);
        let changed = differences(&now, &self.known);
        self.known = now;
        Some(changed)
    }
}
