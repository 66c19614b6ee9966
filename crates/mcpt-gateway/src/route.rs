//! What a path of the gateway means.

use mcpt_protocol::PROTECTED_RESOURCE;

use crate::pages::Page;

/// Where a request wants to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `/mcp/NAME` and `/mcp/NAMESPACE/NAME`.
    Server {
        namespace: Option<&'a str>,
        name: &'a str,
    },
    /// `/mcp`: all servers as one.
    All,
    /// Who gives access to a server, where RFC 9728 puts it: before the server's own path.
    Metadata {
        namespace: Option<&'a str>,
        name: &'a str,
    },
    /// The same of all servers as one: only the gateway itself can say it.
    MetadataOfAll,
    /// A page of the gateway's own that tells how it is. Those that tell more are at the admin listener.
    Probe(Page),
    /// Nothing is there.
    Nothing,
}

impl<'a> Route<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        if let Some(page) = Page::at(path).filter(|page| page.is_for_probes()) {
            return Self::Probe(page);
        }
        match path.strip_prefix(PROTECTED_RESOURCE) {
            // Clients of the older transport look for it at what they have called.
            Some(path) => match path.strip_prefix("/mcp").or(path.strip_prefix("/sse")) {
                Some("" | "/") => Self::MetadataOfAll,
                rest => rest
                    .and_then(server_at)
                    .map_or(Self::Nothing, |(namespace, name)| Self::Metadata {
                        namespace,
                        name,
                    }),
            },
            None => match path.strip_prefix("/mcp") {
                Some("" | "/") => Self::All,
                rest => rest
                    .and_then(server_at)
                    .map_or(Self::Nothing, |(namespace, name)| Self::Server {
                        namespace,
                        name,
                    }),
            },
        }
    }
}

/// The server that the rest of a path means, its namespace first if that is named.
fn server_at(rest: &str) -> Option<(Option<&str>, &str)> {
    let rest = rest.strip_prefix('/')?;
    // One slash too many at the end is a frequent slip, and harmless.
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (namespace, name) = match rest.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, rest),
    };
    let nobody = name.is_empty() || name.contains('/') || namespace == Some("");
    (!nobody).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let server = |namespace, name| Route::Server { namespace, name };
        let metadata = |namespace, name| Route::Metadata { namespace, name };
        for (path, route) in [
            ("/mcp/demo", server(None, "demo")),
            ("/mcp/demo/", server(None, "demo")),
            ("/mcp/ns/demo", server(Some("ns"), "demo")),
            (
                "/.well-known/oauth-protected-resource/mcp/demo",
                metadata(None, "demo"),
            ),
            (
                "/.well-known/oauth-protected-resource/mcp/ns/demo/",
                metadata(Some("ns"), "demo"),
            ),
            (
                "/.well-known/oauth-protected-resource/sse/demo",
                metadata(None, "demo"),
            ),
            (
                "/.well-known/oauth-protected-resource/sse",
                Route::MetadataOfAll,
            ),
            ("/.well-known/oauth-protected-resource", Route::Nothing),
            (
                "/.well-known/oauth-protected-resource/mcp",
                Route::MetadataOfAll,
            ),
            ("/healthz", Route::Probe(Page::Health)),
            ("/readyz", Route::Probe(Page::Ready)),
            ("/metrics", Route::Nothing),
            ("/api/v1/servers", Route::Nothing),
            ("/api/v1/sessions", Route::Nothing),
            ("/", Route::Nothing),
            ("/mcp", Route::All),
            ("/mcp/", Route::All),
            ("/mcp//demo", Route::Nothing),
            ("/mcp/a/b/c", Route::Nothing),
            ("/mcpx/demo", Route::Nothing),
            ("/mcpx", Route::Nothing),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
