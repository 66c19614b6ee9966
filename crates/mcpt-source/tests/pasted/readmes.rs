//! What READMEs say: installers and further clients, starters around a command, prompts, and runners with options in odd places.

use crate::differences;

#[test]
fn programs_that_add_a_server() {
    let wrong = differences(&[
        (
            "gemini mcp add -s user -e API_KEY=abcdef1234567890 -t stdio files npx -y @modelcontextprotocol/server-filesystem /srv/data",
            "(files) npm:@modelcontextprotocol/server-filesystem [/srv/data] API_KEY={API_KEY} {API_KEY!=}",
        ),
        (
            "droid mcp add template-outlet \"npx @masum-nishat/template-outlet-mcp\"",
            "(template-outlet) npm:@masum-nishat/template-outlet-mcp",
        ),
        (
            "droid mcp add sentry https://mcp.sentry.dev/mcp --type http --header \"X-Api-Key: ${KEY}\"",
            "(sentry) https://mcp.sentry.dev/mcp StreamableHttp | X-Api-Key: {KEY} {KEY!}",
        ),
        (
            "droid mcp add files \"npx -y @modelcontextprotocol/server-filesystem /srv\" --env A=1",
            "(files) npm:@modelcontextprotocol/server-filesystem [/srv] A=1",
        ),
        (
            "q mcp add --name \"promptz.dev/mcp\" --command \"npx\" --args \"-y\" --args \"@promptz/mcp\" --scope \"global\" --env \"PROMPTZ_API_URL = https://x.test/graphql\" --env \"PROMPTZ_API_KEY = da2-abcdef1234567890\"",
            "(promptz.dev/mcp) npm:@promptz/mcp PROMPTZ_API_URL=https://x.test/graphql PROMPTZ_API_KEY={PROMPTZ_API_KEY} {PROMPTZ_API_KEY!=}",
        ),
        (
            "q mcp add --name aws-docs --command uvx --args awslabs.aws-documentation-mcp-server@latest --env FASTMCP_LOG_LEVEL=ERROR,AWS_DOCUMENTATION_PARTITION=aws",
            "(aws-docs) pypi:awslabs.aws-documentation-mcp-server FASTMCP_LOG_LEVEL=ERROR AWS_DOCUMENTATION_PARTITION=aws",
        ),
        (
            "kiro-cli mcp add --name fetch --command \"uvx mcp-server-fetch\"",
            "(fetch) pypi:mcp-server-fetch",
        ),
        (
            "auggie mcp add context7 --command npx --args \"-y @upstash/context7-mcp\"",
            "(context7) npm:@upstash/context7-mcp",
        ),
        (
            "amp mcp add context7 -- npx -y @upstash/context7-mcp",
            "(context7) npm:@upstash/context7-mcp",
        ),
        ("opencode mcp add x -- bunx x-mcp", "(x) npm:x-mcp"),
        (
            "goose session --with-extension \"BRAVE_API_KEY=abcdef1234567890 npx -y @brave/brave-search-mcp-server\"",
            "npm:@brave/brave-search-mcp-server BRAVE_API_KEY={BRAVE_API_KEY} {BRAVE_API_KEY!=}",
        ),
        (
            "goose run --with-streamable-http-extension \"https://mcp.deepwiki.com/mcp\" -t hi",
            "https://mcp.deepwiki.com/mcp",
        ),
        (
            "claude mcp add weather --scope project --env A=1 -- cmd /c npx -y weather-mcp",
            "(weather) npm:weather-mcp A=1",
        ),
        (
            "claude mcp add win \"C:\\Program Files\\NODEJS\\NPX.cmd\" -y x",
            "(win) npm:x",
        ),
        (
            "claude mcp add-json gh '{\"type\":\"http\",\"url\":\"https://api.githubcopilot.com/mcp\",\"headers\":{\"Authorization\":\"Bearer YOUR_PAT\"}}'",
            "(gh) https://api.githubcopilot.com/mcp StreamableHttp | Authorization: Bearer {pat} {pat!}",
        ),
        (
            "npx -y add-mcp https://mcp.neon.tech/mcp -g -n Neon -y -a claude-code",
            "(Neon) https://mcp.neon.tech/mcp",
        ),
        (
            "npx -y add-mcp next-devtools-mcp@latest",
            "npm:next-devtools-mcp",
        ),
        (
            "npx install-mcp 'npx some-mcp-server --custom' --client claude",
            "npm:some-mcp-server [--custom]",
        ),
        (
            "npx mcp-add --name x --type local --command \"npx -y x-mcp\" --env \"A=1\" --clients claude",
            "(x) npm:x-mcp A=1",
        ),
        (
            "npx add-mcp",
            "error: the installer is not told what to run: the command or the address of the server is missing",
        ),
        (
            "claude mcp add --transport sse --header \"X-Key: abcdef1234567890\" asana https://mcp.asana.com/sse",
            "(asana) https://mcp.asana.com/sse Sse | X-Key: {X_Key} {X_Key!=}",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_stands_around_a_command() {
    let wrong = differences(&[
        (
            "npx –y @playwright/mcp@latest –headless",
            "npm:@playwright/mcp [--headless]",
        ),
        ("npx -y x \\  \n  --one", "npm:x [--one]"),
        ("PS C:\\Users\\me> npx -y x", "npm:x"),
        ("C:\\Users\\me>npx -y x", "npm:x"),
        ("❯ uvx mcp-server-time", "pypi:mcp-server-time"),
        ("& \"C:\\Program Files\\NODEJS\\NPX.cmd\" -y x", "npm:x"),
        (
            "cmd /c \"set API_KEY=abcdef1234567890& npx -y x\"",
            "npm:x API_KEY={API_KEY} {API_KEY!=}",
        ),
        ("set A=1 & npx -y x ^\n --one", "npm:x [--one] A=1"),
        (
            "npx -y x & ",
            "error: a command in the background is a matter of a shell, and no shell runs servers: give the command alone",
        ),
        ("wsl -d Ubuntu -- bash -lc \"npx -y x\"", "npm:x"),
        ("wsl.exe --cd ~ npx -y x", "npm:x"),
        ("op run --env-file=.env -- npx -y x", "npm:x"),
        (
            "doppler run -p a -c b -- uvx mcp-server-git",
            "pypi:mcp-server-git",
        ),
        ("mise exec node@22 -- npx -y x", "npm:x"),
        (
            "mise install node",
            "error: mise: this starts no server: give the command that starts it",
        ),
        ("nvm exec 22 npx -y x", "npm:x"),
        ("nvm use 22 && npx -y x", "npm:x"),
        ("fnm exec --using=22 -- npx -y x", "npm:x"),
        (
            "xvfb-run -a npx -y @playwright/mcp@latest",
            "npm:@playwright/mcp",
        ),
        ("timeout 60 npx -y x", "npm:x"),
        ("nice -n 19 uvx mcp-server-fetch", "pypi:mcp-server-fetch"),
        ("npx dotenv -e .env -- npx -y x", "npm:x"),
        (
            "source .env && npx -y x",
            "error: source: files and environments of this machine are not read: give the command alone, and its variables with -e NAME=VALUE",
        ),
        (
            "git clone https://x.test/a/b && cd b && npm install",
            "error: git: servers are not built here: name the package or image that it publishes",
        ),
        (
            "pip install mcp-server-time && python -m mcp_server_time",
            "error: pip: what must be there before the server starts is fetched by the deployment itself: give the command that starts the server alone",
        ),
        (
            "docker pull mcp/fetch && docker run -i --rm mcp/fetch",
            "error: docker: what must be there before the server starts is fetched by the deployment itself: give the command that starts the server alone",
        ),
        (
            "docker run -i --rm --user $(id -u):$(id -g) -v \"$(pwd)\":/w mcp/git",
            "oci:mcp/git {PWD}->/w {PWD}",
        ),
        (
            "docker run -i --rm --cap-drop ALL --security-opt no-new-privileges:true --read-only --tmpfs /tmp:size=10m --pids-limit 100 -m 512m --cpus=1 --ulimit nofile=64 mcp/fetch",
            "oci:mcp/fetch",
        ),
        (
            "docker --context remote run -i --rm mcp/fetch",
            "oci:mcp/fetch",
        ),
        (
            "docker run -it --rm -p 8000:8000 -e A=1 supercorp/supergateway --stdio \"npx -y @modelcontextprotocol/server-filesystem /srv\" --port 8000",
            "npm:@modelcontextprotocol/server-filesystem [/srv] A=1",
        ),
        (
            "docker run --rm -p 8001:8001 ghcr.io/open-webui/mcpo:main --port 8001 -- uvx mcp-server-time",
            "pypi:mcp-server-time",
        ),
        (
            "podman run -i --rm --userns=keep-id --security-opt label=disable --pull=newer quay.io/x/y:1",
            "oci:quay.io/x/y:1",
        ),
        ("container run -i --rm mcp/fetch", "oci:mcp/fetch"),
        (
            "docker compose run --rm server",
            "error: docker: a compose file is read with mcpt import FILE",
        ),
        (
            "uvx mcp-proxy --named-server fetch 'uvx mcp-server-fetch' --port 8080",
            "(fetch) pypi:mcp-server-fetch",
        ),
        (
            "mcp-proxy --named-server a 'uvx a-mcp' --named-server b 'uvx b-mcp'",
            "error: it has 2 servers (a, b): give one of them, or write it into a file, which mcpt import FILE reads",
        ),
        (
            "npx -y mcp-remote@latest https://x.test/mcp --transport http-first --header \"X-Key:${KEY}\" --auth-timeout 60 --verbose",
            "https://x.test/mcp | X-Key: {KEY} {KEY!}",
        ),
        (
            "pipenv run server",
            "error: pipenv: this starts something of an environment of this machine: name the package as pypi:NAME",
        ),
        (
            "hatch run serve",
            "error: hatch: this starts something of an environment of this machine: name the package as pypi:NAME",
        ),
        (
            "dnx NuGet.Mcp.Server@1.0.0 --source https://x.test --yes",
            "error: dnx: NuGet packages cannot be run yet: name an image of the server",
        ),
        (
            "nix run github:x/y",
            "error: nix: servers are not built here: name the package or image that it publishes",
        ),
        (
            "mcpm install x",
            "error: mcpm: this is another program that runs servers: name the package or image that it runs",
        ),
        (
            "java -jar /srv/server.jar",
            "program java [-jar /srv/server.jar]",
        ),
        ("npx cross-env A=1 npx -y x", "npm:x A=1"),
        (
            "npx -p @dotenvx/dotenvx dotenvx run -f .env -- uvx mcp-server-git",
            "pypi:mcp-server-git",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn runners_with_further_options() {
    let wrong = differences(&[
        (
            "pnpm --package=@scope/thing dlx thing --x",
            "npm:@scope/thing [--x]",
        ),
        (
            "pnpm --silent dlx chrome-devtools-mcp@latest",
            "npm:chrome-devtools-mcp",
        ),
        ("npm --yes exec -- @scope/thing", "npm:@scope/thing"),
        (
            "npm --prefix /srv/app run start",
            "error: npm: this starts a script of a project of this machine: give the command that the script runs, or name its package as npm:NAME",
        ),
        ("npx --omit=dev --yes x", "npm:x"),
        ("npx -y --frobnicate=1 x", "npm:x"),
        (
            "npx -y -p node@22 -p @scope/server server-bin",
            "npm:@scope/server bin server-bin with node@22",
        ),
        ("yarn dlx -p @scope/thing thing", "npm:@scope/thing"),
        ("bun x --bun @scope/thing", "npm:@scope/thing"),
        (
            "deno run --allow-net=api.x.test --allow-env --unstable-kv npm:@scope/thing@1.2.3",
            "npm:@scope/thing@1.2.3",
        ),
        (
            "deno run -A https://x.test/mod.ts",
            "error: deno: only packages of an npm registry can be run: name one as npm:NAME",
        ),
        (
            "uvx --python cpython@3.12 --from \"serena-agent>=2\" serena start-mcp-server",
            "pypi:serena-agent>=2 script serena python 3.12 [start-mcp-server]",
        ),
        (
            "uvx -p 3.13.1 mcp-server-time",
            "pypi:mcp-server-time python 3.13",
        ),
        (
            "uvx --python \">=3.12\" mcp-server-time",
            "error: uvx: \">=3.12\" is no version of Python that can be had: say one as 3.12",
        ),
        (
            "uvx --prerelease=allow --from markitdown-mcp markitdown-mcp",
            "pypi:markitdown-mcp",
        ),
        (
            "uvx --refresh --from mcp-atlassian@latest mcp-atlassian --transport stdio",
            "pypi:mcp-atlassian [--transport stdio]",
        ),
        (
            "uvx --from \"git+https://github.com/oraios/serena@v1\" serena",
            "error: uvx: \"git+https://github.com/oraios/serena@v1\" is a repository, a folder or an archive: only packages of an index can be run, as pypi:NAME",
        ),
        (
            "uvx --with-requirements r.txt x",
            "error: uvx: files of this machine cannot be installed with a package: name packages of an index",
        ),
        (
            "uv tool install x",
            "error: uv: this installs something and starts no server: name the package itself, as pypi:NAME",
        ),
        (
            "uv run --python 3.12 --with \"mcp[cli],httpx\" python -m my_server",
            "program uv [run --python 3.12 --with mcp[cli],httpx python -m my_server]",
        ),
        (
            "pipx run --spec \"mcp-atlassian==0.23.1\" mcp-atlassian",
            "pypi:mcp-atlassian==0.23.1",
        ),
        ("npm:repomix --mcp", "npm:repomix [--mcp]"),
        (
            "pypi:mcp-server-time==2026.10.19 --local-timezone UTC",
            "pypi:mcp-server-time==2026.10.19 [--local-timezone UTC]",
        ),
        (
            "@upstash/context7-mcp",
            "error: \"@upstash/context7-mcp\" is no source of a server: this is the name of an npm package: write npm:@upstash/context7-mcp; the form is TEMPLATE, npm:NAME, pypi:NAME, oci:IMAGE, https://…, mcpb:FILE, ./FOLDER or OWNER.DOMAIN/NAME",
        ),
        (
            "npx @smithery/cli@latest install @x/y --client claude",
            "error: @smithery/cli: this is another program that runs servers: name the package that it runs",
        ),
        (
            "uv run --with elevenlabs-mcp elevenlabs-mcp",
            "pypi:elevenlabs-mcp",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
