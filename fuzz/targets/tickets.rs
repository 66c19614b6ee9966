//! Session ids: nothing but what was sealed can be opened, and it comes out as it went in.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mcpt_core::{Namespace, Secret, ServerName};
use mcpt_routing::{EndpointId, ServerKey, SessionKeys, Ticket};

static KEYS: LazyLock<SessionKeys> = LazyLock::new(|| {
    let text = "0123456789abcdef0123456789abcdef01234567";
    SessionKeys::parse(&Secret::new(text)).expect("a key")
});

fuzz_target!(|input: (&str, &str, u32, u16, u8)| {
    let (endpoint, session, issued, at, flip) = input;
    assert!(KEYS.open(session.as_bytes()).is_none());
    let ticket = Ticket {
        server: ServerKey {
            namespace: Namespace::new("ns").expect("a name"),
            name: ServerName::new("server").expect("a name"),
        },
        endpoint: EndpointId::new(endpoint),
        issued,
        upstream_session: session.to_owned(),
    };
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
});
