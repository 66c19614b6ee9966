"""An npm registry and a Python index on one port, with a few small packages, to provoke what can go wrong with such.

Prints its port, then serves until its standard input ends. Packages are real: npm and uv install them as any other.
`--listen ADDRESS PORT` is for others than this machine; `--auth USER:PASSWORD` asks for these; `--tls CERT KEY` speaks TLS.
"""

import base64
import hashlib
import http.server
import io
import json
import ssl
import sys
import tarfile
import threading
import zipfile

PYTHON = '''
import json, sys

def main():
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        if asked["method"] == "initialize":
            answer = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                      "serverInfo": {"name": "test", "version": VERSION}}
        elif asked["method"] == "tools/list":
            answer = {"tools": [{"name": "v" + VERSION.replace(".", "_"), "inputSchema": {"type": "object"}}]}
        else:
            answer = {}
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer}), flush=True)
'''

NODE = '''#!/usr/bin/env node
const version = require("./package.json").version;
require("readline").createInterface({input: process.stdin}).on("line", (line) => {
  const asked = JSON.parse(line);
  if (asked.id === undefined) return;
  let result = {};
  if (asked.method === "initialize") {
    result = {protocolVersion: "2025-06-18", capabilities: {tools: {}}, serverInfo: {name: "test", version}};
  } else if (asked.method === "tools/list") {
    result = {tools: [{name: "v" + version.replaceAll(".", "_"), inputSchema: {type: "object"}}]};
  }
  console.log(JSON.stringify({jsonrpc: "2.0", id: asked.id, result}));
});
'''


def npm_package(name, version, text=NODE, **more):
    manifest = {"name": name, "version": version, "bin": {name: "server.js"}, **more}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in (("package.json", json.dumps(manifest)), ("server.js", text)):
            entry = tarfile.TarInfo("package/" + path)
            entry.size, entry.mode = len(text), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return manifest, packed.getvalue()


def wheel(name, version, tag="py3-none-any", text=PYTHON, needs=(), run="script"):
    """`run` is what of it can be run: a declared `script`, a `file` among its programs, a `module`, or `none`."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {other}\n" for other in needs)
    files = {
        f"{module}/__init__.py": f'VERSION = "{version}"\n' + text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    call = f"from {module} import main\nmain()\n"
    if run == "script":
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {module}:main\n"
    elif run == "file":
        files[f"{module}-{version}.data/scripts/{name}"] = "#!python\n" + call
    elif run == "module":
        files[f"{module}/__main__.py"] = call
    def record(path, text):
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        return f"{path},sha256={digest},{len(text)}"
    files[f"{info}/RECORD"] = "\n".join([*(record(*file) for file in files.items()), f"{info}/RECORD,,"]) + "\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{module}-{version}-{tag}.whl", packed.getvalue()


NPM = {}
for manifest, packed in (
    npm_package("mcpt-test-server", "1.0.0"),
    npm_package("mcpt-test-server", "1.1.0"),
    npm_package("mcpt-test-node", "1.0.0", engines={"node": ">=99"}),
    npm_package("mcpt-test-platform", "1.0.0", os=["aix"]),
    npm_package("mcpt-test-changed", "1.0.0"),
    npm_package("mcpt-test-script", "1.0.0", scripts={"install": "echo no compiler here >&2; exit 7"}),
    npm_package("mcpt-test-several", "1.0.0", bin={"one": "server.js", "two": "package.json"}),
    npm_package("mcpt-test-names", "1.0.0", bin={"one": "server.js", "two": "server.js"}),
    npm_package("mcpt-test-whole", "1.0.0", bin={}, dependencies={"mcpt-test-server": "1.1.0"}),
    npm_package("mcpt-test-old", "1.0.0", deprecated="use mcpt-test-server"),
    npm_package("mcpt-test-next", "2.0.0-rc.1"),
    npm_package("mcpt-test-optional", "1.0.0", optionalDependencies={"mcpt-test-none": "1.0.0"}),
):
    NPM.setdefault(manifest["name"], {})[manifest["version"]] = manifest, packed

PYPI = {
    "mcpt-test-server": [wheel("mcpt-test-server", "1.0"), wheel("mcpt-test-server", "1.1")],
    "mcpt-test-platform": [wheel("mcpt-test-platform", "1.0", "cp27-cp27m-win32")],
    "mcpt-test-python": [wheel("mcpt-test-python", "1.0")],
    "mcpt-test-changed": [wheel("mcpt-test-changed", "1.0")],
    "mcpt-test-next": [wheel("mcpt-test-next", "2.0rc1")],
    "mcpt-test-file": [wheel("mcpt-test-file", "1.0", run="file")],
    "mcpt-test-module": [wheel("mcpt-test-module", "1.0", run="module")],
    "mcpt-test-library": [wheel("mcpt-test-library", "1.0", run="none")],
    "mcpt-test-whole": [wheel("mcpt-test-whole", "1.0", run="none", needs=["mcpt-test-server==1.1"])],
}


# What is sent in place of what was published: whole archives, with one byte of a program changed.
CHANGED = {
    "npm": npm_package("mcpt-test-changed", "1.0.0", NODE.replace("test", "tesT"))[1],
    "pypi": wheel("mcpt-test-changed", "1.0", text=PYTHON.replace("test", "tesT"))[1],
}


class Index(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    auth = None

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        wanted = self.auth and "Basic " + base64.b64encode(self.auth.encode()).decode()
        if wanted and self.headers.get("Authorization") != wanted:
            return self.answer(401, b"", "text/plain", ("WWW-Authenticate", 'Basic realm="packages"'))
        parts = self.path.strip("/").split("/")
        found = self.python(parts) if parts[0] in ("simple", "wheels") else self.npm(parts)
        return self.answer(*found) if found else self.answer(404, b"{}", "application/json")

    def npm(self, parts):
        versions = NPM.get(parts[0])
        if not versions:
            return None
        if len(parts) == 2:
            packed = versions[parts[1]][1]
            return 200, CHANGED["npm"] if "changed" in parts[0] else packed, "application/octet-stream"
        base = f"{'https' if isinstance(self.connection, ssl.SSLSocket) else 'http'}://{self.headers['Host']}"
        def dist(packed):
            digest = base64.b64encode(hashlib.sha512(packed).digest()).decode()
            return {"integrity": "sha512-" + digest}
        document = {
            "name": parts[0],
            "dist-tags": {"latest": max(versions)},
            "versions": {
                version: {**manifest, "dist": {**dist(packed), "tarball": f"{base}/{parts[0]}/{version}"},
                          "hasInstallScript": "scripts" in manifest}
                for version, (manifest, packed) in versions.items()
            },
        }
        return 200, json.dumps(document).encode(), "application/json"

    def python(self, parts):
        files = PYPI.get(parts[1])
        if not files:
            return None
        if parts[0] == "wheels":
            packed = dict(files)[parts[2]]
            return 200, CHANGED["pypi"] if "changed" in parts[1] else packed, "application/octet-stream"
        needs = ' data-requires-python="&gt;=3.99"' if "python" in parts[1] else ""
        links = (
            f'<a href="/wheels/{parts[1]}/{name}#sha256={hashlib.sha256(packed).hexdigest()}"{needs}>{name}</a>'
            for name, packed in files
        )
        return 200, ("<!DOCTYPE html><html><body>" + "".join(links) + "</body></html>").encode(), "text/html"

    def answer(self, status, body, kind, *headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main(arguments):
    address, port = "127.0.0.1", 0
    if arguments[:1] == ["--listen"]:
        address, port, arguments = arguments[1], int(arguments[2]), arguments[3:]
    server = http.server.ThreadingHTTPServer((address, port), Index)
    if arguments[:1] == ["--auth"]:
        Index.auth, arguments = arguments[1], arguments[2:]
    if arguments[:1] == ["--tls"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments[1], arguments[2])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


main(sys.argv[1:])
