//! Parts of clients' files, and links that add a server.

use crate::differences;

#[test]
fn parts_of_files_and_links() {
    let wrong = differences(&[
        (
            "{\"mcpServers\": {\"context7\": {\"command\": \"npx\", \"args\": [\"-y\", \"@upstash/context7-mcp\"], \"env\": {\"CONTEXT7_API_KEY\": \"YOUR_API_KEY\"}}}}",
            "(context7) npm:@upstash/context7-mcp CONTEXT7_API_KEY={CONTEXT7_API_KEY} {CONTEXT7_API_KEY!}",
        ),
        (
            "\"github\": {\n  \"command\": \"docker\",\n  \"args\": [\"run\", \"-i\", \"--rm\", \"-e\", \"GITHUB_PERSONAL_ACCESS_TOKEN\", \"ghcr.io/github/github-mcp-server\"],\n  \"env\": {\"GITHUB_PERSONAL_ACCESS_TOKEN\": \"<YOUR_TOKEN>\"}\n},",
            "(github) oci:ghcr.io/github/github-mcp-server GITHUB_PERSONAL_ACCESS_TOKEN={GITHUB_PERSONAL_ACCESS_TOKEN} {GITHUB_PERSONAL_ACCESS_TOKEN!}",
        ),
        (
            "{\n  // .vscode/mcp.json\n  \"inputs\": [{\"type\": \"promptString\", \"id\": \"key\", \"description\": \"The key\", \"password\": true}],\n  \"servers\": {\"exa\": {\"type\": \"http\", \"url\": \"https://mcp.exa.ai/mcp\", \"headers\": {\"x-api-key\": \"${input:key}\"}}},\n}",
            "(exa) https://mcp.exa.ai/mcp StreamableHttp | x-api-key: {key} {key!}",
        ),
        (
            "{\"type\": \"stdio\", \"command\": \"uvx\", \"args\": [\"mcp-server-git\", \"--repository\", \"${workspaceFolder}\"]}",
            "pypi:mcp-server-git [--repository {workspaceFolder}] {workspaceFolder}",
        ),
        (
            "```json\n{\n  \"mcpServers\": {\n    \"time\": {\"command\": \"cmd\", \"args\": [\"/c\", \"npx\", \"-y\", \"@mcpcentral/mcp-time\"]}\n  }\n}\n```",
            "(time) npm:@mcpcentral/mcp-time",
        ),
        (
            "[mcp_servers.sentry]\ncommand = \"npx\"\nargs = [\"-y\", \"@sentry/mcp-server\", \"--access-token=sk-abcdef1234567890\"]",
            "(sentry) npm:@sentry/mcp-server [--access-token={access_token}] {access_token!=}",
        ),
        (
            "extensions:\n  fetch:\n    type: stdio\n    cmd: uvx\n    args: [mcp-server-fetch]",
            "(fetch) pypi:mcp-server-fetch",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"npx\", \"args\": [\"a\"]}, \"b\": {\"url\": \"https://b.test/mcp\"}}}",
            "error: it has 2 servers (a, b): give one of them, or write it into a file, which mcpt import FILE reads",
        ),
        (
            "{\"mcpServers\": {}}",
            "error: the server in JSON cannot be read: no servers are in it: it has neither mcpServers nor servers, context_servers, mcp_servers, mcp, extensions or services",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"npx\" \"args\": []}}}",
            "error: the server in JSON cannot be read: line 1: Expected comma",
        ),
        (
            "{\"name\": \"x\", \"version\": \"1.0.0\"}",
            "error: the server in JSON cannot be read: no servers are in it: it has neither mcpServers nor servers, context_servers, mcp_servers, mcp, extensions or services",
        ),
        (
            "cursor://anysphere.cursor-deeplink/mcp/install?name=playwright&config=eyJjb21tYW5kIjoibnB4IEBwbGF5d3JpZ2h0L21jcEBsYXRlc3QifQ%3D%3D",
            "(playwright) npm:@playwright/mcp",
        ),
        (
            "https://cursor.com/en/install-mcp?name=postgres&config=JTdCJTIyY29tbWFuZCUyMiUzQSUyMm5weCUyMC15JTIwJTQwbW9kZWxjb250ZXh0cHJvdG9jb2wlMkZzZXJ2ZXItcG9zdGdyZXMlMjBwb3N0Z3Jlc3FsJTNBJTJGJTJGbG9jYWxob3N0JTJGbXlkYiUyMiU3RA%3D%3D",
            "(postgres) npm:@modelcontextprotocol/server-postgres [postgresql://localhost/mydb]",
        ),
        (
            "vscode:mcp/install?%7B%22name%22%3A%22onebusaway%22%2C%22command%22%3A%22npx%22%2C%22args%22%3A%5B%22-y%22%2C%22%40cyanheads%2Fonebusaway-mcp-server%22%5D%2C%22env%22%3A%7B%22ONEBUSAWAY_API_KEY%22%3A%22TEST%22%7D%7D",
            "(onebusaway) npm:@cyanheads/onebusaway-mcp-server ONEBUSAWAY_API_KEY={ONEBUSAWAY_API_KEY} {ONEBUSAWAY_API_KEY!=}",
        ),
        (
            "https://vscode.dev/redirect?url=vscode:mcp/install?%7B%22name%22%3A%22x%22%2C%22type%22%3A%22http%22%2C%22url%22%3A%22https%3A%2F%2Fx.test%2Fmcp%22%7D",
            "(x) https://x.test/mcp StreamableHttp",
        ),
        (
            "https://insiders.vscode.dev/redirect/mcp/install?name=brave&config=%7B%22command%22%3A%22npx%22%2C%22args%22%3A%5B%22-y%22%2C%22%40brave%2Fbrave-search-mcp-server%22%5D%2C%22env%22%3A%7B%22BRAVE_API_KEY%22%3A%22%24%7Binput%3Abrave%7D%22%7D%7D&inputs=%5B%7B%22type%22%3A%22promptString%22%2C%22id%22%3A%22brave%22%2C%22password%22%3Atrue%7D%5D",
            "(brave) npm:@brave/brave-search-mcp-server BRAVE_API_KEY={brave} {brave!}",
        ),
        (
            "goose://extension?cmd=npx&arg=-y&arg=exa-mcp-server&id=exa&name=Exa%20Search&description=AI%20search&env=EXA_API_KEY%3DExa%20API%20Key",
            "(Exa Search) npm:exa-mcp-server EXA_API_KEY={EXA_API_KEY} {EXA_API_KEY!}",
        ),
        (
            "https://lmstudio.ai/install-mcp?name=deepwiki&config=eyJ1cmwiOiJodHRwczovL21jcC5kZWVwd2lraS5jb20vbWNwIn0",
            "(deepwiki) https://mcp.deepwiki.com/mcp",
        ),
        (
            "cursor://anysphere.cursor-deeplink/mcp/install?name=x&config=nonsense",
            "error: the server in JSON cannot be read: what the link says of the server is no object",
        ),
        (
            "https://x.test/mcp/install?team=1",
            "https://x.test/mcp/install?team=1",
        ),
        (
            "{\"context7\": {\"command\": \"npx\", \"args\": [\"-y\", \"@upstash/context7-mcp@latest\"]}}",
            "(context7) npm:@upstash/context7-mcp",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
