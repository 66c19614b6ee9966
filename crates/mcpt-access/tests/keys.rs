//! Files of keys: what is one, and whose a key is.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use mcpt_access::{ApiKey, DrawError, KeyFault, Keys};
use proptest::prelude::*;

fn drawn(name: &str, groups: &[&str]) -> ApiKey {
    let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
    ApiKey::draw(name, &groups).unwrap()
}

#[test]
fn a_key_that_was_drawn_is_known_by_its_line() {
    let alice = drawn("alice", &["dev", "ops"]);
    let again = drawn("alice", &[]);
    let bob = drawn("bob@example.com", &[]);
    let file = format!(
        "# keys\n\n{}\r\n  {}  \n{}",
        alice.line(),
        again.line(),
        bob.line()
    );
    let keys = Keys::parse(&file).unwrap();
    assert_eq!(keys.len(), 3);
    let owner = |key: &ApiKey| keys.owner_of(key.key().expose().as_bytes()).unwrap();
    assert_eq!(owner(&alice).name(), "alice");
    assert!(owner(&alice).groups().iter().eq(["dev", "ops"]));
    assert_eq!(owner(&alice).id(), owner(&again).id());
    assert_ne!(owner(&alice).id(), owner(&bob).id());
    for wrong in ["", "mcpt_", alice.line(), "mcpt_AAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert!(keys.owner_of(wrong.as_bytes()).is_none(), "{wrong}");
    }
    let key = alice.key().expose();
    assert!(key.starts_with("mcpt_") && key.len() == 48, "{key}");
    assert!(!alice.line().contains(key));
    assert!(!format!("{alice:?} {keys:?}").contains(key));
    assert!(keys.owner_of(&key.as_bytes()[..47]).is_none());
}

#[test]
fn what_is_no_file_of_keys_is_named_by_its_line_and_not_shown() {
    let good = drawn("a", &[]);
    let good = good.line();
    let digest = good.split(' ').nth(1).unwrap();
    for (text, line, fault) in [
        ("alice".to_owned(), 1, KeyFault::Form),
        (format!("{good} g h"), 1, KeyFault::Form),
        ("\n#\nalice hunter2".to_owned(), 3, KeyFault::Digest),
        (format!("alice {}", &digest[7..]), 1, KeyFault::Digest),
        (format!("alice {}0", &digest[..69]), 1, KeyFault::Digest),
        (format!("{good}\n*a {digest}"), 2, KeyFault::Name),
        (format!("{good},"), 1, KeyFault::Digest),
        (format!("{good} a,,b"), 1, KeyFault::Name),
        (format!("{good}\nb {digest}"), 2, KeyFault::Twice),
    ] {
        let error = Keys::parse(&text).unwrap_err();
        assert_eq!((error.line, error.fault), (line, fault), "{text}");
        let told = error.to_string();
        assert!(
            !told.contains("hunter2") && !told.contains("alice"),
            "{told}"
        );
    }
    assert!(Keys::parse("# nobody\n").unwrap().is_empty());
}

#[test]
fn what_can_be_guessed_is_no_key() {
    // SHA-256 of "password".
    let digest = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
    let keys = Keys::parse(&format!("alice sha256:{digest}")).unwrap();
    assert!(keys.owner_of(b"password").is_none());
}

#[test]
fn names_that_no_file_holds_get_no_key() {
    for (name, groups) in [("a b", &[][..]), ("", &[]), ("#a", &[]), ("a", &["x,y"])] {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let drawn = ApiKey::draw(name, &groups);
        assert!(matches!(drawn, Err(DrawError::Name(_))), "{name:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        let _ = Keys::parse(&text);
    }

    #[test]
    fn nothing_but_the_key_opens(other in prop::collection::vec(any::<u8>(), 0..80)) {
        let key = drawn("a", &[]);
        let keys = Keys::parse(key.line()).unwrap();
        prop_assert!(keys.owner_of(&other).is_none());
    }
}
