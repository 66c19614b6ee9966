//! MCP without I/O: everything that is known about the protocol is known here.
//!
//! - Headers: their names ([`header`]), media types ([`media`]), hosts, origins and CORS ([`HostRules`]),
//!   redirects ([`redirect()`]), where a server's OAuth metadata is ([`metadata_path`]).
//! - Eras: [`era_of_request`] judges each request.
//! - Messages: [`Message`] parses the envelope of one and rewrites it, [`MessageId`] compares ids,
//!   [`handshake`] makes and reads the first exchange, [`McpMethod`] knows what each may do, [`sse`] reads and writes streams.
//!
//! - Between the eras: [`translate`] says what a message of one becomes in the other.
//!
//! Only the envelope of a message is parsed. What is inside `params`, `result` and `error` stays the
//! text that was sent, and a rewritten message differs from the original in the rewritten values
//! alone, byte for byte: unknown fields, number forms and the order of keys survive.
//!
//! ```
//! use mcpt_protocol::{Kind, Message, MessageId};
//!
//! let text = br#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"n":1.0}}"#;
//! let message = Message::parse(text)?;
//! let Kind::Request { id, method } = message.kind() else { unreachable!() };
//! assert_eq!(method, "tools/call");
//! let mut line = Vec::new();
//! message.write_line(&[(*id, "7")], &mut line);
//! assert_eq!(line, br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"n":1.0}}"#);
//! let answer = Message::parse(br#"{"jsonrpc":"2.0","id":7.0,"result":{}}"#)?;
//! assert!(answer.answers(&MessageId::from(7)));
//! # Ok::<_, mcpt_protocol::MalformedMessage>(())
//! ```

mod authority;
mod cors;
mod era;
pub mod handshake;
pub mod header;
mod host_and_origin;
mod ids;
mod json_text;
pub mod media;
mod message;
mod methods;
mod part;
mod protected_resource;
mod redirect;
mod request_state;
mod rpc_error;
pub mod sse;
mod subject;
mod subscription;
mod tools;
pub mod translate;
mod unusable;
mod versions;

pub use self::{
    authority::{host_header, host_of, is_loopback_host},
    cors::is_preflight,
    era::{EraUnknown, RequestEra, UnknownVersion, era_of_request},
    host_and_origin::{HostRules, Refused},
    ids::{MessageId, is_whole_number},
    json_text::indented,
    message::{Kind, MalformedMessage, Message, Params, split_batch},
    methods::{McpMethod, MethodSort},
    part::Part,
    protected_resource::{PROTECTED_RESOURCE, metadata_path, with_metadata_at, with_resource},
    redirect::{REDIRECTS_MAX, Redirect, redirect},
    request_state::RequestStates,
    rpc_error::{ErrorCode, RpcError, error_response, means_unknown_session},
    subject::{OTHER, Subject},
    subscription::subscription_ended,
    tools::{Ambiguous, ToolRequest, without_tools},
    unusable::{find_id, without_noise},
    versions::{
        BATCH_VERSION, Era, LEGACY_VERSIONS, MODERN_VERSION, NEWEST_LEGACY, SPOKEN, era_of_version,
    },
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
