//! What a new revision changes of what is there: its objects, and what of earlier revisions goes. Pure.

use helm_release::{APPLY_METHOD_SERVER_SIDE, Release};

use crate::{
    Expected, Object, Record,
    manifest::{self, ManifestError},
    revisions,
};

/// A revision over the history before it.
#[derive(Debug, Clone)]
pub struct RevisionChanges {
    /// Its objects, in the order of the manifest, with the marks of the release, and what is known of each.
    pub objects: Vec<(Object, Expected)>,
    /// Objects of older revisions that it does not have any more.
    pub gone: Vec<Object>,
    /// Objects of the revision that runs, as far as they are known to be there.
    pub running: Vec<Object>,
}

impl RevisionChanges {
    /// Compares a new revision with what is there by the records, the oldest of which is the first.
    ///
    /// # Errors
    /// When a manifest cannot be read.
    pub fn of(history: &[Record], release: &Release) -> Result<Self, ManifestError> {
        let mut objects = manifest::of_release(release)?;
        for object in &mut objects {
            object.mark(&release.name, &release.namespace);
        }
        // What the deployed revision has is known to be there and ours, unless a deletion began since. Revisions after it failed:
        // some of their objects may be there, and are removed or taken over.
        let running_is = revisions::running(history).map(|record| record.release.version);
        let there = revisions::since_the_end(history);
        let recent = || {
            there
                .iter()
                .filter(|r| Some(r.release.version) >= running_is)
        };
        let whole = !recent().any(revisions::deletion_began);
        let mut running = Vec::new();
        let mut by_update = false;
        let mut old = Vec::new();
        for record in recent() {
            let found = manifest::of_release(&record.release)?;
            by_update |= record.release.apply_method != APPLY_METHOD_SERVER_SIDE;
            if whole && Some(record.release.version) == running_is {
                running.clone_from(&found);
            }
            old.extend(found);
        }
        let gone = manifest::pruned(&old, &objects);
        let expect = |object: Object| {
            let ours = running.iter().any(|other| other.same(&object));
            (object, Expected { ours, by_update })
        };
        let objects = objects.into_iter().map(expect).collect();
        Ok(Self {
            objects,
            gone,
            running,
        })
    }
}
