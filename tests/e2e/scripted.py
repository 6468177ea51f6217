"""An Ollama that answers word for word what a test tells it: for answers that the simulator, which
behaves like a real one, would not give."""

import http.server
import json
import threading


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _send(self, body, kind="application/json"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self._send(b"")

    def do_GET(self):
        model = self.server.model
        if self.path == "/api/version":
            self._send(b'{"version":"0.32.15"}')
        elif self.path == "/api/tags":
            self._send(json.dumps({"models": [{"name": model, "model": model}]}).encode())
        elif self.path == "/api/ps":
            self._send(b'{"models":[]}')
        else:
            self.send_error(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.bodies.append((self.path, body))
        lines = self.server.lines
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = line if isinstance(line, bytes) else line.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data) + 1, data + b"\n"))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class ScriptedOllama:
    """Serves one model; every inference request gets the given lines, and its body is kept."""

    def __init__(self, lines, model="gemma3:1b"):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.lines, self.server.model, self.server.bodies = lines, model, []
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def bodies(self):
        """(path, body) of each inference request."""
        return self.server.bodies

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
