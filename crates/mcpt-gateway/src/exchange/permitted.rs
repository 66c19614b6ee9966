//! Requests of those who may not call every tool of a server: their messages are read, and lists in the answers.

use std::sync::Arc;

use hyper::{HeaderMap, Method, Request, body::Incoming, header::ACCEPT_ENCODING};
use mcpt_access::Permission;
use mcpt_protocol::{Ambiguous, ToolRequest, header::NAME, translate::decoded};
use mcpt_routing::{Server, ServerKey};

use super::{Exchange, body_budget::ReadBody, request_class::request_id};
use crate::{access::Filtered, refusal::Refusal, relay::Answer, upstream::Upstream};

impl Exchange {
    /// One exchange with a server by somebody who may do there what `permission` says.
    pub(crate) async fn permitted(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        mut request: Request<Incoming>,
        permission: Permission,
    ) -> Answer {
        let key = || server.key().to_string();
        match &permission {
            Permission::Everything => return self.with(server, request).await,
            Permission::Nothing => {
                return self.refuse(Refusal::NotPermitted(key()), request).await;
            }
            Permission::Tools(_) => {}
        }
        // What is compressed cannot be looked through.
        request.headers_mut().remove(ACCEPT_ENCODING);
        if request.method() != Method::POST {
            // A stream that is taken up again may bring a list.
            let answer = self.with(server, request).await;
            return filtered(answer, permission);
        }
        let (mut parts, body) = request.into_parts();
        let message = match self.read(&mut parts, body).await {
            Ok(ReadBody::Whole(message)) => message,
            Ok(ReadBody::Large { .. }) => return Answer::refusal(&Refusal::TooLargeToJudge, None),
            Err(refusal) => return Answer::refusal(&refusal, None),
        };
        let refused = |refusal: Refusal| Answer::refusal(&refusal, request_id(&message).as_deref());
        let asked = match judge(&permission, server.key(), &parts.headers, &message) {
            Ok(asked) => asked,
            Err(refusal) => return refused(refusal),
        };
        let answer = self.message(server, parts, message).await;
        match asked {
            ToolRequest::List => filtered(answer, permission),
            ToolRequest::Call(_) | ToolRequest::Other => answer,
        }
    }
}

/// What a message asks a server for, if somebody with that permission may ask for it.
///
/// # Errors
/// The refusal, also of a message that could be read in two ways.
pub(crate) fn judge(
    permission: &Permission,
    server: &ServerKey,
    headers: &HeaderMap,
    message: &[u8],
) -> Result<ToolRequest, Refusal> {
    let asked = ToolRequest::read(message).map_err(|Ambiguous| Refusal::Ambiguous)?;
    if let ToolRequest::Call(tool) = &asked {
        // A server may go by the header.
        let mut named = headers.get_all(NAME).iter();
        let same = named.all(|name| decoded(name).as_deref() == Some(&**tool));
        if !same || !permission.may_call(tool) {
            return Err(Refusal::NotPermitted(format!("{tool:?} of {server}")));
        }
    }
    Ok(asked)
}

fn filtered(mut answer: Answer, permission: Permission) -> Answer {
    match Filtered::of(answer.response, permission) {
        Some(response) => {
            answer.response = response;
            answer
        }
        None => Answer::refusal(
            &Refusal::Unusable("it is compressed, so what of it is permitted cannot be said"),
            None,
        ),
    }
}
