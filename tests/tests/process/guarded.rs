//! A server that answers those alone who name it by its own port, which clients do not see.

use std::fs;

use mcpt_tests::{
    Mcpt,
    processes::{Known, Process},
    raw::{Session, agent},
};
use serde_json::json;

/// A guard against DNS rebinding that is as strict as they get; the rest of MCP as far as it is asked for.
const SERVER: &str = r#"
import http.server, json, os
PORT = int(os.environ["PORT"])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = asked.get("method")
        if self.headers["Host"] != f"localhost:{PORT}":
            return self.answer(403, b"Access is only allowed at localhost")
        if "id" not in asked:
            return self.answer(202, b"")
        if method == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                      "serverInfo": {"name": "guarded", "version": "1"}}
        elif method == "tools/list":
            result = {"tools": [{"name": "hello", "inputSchema": {"type": "object"}}]}
        elif method == "tools/call":
            result = {"content": [{"type": "text", "text": "hello from inside"}]}
        else:
            error = {"code": -32601, "message": "unknown"}
            return self.json({"jsonrpc": "2.0", "id": asked["id"], "error": error})
        self.json({"jsonrpc": "2.0", "id": asked["id"], "result": result})
    def do_GET(self):
        self.answer(405, b"")
    def do_DELETE(self):
        self.answer(200, b"")
    def json(self, message):
        self.answer(200, json.dumps(message).encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Mcp-Session-Id", "one")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"#;

#[test]
fn a_guarded_server_is_called_by_its_own_name() {
    let mcpt = Mcpt::new(&[]);
    let template = json!({
        "name": "guarded", "description": "A test.", "version": "1.0.0",
        "local_command": ["python3", "-c", SERVER],
        "transport": {"default": "http", "supported": ["http"], "port": 8080, "port_env": "PORT"},
        "config_schema": {"properties": {}},
    });
    let folder = mcpt.home().join("guarded");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("template.json"), template.to_string()).expect("a template");
    let folder = folder.to_str().expect("UTF-8");
    let _ = mcpt.run(&["deploy", folder]).ok();
    let status = mcpt.json(&["status", "guarded"]);
    assert_eq!(status["state"], "running", "{status}");
    let said = mcpt.run(&["call", "guarded", "hello"]).ok();
    assert!(said.stdout.contains("hello from inside"), "{}", said.stdout);

    let gateway = Process::gateway_of(&mcpt, &[]);
    gateway.becomes_ready(std::time::Duration::from_secs(30));
    gateway.learns(
        "guarded",
        Some(Known::ready(1)),
        std::time::Duration::from_secs(30),
    );
    let url = gateway.url("/mcp/guarded");
    let session = Session::open(&agent(), &url);
    let said = session.call(&url, "hello", &json!({})).tool_text();
    assert_eq!(said, "hello from inside");
    let _ = mcpt.run(&["delete", "guarded"]).ok();
}
