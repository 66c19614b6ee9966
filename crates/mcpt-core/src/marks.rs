//! Labels and annotations by which servers are known, wherever they run: on objects of a cluster, and on containers.

/// Label that names the server on all that is of it.
pub const SERVER_LABEL: &str = "mcpt.io/server";
/// Label that names the template.
pub const TEMPLATE_LABEL: &str = "mcpt.io/template";
/// Annotation with the path of the MCP endpoint.
pub const PATH_ANNOTATION: &str = "mcpt.io/path";
/// Path of the MCP endpoint where nothing is annotated.
pub const DEFAULT_PATH: &str = "/mcp";
/// Annotation that says whether sessions stay where they began: `stateful` or `stateless`.
pub const SESSIONS_ANNOTATION: &str = "mcpt.io/sessions";
/// Annotation that says how the server itself speaks: `http` or `stdio`.
pub const TRANSPORT_ANNOTATION: &str = "mcpt.io/transport";
/// Annotation that names the package that a server is, as a source.
pub const SOURCE_ANNOTATION: &str = "mcpt.io/source";
/// Annotation that says which instance gets new sessions, and requests of none: `least-sessions`, `least-requests`, `round-robin` or `hash:HEADER`.
pub const BALANCE_ANNOTATION: &str = "mcpt.io/balance";
/// Annotation that says how many requests may be in progress at once, of those that come by one gateway.
pub const MAX_REQUESTS_ANNOTATION: &str = "mcpt.io/max-requests";
/// Annotation that says within what time an answer must have begun, in seconds.
pub const ANSWER_WITHIN_ANNOTATION: &str = "mcpt.io/answer-within";
/// Annotation that says after what time without a call all instances are stopped, in seconds.
pub const IDLE_TIMEOUT_ANNOTATION: &str = "mcpt.io/idle-timeout";
/// Annotation that says how many instances are started by the call that comes then.
pub const IDLE_REPLICAS_ANNOTATION: &str = "mcpt.io/idle-replicas";
