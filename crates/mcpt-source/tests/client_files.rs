//! Files of clients, each format as people have them: which servers are found, as what, and that no secret is ever shown.

use mcpt_source::{
    Source, Text,
    client_file::{self, ClientFileError, Grammar},
};

/// Each server of a file in a line: name, source, arguments, variables, headers, settings; then what is odd about the file.
fn shown(text: &str, grammar: Option<Grammar>) -> Vec<String> {
    let file = match client_file::read(text, grammar) {
        Ok(file) => file,
        Err(error) => return vec![format!("error: {error}")],
    };
    assert!(
        !format!("{file:?}").contains("hunter2"),
        "a secret is shown"
    );
    let mut lines: Vec<String> = Vec::new();
    for found in &file.servers {
        let recipe = match &found.recipe {
            Ok(recipe) => recipe,
            Err(error) => {
                lines.push(format!("{}: {error}", found.place));
                continue;
            }
        };
        let mut parts = vec![format!("{}:", found.place)];
        parts.push(match &recipe.source {
            Source::Program(program) => format!("program {program}"),
            source => source.to_string(),
        });
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
        parts.extend(recipe.settings.iter().map(|(name, setting)| {
            let secret = if setting.secret { "!" } else { "" };
            let given = if setting.given.is_some() { "=" } else { "" };
            format!("({name}{secret}{given})")
        }));
        lines.push(parts.join(" "));
    }
    lines.extend(file.notes);
    lines
}

#[test]
fn every_client_is_read() {
    for (client, grammar, text, expected) in [
        (
            "Claude Desktop, with a byte order mark, comments, trailing commas, CRLF and a key that is given twice",
            None,
            "\u{feff}{\r\n  // mine\r\n  \"mcpServers\": {\r\n    \"github\": {\r\n      \"command\": \"npx\",\r\n      \"args\": [\"-y\", \"@modelcontextprotocol/server-github\",],\r\n      \"env\": { \"GITHUB_TOKEN\": \"hunter2\", },\r\n    },\r\n    /* twice */ \"time\": {\"command\": \"x\"},\r\n    \"time\": {\"command\": \"uvx\", \"args\": [\"mcp-server-time\"]},\r\n  },\r\n}\r\n",
            &[
                "mcpServers.github: npm:@modelcontextprotocol/server-github GITHUB_TOKEN={GITHUB_TOKEN} (GITHUB_TOKEN!=)",
                "mcpServers.time: pypi:mcp-server-time",
                "line 10: time is given twice, and the last one counts",
            ][..],
        ),
        (
            "Claude Code, of the user and of a project",
            None,
            r#"{"numStartups": 3, "mcpServers": {"a": {"type": "http", "url": "https://x.test/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}},
                "projects": {"/srv/x": {"mcpServers": {"b": {"type": "stdio", "command": "npx", "args": ["-y", "pkg", "--port", "${PORT:-8080}"]}}}}}"#,
            &[
                "mcpServers.a: https://x.test/mcp Authorization: Bearer {TOKEN} (TOKEN!)",
                "projects./srv/x.mcpServers.b: npm:pkg --port {PORT} (PORT)",
            ],
        ),
        (
            "VS Code",
            None,
            r#"{"inputs": [{"type": "promptString", "id": "perplexity-key", "description": "Key", "password": true}],
                "servers": {"p": {"type": "stdio", "command": "npx", "args": ["-y", "server-perplexity"], "env": {"KEY_OF_P": "${input:perplexity-key}"}},
                            "r": {"type": "sse", "url": "https://x.test/sse", "headers": {"X-Key": "${input:perplexity-key}"}}}}"#,
            &[
                "servers.p: npm:server-perplexity KEY_OF_P={perplexity_key} (perplexity_key!)",
                "servers.r: https://x.test/sse X-Key: {perplexity_key} (perplexity_key!)",
            ],
        ),
        (
            "settings.json of VS Code and a dev container",
            None,
            r#"{"editor.fontSize": 12, "mcp": {"servers": {"a": {"command": "uvx", "args": ["mcp-server-git"]}}},
                "customizations": {"vscode": {"mcp": {"servers": {"b": {"command": "uvx", "args": ["mcp-server-fetch"]}}}}}}"#,
            &[
                "mcp.servers.a: pypi:mcp-server-git",
                "customizations.vscode.mcp.servers.b: pypi:mcp-server-fetch",
            ],
        ),
        (
            "Cursor and LM Studio",
            None,
            r#"{"mcpServers": {"a": {"url": "https://x.test/mcp?api_key=hunter2-abc"}, "b": {"command": "docker", "args": ["run", "-i", "--rm", "-e", "TOKEN", "ghcr.io/o/n"], "env": {"TOKEN": "hunter2"}}}}"#,
            &[
                "mcpServers.a: https://x.test/mcp?api_key={api_key} (api_key!=)",
                "mcpServers.b: oci:ghcr.io/o/n TOKEN={TOKEN} (TOKEN!=)",
            ],
        ),
        (
            "Windsurf, Devin and Antigravity",
            None,
            r#"{"mcpServers": {"a": {"serverUrl": "https://x.test/mcp", "headers": {"Authorization": "Bearer ${env:KEY}"}, "disabled": true}}}"#,
            &["mcpServers.a: https://x.test/mcp Authorization: Bearer {KEY} (KEY!)"],
        ),
        (
            "Zed, new and old",
            None,
            r#"{"theme": "x", "context_servers": {"a": {"source": "custom", "command": "npx", "args": ["-y", "pkg"]}, "b": {"command": {"path": "uvx", "args": ["mcp-server-time"], "env": {"A": "1"}}}, "c": {"settings": {}}}}"#,
            &[
                "context_servers.a: npm:pkg",
                "context_servers.b: pypi:mcp-server-time A=1",
                "context_servers.c: the server in JSON cannot be read: neither command nor url is there",
            ],
        ),
        (
            "Cline",
            None,
            r#"{"mcpServers": {"a": {"type": "streamableHttp", "url": "https://x.test/mcp", "autoApprove": [], "timeout": 60}}}"#,
            &["mcpServers.a: https://x.test/mcp"],
        ),
        (
            "Continue",
            Some(Grammar::Yaml),
            "name: mine\nmcpServers:\n  - name: sqlite\n    command: npx\n    args: [-y, mcp-sqlite, /srv/x.db]\n    env: {A: 1}\n  - name: far\n    type: streamable-http\n    url: https://x.test/mcp\n    requestOptions:\n      headers:\n        Authorization: Bearer hunter2-hunter2\n",
            &[
                "mcpServers[0]: npm:mcp-sqlite /srv/x.db A=1",
                "mcpServers[1]: https://x.test/mcp Authorization: Bearer {Authorization} (Authorization!=)",
            ],
        ),
        (
            "Gemini CLI and Qwen Code",
            None,
            r#"{"mcpServers": {"a": {"httpUrl": "https://x.test/mcp"}, "b": {"url": "https://x.test/sse"}, "c": {"command": "uvx", "args": ["mcp-server-time"], "trust": true, "cwd": "/srv"}}}"#,
            &[
                "mcpServers.a: https://x.test/mcp",
                "mcpServers.b: https://x.test/sse",
                "mcpServers.c: pypi:mcp-server-time",
            ],
        ),
        (
            "Codex",
            Some(Grammar::Toml),
            "model = \"x\"\n# mine\n[mcp_servers.a]\ncommand = \"npx\"\nargs = [\"-y\", \"pkg\"]\nenv = { API_KEY = \"hunter2\" }\n[mcp_servers.b]\nurl = \"https://x.test/mcp\"\nbearer_token_env_var = \"B_TOKEN\"\nhttp_headers = { A = \"1\" }\n",
            &[
                "mcp_servers.a: npm:pkg API_KEY={API_KEY} (API_KEY!=)",
                "mcp_servers.b: https://x.test/mcp A: 1 Authorization: Bearer {B_TOKEN} (B_TOKEN!)",
            ],
        ),
        (
            "Mistral Vibe",
            Some(Grammar::Toml),
            "[[mcp_servers]]\nname = \"a\"\ntransport = \"stdio\"\ncommand = \"uvx\"\nargs = [\"mcp-server-time\"]\n",
            &["mcp_servers[0]: pypi:mcp-server-time"],
        ),
        (
            "opencode, both versions, and Crush",
            None,
            r#"{"mcp": {"a": {"type": "local", "command": ["npx", "-y", "pkg"], "environment": {"T": "{env:TOKEN}"}, "enabled": false}, "b": {"type": "remote", "url": "https://x.test/mcp"}, "c": {"type": "stdio", "command": "npx", "args": ["pkg"]}}}"#,
            &[
                "mcp.a: npm:pkg T={TOKEN} (TOKEN!)",
                "mcp.b: https://x.test/mcp",
                "mcp.c: npm:pkg",
            ],
        ),
        (
            "Goose",
            Some(Grammar::Yaml),
            "GOOSE_MODEL: x\nextensions:\n  developer:\n    type: builtin\n  github:\n    type: stdio\n    cmd: npx\n    args: [-y, '@modelcontextprotocol/server-github']\n    env_keys: [GITHUB_TOKEN]\n    envs: {A: b}\n  far:\n    type: streamable_http\n    uri: https://x.test/mcp\n",
            &[
                "extensions.far: https://x.test/mcp",
                "extensions.github: npm:@modelcontextprotocol/server-github A=b GITHUB_TOKEN={GITHUB_TOKEN} (GITHUB_TOKEN!)",
            ],
        ),
        (
            "Amp",
            None,
            r#"{"amp.mcpServers": {"a": {"command": "npx", "args": ["pkg"]}}}"#,
            &["amp.mcpServers.a: npm:pkg"],
        ),
        (
            "Copilot CLI, Kiro, Junie, JetBrains: a wrapper around a remote server",
            None,
            r#"{"mcpServers": {"a": {"type": "local", "command": "npx", "args": ["-y", "mcp-remote", "https://x.test/mcp", "--header", "Authorization:${AUTH}"], "env": {"AUTH": "Bearer hunter2"}, "tools": ["*"]}}}"#,
            &["mcpServers.a: https://x.test/mcp Authorization: Bearer {AUTH} (AUTH!=)"],
        ),
        (
            "Windows",
            None,
            r#"{"mcpServers": {"a": {"command": "cmd", "args": ["/c", "npx", "-y", "pkg", "C:\\Users\\me"]}, "b": {"command": "C:\\Program Files\\nodejs\\npx.cmd", "args": ["-y", "pkg"]}}}"#,
            &[
                "mcpServers.a: npm:pkg C:\\Users\\me",
                "mcpServers.b: npm:pkg",
            ],
        ),
        (
            "a compose file",
            Some(Grammar::Yaml),
            "services:\n  github-mcp:\n    image: ghcr.io/github/github-mcp-server:v2\n    stdin_open: true\n    command: [stdio]\n    environment:\n      - GITHUB_TOKEN=hunter2\n      - HOST=${HOST:-x.test}\n      - PASSED\n  db:\n    image: postgres:16\n    environment: {POSTGRES_PASSWORD: hunter2}\n  own-mcp:\n    build: .\n",
            &[
                "services.db: db: nothing in it says that it is an MCP server",
                "services.github-mcp: oci:ghcr.io/github/github-mcp-server:v2 stdio GITHUB_TOKEN={GITHUB_TOKEN} HOST={HOST} PASSED={PASSED} (GITHUB_TOKEN!=) (HOST) (PASSED)",
                "services.own-mcp: own-mcp: it is built from a folder: give the image that it publishes",
            ],
        ),
        (
            "a part of a file, settings of an extension, comments as keys, and what people leave open in brackets",
            None,
            r#""github.copilot.chat.mcpServers": {"a": {"command": "uv", "args": ["tool", "run", "--from", "x@latest", "x.exe"],
                "env": {"// why": "so", " REGION": "[AWS Region]"}}},"#,
            &["github.copilot.chat.mcpServers.a: pypi:x REGION={REGION} (REGION)"],
        ),
        (
            "one server alone",
            None,
            r#"{"command": "npx", "args": ["-y", "pkg"]}"#,
            &[": npm:pkg"],
        ),
        (
            "entries that are none",
            None,
            r#"{"mcpServers": {"a": 3, "b": {}, "c": {"command": 1}, "d": {"command": "npx", "args": [{}]}, "e": {"command": ""}, "f": {"url": "ftp://x.test"}, "g": {"command": "npx -y pkg --x"}}}"#,
            &[
                "mcpServers.a: the server in JSON cannot be read: it is no object",
                "mcpServers.b: the server in JSON cannot be read: neither command nor url is there",
                "mcpServers.c: the server in JSON cannot be read: command is no text",
                "mcpServers.d: the server in JSON cannot be read: args has something in it that is no text",
                "mcpServers.e: the command is empty",
                "mcpServers.f: this is no address of a server: servers are reached by http and https alone; the form is https://HOST[/PATH]",
                "mcpServers.g: npm:pkg --x",
            ],
        ),
    ] {
        assert_eq!(shown(text, grammar), expected, "{client}");
    }
}

#[test]
fn what_is_no_clients_file_says_why() {
    for (text, grammar, expected) in [
        ("{}", None, "error: no servers are in it"),
        ("", None, "error: no servers are in it"),
        ("[1, 2", None, "error: line 1: "),
        ("{\n \"mcpServers\": {\n  'a': 1\n", None, "error: line 3: "),
        ("a = [", Some(Grammar::Toml), "error: line 1: "),
        ("a = 1\na = 2\n", Some(Grammar::Toml), "error: line 2: "),
        ("a: [", Some(Grammar::Yaml), "error: line 1: it is no YAML"),
    ] {
        let shown = shown(text, grammar);
        assert!(shown[0].starts_with(expected), "{text}: {shown:?}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(client_file::read(&deep, None).is_err());
    let many: Vec<String> = (0..2000)
        .map(|n| format!("\"s{n}\": {{\"command\": \"x\"}}"))
        .collect();
    let many = format!("{{\"mcpServers\": {{{}}}}}", many.join(","));
    assert_eq!(
        client_file::read(&many, None).map(|_| ()),
        Err(ClientFileError::TooMany(1000))
    );
}

/// Secrets wherever people leave them.
#[test]
fn no_planted_secret_is_missed() {
    for entry in [
        r#"{"command": "x", "env": {"API_KEY": "SECRET"}}"#,
        r#"{"command": "x", "env": {"apiKey": "SECRET"}}"#,
        r#"{"command": "x", "env": {"GITLAB_PAT": "SECRET"}}"#,
        r#"{"command": "x", "env": {"DB_PASS": "SECRET"}}"#,
        r#"{"command": "x", "env": {"AUTHORIZATION": "Bearer SECRET"}}"#,
        r#"{"command": "x", "env": {"ODD": "sk-SECRET"}}"#,
        r#"{"command": "x", "env": {"ODD": "ghp_SECRET"}}"#,
        r#"{"command": "x", "env": {"DATABASE_URL": "postgres://me:SECRET@db/x"}}"#,
        r#"{"command": "x", "env": {"OPENAPI_MCP_HEADERS": "{\"Authorization\": \"Bearer SECRET\"}"}}"#,
        r#"{"command": "x", "args": ["--api-key", "SECRET"]}"#,
        r#"{"command": "x", "args": ["--api-key=SECRET"]}"#,
        r#"{"command": "x", "args": ["--token=SECRET"]}"#,
        r#"{"command": "x", "args": ["TOKEN=SECRET"]}"#,
        r#"{"command": "x", "args": ["-H", "Authorization: Bearer SECRET"]}"#,
        r#"{"command": "x", "args": ["postgres://me:SECRET@db/x"]}"#,
        r#"{"command": "x", "args": ["https://x.test/mcp?apiKey=SECRET"]}"#,
        r#"{"command": "x", "args": ["--config", "{\"apiKey\": \"SECRET\"}"]}"#,
        r#"{"command": "docker", "args": ["run", "-i", "-e", "API_KEY=SECRET", "mcp/x"]}"#,
        r#"{"command": "docker", "args": ["run", "-i", "--env=API_KEY=SECRET", "mcp/x"]}"#,
        r#"{"command": "npx", "args": ["mcp-remote", "https://x.test", "--header", "Authorization: Bearer SECRET"]}"#,
        r#"{"command": "npx", "args": ["mcp-remote", "https://x.test?key=SECRET"]}"#,
        r#"{"command": "env", "args": ["API_KEY=SECRET", "npx", "x"]}"#,
        r#"{"command": "API_KEY=SECRET npx -y x"}"#,
        r#"{"command": "sh", "args": ["-c", "API_KEY=SECRET npx -y x"]}"#,
        r#"{"command": "cmd", "args": ["/c", "set API_KEY=SECRET&& npx -y x"]}"#,
        r#"{"url": "https://x.test/mcp?token=SECRET"}"#,
        r#"{"url": "https://x.test/mcp", "headers": {"Authorization": "Bearer SECRET"}}"#,
        r#"{"url": "https://x.test/mcp", "headers": {"X-API-Key": "SECRET"}}"#,
        r#"{"url": "https://x.test/mcp", "headers": {"Cookie": "session=SECRET"}}"#,
        r#"{"url": "https://me:SECRET@x.test/mcp"}"#,
        r#"{"url": "https://x.test/mcp", "bearer_token": "SECRET"}"#,
    ] {
        let secret = "hunter2abcdef1234567890";
        let text = format!(
            "{{\"mcpServers\": {{\"a\": {}}}}}",
            entry.replace("SECRET", secret)
        );
        let file = client_file::read(&text, None).unwrap();
        let debug = format!("{file:?}");
        assert!(!debug.contains(secret), "{entry}: {debug}");
        let shown = shown(&text, None).join(" ");
        assert!(!shown.contains(secret), "{entry}: {shown}");
        match &file.servers[0].recipe {
            Ok(recipe) => {
                let given = recipe
                    .settings
                    .values()
                    .filter_map(|setting| setting.given.as_ref());
                assert!(
                    given
                        .into_iter()
                        .any(|given| given.expose().contains(secret)),
                    "{entry}: {shown}"
                );
            }
            Err(error) => assert!(!error.to_string().contains(secret), "{entry}"),
        }
    }
}
