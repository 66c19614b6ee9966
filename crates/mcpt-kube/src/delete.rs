//! The end of a server: all objects of its release, whatever state it is in, and its records last.

use std::collections::{BTreeMap, BTreeSet};

use helm_install::{
    Heartbeat, Object, Record, Records, Work, contents,
    manifest::{self, ManifestError},
    namespace,
    removal::{self, Claims, Limit},
    revisions, takeover,
};
use helm_release::{Info, Release, Status};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use mcpt_core::{
    DeleteOptions, Deleted, Failure, FailureKind, Progress, ProgressEvent, ServerName, chain,
};
use tokio::time::Instant;

use crate::{
    absent::last_of,
    backend,
    cluster::{Cluster, TOOL},
    failure::OrFail as _,
    progress::AsProgress,
    release_kind::ReleaseKind,
    server::SERVER_LABEL,
};

/// Deletes a release. What a killed command left of it is finished by the next one, since the records go last.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is none of that name, or it is not of mcpt.
pub(crate) async fn delete(
    cluster: &Cluster,
    kind: ReleaseKind,
    name: &ServerName,
    options: &DeleteOptions,
    progress: &dyn Progress,
) -> Result<Deleted, Failure> {
    let what = match kind {
        ReleaseKind::Server => format!("cannot delete {name}"),
        ReleaseKind::Gateway => "cannot uninstall the gateway".to_owned(),
    };
    let claims = if options.purge_data {
        Claims::All
    } else {
        Claims::ByPolicy
    };
    let end = End {
        cluster,
        kind,
        name,
        options,
        deadline: options.wait.map(|wait| Instant::now() + wait),
        claims,
        progress,
        what,
    };
    let deleted = match Box::pin(end.release()).await {
        Err(failure) if failure.kind == FailureKind::NotFound && options.delete_namespace => {
            return end.namespace_alone(failure).await;
        }
        deleted => deleted?,
    };
    if options.delete_namespace {
        end.namespace().await?;
    } else {
        // A deploy that made it and died does not take what comes into it from now on.
        namespace::settle(cluster, TOOL, None, &AsProgress(progress)).await;
    }
    Ok(deleted)
}

/// One deletion and all that its steps need.
pub(crate) struct End<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) kind: ReleaseKind,
    pub(crate) name: &'a ServerName,
    pub(crate) options: &'a DeleteOptions,
    /// When the time of the command is over, if it waits.
    pub(crate) deadline: Option<Instant>,
    /// Which claims of volumes go too.
    pub(crate) claims: Claims,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) what: String,
}

impl End<'_> {
    /// Deletes the release, also one that a dead command left half made or half deleted.
    ///
    /// # Errors
    /// As [`delete`].
    pub(crate) async fn release(&self) -> Result<Deleted, Failure> {
        let what = &self.what;
        let records = self.records();
        let settled = takeover::settled(self.cluster, &records, &AsProgress(self.progress)).await;
        let history = settled.or_fail(self.cluster, what)?;
        if history.is_empty() {
            let left = self.claims().await?;
            if !left.is_empty() {
                return self.leftovers(left).await;
            }
        }
        let deleted = self.recorded(&history).await?;
        deleted.ok_or_else(|| self.lost())
    }

    /// Deletes the release that a dead command left with these records. `None`, and nothing is touched, when the last of them is
    /// not as it was read any more: another command took over.
    ///
    /// # Errors
    /// As [`delete`].
    pub(crate) async fn left_behind(
        &self,
        mut history: Vec<Record>,
    ) -> Result<Option<Deleted>, Failure> {
        if let Some(last) = history.last_mut() {
            takeover::interrupt(&mut last.release.info, "");
        }
        self.recorded(&history).await
    }

    /// Deletes the release with these records, unless another command changed the last of them since.
    async fn recorded(&self, history: &[Record]) -> Result<Option<Deleted>, Failure> {
        let (what, records) = (&self.what, self.records());
        let (cluster, name, helm) = (self.cluster, self.name, "helm uninstall");
        let last = last_of(cluster, self.kind, name, history, helm, what).await?;
        let mut objects = objects(history, what)?;
        for claim in self.claims().await? {
            if !objects.iter().any(|other| other.same(&claim)) {
                objects.push(claim);
            }
        }
        let hooks = hook_objects(&last.release, what)?;

        let mut release = last.release.clone();
        revisions::begin_deletion(&mut release.info);
        let version = last.resource_version();
        let begun = records.replace(last, release, Work::UnderWay, version);
        let Some(record) = begun.await.or_fail(cluster, what)? else {
            return Ok(None);
        };
        let mut heartbeat = Heartbeat::start(self.cluster, TOOL, &record);
        // A deploy makes the next record and then looks back at this one, as this looks for the next.
        let next = records.get(record.release.version + 1);
        let next = heartbeat.during(next).await.and_then(|found| found);
        if next.or_fail(cluster, what)?.is_some() {
            let version = heartbeat.stop().await.or_fail(cluster, what)?;
            let unmarked = last.release.clone();
            let _unless_taken_over = records
                .replace(&record, unmarked, Work::Done, version)
                .await
                .or_fail(cluster, what)?;
            return Ok(None);
        }
        self.perform(&record, heartbeat, history, &objects, &hooks)
            .await
            .map(Some)
    }

    /// Deletes objects of a release that has no record. It is given one first, so that no other command works on it meanwhile
    /// and that the next one finishes what this one leaves.
    ///
    /// # Errors
    /// When another command works on the release, or the API server refuses.
    pub(crate) async fn leftovers(&self, objects: Vec<Object>) -> Result<Deleted, Failure> {
        let what = &self.what;
        let now = Timestamp::now().to_string();
        let mut release = Release {
            name: self.name.to_string(),
            namespace: self.cluster.namespace.to_string(),
            version: 1,
            manifest: written(&objects, what)?,
            info: Info {
                first_deployed: now.clone(),
                last_deployed: now,
                ..Info::default()
            },
            ..Release::default()
        };
        revisions::begin_deletion(&mut release.info);
        let labels = BTreeMap::from([(SERVER_LABEL.to_owned(), self.name.to_string())]);
        let created = self.records().create(release, &labels).await;
        let Some(record) = created.or_fail(self.cluster, what)? else {
            return Err(self.lost());
        };
        let heartbeat = Heartbeat::start(self.cluster, TOOL, &record);
        let history = [record.clone()];
        self.perform(&record, heartbeat, &history, &objects, &[])
            .await
    }

    /// Works on a release that this command holds by its record.
    async fn perform(
        &self,
        record: &Record,
        mut heartbeat: Heartbeat,
        history: &[Record],
        objects: &[Object],
        hooks: &[Object],
    ) -> Result<Deleted, Failure> {
        let (what, records) = (&self.what, self.records());
        let outcome = heartbeat.during(self.remove(objects, hooks)).await;
        let outcome = outcome.or_fail(self.cluster, what)?;
        let version = heartbeat.stop().await.or_fail(self.cluster, what)?;
        let deleted = match outcome {
            Ok(deleted) => deleted,
            Err(mut failure) => {
                let mut release = record.release.clone();
                release.info.status = Status::Failed;
                release.info.description = format!("Deletion failed: {}", failure.why.join("; "));
                let told = records.replace(record, release, Work::Done, version);
                if let Err(also) = told.await {
                    failure
                        .why
                        .push(format!("its record was not written: {also}"));
                }
                return Err(failure);
            }
        };
        // The latest goes last: as long as it is there, the command can be repeated.
        for old in history {
            let deleted = records.delete(old.release.version).await;
            deleted.or_fail(self.cluster, what)?;
        }
        Ok(deleted)
    }

    async fn remove(&self, objects: &[Object], hooks: &[Object]) -> Result<Deleted, Failure> {
        let (what, progress) = (&self.what, self.progress);
        let applier = self.cluster.applier(self.name.as_str());
        progress.event(ProgressEvent::Step(format!(
            "deleting {} {}",
            objects.len(),
            if objects.len() == 1 {
                "object"
            } else {
                "objects"
            }
        )));
        let asked = removal::ask(&applier, objects, self.claims, &BTreeSet::new()).await;
        let asked = asked.or_fail(self.cluster, what)?;
        let mut going = asked.going;
        let of_hooks = removal::ask_hooks(&applier, hooks).await;
        going.extend(of_hooks.or_fail(self.cluster, what)?);
        let deleted = Deleted {
            kept: asked.kept.iter().map(Object::label).collect(),
        };
        let (Some(timeout), Some(deadline)) = (self.options.wait, self.deadline) else {
            return Ok(deleted);
        };
        progress.event(ProgressEvent::Step(
            "waiting until they are gone".to_owned(),
        ));
        let limit = Limit { timeout, deadline };
        let gone = removal::gone(&applier, &going, limit, &AsProgress(progress)).await;
        let gone = gone.or_fail(self.cluster, what);
        gone.map_err(|failure| match failure.kind {
            FailureKind::TimedOut => failure.hint("run the same command again to go on waiting"),
            _ => failure,
        })?;
        Ok(deleted)
    }

    /// The claims of the release that are there, in its manifests or not, when they go too: an earlier server of this name may
    /// have left them.
    async fn claims(&self) -> Result<Vec<Object>, Failure> {
        if self.claims != Claims::All {
            return Ok(Vec::new());
        }
        let labelled = backend::labelled(self.name);
        let all = self
            .cluster
            .list_metadata::<PersistentVolumeClaim>(labelled, &self.what);
        let namespace = self.cluster.namespace.as_str();
        let ours = all.await?.into_iter().filter(|claim| {
            manifest::not_of_release(claim, self.name.as_str(), namespace).is_none()
        });
        Ok(ours
            .filter_map(|claim| claim.name)
            .map(|name| Object::named("v1", "PersistentVolumeClaim", &name))
            .collect())
    }

    /// Deletes the namespace when all is gone of what `missing` says is not there: as far as that a command may have come that was
    /// killed.
    async fn namespace_alone(&self, mut missing: Failure) -> Result<Deleted, Failure> {
        let what = &self.what;
        let records = self.records().all().await.or_fail(self.cluster, what)?;
        let seen = namespace::look(self.cluster, TOOL).await;
        if !records.is_empty() || seen.or_fail(self.cluster, what)?.is_none() {
            return Err(missing);
        }
        match self.namespace().await {
            Ok(()) => Ok(Deleted::default()),
            Err(also) => {
                missing.why.push(format!(
                    "namespace {} is not deleted either: {}",
                    self.cluster.namespace,
                    also.why.join("; ")
                ));
                Err(missing)
            }
        }
    }

    /// Deletes the namespace, when nothing is in it but what every namespace has.
    async fn namespace(&self) -> Result<(), Failure> {
        let namespace = &self.cluster.namespace;
        let what = format!("{} is deleted, but not namespace {namespace}", self.name);
        let mut changed = false;
        loop {
            // What was looked into is deleted, and not one that somebody has made in its place, or that a command has entered since.
            let seen = namespace::look(self.cluster, TOOL).await;
            let Some((seen, used)) = seen.or_fail(self.cluster, &what)? else {
                return Ok(());
            };
            if changed && used {
                return Err(Failure::new(FailureKind::Failed, what)
                    .because("another command deploys in it")
                    .hint("run the same command again when that one is done"));
            }
            let others = contents::others(self.cluster).await;
            let others = others.or_fail(self.cluster, &what)?;
            if !others.is_empty() {
                let mut failure = Failure::new(FailureKind::Failed, what)
                    .hint("delete these first, or the namespace with all that is in it: kubectl delete namespace");
                failure.why = contents::it_has(&others);
                return Err(failure);
            }
            self.progress.event(ProgressEvent::Step(format!(
                "deleting namespace {namespace}"
            )));
            let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
            let wait = self.deadline.map(left);
            let deleted = namespace::delete(self.cluster, &seen, wait).await;
            if deleted.or_fail(self.cluster, &what)? {
                return Ok(());
            }
            changed = true;
        }
    }

    fn records(&self) -> Records {
        self.cluster.records(self.name.as_str())
    }

    fn lost(&self) -> Failure {
        Failure::new(FailureKind::Failed, &self.what)
            .because("another command works on the release")
            .hint("try again")
    }
}

/// Objects of all revisions, each once: an upgrade that was interrupted may have left those of several.
fn objects(history: &[Record], what: &str) -> Result<Vec<Object>, Failure> {
    let mut all: Vec<Object> = Vec::new();
    for record in history.iter().rev() {
        for object in read(manifest::of_release(&record.release), what)? {
            if !all.iter().any(|other| other.same(&object)) {
                all.push(object);
            }
        }
    }
    Ok(all)
}

fn hook_objects(release: &Release, what: &str) -> Result<Vec<Object>, Failure> {
    let mut all = Vec::new();
    for hook in &release.hooks {
        all.extend(read(manifest::parse(&hook.manifest), what)?);
    }
    Ok(all)
}

fn read(objects: Result<Vec<Object>, ManifestError>, what: &str) -> Result<Vec<Object>, Failure> {
    objects.map_err(|error| {
        Failure::new(FailureKind::Failed, what).because(format!(
            "a revision's manifest cannot be read: {}",
            chain(&error)
        ))
    })
}

/// Objects as a manifest.
fn written(objects: &[Object], what: &str) -> Result<String, Failure> {
    let mut text = String::new();
    for object in objects {
        let document = goyaml::to_string(&object.body)
            .map_err(|error| Failure::new(FailureKind::Failed, what).caused_by(&error))?;
        text.push_str("---\n");
        text.push_str(&document);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use helm_install::scripted::{holding, marked};
    use helm_release::ReleaseSecret;
    use mcpt_core::Silent;
    use serde_json::{Value, json};

    use super::*;
    use crate::scripted;

    /// As soon as its record says that a deletion is under way, it has a heartbeat, however long the next answer takes.
    #[tokio::test(start_paused = true)]
    async fn a_deletion_has_a_heartbeat_from_its_record_on() {
        let release = Release {
            name: "demo".to_owned(),
            version: 1,
            ..Release::default()
        };
        let labels = BTreeMap::from([(SERVER_LABEL.to_owned(), "demo".to_owned())]);
        let record = ReleaseSecret::create(&release, &labels, 5).unwrap();
        let record = record.to_object();
        let cluster = scripted::cluster(move |request, _| {
            let list = json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": [record]});
            match request.split_once(' ').unwrap() {
                ("GET", path) if path.contains("v1.demo.v2") => scripted::NEVER,
                ("GET", _) => (200, list.to_string()),
                ("PUT", _) => (200, record.to_string()),
                ("PATCH", _) => scripted::refusal(409, "Conflict"),
                _ => panic!("{request}"),
            }
        });
        let options = DeleteOptions {
            wait: Some(Duration::from_secs(1)),
            ..DeleteOptions::default()
        };
        let name = ServerName::new("demo").unwrap();
        let deleted = delete(&cluster, ReleaseKind::Server, &name, &options, &Silent).await;
        let why = deleted.unwrap_err().why;
        assert_eq!(why, ["another command took the release over"]);
    }

    /// Only a command that was killed leaves a namespace without its server. Who mistypes a name is told.
    #[tokio::test]
    async fn what_is_not_there_is_not_said_to_be_deleted() {
        let of_another = Release {
            name: "demo".to_owned(),
            version: 1,
            ..Release::default()
        };
        let record = ReleaseSecret::create(&of_another, &BTreeMap::new(), 5).unwrap();
        let record = record.to_object();
        let (not_ours, none) = (
            "release \"demo\" is of chart",
            "there is no server \"demo\"",
        );
        let has = "namespace ns is not deleted either: it has configmap \"notes\"";
        for (records, there, notes, expected) in [
            (vec![record], true, vec![], Err(vec![not_ours])),
            (vec![], false, vec![], Err(vec![none])),
            (vec![], true, vec!["notes"], Err(vec![none, has])),
            (vec![], true, vec![], Ok(())),
        ] {
            let told = format!("{} {there} {notes:?}", records.len());
            let cluster = scripted::cluster(move |request, _| {
                let list = |items: &Value| {
                    let (kind, version) = ("PartialObjectMetadataList", "meta.k8s.io/v1");
                    (200, json!({"kind": kind, "apiVersion": version, "metadata": {}, "items": items}).to_string())
                };
                let (method, path) = request.split_once(' ').unwrap();
                match path.split('?').next().unwrap() {
                    "/api" => {
                        let resource = json!({"resource": "configmaps", "scope": "Namespaced", "verbs": ["list", "delete"],
                            "responseKind": {"group": "", "version": "v1", "kind": "ConfigMap"}, "singularResource": "configmap"});
                        list(
                            &json!([{"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": [resource]}]}]),
                        )
                    }
                    "/apis" | "/apis/apps/v1/namespaces/ns/deployments" => list(&json!([])),
                    "/api/v1/namespaces/ns/secrets" => list(&json!(records)),
                    "/api/v1/namespaces/ns/configmaps" => {
                        let item = |name: &&str| json!({"metadata": {"name": name}});
                        list(&notes.iter().map(item).collect())
                    }
                    "/api/v1/namespaces/ns" if !there => scripted::refusal(404, "NotFound"),
                    "/api/v1/namespaces/ns" if method == "DELETE" => {
                        assert_eq!(notes, [""; 0], "{request}");
                        let (kind, status) = ("Status", "Success");
                        (200, json!({"kind": kind, "status": status}).to_string())
                    }
                    "/api/v1/namespaces/ns" => {
                        let (kind, version) = ("PartialObjectMetadata", "meta.k8s.io/v1");
                        let metadata = json!({"name": "ns", "uid": "u", "resourceVersion": "1"});
                        (
                            200,
                            json!({"kind": kind, "apiVersion": version, "metadata": metadata})
                                .to_string(),
                        )
                    }
                    _ => panic!("{request}"),
                }
            });
            let options = DeleteOptions {
                wait: None,
                purge_data: false,
                keep_work: false,
                delete_namespace: true,
            };
            let name = ServerName::new("demo").unwrap();
            let deleted = delete(&cluster, ReleaseKind::Server, &name, &options, &Silent).await;
            match (deleted, expected) {
                (Ok(_), Ok(())) => {}
                (Err(failure), Err(why)) => {
                    assert_eq!(failure.kind, FailureKind::NotFound, "{told}");
                    let says = |(why, part): (&String, &&str)| why.starts_with(part);
                    let all = failure.why.len() == why.len();
                    assert!(
                        all && failure.why.iter().zip(&why).all(says),
                        "{told}: {failure:?}"
                    );
                }
                (deleted, _) => panic!("{told}: {deleted:?}"),
            }
        }
    }

    #[test]
    fn leftovers_are_read_again_from_their_record() {
        let objects = [
            Object::named("v1", "ConfigMap", "a"),
            Object::named("apps/v1", "Deployment", "b"),
        ];
        let text = written(&objects, "x").unwrap();
        assert_eq!(manifest::parse(&text).unwrap(), objects);
    }

    #[test]
    fn objects_of_all_revisions_are_told_once() {
        let mut history = helm_install::scripted::history("superseded deployed");
        for (record, namespace) in history.iter_mut().zip(["", "n"]) {
            record.release.namespace = "n".to_owned();
            record.release.manifest = format!(
                "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data, namespace: {namespace}}}\n"
            );
        }
        let objects = objects(&history, "x").unwrap();
        assert_eq!(objects.len(), 1);
        // As those that are found by their labels.
        assert!(objects[0].same(&Object::named("v1", "PersistentVolumeClaim", "data")));
    }

    #[tokio::test]
    async fn a_deletion_leaves_a_namespace_that_another_command_enters_meanwhile() {
        let other = format!("boot/pid:[1]/7/9@{}", Timestamp::now());
        for (entered, deleted) in [(Some(other.as_str()), false), (None, true)] {
            let entered = entered.map(str::to_owned);
            let asked = Arc::new(Mutex::new(0));
            let deletions = Arc::clone(&asked);
            let cluster = scripted::cluster(move |request, body| {
                let mut deletions = deletions.lock().unwrap();
                let (method, path) = request.split_once(' ').unwrap();
                match (method, path.split('?').next().unwrap()) {
                    ("GET", "/api/v1/namespaces/ns") if *deletions == 0 => (200, marked("1", None)),
                    ("GET", "/api/v1/namespaces/ns") => (200, marked("2", entered.as_deref())),
                    ("GET", path) if path.ends_with("/deployments") => {
                        scripted::refusal(403, "Forbidden")
                    }
                    ("GET", _) => holding(path, &[], true),
                    ("DELETE", _) => {
                        *deletions += 1;
                        let seen = json!({"uid": "u", "resourceVersion": deletions.to_string()});
                        assert_eq!(body["preconditions"], seen);
                        if *deletions == 1 {
                            scripted::refusal(409, "Conflict")
                        } else {
                            let gone =
                                json!({"kind": "Status", "apiVersion": "v1", "status": "Success"});
                            (200, gone.to_string())
                        }
                    }
                    _ => panic!("{request}"),
                }
            });
            let options = DeleteOptions {
                wait: None,
                purge_data: false,
                keep_work: false,
                delete_namespace: true,
            };
            let name = ServerName::new("demo").unwrap();
            let done = delete(&cluster, ReleaseKind::Server, &name, &options, &Silent).await;
            assert_eq!(done.is_ok(), deleted, "{done:?}");
            assert_eq!(*asked.lock().unwrap(), if deleted { 2 } else { 1 });
            let Err(failure) = done else { continue };
            let why = failure.why.join("; ");
            assert!(why.ends_with("another command deploys in it"), "{why}");
        }
    }
}
