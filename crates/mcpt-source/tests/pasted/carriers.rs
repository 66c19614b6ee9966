//! Programs that carry the messages of another server.

use crate::differences;

#[test]
fn what_carries_another_server() {
    let wrong = differences(&[
        (
            "npx mcp-remote https://mcp.linklyhq.com",
            "https://mcp.linklyhq.com",
        ),
        (
            "npx -y mcp-remote@latest https://example.com/sse 9696 --transport sse-only --allow-http",
            "https://example.com/sse Sse",
        ),
        (
            "npx mcp-remote https://example.com/mcp --header \"Authorization: Bearer <YOUR_TOKEN>\"",
            "https://example.com/mcp | Authorization: Bearer {token} {token!}",
        ),
        (
            "AUTH_HEADER=\"Bearer abcdef1234567890\" npx mcp-remote https://example.com/mcp --header Authorization:${AUTH_HEADER}",
            "https://example.com/mcp | Authorization: Bearer {AUTH_HEADER} {AUTH_HEADER!=}",
        ),
        (
            "npx -y mcp-remote http://<EC2_PUBLIC_IP>:8001/mcp/ --allow-http",
            "http://{ec2_public_ip}:8001/mcp/ {ec2_public_ip}",
        ),
        (
            "npx -y supergateway --stdio \"uvx mcp-server-git\" --port 8000",
            "pypi:mcp-server-git",
        ),
        (
            "npx -y supergateway --stdio 'npx @mongodb-js/mongodb-mcp-server' --outputTransport streamableHttp --cors",
            "npm:@mongodb-js/mongodb-mcp-server",
        ),
        (
            "npx -y supergateway --sse http://localhost:8080/sse",
            "http://localhost:8080/sse Sse",
        ),
        (
            "supergateway --streamableHttp https://x.test/mcp --oauth2Bearer abcdef1234567890",
            "https://x.test/mcp StreamableHttp | Authorization: Bearer {Authorization} {Authorization!=}",
        ),
        (
            "uvx mcp-proxy --log-level WARNING http://127.0.0.1:9000/sse",
            "http://127.0.0.1:9000/sse",
        ),
        (
            "mcp-proxy --transport streamablehttp -H Authorization 'Bearer abcdef1234567890' https://x.test/mcp",
            "https://x.test/mcp StreamableHttp | Authorization: Bearer {Authorization} {Authorization!=}",
        ),
        (
            "mcp-proxy --host=0.0.0.0 --port=8000 --allow-origin='*' --pass-environment -- uvx mcp-server-fetch",
            "pypi:mcp-server-fetch",
        ),
        (
            "npx mcp-proxy --port 8080 --shell tsx server.js",
            "program tsx [server.js]",
        ),
        (
            "uvx mcpo --port 8000 --api-key \"hunter2\" -- uvx mcp-server-time --local-timezone=UTC",
            "pypi:mcp-server-time [--local-timezone=UTC]",
        ),
        (
            "npx @modelcontextprotocol/inspector npx -y repomix --mcp",
            "npm:repomix [--mcp]",
        ),
        (
            "mcpt bridge --listen 127.0.0.1:1 -- npx -y repomix",
            "npm:repomix",
        ),
        (
            "https://mcp.context7.com/mcp",
            "https://mcp.context7.com/mcp",
        ),
        (
            "https://mcp.tavily.com/mcp/?tavilyApiKey=tvly-abcdef1234567890",
            "https://mcp.tavily.com/mcp/?tavilyApiKey={tavilyApiKey} {tavilyApiKey!=}",
        ),
        (
            "npx mcp-remote",
            "error: mcp-remote is not told what to run: the address is missing",
        ),
        (
            "npx mcp-remote https://x.test/mcp --header nonsense",
            "error: mcp-remote: a header is NAME: VALUE",
        ),
        (
            "npx mcp-remote https://me:hunter2@x.test/mcp",
            "error: this is no address of a server: a name and a password do not belong into an address: give them as a header; the form is https://HOST[/PATH]",
        ),
        (
            "mcpt deploy demo",
            "error: mcpt: give this command itself, without another one around it",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
