"""What the npm registry and the Python index of this machine have, for networks that reach neither.

`serve SOCKET` answers on a Unix socket with what the registries say that npm and pip are told of here, and keeps it until its standard
input ends. `forward SOCKET ADDRESS` listens in another network, prints its port, and then a line for each connection that it carries
to that socket.
"""

import gzip
import http.server
import re
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request


def told(*command):
    said = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return said.rstrip("/") + "/" if said.startswith("http") else None


class Mirror(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept = {}

    def log_message(self, *_):
        pass

    def address_string(self):
        return "socket"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        known = self.kept.get(self.path) or self.ask()
        status, kind, body = known
        if status == 200:
            self.kept[self.path] = known
        body = body.replace(b"http://MIRROR", b"http://" + self.headers["Host"].encode())
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def ask(self):
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "file":
            scheme, _, place = rest.partition("/")
            url = f"{scheme}://{place}"
        elif kind in ("npm", "simple"):
            url = {"npm": self.npm, "simple": self.index}[kind] + rest
        else:
            return 404, "text/plain", b""
        accept = "text/html" if kind == "simple" else self.headers.get("Accept", "*/*")
        asked = urllib.request.Request(url, headers={"Accept": accept, "User-Agent": "mirror"})
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                body, type, final = answer.read(), answer.headers.get("Content-Type", ""), answer.url
                if answer.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
        except urllib.error.HTTPError as error:
            return error.code, "text/plain", b""
        except OSError as error:
            return 502, "text/plain", str(error).encode()
        if kind == "npm" and "json" in type:
            body = body.replace(self.npm.encode(), b"http://MIRROR/npm/")
        elif kind == "simple":
            def moved(link):
                there = urllib.parse.urljoin(final, link[1]).replace("://", "/", 1)
                return f'href="http://MIRROR/file/{there}"'
            body = re.sub(r'href="([^"]+)"', moved, body.decode()).encode()
        return 200, type, body


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


def serve(path):
    Mirror.npm = told("npm", "config", "get", "registry")
    Mirror.index = told(sys.executable, "-m", "pip", "config", "get", "global.index-url")
    if not Mirror.index:
        from pip._internal.models.index import PyPI
        Mirror.index = PyPI.simple_url + "/"
    with UnixServer(path, Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print("ready", flush=True)
        sys.stdin.read()


class Forward(socketserver.BaseRequestHandler):
    def handle(self):
        print("connection", flush=True)
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(self.path)
            back = threading.Thread(target=carry, args=(there, self.request), daemon=True)
            back.start()
            carry(self.request, there)
            back.join()


def carry(source, target):
    try:
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 128


def forward(path, address):
    Forward.path = path
    with TcpServer((address, 0), Forward) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()


{"serve": serve, "forward": forward}[sys.argv[1]](*sys.argv[2:])
