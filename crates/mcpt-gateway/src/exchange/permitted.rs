//! Requests whose messages are read before they are sent: of those who may not call every tool of a server, whose calls are
//! counted, or whose arguments are recorded. And lists in the answers, of which not everything may be seen.

use std::sync::Arc;

use hyper::{
    HeaderMap, Method, Request, body::Incoming, header::ACCEPT_ENCODING, http::Extensions,
};
use mcpt_access::Permission;
use mcpt_protocol::{Ambiguous, ToolRequest, header::NAME, translate::decoded};
use mcpt_routing::{Server, ServerKey};

use super::{Exchange, body_budget::ReadBody, handling::asks, request_class::request_id};
use crate::{
    access::{Caller, Filtered},
    audit::Arguments,
    noted::Noted,
    refusal::Refusal,
    relay::{Answer, Kept},
    upstream::Upstream,
};

impl Exchange {
    /// Whether messages of somebody to a server are read, whatever he may.
    pub(crate) fn reads(&self, extensions: &Extensions, server: &ServerKey) -> bool {
        self.records_arguments() || self.limiter.counts(extensions.get::<Caller>(), server)
    }

    fn records_arguments(&self) -> bool {
        self.audit.as_ref().is_some_and(|audit| audit.arguments)
    }

    /// One exchange with a server by somebody who may do there what `permission` says.
    pub(crate) async fn permitted(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        mut request: Request<Incoming>,
        permission: Permission,
        noted: &Noted,
    ) -> Answer {
        if permission == Permission::Nothing {
            let refusal = Refusal::NotPermitted(server.key().to_string());
            return self.refuse(refusal, request).await;
        }
        let some = permission != Permission::Everything;
        if some {
            // What is compressed cannot be looked through.
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        if request.method() != Method::POST {
            let answer = self.with(server, request, noted).await;
            // A stream that is taken up again may bring a list.
            return if some {
                filtered(answer, permission)
            } else {
                answer
            };
        }
        let (mut parts, body) = request.into_parts();
        let read = match self.read(&mut parts, body).await {
            Ok(ReadBody::Large { .. }) if some => Err(Refusal::TooLargeToJudge),
            Ok(read) => self.bodies.whole(read).await,
            Err(refusal) => Err(refusal),
        };
        let message = match read {
            Ok(message) => message,
            Err(refusal) => return Answer::refusal(&refusal, None),
        };
        let refused = |refusal: &Refusal| Answer::refusal(refusal, request_id(&message).as_deref());
        let asked = some.then(|| judge(&permission, server.key(), &parts.headers, &message));
        let asked = match asked.transpose() {
            Ok(asked) => asked,
            Err(refusal) => return refused(&refusal),
        };
        let kept = self
            .counted(server, &parts.extensions, &message, noted)
            .await;
        let kept = match kept {
            Ok(kept) => kept,
            Err(refusal) => return refused(&refusal),
        };
        let answer = self
            .message(server, parts, message, noted)
            .await
            .keeping(kept);
        match asked {
            Some(ToolRequest::List) => filtered(answer, permission),
            Some(ToolRequest::Call(_) | ToolRequest::Other) | None => answer,
        }
    }

    /// Counts a message to a server, if its sender's are counted, and takes down what it calls a tool with, if that is recorded.
    ///
    /// # Errors
    /// [`Refusal::Limited`], and [`Refusal::Ambiguous`] where it cannot be said what is to be counted.
    pub(crate) async fn counted(
        &self,
        server: &Server<Upstream>,
        extensions: &Extensions,
        message: &[u8],
        noted: &Noted,
    ) -> Result<Option<Box<Kept>>, Refusal> {
        noted.note_body(message);
        if self.records_arguments()
            && let Some(arguments) = Arguments::of(message)
        {
            noted.note_arguments(arguments);
        }
        let caller = extensions.get::<Caller>();
        let held = if self.limiter.counts(caller, server.key()) {
            let tool = match ToolRequest::read(message) {
                Ok(ToolRequest::Call(tool)) => Some(tool),
                Ok(ToolRequest::List | ToolRequest::Other) => None,
                Err(Ambiguous) => return Err(Refusal::Ambiguous),
            };
            if tool.is_some() || asks(message) {
                let admitted = self.limiter.admit(caller, server.key(), tool.as_deref());
                admitted.await?
            } else {
                None
            }
        } else {
            None
        };
        Ok(Kept::of(held))
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
