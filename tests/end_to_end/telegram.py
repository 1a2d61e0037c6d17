"""A Telegram of our own on loopback: it takes messages and remembers them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class Telegram(ThreadingHTTPServer):
    """What was sent: when (Unix seconds), by which token, to whom, and the text."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[tuple[float, str]] = []
        self.tokens: set[str] = set()
        self.chats: set[str] = set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def about(self, *words: str) -> list[tuple[float, str]]:
        """Return the messages that hold all of these words."""
        return [(at, text) for at, text in self.messages if all(word in text for word in words)]


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        sent = json.loads(raw) if raw.startswith("{") else {k: v[0] for k, v in parse_qs(raw).items()}
        if self.path.endswith("/sendMessage"):
            self.server.tokens.add(self.path.removeprefix("/bot").partition("/")[0])
            self.server.chats.add(str(sent["chat_id"]))
            self.server.messages.append((time.time(), sent["text"]))
        body = b'{"ok":true,"result":{"message_id":1}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def fake_telegram() -> Iterator[Telegram]:
    """Yield it, listening on a free port."""
    server = Telegram()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
