//! Rules: who may what, and which texts are none.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use mcpt_access::{Context, Permission, Principal, Rules};
use proptest::prelude::*;

const CONTEXT: Context<'_> = Context {
    default_namespace: "ns",
    issuers: &[],
};

fn rules(text: &str) -> Rules {
    Rules::parse(text, CONTEXT).unwrap()
}

fn user(name: &str, groups: &[&str]) -> Principal {
    Principal::of_key(name, groups.iter().copied()).unwrap()
}

fn subject(name: &str, groups: &[&str], scopes: &[&str]) -> Principal {
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    Principal::of_token("https://i", name, texts(groups), texts(scopes))
}

#[test]
fn a_set_is_allowed_where_it_is_come_by() {
    let rules = rules(
        "allow:
- {who: [group:dev], sets: [team, 'x-*']}
- {who: ['*'], sets: [public], tools: [get_*]}
- {who: ['key:bob'], servers: [files], sets: [public]}
",
    );
    let (dev, bob) = (user("alice", &["dev"]), user("bob", &[]));
    let may = |who, set: Option<&str>, name: &str, tool: &str| {
        rules.permission_in(who, set, "ns", name).may_call(tool)
    };
    for (who, set, name, tool, allowed) in [
        (&dev, Some("team"), "a", "t", true),
        (&dev, Some("x-1"), "a", "t", true),
        (&dev, Some("public"), "a", "get_it", true),
        (&dev, Some("public"), "a", "t", false),
        (&dev, Some("other"), "a", "t", false),
        (&dev, None, "a", "t", false),
        (&bob, Some("team"), "a", "t", false),
        (&bob, Some("team"), "files", "t", true),
        (&bob, Some("public"), "a", "t", true),
        (&bob, None, "files", "t", true),
        (&bob, None, "a", "t", false),
    ] {
        assert_eq!(may(who, set, name, tool), allowed, "{set:?} {name} {tool}");
    }
    for text in [
        "{who: ['*']}",
        "{who: ['*'], sets: []}",
        "{who: ['*'], servers: [], sets: [a]}",
    ] {
        let text = format!("allow: [{text}]");
        assert!(Rules::parse(&text, CONTEXT).is_err(), "{text}");
    }
}

#[test]
fn what_no_entry_allows_is_not_allowed() {
    let rules = rules(
        "allow:
- who: [group:dev]
  servers: [github, other/files]
  tools: [get_*, list_issues]
- who: ['key:ci', 'scope:admin']
  servers: ['*']
- who: ['sub:u-1']
  servers: ['*/*']
  tools: ['*']
- who: ['*']
  servers: [time]
- {who: [group:dev], servers: [github], tools: [search]}
",
    );
    let everybody = user("x", &[]);
    let dev = user("alice", &["dev"]);
    for (who, server, tool, may) in [
        (&everybody, "ns/time", "now", true),
        (&everybody, "other/time", "now", false),
        (&everybody, "ns/github", "get_issue", false),
        (&dev, "ns/github", "get_issue", true),
        (&dev, "ns/github", "list_issues", true),
        (&dev, "ns/github", "list_issues2", false),
        (&dev, "ns/github", "delete_repo", false),
        (&dev, "ns/github", "search", true),
        (&dev, "other/github", "get_issue", false),
        (&dev, "other/files", "get_file", true),
        (&dev, "ns/files", "get_file", false),
        (&user("ci", &[]), "ns/github", "delete_repo", true),
        (&user("ci", &[]), "other/github", "delete_repo", false),
        // Who has a token is not who has a key, and the other way round.
        (&subject("ci", &[], &[]), "ns/github", "delete_repo", false),
        (&user("u-1", &[]), "other/github", "x", false),
        (&subject("u-1", &[], &[]), "other/github", "x", true),
        (&subject("u-2", &["dev"], &[]), "ns/github", "get_x", true),
        (&subject("u-2", &[], &["admin"]), "ns/github", "x", true),
        (&subject("u-2", &[], &["adm"]), "ns/github", "x", false),
    ] {
        let (namespace, name) = server.split_once('/').unwrap();
        let permission = rules.permission(who, namespace, name);
        assert_eq!(permission.may_call(tool), may, "{who:?} {server} {tool}");
        assert!(permission.may_use() || !may);
    }
    let all = rules.permission(&subject("u-1", &[], &[]), "a", "b");
    assert_eq!(all, Permission::Everything);
    assert_eq!(rules.permission(&everybody, "a", "b"), Permission::Nothing);
    let nobody = rules.permission(&user("x", &[]), "ns", "github");
    assert!(!nobody.may_use());
}

#[test]
fn what_is_no_file_of_rules_is_named() {
    for (text, says) in [
        ("", "no file of rules"),
        ("allow: x", "no file of rules"),
        ("deny: []", "no file of rules"),
        ("allow: [{who: ['*'], servers: [a], tool: [x]}]", "tool"),
        (
            "allow: [{who: [alice], servers: [a]}]",
            "entry 1: \"alice\"",
        ),
        (
            "allow: [{who: ['user:a'], servers: [a]}]",
            "\"user:a\" is none of",
        ),
        ("allow: [{who: ['key:'], servers: [a]}]", "\"key:\""),
        ("allow: [{who: [], servers: [a]}]", "who is empty"),
        (
            "allow: [{who: ['*'], servers: [a], tools: []}]",
            "tools is empty",
        ),
        ("allow: [{who: ['*'], servers: [A]}]", "\"A\" is not NAME"),
        ("allow: [{who: ['*'], servers: [a/b/c]}]", "\"a/b/c\""),
        (
            "allow: [{who: ['*'], servers: [a]}, {who: ['*'], servers: [/a]}]",
            "entry 2: \"/a\"",
        ),
    ] {
        let error = Rules::parse(text, CONTEXT).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    let nobody = rules("allow: []");
    assert_eq!(
        nobody.permission(&user("a", &[]), "ns", "a"),
        Permission::Nothing
    );
}

#[test]
fn who_is_meant_is_said_with_the_issuer_where_there_are_several() {
    let issuers = ["https://a".to_owned(), "https://b".to_owned()];
    let several = Context {
        default_namespace: "ns",
        issuers: &issuers,
    };
    for (entry, says) in [
        (
            "who: ['sub:u']",
            "\"sub:u\" is somebody else with each issuer",
        ),
        ("who: ['*', 'group:g']", "\"group:g\" is somebody else"),
        ("who: ['scope:s']", "\"scope:s\" is somebody else"),
        (
            "who: ['sub:u'], issuer: 'https://c'",
            "https://c is not an issuer",
        ),
        (
            "who: ['key:k'], issuer: 'https://a'",
            "\"key:k\" has no token",
        ),
    ] {
        let text = format!("allow: [{{{entry}, servers: [x]}}]");
        let error = Rules::parse(&text, several).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    let rules = Rules::parse(
        "allow:
- {who: ['sub:u', 'group:g', 'scope:s'], issuer: 'https://a', servers: [a]}
- {who: ['*'], issuer: 'https://b', servers: [b]}
- {who: ['key:k', '*'], servers: [c]}
",
        several,
    );
    let rules = rules.unwrap();
    let of = |issuer: &str, name: &str, group: &str, scope: &str| {
        Principal::of_token(issuer, name, [group.to_owned()], [scope.to_owned()])
    };
    for (who, server, may) in [
        (of("https://a", "u", "", ""), "a", true),
        (of("https://b", "u", "g", "s"), "a", false),
        (of("https://a", "x", "g", ""), "a", true),
        (of("https://a", "x", "", "s"), "a", true),
        (user("u", &["g"]), "a", false),
        (of("https://a", "u", "g", "s"), "b", false),
        (of("https://b", "x", "", ""), "b", true),
        (user("k", &[]), "b", false),
        (user("k", &[]), "c", true),
    ] {
        let permission = rules.permission(&who, "ns", server);
        assert_eq!(permission.may_use(), may, "{who:?} {server}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,100}") {
        let _ = Rules::parse(&text, CONTEXT);
    }
}
