//! What a path of the gateway means.

use crate::pages::Page;

/// Where a request wants to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `/mcp/NAME` and `/mcp/NAMESPACE/NAME`.
    Server {
        namespace: Option<&'a str>,
        name: &'a str,
    },
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
            ("/healthz", Route::Probe(Page::Health)),
            ("/readyz", Route::Probe(Page::Ready)),
            ("/metrics", Route::Nothing),
            ("/api/v1/servers", Route::Nothing),
            ("/api/v1/sessions", Route::Nothing),
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
