//! [`Client`]: one connection to one MCP server over streamable HTTP.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::ClientError;

/// A connection to an MCP server. End it with [`Client::close`], which also ends the server's session.
#[derive(Debug)]
pub struct Client {}

/// Progress of a call, as the server told it.
#[derive(Debug, Clone, PartialEq)]
pub struct CallProgress {
    /// How far it is; grows with each notification.
    pub progress: f64,
    /// What `progress` will be at the end, if known.
    pub total: Option<f64>,
    /// What the server says about it.
    pub message: Option<String>,
}

/// What a tool answered: the raw result of `tools/call`.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// The result, nothing lost or added.
    pub raw: Value,
}

impl ToolResult {
    /// Whether the tool itself reported an error.
    pub fn is_error(&self) -> bool {
        self.raw.get("isError").and_then(Value::as_bool) == Some(true)
    }
}

impl Client {
    /// Connects and agrees on a protocol era, the modern one preferred.
    ///
    /// # Errors
    /// [`ClientError`], telling apart who is at fault.
    pub async fn connect(url: &str, timeout: Duration) -> Result<Self, ClientError> {
        let _ = timeout;
        Err(ClientError::Connect {
            url: url.to_owned(),
            reason: "no client".to_owned(),
        })
    }

    /// All tools of all pages, each as the server sent it. `timeout` holds for each page.
    ///
    /// # Errors
    /// [`ClientError`] when the server fails or a page does not come in time.
    pub async fn list_tools(&self, timeout: Duration) -> Result<Vec<Value>, ClientError> {
        let _ = timeout;
        Ok(Vec::new())
    }

    /// Calls a tool. `on_progress` is called for each progress notification; `timeout` is the longest time without an
    /// answer or any progress.
    ///
    /// # Errors
    /// [`ClientError`] when the server cannot be asked; an error of the tool itself is a [`ToolResult`].
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        on_progress: impl Fn(CallProgress) + Send + Sync + 'static,
        timeout: Duration,
    ) -> Result<ToolResult, ClientError> {
        let _ = (name, arguments, on_progress, timeout);
        Err(ClientError::Protocol("no client".to_owned()))
    }

    /// Ends the session, on the server too.
    pub async fn close(self) {}
}
