//! [`Bearer`]: requests that carry a plugin's token, which is had anew when it expires and after the server refused it.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use tokio::sync::Mutex;
use tower::{BoxError, Service};

use crate::plugin::{Plugin, PluginCredentials, PluginError};

/// A plugin and what it gave last.
#[derive(Clone)]
pub(crate) struct PluginToken {
    plugin: Plugin,
    last: Arc<Mutex<Last>>,
}

struct Last {
    given: PluginCredentials,
    /// The server did not take it.
    refused: bool,
}

impl PluginToken {
    /// Of a plugin that was run.
    pub(crate) fn new(plugin: Plugin, given: PluginCredentials) -> Self {
        let last = Last {
            given,
            refused: false,
        };
        Self {
            plugin,
            last: Arc::new(Mutex::new(last)),
        }
    }

    /// The value of `Authorization`, if the plugin gives one.
    async fn header(&self) -> Result<Option<HeaderValue>, PluginError> {
        let mut last = self.last.lock().await;
        if last.refused || last.given.expired() {
            last.given = self.plugin.run_aside().await?;
            last.refused = false;
        }
        Ok(last.given.token.clone())
    }

    /// The server did not take this one. As with kubectl, the next request has a new one.
    async fn refused(&self, token: &HeaderValue) {
        let mut last = self.last.lock().await;
        // Another request may have brought a new one meanwhile.
        last.refused |= last.given.token.as_ref() == Some(token);
    }
}

/// A service whose requests carry the token.
#[derive(Clone)]
pub(crate) struct Bearer<S> {
    pub(crate) token: PluginToken,
    pub(crate) inner: S,
}

impl<S, B, R> Service<Request<B>> for Bearer<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    R: Send,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready is the one that is called.
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let token = self.token.clone();
        Box::pin(async move {
            let header = token.header().await?;
            if let Some(header) = &header {
                request.headers_mut().insert(AUTHORIZATION, header.clone());
            }
            let answer = inner.call(request).await.map_err(Into::into)?;
            if let (StatusCode::UNAUTHORIZED, Some(header)) = (answer.status(), &header) {
                token.refused(header).await;
            }
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use kube::config::AuthInfo;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::Error;

    /// The plugin that runs these lines of a shell.
    fn plugin(folder: &tempfile::TempDir, lines: &str) -> Plugin {
        let mut user: AuthInfo = serde_json::from_value(serde_json::json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "/bin/sh",
            "args": ["-c", lines, "plugin", "first"],
            "env": [{"name": "MARK", "value": folder.path().join("runs")}],
            "interactiveMode": "Never",
        }}))
        .unwrap();
        let plugin = Plugin::of(&mut user).unwrap();
        assert!(user.exec.is_none());
        plugin
    }

    /// What becomes of running this exec section, where standard input is no terminal.
    async fn error_of(exec: serde_json::Value) -> Error {
        let mut user: AuthInfo =
            serde_json::from_value(serde_json::json!({ "exec": exec })).unwrap();
        let plugin = Plugin::of(&mut user).unwrap();
        Error::from(Box::new(plugin.run_aside().await.unwrap_err()))
    }

    /// Prints a token that counts the runs: `t1`, `t2`, …
    const COUNTING: &str = r#"echo "$1 $KUBERNETES_EXEC_INFO" >> "$MARK"
printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t%s"}}' "$(wc -l < "$MARK")""#;

    #[tokio::test]
    async fn a_token_is_had_anew_after_a_refusal_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = plugin(&folder, COUNTING);
        let given = plugin.run_aside().await.unwrap();
        // A server that takes the second token alone, and says which one it saw.
        let server = service_fn(|request: Request<()>| async move {
            let seen = request.headers()[AUTHORIZATION].clone();
            let code = if seen == "Bearer t2" { 200 } else { 401 };
            let answer = Response::builder().status(code).body(seen).unwrap();
            Ok::<_, Infallible>(answer)
        });
        let bearer = Bearer {
            token: PluginToken::new(plugin, given),
            inner: server,
        };
        for (code, token) in [(401, "t1"), (200, "t2"), (200, "t2")] {
            let answer = bearer.clone().oneshot(Request::new(())).await.unwrap();
            assert_eq!(answer.status(), code);
            assert_eq!(*answer.body(), format!("Bearer {token}"));
        }
        let runs = std::fs::read_to_string(folder.path().join("runs")).unwrap();
        let asked = r#"first {"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}"#;
        assert_eq!(runs, format!("{asked}\n{asked}\n"));
    }

    #[tokio::test]
    async fn what_a_plugin_printed_is_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let answer = |token: &str| {
            format!(
                r#"printf '{{"apiVersion": "client.authentication.k8s.io/v1", "status": {{"token": "{token}"}}}}'"#
            )
        };
        for (lines, why) in [
            (
                "echo hunter2; echo please >&2; echo >&2; echo log in >&2; exit 3".to_owned(),
                "failed (exit status: 3): please / log in",
            ),
            (answer(r"hunter2\\n"), "such as the end of a line"),
            ("echo hunter2".to_owned(), "did not print an ExecCredential"),
        ] {
            let plugin = plugin(&folder, &lines);
            let error = Error::from(Box::new(plugin.run_aside().await.unwrap_err()));
            let told = format!("{error} {error:?} {plugin:?}");
            assert!(told.contains(why) && !told.contains("hunter2"), "{told}");
        }
        let nowhere = folder.path().join("nowhere");
        let error =
            error_of(serde_json::json!({"command": nowhere, "installHint": " get it "})).await;
        assert_eq!(error.explain().advice.as_deref(), Some("get it"));
    }
}
