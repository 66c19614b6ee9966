//! An object in the place of one that is there, as Helm's `--force-replace` puts it: nothing of the old one stays but what the API
//! server keeps by itself.

use kube::{
    Api, Client, Error,
    api::{DynamicObject, PostParams, Request},
};
use serde_json::json;

use crate::{manifest::Object, tool::FIELD_MANAGER};

/// How often one is tried to be replaced that others change meanwhile.
const ATTEMPTS: u8 = 5;

/// Replaces an object; `None` when there is none.
///
/// # Errors
/// When the API server refuses it, or others change it again and again.
pub(super) async fn replace(
    client: &Client,
    api: &Api<DynamicObject>,
    object: &Object,
) -> Result<Option<DynamicObject>, Error> {
    let mut attempts = 1..=ATTEMPTS;
    loop {
        let Some(live) = api.get_metadata_opt(&object.name).await? else {
            return Ok(None);
        };
        let mut body = object.body.clone();
        body["metadata"]["resourceVersion"] = json!(live.metadata.resource_version);
        let replaced = client
            .request::<DynamicObject>(request(api, object, &body)?)
            .await;
        let last = attempts.next() == Some(ATTEMPTS);
        match replaced {
            Err(Error::Api(status)) if status.is_conflict() && !last => {}
            Err(Error::Api(status)) if status.is_not_found() && !last => {}
            other => return other.map(Some),
        }
    }
}

fn request(
    api: &Api<DynamicObject>,
    object: &Object,
    body: &serde_json::Value,
) -> Result<http::Request<Vec<u8>>, Error> {
    let params = PostParams {
        dry_run: false,
        field_manager: Some(FIELD_MANAGER.into()),
    };
    let body = serde_json::to_vec(body).map_err(Error::SerdeError)?;
    let mut request = Request::new(api.resource_url())
        .replace(&object.name, &params, body)
        .map_err(Error::BuildRequest)?;
    let strict = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = strict
        .parse::<http::Uri>()
        .map_err(|error| Error::HttpError(error.into()))?;
    request.extensions_mut().insert("replace");
    Ok(request)
}
