//! Tests of what manifests say.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn manifest(server: &Value, more: &Value) -> Result<Manifest, BundleError> {
    let mut whole =
        json!({"manifest_version": "0.3", "name": "n", "version": "1", "server": server});
    for (key, value) in more.as_object().unwrap() {
        whole[key] = value.clone();
    }
    Manifest::read(whole.to_string().as_bytes())
}

/// The program, and arguments and variables with settings as `{name}`.
fn run(manifest: &Manifest, several: &[(&str, &[&str])]) -> (String, Vec<String>, Vec<String>) {
    let several: BTreeMap<String, Vec<String>> = several
        .iter()
        .map(|(name, values)| {
            let values = values.iter().map(ToString::to_string).collect();
            ((*name).to_owned(), values)
        })
        .collect();
    let source = Source::File("x.mcpb".into());
    let home = Some(Path::new("/h"));
    let (command, recipe) = manifest.recipe(source, Path::new("/b"), home, &several);
    let shown = |text: &mcpt_source::Text| {
        text.fill(|name| Some(Box::leak(format!("{{{name}}}").into_boxed_str())))
            .unwrap()
    };
    let args = recipe.args.iter().map(shown).collect();
    let env = recipe
        .env
        .iter()
        .map(|(name, text)| format!("{name}={}", shown(text)));
    (command, args, env.collect())
}

#[test]
fn each_kind_of_server_is_run() {
    for (server, expected) in [
        (
            json!({"type": "node", "entry_point": "server/index.js"}),
            "node /b/server/index.js",
        ),
        (
            json!({"type": "python", "entry_point": "./main.py", "mcp_config": {}}),
            "python3 /b/main.py",
        ),
        (
            json!({"type": "uv", "entry_point": "main.py"}),
            "uv run --directory /b /b/main.py",
        ),
        (
            json!({"type": "binary", "entry_point": "bin/x"}),
            "/b/bin/x",
        ),
        (
            json!({"type": "node", "entry_point": "a.js", "mcp_config": {"command": "node",
                "args": ["${__dirname}/a.js", "--in", "${HOME}${/}x", "${nothing}", "$5 ${"]}}),
            "node /b/a.js --in /h/x ${nothing} $5 ${",
        ),
        (
            json!({"type": "binary", "entry_point": "a", "mcp_config": {"command": "a.exe",
                "platform_overrides": {"linux": {"command": "${__dirname}/a", "args": ["1"]}}}}),
            "/b/a 1",
        ),
    ] {
        let (command, args, _) = run(&manifest(&server, &json!({})).unwrap(), &[]);
        let mut words = vec![command];
        words.extend(args);
        assert_eq!(words.join(" "), expected);
    }
}

#[test]
fn what_users_set_goes_where_it_is_named() {
    let server = json!({"type": "node", "entry_point": "a.js", "mcp_config": {"command": "node",
        "args": ["a.js", "--key=${user_config.key}", "${user_config.dirs}"],
        "env": {"KEY": "${user_config.key}"}}});
    let settings = json!({"user_config": {
        "key": {"type": "string", "title": "Key", "required": true, "sensitive": true},
        "dirs": {"type": "directory", "multiple": true, "default": ["${HOME}/a", "${DESKTOP}"]},
        "size": {"type": "number", "default": 5},
    }});
    let read = manifest(&server, &settings).unwrap();
    assert_eq!(read.several().collect::<Vec<_>>(), ["dirs"]);
    let (_, args, env) = run(&read, &[]);
    assert_eq!(args, ["a.js", "--key={key}", "/h/a", "/h/Desktop"]);
    assert_eq!(env, ["KEY={key}"]);
    let (_, args, _) = run(&read, &[("dirs", &["/x y", "${user_config.key}"])]);
    assert_eq!(args[2..], ["/x y", "${user_config.key}"]);
    let source = Source::File("x.mcpb".into());
    let (_, recipe) = read.recipe(source, Path::new("/b"), None, &BTreeMap::new());
    let key = &recipe.settings["key"];
    assert!(key.secret && key.required && key.description == "Key");
    assert_eq!(recipe.settings["size"].default.as_deref(), Some("5"));
}

#[test]
fn secrets_with_several_values_stay_settings() {
    let server = json!({"type": "node", "entry_point": "a.js", "mcp_config": {"command": "node",
        "args": ["--key=${user_config.keys}"]}});
    let settings = json!({"user_config": {
        "keys": {"type": "string", "sensitive": true, "multiple": true, "default": ["a"]}}});
    let read = manifest(&server, &settings).unwrap();
    let (_, args, _) = run(&read, &[("keys", &["hunter2", "b"])]);
    assert_eq!(args, ["--key={keys}"]);
}

#[test]
fn what_cannot_be_used_is_told() {
    let node = json!({"type": "node", "entry_point": "a.js"});
    for (server, more, why) in [
        (json!({"type": "ruby"}), json!({}), "unknown variant `ruby`"),
        (json!({"type": "node"}), json!({}), "neither entry_point"),
        (
            json!({"type": "node", "entry_point": "../a.js"}),
            json!({}),
            "leads out of it",
        ),
        (
            json!({"type": "node", "entry_point": "/a.js"}),
            json!({}),
            "leads out of it",
        ),
        (
            node.clone(),
            json!({"compatibility": {"platforms": ["win32"]}}),
            "it is for win32 alone",
        ),
        (
            node.clone(),
            json!({"manifest_version": "9"}),
            "is not read",
        ),
        (node.clone(), json!({"name": "a\u{1b}[2J"}), "name is empty"),
        (
            node.clone(),
            json!({"user_config": {"a": {"type": "date"}}}),
            "unknown type \"date\"",
        ),
        (
            json!({"type": "node", "mcp_config": {"command": "${user_config.a}"}}),
            json!({"user_config": {"a": {"type": "string"}}}),
            "cannot be the program",
        ),
        (
            json!({"type": "node", "mcp_config": {"command": "node", "args": ["${user_config.b}"]}}),
            json!({}),
            "user_config has no \"b\"",
        ),
        (
            json!({"type": "node", "mcp_config": {"command": "node", "env": {"A=B": "c"}}}),
            json!({}),
            "cannot be a variable",
        ),
    ] {
        let refused = manifest(&server, &more).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    for text in ["", "[]", "{", "null"] {
        assert!(Manifest::read(text.as_bytes()).is_err());
    }
}
