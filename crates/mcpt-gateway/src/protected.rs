//! Servers that ask for a login (RFC 9728): what they say about their own URL is said about the one that the client called.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
};
use mcpt_protocol::{PROTECTED_RESOURCE, metadata_path, with_metadata_at, with_resource};
use mcpt_routing::{Carried, Server, SessionKeys, Work};
use url::Url;

use crate::{
    exchange::Exchange,
    outer::OuterUrl,
    refusal::Refusal,
    relay::{Answer, GatewayBody},
    upstream::Upstream,
};

/// Largest metadata in bytes, far beyond any.
const MAX_METADATA: usize = 256 * 1024;
/// What names metadata that is at a path of its server's choice.
const AT: &str = "at=";

/// Lets the challenge of an answer name metadata that its client can reach.
pub(crate) fn tell_client(
    response: &mut Response<GatewayBody>,
    server: &Server<Upstream>,
    outer: &OuterUrl,
    keys: &SessionKeys,
) {
    let challenges: Vec<HeaderValue> = response
        .headers()
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .map(|challenge| {
            let elsewhere = |url: &str| reachable(url, server, outer, keys);
            let replaced = with_metadata_at(challenge.to_str().ok()?, elsewhere)?;
            HeaderValue::try_from(replaced).ok()
        })
        .zip(response.headers().get_all(WWW_AUTHENTICATE))
        .map(|(replaced, challenge)| replaced.unwrap_or_else(|| challenge.clone()))
        .collect();
    response.headers_mut().remove(WWW_AUTHENTICATE);
    for challenge in challenges {
        response.headers_mut().append(WWW_AUTHENTICATE, challenge);
    }
}

/// The URL by which the client finds what its server has at `url`; `None` if it does so by that itself.
fn reachable(
    url: &str,
    server: &Server<Upstream>,
    outer: &OuterUrl,
    keys: &SessionKeys,
) -> Option<String> {
    if outer.metadata(None).as_deref() == Some(url) {
        return None;
    }
    let url = Url::parse(url).ok()?;
    let endpoint = endpoint_called(server, &url);
    let known = metadata_path(endpoint.or_else(|| endpoint_at(server))?.path());
    let is_known = url.path() == known && url.query().is_none();
    if is_known && (endpoint.is_some() || outer.is_at_host_of(&url)) {
        return outer.metadata(None);
    }
    endpoint?;
    // Only the server's word opens another path of it to the outside.
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let sealed = keys.seal_carried(Carried::Path, path.as_bytes()).ok()?;
    outer.metadata(Some(&format!("{AT}{sealed}")))
}

/// The instance of a server that a URL is of, as it calls itself.
fn endpoint_called<'s>(server: &'s Server<Upstream>, url: &Url) -> Option<&'s Upstream> {
    let mut endpoints = server
        .endpoints()
        .iter()
        .map(|(endpoint, _)| endpoint.link());
    endpoints.find(|endpoint| endpoint.is_called(url))
}

/// Any instance: all have their MCP endpoint at the same path.
fn endpoint_at(server: &Server<Upstream>) -> Option<&Upstream> {
    let (endpoint, _) = server.endpoints().first()?;
    Some(endpoint.link())
}

impl Exchange {
    /// The metadata of a server, about the URL that the client calls it by.
    pub(crate) async fn metadata(
        &self,
        server: &Arc<Server<Upstream>>,
        outer: Option<&OuterUrl>,
        request: Request<Incoming>,
    ) -> Answer {
        if request.method() != Method::GET {
            return self.refuse(Refusal::Method { allow: "GET" }, request).await;
        }
        match self.metadata_of(server, outer, request.uri()).await {
            Ok(response) => Answer::own(response),
            Err(refusal) => Answer::refusal(&refusal, None),
        }
    }

    async fn metadata_of(
        &self,
        server: &Arc<Server<Upstream>>,
        outer: Option<&OuterUrl>,
        asked: &Uri,
    ) -> Result<Response<Bytes>, Refusal> {
        let no_metadata = || Refusal::NoMetadata(server.key().to_string());
        let picked = server.pick(Work::OneRequest, &[], self.directory.now());
        let in_flight = picked.ok_or_else(|| Refusal::NoEndpoint(server.key().to_string()))?;
        let paths = match asked.query().and_then(|query| query.strip_prefix(AT)) {
            None => vec![
                metadata_path(in_flight.link().path()),
                PROTECTED_RESOURCE.to_owned(),
            ],
            Some(sealed) => {
                let path = self.keys.open_carried(Carried::Path, sealed.as_bytes());
                let path = path.and_then(|path| String::from_utf8(path).ok());
                vec![path.ok_or_else(no_metadata)?]
            }
        };
        for path in paths {
            let asked = Request::get(path).body(Empty::<Bytes>::new());
            let mut asked = asked.map_err(|_| no_metadata())?;
            if let Some(outer) = outer {
                outer.tell(asked.headers_mut());
            }
            let answer = in_flight.link().exchange_once(asked, MAX_METADATA).await;
            let answer = answer.map_err(|error| Refusal::Unreachable(error.to_string()))?;
            if answer.status() == StatusCode::OK {
                return Ok(about(answer, server, outer));
            }
        }
        Err(no_metadata())
    }
}

/// What a server says of itself, said of the URL that the client called.
fn about(
    answer: Response<Bytes>,
    server: &Server<Upstream>,
    outer: Option<&OuterUrl>,
) -> Response<Bytes> {
    let elsewhere = |resource: &str| {
        let outer = outer?;
        let called = outer.resource()?;
        let url = Url::parse(resource).ok()?;
        // It may know the host that the client called, and not the path.
        let half = || {
            let path = endpoint_at(server).map(Upstream::path);
            path == Some(url.path()) && outer.is_at_host_of(&url)
        };
        // One for all that is at the host that was called is what it says: where a host is shown for one server alone.
        let whole = url.path() == "/" && outer.is_at_host_of(&url);
        let own = || endpoint_called(server, &url).is_some() || half();
        (resource != called && !whole && own()).then_some(called)
    };
    let (from, body) = answer.into_parts();
    let body = with_resource(&body, elsewhere).map_or(body, Bytes::from);
    let mut about = Response::new(body);
    for name in [CONTENT_TYPE, CACHE_CONTROL] {
        if let Some(value) = from.headers.get(&name) {
            about.headers_mut().insert(name, value.clone());
        }
    }
    about
}
