//! What a path of the gateway means.

use crate::peers;

/// Where a request wants to go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `/mcp/NAME` and `/mcp/NAMESPACE/NAME`.
    Server {
        namespace: Option<&'a str>,
        name: &'a str,
    },
    /// `/healthz`: the process lives.
    Health,
    /// `/readyz`: it knows all servers that its sources know, and does not end.
    Ready,
    /// `/metrics`, for Prometheus.
    Metrics,
    /// `/api/v1/servers`: what it knows, as JSON.
    Servers,
    /// `/api/v1/sessions`: hashes of the sessions it has seen, for its peers.
    Sessions,
    /// Nothing is there.
    Nothing,
}

impl<'a> Route<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        match path {
            "/healthz" => return Self::Health,
            "/readyz" => return Self::Ready,
            "/metrics" => return Self::Metrics,
            "/api/v1/servers" => return Self::Servers,
            peers::PATH => return Self::Sessions,
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/mcp/") else {
            return Self::Nothing;
        };
        // One slash too many at the end is a frequent slip, and harmless.
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, rest),
        };
        if name.is_empty() || name.contains('/') || namespace == Some("") {
            return Self::Nothing;
        }
        Self::Server { namespace, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let server = |namespace, name| Route::Server { namespace, name };
        for (path, route) in [
            ("/mcp/demo", server(None, "demo")),
            ("/mcp/demo/", server(None, "demo")),
            ("/mcp/ns/demo", server(Some("ns"), "demo")),
            ("/healthz", Route::Health),
            ("/readyz", Route::Ready),
            ("/metrics", Route::Metrics),
            ("/api/v1/servers", Route::Servers),
            ("/api/v1/sessions", Route::Sessions),
            ("/", Route::Nothing),
            ("/mcp", Route::Nothing),
            ("/mcp/", Route::Nothing),
            ("/mcp//demo", Route::Nothing),
            ("/mcp/a/b/c", Route::Nothing),
            ("/mcpx/demo", Route::Nothing),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
