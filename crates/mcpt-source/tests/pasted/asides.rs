//! What stands beside a server in files and commands of people: further tables and members, headers in other forms, names and
//! programs that are placeholders.

use crate::differences;

#[test]
fn parts_of_files_with_more_in_them() {
    let wrong = differences(&[
        (
            "[features]\nrmcp_client = true\n\n[mcp_servers.x]\nurl = \"https://x.test/mcp\"\n",
            "(x) https://x.test/mcp",
        ),
        (
            "# ~/.codex/config.toml\nmodel = \"o3\"\n\n[mcp_servers.x]\ncommand = \"npx\"\nargs = [\"-y\", \"x\"]",
            "(x) npm:x",
        ),
        (
            "name: Playwright\nversion: 0.0.1\nschema: v1\nmcpServers:\n  - name: browser\n    command: npx\n    args:\n      - \"@playwright/mcp@latest\"",
            "(browser) npm:@playwright/mcp",
        ),
        (
            "version: \"3.8\"\nservices:\n  weather:\n    image: mcp/weather:1.2\n    environment:\n      - API_KEY=${API_KEY}",
            "(weather) oci:mcp/weather:1.2 API_KEY={API_KEY} {API_KEY!}",
        ),
        (
            "\"x\": { \"command\": \"bunx\", \"args\": [\"--no-cache\", \"x-mcp@latest\"] }",
            "(x) npm:x-mcp",
        ),
        (
            "\"x\": { \"command\": \"wsl\", \"args\": [\"bash\", \"-c\", \"cd /srv && uv run x\"] }",
            "error: cd: servers are not run in a folder of their own: give the command alone, with whole paths",
        ),
        (
            "{ \"command\": \"cmd\", \"args\": [\"/c\", \"C:/Users/A B/start.bat\"] }",
            "program C:/Users/A B/start.bat",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn headers_in_each_form() {
    let wrong = differences(&[
        (
            "amp mcp add x --header \"X_KEY=YOUR_API_KEY\" https://x.test/mcp",
            "(x) https://x.test/mcp | X_KEY: {X_KEY} {X_KEY!}",
        ),
        (
            "copilot mcp add x \"https://x.test/mcp\" --header \"api-key=abcdef1234567890\"",
            "(x) https://x.test/mcp | api-key: {api_key} {api_key!=}",
        ),
        (
            "kiro-cli mcp add --name x --url https://x.test/mcp --headers '{\"Authorization\": \"Bearer ${KEY}\"}'",
            "(x) https://x.test/mcp | Authorization: Bearer {KEY} {KEY!}",
        ),
        (
            "mcpo --port 8000 --server-type sse --header '{\"Authorization\": \"Bearer abcdef1234567890\"}' -- http://127.0.0.1:8001/sse",
            "http://127.0.0.1:8001/sse Sse | Authorization: Bearer {Authorization} {Authorization!=}",
        ),
        (
            "mcpo --server-type streamable-http -- https://x.test/mcp",
            "https://x.test/mcp StreamableHttp",
        ),
        (
            "claude mcp add -t http x https://x.test/mcp --header \"X-Redirect: a=b:c\"",
            "(x) https://x.test/mcp StreamableHttp | X-Redirect: a=b:c",
        ),
        (
            "claude mcp add -t http x https://x.test/mcp --header \"no header\"",
            "error: mcp add: a header is NAME: VALUE",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_stands_for_something() {
    let wrong = differences(&[
        (
            "docker run -i --rm -v %cd%:/workspace mcp/filesystem /workspace",
            "oci:mcp/filesystem [/workspace] {PWD}->/workspace {PWD}",
        ),
        (
            "docker run --rm -i -v ${pwd}:/w x/y",
            "oci:x/y {PWD}->/w {PWD}",
        ),
        (
            "npx x --dir \"%userprofile%\\docs\"",
            "npm:x [--dir {USERPROFILE}\\docs] {USERPROFILE}",
        ),
        ("copilot mcp add \"$SERVER_NAME\" -- npx -y x", "npm:x"),
        (
            "codex mcp add x -- /absolute/path/to/x/bin/x-mcp serve",
            "error: \"/absolute/path/to/x/bin/x-mcp\" stands for a program of your machine: put its path there, or name the package or image of the server",
        ),
        (
            "REDIS_URL=redis://... npx x",
            "npm:x REDIS_URL={REDIS_URL} {REDIS_URL}",
        ),
        (
            "uvx --prerelease=allow --constraint c.txt --no-build-package a x",
            "pypi:x",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
