//! Sending objects to the API server: dry run, server-side apply, delete.

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{
    Api, Client, Error,
    api::{
        DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions,
        PropagationPolicy, Request, ValidationDirective,
    },
    core::{ObjectMeta, Status},
    runtime::{
        WatchStreamExt,
        watcher::{self, watch_object},
    },
};
use kube_access::{Cluster, Kind, Kinds, gone, is_unknown, refused};
use serde_json::json;

mod replacing;

use crate::{
    Error as InstallError, Result, field_managers,
    manifest::{self, Object},
    removal::{Limit, still_there},
    tool::FIELD_MANAGER,
};

/// Dry runs under way at once.
const AT_ONCE: usize = 4;

/// How often an object that autoscalers change is tried to be applied; the first time without a look at it.
const APPLY_ATTEMPTS: u8 = 4;

/// Applies the objects of one release.
#[derive(Debug, Clone)]
pub struct Applier {
    cluster: Cluster,
    kinds: Kinds,
    release: String,
    /// Whether fields that others own are taken over.
    force: bool,
    /// Whether objects take the place of those that are there, without being merged with them.
    replaces: bool,
    /// Whether the number of a workload's pods is nobody's once it was said.
    shares_replicas: bool,
    /// What becomes of the dependents of an object that is deleted.
    dependents: PropagationPolicy,
}

/// What is known of an object before it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The revision that runs has it. Otherwise it should not be there, or is a failed revision's.
    pub ours: bool,
    /// Since then Helm 3 or a client-side apply changed objects of the release, so that their fields have another manager.
    pub by_update: bool,
}

impl Applier {
    /// For a release of the cluster's namespace.
    pub fn new(cluster: Cluster, release: String) -> Self {
        let kinds = Kinds::new(cluster.client.clone());
        Self {
            cluster,
            kinds,
            release,
            force: false,
            replaces: false,
            shares_replicas: true,
            dependents: PropagationPolicy::Foreground,
        }
    }

    /// The kinds that the cluster serves.
    pub(crate) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Owns the number of a workload's pods that it says, as Helm does. Else it is nobody's once it was said, so that whoever
    /// scales the workload meets no conflict later.
    #[must_use]
    pub fn owning_replicas(self) -> Self {
        Self {
            shares_replicas: false,
            ..self
        }
    }

    /// What becomes of the dependents of objects that are deleted; else they go before their owner.
    #[must_use]
    pub fn with_dependents(self, dependents: PropagationPolicy) -> Self {
        Self { dependents, ..self }
    }

    /// Takes fields over that others own, if `force` says so; else they are a conflict.
    #[must_use]
    pub fn forced(self, force: bool) -> Self {
        Self { force, ..self }
    }

    /// Puts objects in the place of those that are there, if `replaces` says so; else they are merged.
    #[must_use]
    pub fn replacing(self, replaces: bool) -> Self {
        Self { replaces, ..self }
    }

    async fn kind(&self, object: &Object) -> Result<Kind> {
        let kind = self.kinds.get(&object.api_version, &object.kind);
        let kind = self.cluster.answer(kind).await;
        kind.map_err(|error| self.unknown(object, error))
    }

    pub(crate) async fn api(&self, object: &Object) -> Result<Api<DynamicObject>> {
        let kind = self.kind(object).await?;
        Ok(self.api_of(object, &kind))
    }

    /// The namespace that an object is in; none of what is in no namespace.
    ///
    /// # Errors
    /// When the cluster does not serve its kind or cannot be asked.
    pub async fn namespace<'o>(&'o self, object: &'o Object) -> Result<&'o str> {
        let kind = self.kind(object).await?;
        let namespace = object.namespace.as_deref();
        let namespace = namespace.unwrap_or(&self.cluster.namespace);
        Ok(if kind.namespaced { namespace } else { "" })
    }

    /// `Kind/namespace/name`, as helm names objects that it waits for.
    pub(crate) async fn identity(&self, object: &Object) -> Result<String> {
        let namespace = self.namespace(object).await?;
        Ok(format!("{}/{namespace}/{}", object.kind, object.name))
    }

    pub(crate) fn watch_error(&self, error: watcher::Error) -> InstallError {
        self.cluster.watch_error(error).into()
    }

    /// Whether the number of its pods is to be nobody's.
    fn shares_replicas(&self, object: &Object) -> bool {
        self.shares_replicas && object.has_scale()
    }

    /// As [`Self::api`], of an object that may be there; `None` when its kind is not served any more.
    async fn api_of_old(&self, object: &Object) -> Result<Option<Api<DynamicObject>>> {
        let kinds = &self.kinds;
        // Boxed: rarely more than a look into a table, it would make each removal large.
        let kind = Box::pin(kinds.in_any_version(&object.api_version, &object.kind));
        let kind = self.cluster.answer(kind).await;
        let kind = kind.map_err(|error| self.unknown(object, error))?;
        Ok(kind.map(|kind| self.api_of(object, &kind)))
    }

    fn api_of(&self, object: &Object, kind: &Kind) -> Api<DynamicObject> {
        let client: Client = self.cluster.client.clone();
        if kind.namespaced {
            let namespace = object
                .namespace
                .as_deref()
                .unwrap_or(&self.cluster.namespace);
            Api::namespaced_with(client, namespace, &kind.resource)
        } else {
            Api::all_with(client, &kind.resource)
        }
    }

    fn unknown(&self, object: &Object, error: Error) -> InstallError {
        if is_unknown(&error) {
            return InstallError::UnknownKind {
                object: object.label(),
                kind: format!("{} {}", object.api_version, object.kind),
            };
        }
        self.cluster.error(error).into()
    }

    /// Lets the API server check all objects without storing any.
    ///
    /// # Errors
    /// All refusals in one failure; an object that exists and is not of this release is one of them.
    pub async fn check(&self, objects: &[(Object, Expected)]) -> Result<()> {
        // Boxed: the compiler cannot tell that closures over borrowed pairs fit every lifetime.
        let mut checks: Vec<BoxFuture<'_, Result<()>>> = Vec::new();
        for (object, expected) in objects {
            checks.push(self.check_one(object, *expected).boxed());
        }
        let results: Vec<Result<()>> = stream::iter(checks).buffered(AT_ONCE).collect().await;
        let refused: Vec<InstallError> = results.into_iter().filter_map(Result::err).collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(InstallError::Several(refused))
        }
    }

    async fn check_one(&self, object: &Object, expected: Expected) -> Result<()> {
        let api = self.api(object).await?;
        if !expected.ours {
            // Creating, not applying: only that tells whether the name is taken, without a request more.
            match self.cluster.answer(self.create_dry(&api, object)).await {
                Ok(()) => return Ok(()),
                Err(Error::Api(status)) if status.is_already_exists() => {
                    let live = self
                        .cluster
                        .answer(api.get_metadata_opt(&object.name))
                        .await
                        .map_err(|e| self.refused(object, e))?;
                    if let Some(why) = live.and_then(|live| self.not_of_release(&live.metadata)) {
                        let object = object.label();
                        return Err(InstallError::NotOfRelease { object, why });
                    }
                }
                Err(error) => return Err(self.refused(object, error)),
            }
        }
        let checked = async {
            // Managers of its fields are changed before it is applied; until then there are conflicts.
            match self
                .patch(&api, object, true, self.force || expected.by_update)
                .await
            {
                Err(Error::Api(status))
                    if status.is_conflict()
                        && self.shares_replicas(object)
                        && self
                            .owned_otherwise(&api, object, expected)
                            .await?
                            .is_some() =>
                {
                    self.patch(&api, object, true, true).await
                }
                other => other,
            }
        };
        self.cluster
            .answer(checked)
            .await
            .map(drop)
            .map_err(|e| self.refused(object, e))
    }

    /// How the ownership of its fields must change before it is applied; `None` when it is right.
    async fn owned_otherwise(
        &self,
        api: &Api<DynamicObject>,
        object: &Object,
        expected: Expected,
    ) -> Result<Option<Ownership>, Error> {
        let Some(live) = api.get_metadata_opt(&object.name).await? else {
            return Ok(None);
        };
        let mut metadata = live.metadata;
        let entries = metadata.managed_fields.as_deref().unwrap_or_default();
        let moved = field_managers::moved(entries).filter(|_| expected.by_update);
        let is_moved = moved.is_some();
        metadata.managed_fields = moved.or(metadata.managed_fields);
        let released = released(&metadata).filter(|_| self.shares_replicas(object));
        Ok(released.or_else(|| {
            is_moved.then(|| Ownership {
                entries: metadata.managed_fields.unwrap_or_default(),
                resource_version: metadata.resource_version,
            })
        }))
    }

    async fn create_dry(&self, api: &Api<DynamicObject>, object: &Object) -> Result<(), Error> {
        let params = PostParams {
            dry_run: true,
            field_manager: Some(FIELD_MANAGER.into()),
        };
        let body = serde_json::to_vec(&object.body).map_err(Error::SerdeError)?;
        let mut request = Request::new(api.resource_url())
            .create(&params, body)
            .map_err(Error::BuildRequest)?;
        // Unknown fields must not wait for the apply to be found.
        let strict = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = strict
            .parse::<http::Uri>()
            .map_err(|e| Error::HttpError(e.into()))?;
        request.extensions_mut().insert("create");
        self.cluster
            .client
            .request::<DynamicObject>(request)
            .await
            .map(drop)
    }

    async fn patch(
        &self,
        api: &Api<DynamicObject>,
        object: &Object,
        dry: bool,
        force: bool,
    ) -> Result<DynamicObject, Error> {
        let params = PatchParams {
            dry_run: dry,
            force,
            field_manager: Some(FIELD_MANAGER.into()),
            field_validation: Some(ValidationDirective::Strict),
        };
        api.patch(&object.name, &params, &Patch::Apply(&object.body))
            .await
    }

    /// Makes or changes an object.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn apply(&self, object: &Object, expected: Expected) -> Result<DynamicObject> {
        let api = self.api(object).await?;
        if self.replaces {
            let replaced = replacing::replace(&self.cluster.client, &api, object);
            let replaced = self.cluster.answer(replaced).await;
            if let Some(live) = replaced.map_err(|error| self.refused(object, error))? {
                return Ok(live);
            }
        }
        let done = async {
            let mut attempts = 1..=APPLY_ATTEMPTS;
            // One that does not say how many pods it has must not take back what it said before. Otherwise a conflict tells
            // that somebody else has said it, and most often there is none.
            let mut look =
                expected.by_update || self.shares_replicas(object) && object.replicas().is_none();
            loop {
                if look
                    && let Some(owned) = self.owned_otherwise(&api, object, expected).await?
                    && !own(&api, object, owned).await?
                {
                    continue;
                }
                let again = attempts.next() < Some(APPLY_ATTEMPTS) && self.shares_replicas(object);
                match self.patch(&api, object, false, self.force).await {
                    // Another one said it, maybe just now.
                    Err(Error::Api(status)) if status.is_conflict() && again => look = true,
                    other => break other,
                }
            }
        };
        let done = async {
            let live = done.await?;
            // Not ours to hold on to: a Helm that turns autoscaling on would reset it.
            let mut held = released(&live.metadata).filter(|_| self.shares_replicas(object));
            if held.is_some() && give_up_replicas(&api, object, &live.metadata).await? {
                held = None;
            }
            while let Some(released_now) = held
                && !own(&api, object, released_now).await?
            {
                let now = api.get_metadata_opt(&object.name).await?;
                held = now.and_then(|now| released(&now.metadata));
            }
            Ok(live)
        };
        let done = self.cluster.answer(done).await;
        done.map_err(|error| self.refused(object, error))
    }

    /// As [`Self::apply`], but what is being deleted takes an apply and vanishes all the same: then it is applied anew after its
    /// end. `waits` is called before that is waited for.
    ///
    /// # Errors
    /// When the API server refuses it; [`Error::NotGone`](InstallError::NotGone) when it does not end in time.
    pub async fn apply_anew(
        &self,
        object: &Object,
        expected: Expected,
        limit: Limit,
        waits: impl Fn(),
    ) -> Result<DynamicObject> {
        loop {
            let live = self.apply(object, expected).await?;
            if live.metadata.deletion_timestamp.is_none() {
                return Ok(live);
            }
            waits();
            let gone = self.gone(object, &live.metadata);
            let Ok(gone) = tokio::time::timeout_at(limit.deadline, gone).await else {
                return Err(InstallError::NotGone {
                    waited: limit.timeout,
                    left: vec![still_there(object, &live.metadata)],
                });
            };
            gone?;
        }
    }

    /// What applying an object would make of it: a dry run, in which fields of others are taken over.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn tried(&self, object: &Object) -> Result<DynamicObject> {
        let api = self.api(object).await?;
        let tried = self
            .cluster
            .answer(self.patch(&api, object, true, true))
            .await;
        tried.map_err(|error| self.refused(object, error))
    }

    /// The live object, in any version that is served; `None` when it is not there, also with all of its kind.
    ///
    /// # Errors
    /// When the API server refuses to tell.
    pub async fn found(&self, object: &Object) -> Result<Option<DynamicObject>> {
        let Some(api) = self.api_of_old(object).await? else {
            return Ok(None);
        };
        let live = self.cluster.answer(api.get_opt(&object.name)).await;
        live.map_err(|error| self.refused(object, error))
    }

    /// The live object's metadata, `None` when it is gone, also with all of its kind.
    ///
    /// # Errors
    /// When the API server refuses to tell.
    pub async fn live(&self, object: &Object) -> Result<Option<ObjectMeta>> {
        let Some(api) = self.api_of_old(object).await? else {
            return Ok(None);
        };
        let live = self
            .cluster
            .answer(api.get_metadata_opt(&object.name))
            .await
            .map_err(|error| self.refused(object, error))?;
        Ok(live.map(|live| live.metadata))
    }

    /// How many pods a live workload of the release has; `None` when it is not there.
    ///
    /// # Errors
    /// When the API server refuses to tell.
    pub async fn replicas(&self, object: &Object) -> Result<Option<i64>> {
        let api = self.api(object).await?;
        let live = self
            .cluster
            .answer(api.get_opt(&object.name))
            .await
            .map_err(|error| self.cluster.error(error))?;
        let ours = live.filter(|live| self.not_of_release(&live.metadata).is_none());
        Ok(ours.and_then(|live| live.data["spec"]["replicas"].as_i64()))
    }

    /// Waits until a live workload has another number of pods than this one says, or is gone.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub async fn resized(&self, object: &Object) -> Result<()> {
        let api = self.api(object).await?;
        let mut changes = watch_object(api, &object.name).default_backoff().boxed();
        while let Some(change) = changes.next().await {
            match change {
                Ok(Some(live)) => {
                    if live.data["spec"]["replicas"].as_i64() != object.replicas() {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) if refused(&error) => {
                    return Err(self.cluster.watch_error(error).into());
                }
                Err(error) => tracing::debug!(%error, "watch interrupted"),
            }
        }
        Ok(())
    }

    /// Why a live object is not of this release; `None` when it is.
    pub fn not_of_release(&self, live: &ObjectMeta) -> Option<String> {
        manifest::not_of_release(live, &self.release, &self.cluster.namespace)
    }

    /// Asks for the deletion of exactly this object. True when it was there.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn delete(&self, object: &Object, live: &ObjectMeta) -> Result<bool> {
        let Some(api) = self.api_of_old(object).await? else {
            return Ok(false);
        };
        let params = DeleteParams {
            propagation_policy: Some(self.dependents.clone()),
            ..DeleteParams::default()
        };
        let params = params.preconditions(Preconditions {
            uid: live.uid.clone(),
            resource_version: None,
        });
        match self.cluster.answer(api.delete(&object.name, &params)).await {
            Ok(_) => Ok(true),
            // Gone, or another object by that name now: either way not ours to delete.
            Err(Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(false),
            Err(error) => Err(self.refused(object, error)),
        }
    }

    /// Waits until exactly this object is gone.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub async fn gone(&self, object: &Object, live: &ObjectMeta) -> Result<()> {
        let Some(api) = self.api_of_old(object).await? else {
            return Ok(());
        };
        let uid = live.uid.clone().unwrap_or_default();
        Ok(gone(&self.cluster, api, &object.name, &uid).await?)
    }

    fn refused(&self, object: &Object, error: Error) -> InstallError {
        let owners = match &error {
            Error::Api(status) if status.is_conflict() => Some(owners(status)),
            _ => None,
        };
        InstallError::Refused {
            object: object.label(),
            name: object.name.clone(),
            owners,
            source: Box::new(self.cluster.error(error)),
        }
    }
}

/// The managers whose fields an apply met, as the API server names them: `kubectl-set`.
fn owners(conflict: &Status) -> Vec<String> {
    let causes = conflict.details.iter().flat_map(|details| &details.causes);
    let causes = causes.filter(|cause| cause.reason == "FieldManagerConflict");
    let mut owners: Vec<String> = causes
        .filter_map(|cause| {
            let named = cause.message.strip_prefix("conflict with \"")?;
            named.split_once('"').map(|(owner, _)| owner.to_owned())
        })
        .collect();
    owners.sort_unstable();
    owners.dedup();
    owners
}

/// Who owns the fields of an object, and of which version of it that is said.
struct Ownership {
    entries: Vec<ManagedFieldsEntry>,
    resource_version: Option<String>,
}

/// An object whose number of pods is nobody's; `None` when that is so already.
fn released(metadata: &ObjectMeta) -> Option<Ownership> {
    let entries = metadata.managed_fields.as_deref().unwrap_or_default();
    Some(Ownership {
        entries: field_managers::without_replicas(entries)?,
        resource_version: metadata.resource_version.clone(),
    })
}

/// Changes who owns fields. False, and nothing is changed, when the object is of another version by now, or gone.
async fn own(api: &Api<DynamicObject>, object: &Object, owned: Ownership) -> Result<bool, Error> {
    let body = json!({"metadata": {
        "managedFields": owned.entries,
        "resourceVersion": owned.resource_version,
    }});
    let params = PatchParams::default();
    match api
        .patch_metadata(&object.name, &params, &Patch::Merge(&body))
        .await
    {
        Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(false),
        other => other.map(|_| true),
    }
}

/// Gives the number of pods up, whatever else is written to the object meanwhile: its controller writes to what was applied at
/// this very moment. False, and nothing is changed, when the owners of its fields are others by now, or it is gone.
async fn give_up_replicas(
    api: &Api<DynamicObject>,
    object: &Object,
    metadata: &ObjectMeta,
) -> Result<bool, Error> {
    let entries = metadata.managed_fields.as_deref().unwrap_or_default();
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let Some(patch) = field_managers::replicas_given_up(uid, entries) else {
        return Ok(false);
    };
    let params = PatchParams::default();
    let patch = Patch::<()>::Json(patch);
    match api.patch_metadata(&object.name, &params, &patch).await {
        // A test of the patch that fails is unprocessable (422).
        Err(Error::Api(status))
            if status.code == 422 || status.is_conflict() || status.is_not_found() =>
        {
            Ok(false)
        }
        other => other.map(|_| true),
    }
}

#[cfg(test)]
mod tests;
