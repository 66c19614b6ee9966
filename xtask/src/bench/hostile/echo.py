"""The smallest MCP server over stdio that the load can call: one tool, echo."""

import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    params = message.get("params", {})
    if message["method"] == "initialize":
        result = {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "echo", "version": "1"},
        }
    elif message["method"] == "tools/call":
        text = params["arguments"]["message"]
        result = {"content": [{"type": "text", "text": json.dumps(text)}], "said": text}
    else:
        result = {}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
