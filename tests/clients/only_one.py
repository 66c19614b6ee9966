"""A stdio server that can exist once only: it locks its database, as some do."""

import fcntl
import json
import os
import sys

database = open(os.environ.get("DATABASE", "/tmp/database"), "w")
try:
    fcntl.flock(database, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit("the database is locked")

for line in sys.stdin:
    asked = json.loads(line)
    method = asked.get("method")
    if "id" not in asked:
        continue
    answer = {"jsonrpc": "2.0", "id": asked["id"]}
    if method == "initialize":
        answer["result"] = {
            "protocolVersion": asked["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "only-one", "version": "1"},
        }
    elif method == "ping":
        answer["result"] = {}
    else:
        answer["error"] = {"code": -32601, "message": "unknown"}
    print(json.dumps(answer), flush=True)
