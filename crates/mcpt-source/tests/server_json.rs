//! `server.json` of all published schemas: what each package and remote becomes, and what is wrong with others.

use mcpt_source::{
    Format, Source, Text, Transport,
    server_json::{self, SCHEMAS},
};
use serde_json::{Value, json};

fn schema(date: &str) -> String {
    format!("https://static.modelcontextprotocol.io/schemas/{date}/server.schema.json")
}

/// A whole document with these members.
fn document(members: &Value) -> Value {
    let mut document = json!({
        "$schema": schema(server_json::NEWEST),
        "name": "io.github.owner/name",
        "description": "What it is for",
        "version": "1.2.3"
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    document
}

/// What one way of having the server becomes: source, arguments, variables, folders, transport, notes.
fn shown(members: &Value) -> Vec<String> {
    let server = match server_json::read_value(&document(members)) {
        Ok(server) => server,
        Err(error) => return error.problems,
    };
    let offer = |offer: &server_json::Offer| {
        let recipe = match &offer.recipe {
            Ok(recipe) => recipe,
            Err(unusable) => return format!("{}: {unusable}", offer.place),
        };
        let mut parts = vec![recipe.source.to_string()];
        parts.extend(recipe.args.iter().map(Text::to_string));
        parts.extend(
            recipe
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        if let Source::Remote(remote) = &recipe.source {
            parts.extend(
                remote
                    .headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}")),
            );
        }
        if let Transport::Http { url } = &recipe.transport {
            parts.push(format!("at {url}"));
        }
        parts.extend(
            recipe
                .folders
                .iter()
                .map(|f| format!("{}->{}", f.host, f.container)),
        );
        parts.extend(recipe.settings.iter().map(|(name, setting)| {
            let secret = if setting.secret { "!" } else { "" };
            let required = if setting.required { "" } else { "?" };
            format!("({name}{secret}{required})")
        }));
        parts.extend(recipe.notes.iter().map(|note| format!("note {}", note.0)));
        parts.join(" ")
    };
    server.offers.iter().map(offer).collect()
}

#[test]
fn what_packages_and_remotes_become() {
    let stdio = json!({"type": "stdio"});
    for (members, expected) in [
        (
            json!({"packages": [{"registryType": "npm", "identifier": "@scope/x", "version": "1.0.0", "transport": stdio,
                "runtimeHint": "npx", "runtimeArguments": [{"type": "positional", "value": "-y"}],
                "environmentVariables": [
                    {"name": "API_KEY", "isRequired": true},
                    {"name": "REGION", "isSecret": true, "default": "eu"},
                    {"name": "MODE", "value": "fast"},
                    {"name": "URL", "value": "https://{host}/{unknown}", "variables": {"host": {"isRequired": true}}}]}]}),
            &[
                "npm:@scope/x@1.0.0 API_KEY={API_KEY} REGION={REGION} MODE=fast URL=https://{host}/{unknown} \
               (API_KEY!) (REGION!?) (host) note {unknown} stays as it is: nothing describes what stands for it",
            ][..],
        ),
        (
            json!({"packages": [{"registryType": "pypi", "identifier": "Some_Server", "version": "1.0.0a1", "transport": stdio,
                "packageArguments": [
                    {"type": "positional", "value": "serve"},
                    {"type": "positional", "valueHint": "folder", "format": "filepath", "isRequired": true},
                    {"type": "named", "name": "--verbose"},
                    {"type": "named", "name": "--port", "default": "8080"},
                    {"type": "named", "name": "-d", "value": "{level}", "variables": {"level": {}}},
                    {"type": "named", "name": "--token", "isRequired": true}]}]}),
            &[
                "pypi:Some_Server==1.0.0a1 serve {folder} --verbose --port={port} -d {level} --token={token} \
               (folder) (port?) (level?) (token!)",
            ],
        ),
        (
            json!({"packages": [{"registryType": "oci", "identifier": "ghcr.io/owner/name:1.0.0", "transport":
                {"type": "streamable-http", "url": "http://localhost:{PORT}/mcp"},
                "runtimeArguments": [
                    {"type": "positional", "value": "run"},
                    {"type": "named", "name": "-i", "description": "interactive"},
                    {"type": "named", "name": "--rm"},
                    {"type": "named", "name": "-e", "value": "TOKEN={token}", "variables": {"token": {"isRequired": true}}},
                    {"type": "named", "name": "--mount", "value": "type=bind,src={from},dst={to}", "variables":
                        {"from": {"isRequired": true}, "to": {"default": "/data"}}},
                    {"type": "named", "name": "--network", "value": "host"}],
                "environmentVariables": [{"name": "PORT", "format": "number", "default": "8080"}]}]}),
            &[
                "oci:ghcr.io/owner/name:1.0.0 PORT={PORT} TOKEN={token} at http://localhost:{PORT}/mcp {from}->/data \
               (PORT?) (token!) (from) note options that are a matter of the place are left out: --network",
            ],
        ),
        (
            json!({"packages": [
                {"registryType": "oci", "identifier": "r.test/x:1", "transport": stdio, "runtimeArguments": [
                    {"type": "named", "name": "-v", "value": "/:/host"}]},
                {"registryType": "oci", "identifier": "r.test/x:1", "transport": stdio, "runtimeArguments": [
                    {"type": "named", "name": "--mount", "value": "type=bind,src={a}/../..,dst=/d", "variables": {"a": {}}}]},
                {"registryType": "oci", "identifier": "r.test/x:1", "transport": stdio, "runtimeArguments": [
                    {"type": "named", "name": "-v", "value": "{a}:/d:ro", "variables": {"a": {"default": "/"}}}]}]}),
            &[
                "packages[0]: it chooses a folder of this machine itself, /, which is for whoever deploys it to choose",
                "packages[1]: it chooses a folder of this machine itself, {a}/../.., which is for whoever deploys it to choose",
                "oci:r.test/x:1 {a}->/d (a)",
            ],
        ),
        // The registry and the tag were fields of their own once.
        (
            json!({"packages": [{"registry_type": "oci", "registry_base_url": "https://docker.io", "identifier": "owner/name",
                "version": "1.0.0", "transport": stdio}]}),
            &["oci:docker.io/owner/name:1.0.0"],
        ),
        (
            json!({"packages": [{"registryType": "mcpb", "identifier": "https://x.test/a.mcpb", "fileSha256": "A".repeat(64),
                "transport": stdio}]}),
            &["mcpb:https://x.test/a.mcpb"],
        ),
        (
            json!({"remotes": [
                {"type": "streamable-http", "url": "https://{tenant}.x.test/mcp", "variables": {"tenant": {"isRequired": true}},
                 "headers": [{"name": "Authorization", "value": "Bearer {key}", "variables": {"key": {"isRequired": true}}},
                             {"name": "X-Api-Key", "isRequired": true, "isSecret": false}]},
                {"type": "sse", "url": "https://x.test/sse"}]}),
            &[
                "https://{tenant}.x.test/mcp Authorization: Bearer {key} X-Api-Key: {X_Api_Key} (tenant) (key!) (X_Api_Key!)",
                "https://x.test/sse",
            ],
        ),
        (
            json!({"packages": [
                {"registryType": "nuget", "identifier": "X", "version": "1.0.0", "transport": stdio},
                {"registryType": "floppy", "identifier": "X", "transport": stdio}]}),
            &[
                "packages[0]: NuGet packages cannot be run yet",
                "packages[1]: nothing is known of packages of the kind \"floppy\"",
            ],
        ),
        (json!({}), &[]),
    ] {
        assert_eq!(shown(&members), expected, "{members}");
    }
}

/// Another program than the image's own, as engines are told it.
#[test]
fn an_image_may_start_another_program() {
    let members = json!({"packages": [{"registryType": "oci", "identifier": "r.test/x:1", "transport": {"type": "stdio"},
        "runtimeArguments": [{"type": "named", "name": "--entrypoint", "value": "python"}],
        "packageArguments": [{"type": "positional", "value": "-m"}, {"type": "positional", "value": "server"}]}]});
    let server = server_json::read_value(&document(&members)).unwrap();
    let recipe = server.offers[0].recipe.as_ref().unwrap();
    assert_eq!(recipe.entrypoint.as_deref(), Some("python"));
    assert_eq!(recipe.args.len(), 2);
    assert!(recipe.notes.is_empty(), "{:?}", recipe.notes);
}

#[test]
fn what_is_wrong_with_others() {
    let stdio = json!({"type": "stdio"});
    let npm = |identifier: &str, version: &str| json!({"packages": [{"registryType": "npm", "identifier": identifier, "version": version, "transport": stdio}]});
    for (members, expected) in [
        (
            json!({"name": "io..x/y"}),
            "name: between two dots stands something",
        ),
        (
            json!({"name": "io.github.a/b@1"}),
            "name: it has no version in it",
        ),
        (json!({"name": "io.github.a/b/c"}), "name: it has one slash"),
        (json!({"description": 3}), "description: it is no text"),
        (json!({"description": " "}), "description: it is empty"),
        (
            json!({"version": "latest"}),
            "version: latest is no version",
        ),
        (json!({"version": "^1.2"}), "version: a range is no version"),
        (
            json!({"$schema": "https://x.test/1999-01-01/schema.json"}),
            "$schema: \"https://x.test/1999-01-01/schema.json\" is none of",
        ),
        (
            json!({"status": "fine"}),
            "status: it is active, deprecated or deleted",
        ),
        (json!({"packages": {}}), "packages: it is no list"),
        (json!({"packages": [1]}), "packages[0]: it is no object"),
        (
            json!({"packages": [{}]}),
            "packages[0].registryType: it is missing",
        ),
        (
            npm("../../etc", "1.0.0"),
            "packages[0].identifier: a name is no path",
        ),
        (
            npm("x@2", "1.0.0"),
            "packages[0].identifier: the version is a field of its own",
        ),
        (
            npm("x; rm -rf /", "1.0.0"),
            "packages[0].identifier: a name is no path",
        ),
        (
            npm("x", "latest"),
            "packages[0].version: latest is no version",
        ),
        (
            npm("x", "file:../y"),
            "packages[0].identifier: only versions of the registry",
        ),
        (
            json!({"packages": [{"registryType": "oci", "identifier": "--privileged", "transport": stdio}]}),
            "packages[0].identifier: ",
        ),
        (
            json!({"packages": [{"registryType": "mcpb", "identifier": "https://x.test/a.mcpb", "transport": stdio}]}),
            "a bundle has fileSha256 beside it",
        ),
        (
            json!({"packages": [{"registryType": "mcpb", "identifier": "http://x.test/a.mcpb", "fileSha256": "a".repeat(64), "transport": stdio}]}),
            "fetched by https alone",
        ),
        (
            json!({"packages": [{"registryType": "npm", "identifier": "x", "version": "1.0.0", "transport": {"type": "carrier-pigeon"}}]}),
            "packages[0].transport.type: it is stdio",
        ),
        (
            json!({"packages": [{"registryType": "npm", "identifier": "x", "version": "1.0.0", "transport": stdio,
            "environmentVariables": [{"name": "A=B"}]}]}),
            "environmentVariables[0].name: it is no name of a variable",
        ),
        (
            json!({"packages": [{"registryType": "npm", "identifier": "x", "version": "1.0.0", "transport": stdio,
            "environmentVariables": [{"name": "A", "isRequired": "yes"}]}]}),
            "environmentVariables[0].isRequired: it is neither true nor false",
        ),
        (
            json!({"packages": [{"registryType": "npm", "identifier": "x", "version": "1.0.0", "transport": stdio,
            "environmentVariables": [{"name": "A", "choices": ["b"], "default": "c"}]}]}),
            "environmentVariables[0].default: it is none of the choices",
        ),
        (
            json!({"packages": [{"registryType": "npm", "identifier": "x", "version": "1.0.0", "transport": stdio,
            "packageArguments": [{"type": "positional"}]}]}),
            "packageArguments[0]: value or valueHint is missing",
        ),
        (
            json!({"remotes": [{"type": "stdio", "url": "https://x.test"}]}),
            "remotes[0].type: it is streamable-http or sse",
        ),
        (
            json!({"remotes": [{"type": "sse", "url": "file:///etc/passwd"}]}),
            "remotes[0].url: servers are reached by http and https alone",
        ),
        (
            json!({"remotes": [{"type": "sse", "url": "https://me:hunter2@x.test"}]}),
            "remotes[0].url: a name and a password",
        ),
        (
            json!({"remotes": [{"type": "sse", "url": "https://x.test", "headers": [{"name": "A\r\nB"}]}]}),
            "headers[0].name: it is no name of a header",
        ),
    ] {
        let error = server_json::read_value(&document(&members))
            .map(|_| ())
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected), "{members}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    for (text, expected) in [
        ("", "it is no JSON"),
        ("[]", "it is no object"),
        (
            "{}",
            "name: it is missing; description: it is missing; version: it is missing",
        ),
    ] {
        let error = server_json::read(text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// The same server as each schema writes it, and as the newest does.
#[test]
fn every_schema_is_read() {
    for date in SCHEMAS {
        let old = date == "2025-07-09";
        let mut document = if old {
            json!({"packages": [{"registry_type": "npm", "identifier": "x", "version": "1.0.0", "transport": {"type": "stdio"},
                "runtime_hint": "npx", "runtime_arguments": [{"type": "positional", "value": "-y"}],
                "package_arguments": [{"type": "positional", "value_hint": "dir", "is_required": true, "format": "filepath"}],
                "environment_variables": [{"name": "A_KEY", "is_required": true, "is_secret": true}]}]})
        } else {
            json!({"packages": [{"registryType": "npm", "identifier": "x", "version": "1.0.0", "transport": {"type": "stdio"},
                "runtimeHint": "npx", "runtimeArguments": [{"type": "positional", "value": "-y"}],
                "packageArguments": [{"type": "positional", "valueHint": "dir", "isRequired": true, "format": "filepath"}],
                "environmentVariables": [{"name": "A_KEY", "isRequired": true, "isSecret": true}]}]})
        };
        document["$schema"] = json!(schema(date));
        document["name"] = json!("io.github.owner/name");
        document["description"] = json!("x");
        document["version"] = json!("1.0.0");
        if date < "2025-09-29" {
            document["status"] = json!("deprecated");
        }
        for document in [
            document.clone(),
            json!({"server": document, "_meta": {}}),
            server_json::newest(&document),
        ] {
            let server = server_json::read_value(&document).unwrap();
            let recipe = server.offers[0].recipe.as_ref().unwrap();
            assert_eq!(recipe.source.to_string(), "npm:x@1.0.0", "{date}");
            assert_eq!(recipe.args, [Text::setting("dir")], "{date}");
            assert!(recipe.settings["A_KEY"].secret && recipe.settings["A_KEY"].required);
            assert_eq!(recipe.settings["dir"].format, Format::Path);
        }
        let newest = server_json::newest(&document);
        assert_eq!(newest["$schema"], json!(schema("2025-12-11")));
        assert!(newest.get("status").is_none());
        assert!(!newest.to_string().contains('_') || !old || newest.to_string().contains("A_KEY"));
        assert_eq!(newest["packages"][0]["registryType"], json!("npm"));
    }
}

/// Names that authors chose are no fields of the schema, and `_meta` is theirs.
#[test]
fn what_is_the_authors_stays() {
    let document = json!({
        "_meta": {"x": {"is_secret": 1}},
        "remotes": [{"type": "sse", "url": "https://x.test/{value_hint}", "variables": {"value_hint": {"is_required": true}}}],
        "name": "a.b/c", "description": "x", "version": "1"
    });
    let newest = server_json::newest(&document);
    assert_eq!(newest["_meta"], document["_meta"]);
    assert_eq!(
        newest["remotes"][0]["variables"],
        json!({"value_hint": {"isRequired": true}})
    );
}

#[test]
fn optional_settings_leave_out_what_they_are_in() {
    let members = json!({"packages": [{"registryType": "npm", "identifier": "x", "version": "1.0.0", "transport": {"type": "stdio"},
        "packageArguments": [
            {"type": "named", "name": "--port", "default": "8080"},
            {"type": "named", "name": "--host", "placeholder": "x"},
            {"type": "positional", "valueHint": "dir", "isRequired": true}],
        "environmentVariables": [{"name": "A"}, {"name": "B", "isRequired": true}]}]});
    let server = server_json::read_value(&document(&members)).unwrap();
    let recipe = server.offers[0].recipe.as_ref().unwrap();
    let value = |name: &str| matches!(name, "dir" | "B").then_some("given");
    assert_eq!(recipe.words(value).unwrap(), ["--port=8080", "given"]);
    assert_eq!(
        recipe.variables(value).unwrap(),
        [("B".to_owned(), "given".to_owned())]
    );
    assert_eq!(recipe.words(|_| None).unwrap_err().0, "dir");
}
