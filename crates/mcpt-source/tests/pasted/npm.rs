//! Runners of npm packages.

use crate::differences;

#[test]
fn runners_of_npm_packages() {
    let wrong = differences(&[
        (
            "npx -y @modelcontextprotocol/server-everything",
            "npm:@modelcontextprotocol/server-everything",
        ),
        ("npx @playwright/mcp@latest", "npm:@playwright/mcp"),
        (
            "npx -y firecrawl-mcp@3.26.0 --verbose",
            "npm:firecrawl-mcp@3.26.0 [--verbose]",
        ),
        ("npx --yes --quiet tavily-mcp@^0.2", "npm:tavily-mcp@^0.2"),
        ("/usr/local/bin/npx -y exa-mcp-server", "npm:exa-mcp-server"),
        (
            "npx -y -p @mcptoolshop/ai-jam-sessions ai-jam-sessions-mcp",
            "npm:@mcptoolshop/ai-jam-sessions bin ai-jam-sessions-mcp",
        ),
        (
            "npx --package=@synapsor/runner@alpha synapsor-runner demo",
            "npm:@synapsor/runner@alpha bin synapsor-runner [demo]",
        ),
        (
            "npx -y --package @cognigy/plugin-engine --package typescript cognigy-setup",
            "npm:@cognigy/plugin-engine bin cognigy-setup with typescript",
        ),
        ("npx -p typescript -p tsc tsc", "npm:tsc with typescript"),
        (
            "npx -p @tengence/geo-mcp -c 'tengence-geo-mcp-http --port 3000'",
            "npm:@tengence/geo-mcp bin tengence-geo-mcp-http [--port 3000]",
        ),
        (
            "npx -y @modelcontextprotocol/server-filesystem /Users/username/Desktop ~/Documents",
            "npm:@modelcontextprotocol/server-filesystem [/Users/username/Desktop ~/Documents]",
        ),
        (
            "npx -y @modelcontextprotocol/server-filesystem /path/to/allowed/files",
            "npm:@modelcontextprotocol/server-filesystem [{allowed_files}] {allowed_files}",
        ),
        (
            "npx -y @modelcontextprotocol/server-filesystem $HOME/notes",
            "npm:@modelcontextprotocol/server-filesystem [{HOME}/notes] {HOME}",
        ),
        (
            "npx -y @modelcontextprotocol/server-filesystem \"$(pwd)\"",
            "npm:@modelcontextprotocol/server-filesystem [{PWD}] {PWD}",
        ),
        (
            "npx -y @upstash/context7-mcp --api-key YOUR_API_KEY",
            "npm:@upstash/context7-mcp [--api-key {api_key}] {api_key!}",
        ),
        (
            "npx -y @upstash/context7-mcp --api-key=ctx7sk-abcdef1234567890",
            "npm:@upstash/context7-mcp [--api-key={api_key}] {api_key!=}",
        ),
        (
            "npx -y figma-developer-mcp --figma-api-key=<your-figma-api-key> --stdio",
            "npm:figma-developer-mcp [--figma-api-key={figma_api_key} --stdio] {figma_api_key!}",
        ),
        (
            "npx -y @supabase/mcp-server-supabase@latest --read-only --project-ref=<project-ref>",
            "npm:@supabase/mcp-server-supabase [--read-only --project-ref={project_ref}] {project_ref}",
        ),
        (
            "npx -y mcp-server-postgres postgresql://me:hunter2@localhost/mydb",
            "npm:mcp-server-postgres [{secret}] {secret!=}",
        ),
        (
            "npm exec -- @scope/thing --flag",
            "npm:@scope/thing [--flag]",
        ),
        ("npm x --yes repomix -- --mcp", "npm:repomix [--mcp]"),
        ("bunx -y repomix --mcp", "npm:repomix [--mcp]"),
        ("bun x @scope/thing@1.2.3", "npm:@scope/thing@1.2.3"),
        (
            "bunx --bun --package=@scope/thing thing-server",
            "npm:@scope/thing bin thing-server",
        ),
        (
            "pnpm dlx chrome-devtools-mcp@latest --headless",
            "npm:chrome-devtools-mcp [--headless]",
        ),
        ("pnpm --package=@scope/thing dlx thing", "npm:@scope/thing"),
        (
            "pnpm dlx --package=@scope/thing serve",
            "npm:@scope/thing bin serve",
        ),
        (
            "yarn dlx -q mongodb-mcp-server --readOnly",
            "npm:mongodb-mcp-server [--readOnly]",
        ),
        ("pnpx n8n-mcp", "npm:n8n-mcp"),
        (
            "deno run -A npm:@scope/thing@2 serve",
            "npm:@scope/thing@2 [serve]",
        ),
        ("npx tsx ./src/server.ts", "program tsx [./src/server.ts]"),
        // None of these is a package of a registry.
        (
            "npx -y github:owner/repo",
            "error: npx: \"github:owner/repo\" is a repository, a folder or an archive: only packages of a registry can be run, as npm:NAME",
        ),
        (
            "npx -y owner/repo",
            "error: npx: \"owner/repo\" is a repository, a folder or an archive: only packages of a registry can be run, as npm:NAME",
        ),
        (
            "npx -y git+https://x.test/r.git",
            "error: npx: \"git+https://x.test/r.git\" is a repository, a folder or an archive: only packages of a registry can be run, as npm:NAME",
        ),
        (
            "npx ./local",
            "error: npx: \"./local\" is a repository, a folder or an archive: only packages of a registry can be run, as npm:NAME",
        ),
        (
            "npx -y",
            "error: npx is not told what to run: the package is missing",
        ),
        (
            "npx -y <package-name>",
            "error: \"<package-name>\" stands for the name of a package or image: put the name there",
        ),
        (
            "npx -y @your-org/your-mcp-server",
            "error: \"@your-org/your-mcp-server\" stands for the name of a package or image: put the name there",
        ),
        (
            "npx --frobnicate x",
            "error: npx is given the option \"frobnicate\", of which nothing is known here: leave it out, or name the package or image itself",
        ),
        (
            "npx -p",
            "error: npx is given the option \"p\" without a value",
        ),
        (
            "npm install -g repomix",
            "error: npm: this installs something and starts no server: name the package itself, as npm:NAME",
        ),
        (
            "npm run start",
            "error: npm: this starts a script of a project of this machine: give the command that the script runs, or name its package as npm:NAME",
        ),
        (
            "npx -y @smithery/cli@latest run @x/y --key abc",
            "error: @smithery/cli: this is another program that runs servers: name the package that it runs",
        ),
        (
            "deno run -A jsr:@x/y",
            "error: deno: only packages of an npm registry can be run: name one as npm:NAME",
        ),
        (
            "npx -y ../../etc",
            "error: npx: \"../../etc\" is a repository, a folder or an archive: only packages of a registry can be run, as npm:NAME",
        ),
        (
            "npx -y @a/../b",
            "error: \"@a/../b\" is no npm package: a name is no path; the form is npm:NAME[@VERSION] or npm:@SCOPE/NAME[@VERSION]",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
