//! For tests: an API server that answers by a script, where what it takes cannot be provoked for real at the moment that counts.

pub(crate) use kube_access::scripted::{NEVER, refusal};
use mcpt_core::Namespace;
use serde_json::Value;

use crate::cluster::Cluster;

/// A cluster whose answer to each request, such as `GET /api/v1/pods?limit=1` with its JSON, is a status and a text.
pub(crate) fn cluster(
    answer: impl FnMut(&str, &Value) -> (u16, String) + Send + 'static,
) -> Cluster {
    Cluster {
        access: kube_access::scripted::cluster(answer),
        chosen_by: Vec::new(),
        limits: helm_render::Limits::default(),
        namespace: Namespace::new("ns").unwrap(),
    }
}
