//! [`Destination`]: where a request goes: by its path, and by the host that it calls.

use std::sync::Arc;

use hyper::Request;
use mcpt_aggregate::{AtHost, ServerSet};
use mcpt_protocol::PROTECTED_RESOURCE;

use crate::{
    route::Route,
    sets::{KnownSets, NamedHost},
};

/// What sets of servers have in place of a namespace. A set comes before a server whose namespace has that name.
const SET: &str = "set";

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To several servers as one: those of a set, or all.
    Together(Option<Arc<ServerSet>>),
    /// To one server.
    Server(Named),
    /// To what a server says of its login.
    Metadata(Named),
    /// To what the gateway says of the login for several servers as one.
    MetadataTogether,
    /// Nowhere.
    Nothing,
}

/// One server by its name; without a namespace, in the default one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

/// Whom a request has called. It is found once for each request: sets may change while it is looked at.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) place: Destination,
    /// The host of the file of sets by which it was called, which is a name of the gateway's own.
    pub(crate) host: Option<NamedHost>,
}

impl Called {
    /// By a request.
    pub(crate) fn by<B>(request: &Request<B>, sets: &KnownSets) -> Self {
        let path = request.uri().path();
        let (host, shown) = sets.called(request).unzip();
        let at_host = shown.and_then(|shown| Destination::at_host(shown, path));
        Self {
            place: at_host.unwrap_or_else(|| Destination::at(path, sets)),
            host,
        }
    }
}

impl Destination {
    /// That of a path.
    fn at(path: &str, sets: &KnownSets) -> Self {
        let set = |namespace: Option<&str>, name| {
            let named = (namespace == Some(SET)).then(|| sets.named(name));
            named.flatten()
        };
        let named = |namespace: Option<&str>, name: &str| Named {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        match Route::of(path) {
            Route::All => Self::Together(None),
            Route::MetadataOfAll => Self::MetadataTogether,
            Route::Server { namespace, name } => match set(namespace, name) {
                Some(set) => Self::Together(Some(set)),
                None => Self::Server(named(namespace, name)),
            },
            Route::Metadata { namespace, name } => match set(namespace, name) {
                Some(_) => Self::MetadataTogether,
                None => Self::Metadata(named(namespace, name)),
            },
            Route::Probe(_) | Route::Nothing => Self::Nothing,
        }
    }

    /// What a path means where something is shown to those who call a host; `None` when it means what it does elsewhere.
    fn at_host(shown: AtHost, path: &str) -> Option<Self> {
        let (metadata, path) = match path.strip_prefix(PROTECTED_RESOURCE) {
            Some(path) => (true, path),
            None => (false, path),
        };
        let of_metadata = metadata && ["", "/sse", "/sse/"].contains(&path);
        let here = ["/", "/mcp", "/mcp/"].contains(&path) || of_metadata;
        if !here {
            return None;
        }
        Some(match (shown, metadata) {
            (AtHost::Set(set), false) => Self::Together(Some(set)),
            (AtHost::Set(_), true) => Self::MetadataTogether,
            (AtHost::Server { namespace, name }, metadata) => {
                let named = Named {
                    namespace: Some(namespace),
                    name,
                };
                if metadata {
                    Self::Metadata(named)
                } else {
                    Self::Server(named)
                }
            }
        })
    }

    /// Whether it tells nobody anything that only some may know.
    pub(crate) fn is_for_all(&self) -> bool {
        matches!(
            self,
            Self::Metadata(_) | Self::MetadataTogether | Self::Nothing
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hosts_and_sets_come_first_where_they_mean_something() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sets");
        let text = "sets: [{name: team, hosts: [team.example], servers: [{server: '*'}]}]\n\
            hosts: [{host: one.example, server: other/one}]";
        std::fs::write(&file, text).unwrap();
        let namespace = mcpt_core::Namespace::new("ns").unwrap();
        let sets = KnownSets::open(Some(&file), &namespace).unwrap();
        let team = sets.named("team");
        let one = |namespace: Option<&str>, name: &str| Named {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        let well_known = "/.well-known/oauth-protected-resource";
        let here = one(Some("other"), "one");
        for (host, path, place) in [
            ("a.example", "/mcp", Destination::Together(None)),
            (
                "a.example",
                "/mcp/set/team",
                Destination::Together(team.clone()),
            ),
            (
                "a.example",
                "/mcp/set/none",
                Destination::Server(one(Some("set"), "none")),
            ),
            ("a.example", "/mcp/x", Destination::Server(one(None, "x"))),
            ("a.example", "/", Destination::Nothing),
            ("team.example:80", "/", Destination::Together(team.clone())),
            ("Team.example", "/mcp", Destination::Together(team)),
            (
                "team.example",
                "/mcp/x",
                Destination::Server(one(None, "x")),
            ),
            ("one.example", "/mcp/", Destination::Server(here.clone())),
            ("one.example", "/", Destination::Server(here.clone())),
            ("one.example", "/x", Destination::Nothing),
        ] {
            let request = Request::get(path).header("host", host).body(()).unwrap();
            assert_eq!(Called::by(&request, &sets).place, place, "{host}{path}");
        }
        for (host, path, place) in [
            ("a.example", "/mcp", Destination::MetadataTogether),
            ("a.example", "", Destination::Nothing),
            ("a.example", "/mcp/set/team", Destination::MetadataTogether),
            ("team.example", "", Destination::MetadataTogether),
            ("one.example", "", Destination::Metadata(here.clone())),
            ("one.example", "/mcp", Destination::Metadata(here)),
        ] {
            let path = format!("{well_known}{path}");
            let request = Request::get(&path).header("host", host).body(()).unwrap();
            assert_eq!(Called::by(&request, &sets).place, place, "{host}{path}");
        }
    }
}
