//! Sealed session ids: any key holder opens them, and nobody can change, forge or move one.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use mcpt_core::{Namespace, Secret, ServerName};
use mcpt_routing::{
    Carried, EndpointId, Leg, MAX_SEALED, MAX_UPSTREAM_SESSION, SealError, ServerKey, SessionKeys,
    SessionKeysError, Ticket,
};
use proptest::prelude::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NEW_KEY: &str = "fedcba9876543210fedcba9876543210";

fn keys(text: &str) -> SessionKeys {
    SessionKeys::parse(&Secret::new(text)).unwrap()
}

fn ticket(endpoint: &str, upstream: &str) -> Ticket {
    let leg = Leg {
        server: ServerKey {
            namespace: Namespace::new("mcp-servers").unwrap(),
            name: ServerName::new("demo").unwrap(),
        },
        endpoint: EndpointId::new(endpoint),
        upstream_session: upstream.to_owned(),
    };
    Ticket::of(leg, 1_790_000_000)
}

proptest! {
    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_no_other(
        endpoint in ".{1,60}",
        upstream in "[\t -~]{0,1024}",
    ) {
        let ticket = ticket(&endpoint, &upstream);
        let sealed = keys(KEY).seal(&ticket).unwrap();
        prop_assert!(sealed.len() <= MAX_SEALED);
        prop_assert!(sealed.bytes().all(|b| b.is_ascii_graphic()));
        prop_assert_eq!(keys(KEY).open(sealed.as_bytes()), Some(ticket));
        prop_assert_eq!(keys(NEW_KEY).open(sealed.as_bytes()), None);
    }

    #[test]
    fn one_changed_character_is_noticed(place in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
        let keys = keys(KEY);
        let sealed = keys.seal(&ticket("10.0.0.1:80", "a-session")).unwrap();
        let at = place.index(sealed.len());
        let mut changed = sealed.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(keys.open(changed.as_bytes()).is_some(), changed == sealed);
        prop_assert_eq!(keys.open(&sealed.as_bytes()[..at]), None);
    }

    #[test]
    fn what_else_is_carried_is_no_session_id(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let keys = keys(KEY);
        let sealed = keys.seal_carried(Carried::Path, &bytes).unwrap();
        prop_assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        prop_assert_eq!(keys.open_carried(Carried::Path, sealed.as_bytes()), Some(bytes));
        prop_assert_eq!(keys.open(sealed.as_bytes()), None);
        let session = keys.seal(&ticket("10.0.0.1:80", "a-session")).unwrap();
        prop_assert_eq!(keys.open_carried(Carried::Path, session.as_bytes()), None);
    }

    #[test]
    fn anything_else_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert_eq!(keys(KEY).open(&bytes), None);
    }
}

#[test]
fn no_sort_is_taken_for_another() {
    let keys = keys(KEY);
    let sorts = [
        Carried::Path,
        Carried::Legs,
        Carried::Round,
        Carried::Shares,
    ];
    for one in sorts {
        let sealed = keys.seal_carried(one, b"x").unwrap();
        for other in sorts {
            let opened = keys.open_carried(other, sealed.as_bytes());
            assert_eq!(opened.is_some(), one == other, "{one:?} as {other:?}");
        }
    }
}

#[test]
fn an_id_is_different_each_time() {
    let keys = keys(KEY);
    let ticket = ticket("e", "s");
    assert_ne!(keys.seal(&ticket).unwrap(), keys.seal(&ticket).unwrap());
}

#[test]
fn keys_are_rotated_without_losing_sessions() {
    let ticket = ticket("e", "s");
    let (old, new) = (keys(KEY), keys(NEW_KEY));
    let added = keys(&format!("{KEY}\n{NEW_KEY}\n"));
    let swapped = keys(&format!("{NEW_KEY}\n\n{KEY}"));
    for (sealer, openers) in [(&old, [&added, &swapped]), (&swapped, [&added, &new])] {
        let sealed = sealer.seal(&ticket).unwrap();
        for opener in openers {
            assert_eq!(opener.open(sealed.as_bytes()), Some(ticket.clone()));
        }
    }
    let sealed = added.seal(&ticket).unwrap();
    assert_eq!(
        new.open(sealed.as_bytes()),
        None,
        "still sealed with the old key"
    );
}

#[test]
fn bad_keys_are_named() {
    for (text, error) in [("", "no key"), ("\n \n", "no key"), ("short", "line 1")] {
        let refused = SessionKeys::parse(&Secret::new(text)).unwrap_err();
        assert!(refused.to_string().contains(error), "{refused}");
    }
    for guessed in ["a".repeat(32), "password".repeat(5), "12345678".repeat(4)] {
        let refused = SessionKeys::parse(&Secret::new(guessed)).unwrap_err();
        assert!(matches!(refused, SessionKeysError::Trivial(1)), "{refused}");
    }
    let second = format!("{KEY}\nshort");
    assert!(matches!(
        SessionKeys::parse(&Secret::new(second)),
        Err(SessionKeysError::Short(2))
    ));
}

#[test]
fn long_ids_of_servers_are_refused() {
    let long = "x".repeat(MAX_UPSTREAM_SESSION + 1);
    assert!(matches!(
        keys(KEY).seal(&ticket("e", &long)),
        Err(SealError::Unfit)
    ));
    let mut several = ticket("e", &"x".repeat(MAX_UPSTREAM_SESSION));
    several.legs.extend(several.legs.clone());
    assert!(matches!(keys(KEY).seal(&several), Err(SealError::TooLong)));
}

/// Sealed by the first version that there was, for a session that lives on.
#[test]
fn old_ids_are_still_read() {
    let old = "AQjksFh0d2VsdmUgYnl0ZXN8jcpvieqtm9uPV_Jxn8O-yZLbdBvHLyNpbXO_hwROEIP-IAQE_N_TG4-SOHeEPqnkgoG9a0JAS1GC";
    assert_eq!(
        keys(KEY).open(old.as_bytes()),
        Some(ticket("an-endpoint", "a-session"))
    );
}

#[test]
fn keys_are_not_printed() {
    let shown = format!("{:?}", keys(KEY));
    assert!(!shown.contains(KEY), "{shown}");
}
