//! What functions learn of the world comes from the sources they were given, and from nowhere else.

#![expect(clippy::unwrap_used, reason = "the checks of a test may panic")]

use std::cell::Cell;
use std::rc::Rc;

use gotmpl::{MissingKey, TemplateSet, Value};
use helm_funcs::{Lookup, Sources, functions};
use jiff::tz::TimeZone;
use serde_json::{Map, json};

struct OneSecret;

impl Lookup for OneSecret {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Map<String, serde_json::Value>, gotmpl::Error> {
        match (api_version, kind, namespace, name) {
            ("v1", "Secret", "ns", "known") => {
                let secret = json!({"data": {"key": "dmFsdWU="}, "metadata": {"generation": 3}});
                Ok(secret.as_object().unwrap().clone())
            }
            ("v1", "Secret", ..) => Ok(Map::new()),
            _ => Err(gotmpl::Error::call(format!(
                "no matches for kind \"{kind}\""
            ))),
        }
    }
}

/// A fixed time in Tokyo, and bytes that count up.
fn sources() -> Sources {
    let next = Cell::new(0u8);
    Sources {
        now: Rc::new(|| "2024-02-29T23:30:00Z".parse().unwrap()),
        local: TimeZone::get("Asia/Tokyo").unwrap(),
        random: Rc::new(move |buffer| {
            for byte in buffer {
                *byte = next.get();
                next.set(next.get().wrapping_add(1));
            }
            Ok(())
        }),
        lookup: Rc::new(OneSecret),
        host: Rc::new(|name| format!("address of {name}")),
    }
}

fn run(template: &str) -> Result<String, String> {
    let mut set = TemplateSet::new("gotpl", functions(&sources()), MissingKey::Zero);
    set.parse("t", template).map_err(|e| e.to_string())?;
    let text = set.execute("t", &Value::Nil).map_err(|e| e.to_string())?;
    Ok(String::from_utf8(text).unwrap())
}

fn check(template: &str, expected: &str) {
    assert_eq!(run(template).as_deref(), Ok(expected), "{template}");
}

#[test]
fn the_clock_and_the_zone_are_those_given() {
    check(
        "{{ now | date \"2006-01-02 15:04 MST\" }}",
        "2024-03-01 08:30 JST",
    );
    check("{{ now }}", "2024-03-01 08:30:00 +0900 JST m=+0.000000000");
    check("{{ now.UTC.Format \"Jan _2 2006\" }}", "Feb 29 2024");
    check("{{ ago (now | dateModify \"-90m\") }}", "1h30m0s");
    check("{{ unixEpoch now }}", "1709249400");
    check("{{ htmlDate \"no date\" }}", "2024-03-01");
}

#[test]
fn randomness_is_that_given() {
    check("{{ randAlphaNum 4 }}{{ randNumeric 3 }}", "abcd456");
    check("{{ uuidv4 }}", "00010203-0405-4607-8809-0a0b0c0d0e0f");
    check("{{ randBytes 3 }}", "AAEC");
    check(
        "{{ regexMatch \"^u:[$]2a[$]10[$].{53}$\" (htpasswd \"u\" \"p\") }}",
        "true",
    );
    assert_eq!(run("{{ bcrypt \"p\" }}"), run("{{ bcrypt \"p\" }}"));
}

#[test]
fn hosts_are_asked_for_only_when_that_is_wanted() {
    let found = run("{{ getHostByName \"a.b\" }}");
    assert_eq!(found.as_deref(), Ok("address of a.b"));
    let host = |sources: Sources| (sources.host)("localhost");
    assert_eq!(host(Sources::system()), "");
    let asking = Sources::system().asking(|name| format!("{name} is at 192.0.2.1"));
    assert_eq!(host(asking), "localhost is at 192.0.2.1");
}

#[test]
fn randomness_that_fails_fails_the_call() {
    let broken = Sources {
        random: Rc::new(|_| Err(gotmpl::Error::call("no entropy"))),
        ..sources()
    };
    let mut set = TemplateSet::new("gotpl", functions(&broken), MissingKey::Zero);
    set.parse("t", "{{ randAlpha 3 }}").unwrap();
    let message = set.execute("t", &Value::Nil).unwrap_err().to_string();
    assert!(
        message.ends_with("error calling randAlpha: no entropy"),
        "{message}"
    );
}

#[test]
fn the_cluster_is_that_given() {
    check(
        "{{ (lookup \"v1\" \"Secret\" \"ns\" \"known\").data.key | b64dec }}",
        "value",
    );
    check(
        "{{ (lookup \"v1\" \"Secret\" \"ns\" \"known\").metadata.generation | typeOf }}",
        "int64",
    );
    check(
        "{{ if lookup \"v1\" \"Secret\" \"ns\" \"other\" }}there{{ else }}none{{ end }}",
        "none",
    );
    let message = run("{{ lookup \"v9\" \"Thing\" \"\" \"\" }}").unwrap_err();
    assert!(
        message.ends_with("error calling lookup: no matches for kind \"Thing\""),
        "{message}"
    );
}

#[test]
fn a_password_hash_verifies() {
    let hash = run("{{ bcrypt \"correct horse\" }}").unwrap();
    assert!(bcrypt::verify("correct horse", &hash).unwrap());
    assert!(!bcrypt::verify("wrong horse", &hash).unwrap());
    let long = run("{{ bcrypt (repeat 73 \"x\") }}").unwrap();
    assert_eq!(
        long,
        "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes"
    );
    check("{{ htpasswd \"a:b\" \"p\" }}", "invalid username: a:b");
}
