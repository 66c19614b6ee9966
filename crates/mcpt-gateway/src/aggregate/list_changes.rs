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
    /// The set is another one, of which nobody hears who has asked for the one that it was.
    over: bool,
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
            over: false,
        }
    }

    /// The lists as they were last seen.
    pub(super) fn known(&self) -> &Merged {
        &self.known
    }

    /// Waits for a change: which notifications tell of it. `None` when there will be none: the set is gone, or
    /// it is another one, which was told by the last change.
    pub(super) async fn changed(&mut self) -> Option<BTreeSet<&'static str>> {
        if self.over {
            return None;
        }
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
                let set = self.parties.sets.named(self.viewer.set_name()?)?;
                self.over = self.viewer.set.as_ref() != Some(&set);
                self.viewer.set = Some(set);
            }
        }
        self.lists.mark_unchanged();
        let now = self.parties.catalogue.lists_of(&self.viewer);
        let changed = differences(&now, &self.known);
        self.known = now;
        Some(changed)
    }
}
