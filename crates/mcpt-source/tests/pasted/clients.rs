//! Commands of clients that add a server.

use crate::differences;

#[test]
fn commands_of_clients() {
    let wrong = differences(&[
        (
            "claude mcp add context7 -- npx -y @upstash/context7-mcp",
            "(context7) npm:@upstash/context7-mcp",
        ),
        (
            "claude mcp add Playwright npx @Playwright/mcp@latest",
            "(Playwright) npm:@Playwright/mcp",
        ),
        (
            "claude mcp add hackmd \"npx -y hackmd-mcp\"",
            "(hackmd) npm:hackmd-mcp",
        ),
        (
            "claude mcp add screenshot -s user -- npx -y @just-every/mcp-screenshot-website-fast",
            "(screenshot) npm:@just-every/mcp-screenshot-website-fast",
        ),
        (
            "claude mcp add sports -e STT_SESSION_KEY=your_session_key_here -e A=1 -- uvx sport-tracker-mcp",
            "(sports) pypi:sport-tracker-mcp STT_SESSION_KEY={STT_SESSION_KEY} A=1 {STT_SESSION_KEY!}",
        ),
        (
            "claude mcp add --transport stdio pets -- node /ABS/server.js",
            "(pets) program node [/ABS/server.js]",
        ),
        (
            "claude mcp add --transport http agenthub https://agenthub-mauve.vercel.app/api/mcp-server",
            "(agenthub) https://agenthub-mauve.vercel.app/api/mcp-server StreamableHttp",
        ),
        (
            "claude mcp add --scope user --transport sse x https://x.test/sse --header 'X-Api-Key: abcdef1234567890'",
            "(x) https://x.test/sse Sse | X-Api-Key: {X_Api_Key} {X_Api_Key!=}",
        ),
        (
            "claude mcp add homelab -- \\\n  docker run -i --rm -e URL=http://YOUR-HUB:9800 homelab-monitor-mcp",
            "(homelab) oci:homelab-monitor-mcp URL=http://{hub}:9800 {hub}",
        ),
        (
            "claude mcp add-json bullmq --scope user '{\"command\": \"docker\", \"args\": [\"run\", \"-i\", \"--rm\", \"-e\", \"REDIS_URL=redis://host.docker.internal:6379\", \"ghcr.io/adamhancock/bullmq-mcp:latest\"]}'",
            "(bullmq) oci:ghcr.io/adamhancock/bullmq-mcp:latest REDIS_URL=redis://host.docker.internal:6379",
        ),
        (
            "codex mcp add codemap --env TOKEN=hunter2 -- npx -y codemap",
            "(codemap) npm:codemap TOKEN={TOKEN} {TOKEN!=}",
        ),
        (
            "codex mcp add remote --url https://x.test/mcp --bearer-token-env-var X_TOKEN",
            "(remote) https://x.test/mcp | Authorization: Bearer {X_TOKEN} {X_TOKEN!}",
        ),
        (
            "gemini mcp add --transport http contextkit https://contextkit.onrender.com/mcp --header \"Authorization: Bearer ck_...\"",
            "(contextkit) https://contextkit.onrender.com/mcp StreamableHttp | Authorization: Bearer {ck} {ck!}",
        ),
        (
            "code --add-mcp '{\"name\":\"playwright\",\"command\":\"npx\",\"args\":[\"@playwright/mcp@latest\"]}'",
            "(playwright) npm:@playwright/mcp",
        ),
        (
            "code --add-mcp \"{\\\"name\\\":\\\"my-server\\\",\\\"command\\\": \\\"uvx\\\",\\\"args\\\": [\\\"mcp-server-fetch\\\"]}\"",
            "(my-server) pypi:mcp-server-fetch",
        ),
        (
            "code-insiders --add-mcp '{\"name\":\"x\",\"type\":\"http\",\"url\":\"https://x.test/mcp\",\"headers\":{\"Authorization\":\"Bearer ${input:key}\"}}'",
            "(x) https://x.test/mcp StreamableHttp | Authorization: Bearer {key} {key!}",
        ),
        (
            "code --add-mcp '{\"name\":\"domeneshop\",\"command\":\"npx\",\"args\":[\"-y\",\"domeneshop-mcp\"],\"env\":{\"DOMENESHOP_API_TOKEN\":\"your-token\",\"PORT\":8080}}'",
            "(domeneshop) npm:domeneshop-mcp DOMENESHOP_API_TOKEN={DOMENESHOP_API_TOKEN} PORT=8080 {DOMENESHOP_API_TOKEN!}",
        ),
        (
            "code --add-mcp '{\"name\":\"x\"}'",
            "error: the server in JSON cannot be read: neither command nor url is there",
        ),
        (
            "code --add-mcp '{name}'",
            "error: the server in JSON cannot be read: key must be a string at line 1 column 2",
        ),
        (
            "claude mcp list",
            "error: claude: of this program only its commands that add a server are known here",
        ),
        (
            "claude mcp add x",
            "error: mcp add is not told what to run: the command or the address of the server is missing",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
