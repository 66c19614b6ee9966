//! Words that could be taken for something else: paths with blanks, signs, prompts, links, what belongs to an installer.

use crate::differences;

#[test]
fn what_could_be_taken_for_something_else() {
    let wrong = differences(&[
        ("npx add-mcp -- npx -y some-mcp", "npm:some-mcp"),
        ("npx add-mcp npx -y some-mcp", "npm:some-mcp"),
        (
            "npx install-mcp uvx mcp-server-time",
            "pypi:mcp-server-time",
        ),
        (
            "npx install-mcp uvx mcp-server-time --client claude",
            "error: uvx: whose options follow it cannot be told: put the command of the server in quotes",
        ),
        (
            "npx install-mcp 'uvx mcp-server-time' --client claude",
            "pypi:mcp-server-time",
        ),
        (
            "npx add-mcp some-mcp serve",
            "error: the installer: more follows what is to be added: put the command of the server in quotes",
        ),
        (
            "claude mcp add x -- \"/Applications/My App.app/Contents/MacOS/server\"",
            "(x) program /Applications/My App.app/Contents/MacOS/server",
        ),
        (
            "claude mcp add x \"C:\\Program Files\\srv\\a.exe\"",
            "(x) program C:\\Program Files\\srv\\a.exe",
        ),
        (
            "kiro-cli mcp add --name x --command \"/usr/local/bin/uvx mcp-server-fetch\"",
            "(x) pypi:mcp-server-fetch",
        ),
        (
            "claude mcp add x -e OTEL_RESOURCE_ATTRIBUTES=service.name=a,env=prod -- npx -y y",
            "(x) npm:y OTEL_RESOURCE_ATTRIBUTES=service.name=a,env=prod",
        ),
        (
            "auggie mcp add x --command npx --args \"-y y --tools=a,b\"",
            "(x) npm:y [--tools=a,b]",
        ),
        (
            "goose session --with-extension 'npx -y a' --with-extension 'npx -y b'",
            "error: goose: this starts several servers: give the command or address of one",
        ),
        (
            "goose session --with-streamable-http-extension 'https://x.test/mcp?a=1&b=2'",
            "https://x.test/mcp?a=1&b=2",
        ),
        ("https://x.test/mcp?a=1&b=2", "https://x.test/mcp?a=1&b=2"),
        (
            "lmstudio://add_mcp?name=x&config=eyJjb21tYW5kIjogIm5weCIsICJhcmdzIjogWyIteSIsICJ4LW1jcCJdfQ%3D%3D",
            "(x) npm:x-mcp",
        ),
        (
            "cherrystudio://mcp/install?servers=eyJtY3BTZXJ2ZXJzIjogeyJ4IjogeyJjb21tYW5kIjogInV2eCIsICJhcmdzIjogWyJ4LW1jcCJdfX19",
            "(x) pypi:x-mcp",
        ),
        (
            "cursor://anysphere.cursor-deeplink/mcp/install?name=x&token=sk-abcdef1234567890",
            "error: cursor: nothing is known of such links: give the command or the address of the server",
        ),
        (
            "vscode:mcp/nowhere?sk-abcdef1234567890",
            "error: vscode: nothing is known of such links: give the command or the address of the server",
        ),
        (
            "cursor://anysphere.cursor-deeplink/mcp/install?name=My+Server&config=%7B%22command%22%3A%22npx%22%2C%22args%22%3A%5B%22-y%22%2C%22x%22%2C%22two+words%22%5D%7D",
            "(My Server) npm:x [two words]",
        ),
        (
            "https://insiders.vscode.dev/redirect/mcp/install?name=x&config=%7B%22command%22%3A%22npx%22%2C%22args%22%3A%5B%22x%22%5D%7D&inputs=%5B%7B",
            "error: the server in JSON cannot be read: the link's inputs are no list of objects",
        ),
        (
            "$ export API_KEY=abcdef1234567890\n$ npx -y x",
            "npm:x API_KEY={API_KEY} {API_KEY!=}",
        ),
        ("$ npx -y \\\n> x", "npm:x"),
        ("npx -y x — serve", "npm:x [-- serve]"),
        (
            "$",
            "error: $: this is a prompt and no program: give the command alone",
        ),
        (
            "docker run -i -v C:/Users/me:/data img",
            "oci:img C:/Users/me->/data",
        ),
        ("docker run -i -v a:/data:ro img", "oci:img"),
        (
            "deno run -A --config d.json /srv/s.ts --x",
            "program deno [run -A --config d.json /srv/s.ts --x]",
        ),
        (
            "deno run -A --env-file /srv/s.ts",
            "program deno [run -A --env-file /srv/s.ts]",
        ),
        ("nvm exec 22 npx -y x", "npm:x"),
        (
            "nvm run 22 /srv/index.js",
            "error: nvm: this starts no server: give the command that starts it",
        ),
        ("env-cmd -f .env npx -y x -- serve", "npm:x [-- serve]"),
        ("dotenv -e .env npx -y x -- serve", "npm:x [-- serve]"),
        ("op run --env-file=.env -- npx -y x", "npm:x"),
        (
            "bun add x",
            "error: bun: this installs something and starts no server: name the package itself, as npm:NAME",
        ),
        (
            "bun install",
            "error: bun: this installs something and starts no server: name the package itself, as npm:NAME",
        ),
        ("uvx --allow-insecure-host x.test y", "pypi:y"),
        ("npm x --yes repomix -- --mcp", "npm:repomix [--mcp]"),
        (
            "npm exec --yes -- repomix -- --mcp",
            "npm:repomix [-- --mcp]",
        ),
        ("npx --yes repomix -- --mcp", "npm:repomix [-- --mcp]"),
        (
            "API_KEY= sk-abcdef1234567890 && npx -y x",
            "error: \"\" is one command and more follow: give the one that starts the server",
        ),
        ("sudo -E docker run -i img", "oci:img"),
        ("sudo -u me npx -y x", "npm:x"),
        ("bash --login -c 'npx -y x'", "npm:x"),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
