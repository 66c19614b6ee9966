//! Session ids: nothing but what was sealed can be opened, and it comes out as it went in.

use crate::input;
use std::sync::LazyLock;

use mcpt_core::{Namespace, Secret, ServerName};
use mcpt_routing::{EndpointId, Leg, ServerKey, SessionKeys, Ticket};

static KEYS: LazyLock<SessionKeys> = LazyLock::new(|| {
    let text = "0123456789abcdef0123456789abcdef01234567";
    SessionKeys::parse(&Secret::new(text)).expect("a key")
});

/// Panics when it does not hold for what these bytes stand for.
pub fn tickets(data: &[u8]) {
    let Some(input) = input::<(&str, &str, u32, u16, u8)>(data) else {
        return;
    };
    let (endpoint, session, issued, at, flip) = input;
    assert!(KEYS.open(session.as_bytes()).is_none());
    let leg = Leg {
        server: ServerKey {
            namespace: Namespace::new("ns").expect("a name"),
            name: ServerName::new("server").expect("a name"),
        },
        endpoint: EndpointId::new(endpoint),
        upstream_session: session.to_owned(),
    };
    let ticket = Ticket::of(leg, issued);
    let Ok(sealed) = KEYS.seal(&ticket) else {
        return;
    };
    let visible = session.bytes().all(|byte| byte.is_ascii_graphic());
    match KEYS.open(sealed.as_bytes()) {
        Some(opened) => assert_eq!(opened, ticket),
        None => assert!(!visible || session.is_empty() || endpoint.is_empty()),
    }
    let mut bytes = sealed.into_bytes();
    let at = usize::from(at) % bytes.len();
    if flip != 0 {
        bytes[at] ^= flip;
        // The last character has bits that say nothing; they must be zero.
        assert!(KEYS.open(&bytes).is_none());
    }
}
