"""A venue that answers everything with what it was sent: keys, signatures and all."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SIGNATURE = re.compile(r"signature=([0-9a-fA-F]{64})")


class Echo(ThreadingHTTPServer):
    """Remembers the signatures that came by."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.daemon_threads = True
        self.signatures: set[str] = set()
        self.keys_seen: set[str] = set()
        self.alerts: list[str] = []
        """What people were told."""
        self.calls = 0


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        read = self.rfile.read(length).decode()
        sent = f"{self.command} {self.path}\n{self.headers}\n{read}"
        if self.path.startswith("/alert"):
            self.server.alerts.append(read)
        self.server.calls += 1
        self.server.signatures |= set(SIGNATURE.findall(sent))
        self.server.keys_seen.add(self.headers.get("X-MBX-APIKEY", ""))
        body = json.dumps({"code": -1022, "msg": f"Signature for this request is not valid: {sent}"}).encode()
        self.send_response(400 if self.server.calls % 2 else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def echo_venue() -> Iterator[Echo]:
    """Yield the venue, listening on a free port."""
    server = Echo()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
