//! What commands that died left in the namespace, and its removal.
//!
//! Nothing is taken for garbage without all the marks of mcpt on it, nothing of a release in the hands of a live command or of
//! Helm, nothing that serves, and no volume but those of a deletion that is finished: what is lost with them cannot be made again.

mod namespace;
mod orphans;
mod releases;
mod usage;

use helm_install::{
    contents,
    manifest::MANAGED_BY,
    namespace::{self as place, Existence},
};
use mcpt_core::{Failure, Garbage, GcOptions, Progress};
use tokio::time::Instant;

use crate::{cluster::Cluster, failure::OrFail as _, server::SERVER_LABEL};

/// Removes what dead commands left, or with a dry run only says what that is.
///
/// # Errors
/// When the cluster cannot be asked, or something cannot be removed; everything else is removed all the same.
pub(crate) async fn gc(
    cluster: &Cluster,
    options: &GcOptions,
    progress: &dyn Progress,
) -> Result<Vec<Garbage>, Failure> {
    let what = format!("cannot clean up namespace {}", cluster.namespace);
    let exists = place::exists(cluster).await.or_fail(cluster, &what)?;
    if matches!(exists, Existence::Absent) {
        return Ok(Vec::new());
    }
    let mut gc = Gc {
        cluster,
        options,
        deadline: Instant::now() + options.timeout,
        progress,
        what,
        garbage: Vec::new(),
        failed: None,
    };
    // Before the records: a release that begins now has its record before its objects.
    let marked = format!("{SERVER_LABEL},{}={}", MANAGED_BY.0, MANAGED_BY.1);
    let found = contents::of_namespace(cluster, Some(&marked), false).await;
    let found = found.or_fail(cluster, &gc.what)?;
    let releases = releases::of_namespace(cluster, &gc.what).await?;
    let removed = Box::pin(gc.dead_releases(&releases)).await;
    Box::pin(gc.orphans(&found, &releases)).await;
    Box::pin(gc.ended_tests(&releases)).await;
    Box::pin(gc.namespace(&removed)).await;
    match gc.failed {
        Some(failure) => Err(failure),
        None => Ok(gc.garbage),
    }
}

/// One clean-up: what it found, and what it could not do.
struct Gc<'a> {
    cluster: &'a Cluster,
    options: &'a GcOptions,
    /// When the time of the command is over.
    deadline: Instant,
    progress: &'a dyn Progress,
    what: String,
    garbage: Vec<Garbage>,
    failed: Option<Failure>,
}

impl Gc<'_> {
    /// Takes note of something that is removed, unless that failed.
    fn note(&mut self, object: String, reason: String, done: Result<(), Failure>) {
        match done {
            Ok(()) => self.garbage.push(Garbage {
                object,
                namespace: Some(self.cluster.namespace.clone()),
                reason,
            }),
            Err(failure) => self.fail(&object, failure),
        }
    }

    /// Takes note of what could not be done, and goes on.
    fn fail(&mut self, object: &str, failure: Failure) {
        let why = failure.why.iter().map(|why| format!("{object}: {why}"));
        match &mut self.failed {
            Some(first) => first.why.extend(why),
            None => {
                self.failed = Some(Failure {
                    what: self.what.clone(),
                    why: why.collect(),
                    ..failure
                });
            }
        }
    }
}
