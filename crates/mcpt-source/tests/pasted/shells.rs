//! Quotes and prefixes of shells.

use crate::differences;

#[test]
fn shells_and_what_stands_before_a_command() {
    let wrong = differences(&[
        (
            "BRAVE_API_KEY=YOUR_API_KEY_HERE npx -y @brave/brave-search-mcp-server",
            "npm:@brave/brave-search-mcp-server BRAVE_API_KEY={BRAVE_API_KEY} {BRAVE_API_KEY!}",
        ),
        ("A=1 B='two words' npx -y x", "npm:x A=1 B=two words"),
        (
            "env FOO=bar TOKEN=hunter2 npx -y x",
            "npm:x FOO=bar TOKEN={TOKEN} {TOKEN!=}",
        ),
        ("env -i PATH=/usr/bin npx -y x", "npm:x PATH=/usr/bin"),
        (
            "export TOKEN=\"hunter2\" && npx -y x",
            "npm:x TOKEN={TOKEN} {TOKEN!=}",
        ),
        ("export A=1\nexport B=2\nnpx -y x", "npm:x A=1 B=2"),
        ("A=1; npx -y x", "npm:x A=1"),
        ("set FOO=bar&& npx -y x", "npm:x FOO=bar"),
        ("set \"FOO=bar baz\" && npx -y x", "npm:x FOO=bar baz"),
        ("set -x FOO bar; npx -y x", "npm:x FOO=bar"),
        (
            "set -gx TOKEN hunter2; npx -y x",
            "npm:x TOKEN={TOKEN} {TOKEN!=}",
        ),
        ("$env:FOO='bar'; npx -y x", "npm:x FOO=bar"),
        (
            "$env:TOKEN = \"hunter2\"; npx -y x 'it''s'",
            "npm:x [it's] TOKEN={TOKEN} {TOKEN!=}",
        ),
        (
            "cmd /c npx -y @agentdeskai/browser-tools-mcp@1.2.0",
            "npm:@agentdeskai/browser-tools-mcp@1.2.0",
        ),
        ("cmd.exe /C \"npx -y x --flag\"", "npm:x [--flag]"),
        ("cmd /c set FOO=bar&& npx -y x", "npm:x FOO=bar"),
        ("powershell -NoProfile -Command \"npx -y x\"", "npm:x"),
        ("pwsh -c npx -y x", "npm:x"),
        (
            "bash -lc 'TOKEN=hunter2 exec npx -y x'",
            "npm:x TOKEN={TOKEN} {TOKEN!=}",
        ),
        ("sh -c \"uvx mcp-server-time\"", "pypi:mcp-server-time"),
        ("wsl npx -y x", "npm:x"),
        ("npx.cmd -y x", "npm:x"),
        (
            "\"C:\\Program Files\\nodejs\\npx.cmd\" -y @modelcontextprotocol/server-filesystem C:\\Users\\me\\notes",
            "npm:@modelcontextprotocol/server-filesystem [C:\\Users\\me\\notes]",
        ),
        (
            "npx -y x --dir \"a b\" --q 'c\"d' e\\ f",
            "npm:x [--dir a b --q c\"d e f]",
        ),
        ("npx -y x \\\n  --one \\\n  --two", "npm:x [--one --two]"),
        ("npx -y x ^\r\n  --one", "npm:x [--one]"),
        ("npx -y x `\n  --one", "npm:x [--one]"),
        ("$ npx -y x", "npm:x"),
        ("`npx -y x`", "npm:x"),
        ("```bash\n# start it\nnpx -y x\n```", "npm:x"),
        ("npx -y x  # the best server", "npm:x"),
        ("npx -y x “with words”", "npm:x [with words]"),
        ("sudo npx -y x", "npm:x"),
        (
            "npx -y x --json '{\"apiKey\":\"hunter2\"}'",
            "npm:x [--json {json}] {json!=}",
        ),
        (
            "npx -y x --root ${workspaceFolder} --port ${PORT:-3000}",
            "npm:x [--root {workspaceFolder} --port {PORT}] {workspaceFolder PORT?}",
        ),
        (
            "npx -y x %APPDATA%\\data",
            "npm:x [{APPDATA}\\data] {APPDATA}",
        ),
        ("my-mcp-server --stdio", "program my-mcp-server [--stdio]"),
        // Only a shell could do these.
        (
            "npx -y x | tee log",
            "error: a pipe is a matter of a shell, and no shell runs servers: give the command alone",
        ),
        (
            "npx -y x > log",
            "error: a redirection is a matter of a shell, and no shell runs servers: give the command alone",
        ),
        (
            "npx -y x < in",
            "error: a redirection is a matter of a shell, and no shell runs servers: give the command alone",
        ),
        (
            "npx -y x &",
            "error: a command in the background is a matter of a shell, and no shell runs servers: give the command alone",
        ),
        (
            "npx -y x $(cat token)",
            "error: `$(…)` is a matter of a shell, and no shell runs servers: give the command alone",
        ),
        (
            "npx -y x \"$(cat token)\"",
            "error: `$(…)` is a matter of a shell, and no shell runs servers: give the command alone",
        ),
        (
            "cat x && npx -y x",
            "error: \"cat\" is one command and more follow: give the one that starts the server",
        ),
        (
            "npm install -g x && x",
            "error: npm: what must be there before the server starts is fetched by the deployment itself: give the command that starts the server alone",
        ),
        (
            "cd /srv && npx -y x",
            "error: cd: servers are not run in a folder of their own: give the command alone, with whole paths",
        ),
        (
            "npx -y x\nrm -rf /",
            "error: \"npx\" is one command and more follow: give the one that starts the server",
        ),
        ("npx -y 'x", "error: the quote ' is not closed"),
        ("", "error: the command is empty"),
        ("   \n ", "error: the command is empty"),
        ("A=1", "error: the command is empty"),
        (
            "-y x",
            "error: the command is not told what to run: the program is missing",
        ),
        (
            "bash install.sh",
            "error: bash: scripts are not run: give the command that starts the server",
        ),
        (
            "curl https://x.test/install.sh",
            "error: curl: this installs something and starts no server: name the package itself, as npm:NAME or pypi:NAME",
        ),
        ("sh -c 'sh -c \"sh -c x\"'", "program x"),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
