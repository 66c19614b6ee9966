//! The tools of the demo server: one handler per session, or per request for clients of the stateless era.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rmcp::{
    ErrorData, Json, Peer, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::ToolCallContext, wrapper::Parameters},
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ProgressNotificationParam, RequestMetaObject, ServerCapabilities, ServerConfig,
    },
    schemars,
    service::RequestContext,
    tool, tool_handler, tool_router,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::DemoSettings;

/// How many progress notifications `slow` sends.
const SLOW_STEPS: u32 = 10;
/// Longest time that `slow` can be asked for, in seconds.
const SLOW_MAX_SECONDS: f64 = 3600.0;

/// The demo server's side of one session.
#[derive(Debug)]
pub(crate) struct DemoTools {
    settings: Arc<DemoSettings>,
    counter: AtomicU64,
    /// The same for all sessions.
    router: Arc<ToolRouter<Self>>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Echo {
    /// Text to send back.
    message: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Add {
    /// First number.
    a: f64,
    /// Second number.
    b: f64,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Slow {
    /// How long to take, in seconds.
    #[schemars(range(min = 0.0, max = 3600.0))]
    seconds: f64,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct WhoAmI {
    /// Name of the pod or host.
    instance: String,
    /// Process id.
    pid: u32,
    /// Whether the server was given its token: `set` or `unset`.
    token: &'static str,
}

#[tool_router(router = tool_router)]
impl DemoTools {
    /// The tools, and how they are described.
    pub(crate) fn router() -> ToolRouter<Self> {
        Self::tool_router()
    }

    pub(crate) fn new(settings: Arc<DemoSettings>, router: Arc<ToolRouter<Self>>) -> Self {
        Self {
            settings,
            counter: AtomicU64::new(0),
            router,
        }
    }

    #[tool(description = "Answers with the message, after the configured greeting if there is one")]
    fn echo(&self, Parameters(Echo { message }): Parameters<Echo>) -> String {
        if self.settings.greeting.is_empty() {
            message
        } else {
            format!("{} {message}", self.settings.greeting)
        }
    }

    #[tool(description = "Adds two numbers")]
    fn add(Parameters(Add { a, b }): Parameters<Add>) -> String {
        (a + b).to_string()
    }

    #[tool(description = "Takes the given time and reports progress on the way")]
    async fn slow(
        &self,
        Parameters(Slow { seconds }): Parameters<Slow>,
        meta: RequestMetaObject,
        client: Peer<RoleServer>,
        cancelled: CancellationToken,
    ) -> Result<CallToolResult, ErrorData> {
        if !(0.0..=SLOW_MAX_SECONDS).contains(&seconds) {
            return Err(ErrorData::invalid_params(
                format!("seconds must be between 0 and {SLOW_MAX_SECONDS}"),
                None,
            ));
        }
        let token = meta.get_progress_token();
        let step = Duration::from_secs_f64(seconds / f64::from(SLOW_STEPS));
        for done in 1..=SLOW_STEPS {
            tokio::select! {
                () = tokio::time::sleep(step) => {}
                () = cancelled.cancelled() => {
                    return Ok(CallToolResult::error(vec![ContentBlock::text("cancelled")]));
                }
            }
            if let Some(token) = &token {
                let progress = ProgressNotificationParam::new(token.clone(), f64::from(done))
                    .with_total(f64::from(SLOW_STEPS))
                    .with_message(format!("step {done} of {SLOW_STEPS}"));
                // A client that left has no use for progress, and the call is of no use to it either.
                if let Err(error) = client.notify_progress(progress).await {
                    tracing::debug!(%error, "cannot send progress");
                }
            }
        }
        let text = format!("done after {seconds} s");
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]))
    }

    #[tool(
        description = "Counts its own calls within this session. Clients of protocol 2026-07-28 have no sessions: they \
                       always get 1"
    )]
    fn counter(&self) -> String {
        (self.counter.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }

    #[tool(description = "Always fails, as a tool")]
    fn fail() -> CallToolResult {
        CallToolResult::error(vec![ContentBlock::text("this tool always fails")])
    }

    #[tool(
        description = "Names the instance that answers, its process id, and whether its token is set"
    )]
    fn whoami(&self) -> Json<WhoAmI> {
        Json(WhoAmI {
            instance: self.settings.instance.clone(),
            pid: std::process::id(),
            token: if self.settings.token_set {
                "set"
            } else {
                "unset"
            },
        })
    }
}

#[tool_handler(router = self.router)]
impl ServerHandler for DemoTools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("mcpt-demo", env!("CARGO_PKG_VERSION")))
            .with_instructions("The demo server of mcpt: a few tools to try a deployment with.")
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (id, tool) = (context.id.clone(), request.name.clone());
        let begin = Instant::now();
        let result = self
            .router
            .call(ToolCallContext::new(self, request, context))
            .await;
        let outcome = match &result {
            Ok(CallToolResponse::Complete(r)) if r.is_error == Some(true) => "tool error",
            Ok(_) => "ok",
            Err(_) => "refused",
        };
        let milliseconds = begin.elapsed().as_millis();
        tracing::info!(%id, %tool, outcome, milliseconds, "call");
        result
    }
}
