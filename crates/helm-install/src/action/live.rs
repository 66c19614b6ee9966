//! What of a release is on the cluster now, as `helm status` tells it.

use std::collections::BTreeMap;

use helm_release::Release;
use http::{Request, header::ACCEPT};
use kube::core::request::Request as Paths;
use serde_json::Value;

use super::{Action, ActionError, Result};
use crate::{Object, manifest};

/// What is asked for when objects are to be shown to people: the API server's own columns.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const PLAIN: &str = "application/json";

/// Live objects by version and kind, as `v1/Pod`; pods of the workloads among them as `v1/Pod(related)`.
pub type Resources = BTreeMap<String, Vec<Value>>;

impl Action<'_> {
    /// The live objects of a release; as tables of the API server, if `tables` says so. What is not there is left out.
    ///
    /// # Errors
    /// When the API server refuses, or cannot be asked.
    pub async fn resources(&self, release: &Release, tables: bool) -> Result<Resources> {
        let mut all = Resources::new();
        let mut selectors: Vec<Value> = Vec::new();
        for object in manifest::of_release(release)? {
            let accept = if tables { TABLE } else { PLAIN };
            let api = self.applier.api(&object).await?;
            let path = format!("{}/{}", api.resource_url(), object.name);
            let Some(live) = self.fetch(&path, accept).await? else {
                continue;
            };
            let version = object.api_version.rsplit('/').next().unwrap_or_default();
            let group = all.entry(format!("{version}/{}", object.kind));
            group.or_default().push(live);
            if let Some(selector) = selector(&object).filter(|s| !selectors.contains(s)) {
                let pods = self.pods(&object, &selector, accept).await?;
                if !pods.is_empty() {
                    let related = all.entry("v1/Pod(related)".to_owned());
                    related.or_default().extend(pods);
                }
                selectors.push(selector);
            }
        }
        Ok(all)
    }

    /// The pods that a workload selects: as one table, or one by one.
    async fn pods(&self, of: &Object, selector: &Value, accept: &str) -> Result<Vec<Value>> {
        let pairs = selector.as_object().into_iter().flatten();
        let pairs = pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")));
        let namespace = self.applier.namespace(of).await?;
        let url = format!("/api/v1/namespaces/{namespace}/pods");
        let params = kube::api::ListParams::default().labels(&pairs.collect::<Vec<_>>().join(","));
        let listed = Paths::new(url).list(&params);
        let path = listed.map_err(|error| self.cluster.error(kube::Error::BuildRequest(error)))?;
        let Some(found) = self.fetch(&path.uri().to_string(), accept).await? else {
            return Ok(Vec::new());
        };
        if found["kind"] == "Table" {
            let is_empty = found["rows"].as_array().is_none_or(Vec::is_empty);
            return Ok(if is_empty { Vec::new() } else { vec![found] });
        }
        let items = found["items"].as_array().cloned().unwrap_or_default();
        let typed = items.into_iter().map(|mut pod| {
            // Lists leave it out.
            pod["apiVersion"] = "v1".into();
            pod["kind"] = "Pod".into();
            pod
        });
        Ok(typed.collect())
    }

    async fn fetch(&self, path: &str, accept: &str) -> Result<Option<Value>> {
        let request = Request::get(path).header(ACCEPT, accept).body(Vec::new());
        let request = request.map_err(kube::Error::HttpError);
        let answer = async { self.cluster.client.request::<Value>(request?).await };
        match self.cluster.answer(answer).await {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(error) => Err(ActionError::from(self.cluster.error(error))),
        }
    }
}

/// The labels by which a workload selects its pods.
fn selector(object: &Object) -> Option<Value> {
    let pointer = match object.kind.as_str() {
        "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
            "/spec/selector/matchLabels"
        }
        "ReplicationController" => "/spec/selector",
        _ => return None,
    };
    let selector = object.body.pointer(pointer)?;
    selector.is_object().then(|| selector.clone())
}
