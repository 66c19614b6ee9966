//! What resources are called among those of all servers, reversibly.
//!
//! `ui://` stays the scheme of user interfaces, since hosts know them by it: `ui://SERVER/REST`. A client may fetch `http:` and
//! `https:` by itself and `data:` is complete: these stay as they are. Of anything else the scheme tells the server:
//! `mcpt+SERVER+file:///x`.

use crate::ServerLabel;

const UI: &str = "ui://";
const SCHEME: &str = "mcpt+";

/// What a URI of a server, or a template of URIs, is called.
pub fn expose_uri(server: &ServerLabel, uri: &str) -> String {
    if is_everybodys(uri) {
        uri.to_owned()
    } else if let Some(rest) = uri.strip_prefix(UI) {
        format!("{UI}{server}/{rest}")
    } else {
        format!("{SCHEME}{server}+{uri}")
    }
}

/// The server that a URI tells, and what that one calls it; `None` of one that tells none.
pub fn reveal_uri(uri: &str) -> Option<(ServerLabel, String)> {
    if let Some(rest) = uri.strip_prefix(UI) {
        let (server, rest) = rest.split_once('/')?;
        return Some((ServerLabel::parse(server)?, format!("{UI}{rest}")));
    }
    let (server, own) = uri.strip_prefix(SCHEME)?.split_once('+')?;
    Some((ServerLabel::parse(server)?, own.to_owned()))
}

/// Whether a URI means the same to everybody.
fn is_everybodys(uri: &str) -> bool {
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        ["http", "https", "data"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let (demo, other) = (
            ServerLabel::new(None, "demo"),
            ServerLabel::new(Some("ns"), "demo"),
        );
        for (server, uri, exposed) in [
            (&demo, "file:///a b", "mcpt+demo+file:///a b"),
            (&other, "demo://{id}", "mcpt+ns.demo+demo://{id}"),
            (&demo, "ui://app/x.html", "ui://demo/app/x.html"),
            (&demo, "ui://", "ui://demo/"),
            (&demo, "mcpt+x+y:", "mcpt+demo+mcpt+x+y:"),
            (&demo, "no uri", "mcpt+demo+no uri"),
        ] {
            assert_eq!(expose_uri(server, uri), exposed);
            assert_eq!(reveal_uri(exposed), Some((server.clone(), uri.to_owned())));
        }
        for uri in ["https://a/b", "HTTP://a", "data:,x"] {
            assert_eq!(expose_uri(&demo, uri), uri);
            assert_eq!(reveal_uri(uri), None);
        }
    }

    proptest! {
        #[test]
        fn reversible(uri in ".{0,20}|(ui://|mcpt\\+|file:).{0,20}", ns in prop::option::of("[a-z]{1,3}")) {
            let server = ServerLabel::new(ns.as_deref(), "a-1");
            let exposed = expose_uri(&server, &uri);
            if exposed != uri {
                prop_assert_eq!(reveal_uri(&exposed), Some((server, uri)));
            }
        }

        #[test]
        fn never_panics(uri in any::<String>()) {
            let _ = reveal_uri(&uri);
        }
    }
}
