"""Telegram's and Twilio's HTTP APIs on loopback, as far as apprise uses them, answering as a test says.

Telegram: POST /bot<token>/sendMessage, JSON body (https://core.telegram.org/bots/api#sendmessage).
Twilio: POST /2010-04-01/Accounts/<sid>/Messages.json, form body, Basic auth
(https://www.twilio.com/docs/messaging/api/message-resource).
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import attrs

TOKEN = "123456789:canary_AAbbCCddEEffGGhhIIjjKKllMMnnOO"
CHAT = "987654321"
SID = "AC0123456789abcdef0123456789abcdef"
SECRET = "fedcba9876543210fedcba9876543210"
BASIC = f"Basic {base64.b64encode(f'{SID}:{SECRET}'.encode()).decode()}"


@attrs.frozen
class Answer:
    """What a service says to one request."""

    status: int
    body: dict[str, Any]
    wait_s: float = 0.0


TELEGRAM_OK = Answer(200, {"ok": True, "result": {"message_id": 1}})
TELEGRAM_UNAUTHORIZED = Answer(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
TELEGRAM_NO_CHAT = Answer(400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"})
TELEGRAM_TOO_MANY = Answer(
    429,
    {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 7",
        "parameters": {"retry_after": 7},
    },
)
BAD_GATEWAY = Answer(502, {})
TWILIO_OK = Answer(201, {"sid": "SM0123", "status": "queued"})
TWILIO_UNAUTHORIZED = Answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
TWILIO_TOO_MANY = Answer(429, {"code": 20429, "message": "Too Many Requests", "status": 429})
TWILIO_BAD_NUMBER = Answer(400, {"code": 21211, "message": "The 'To' number is not valid", "status": 400})


@attrs.define
class Services:
    """Both services behind one port; each answers by its list, the last for ever."""

    port: int = 0
    telegram: list[Answer] = attrs.field(factory=lambda: [TELEGRAM_OK])
    twilio: list[Answer] = attrs.field(factory=lambda: [TWILIO_OK])
    messages: list[dict[str, Any]] = attrs.field(factory=list)
    """What Telegram took: the JSON of each."""
    sms: list[dict[str, str]] = attrs.field(factory=list)
    """What Twilio took: the form of each."""
    requests: list[str] = attrs.field(factory=list)
    """Every path, taken or not."""
    lock: Any = attrs.field(factory=threading.Lock)

    def answer(self, path: str, headers: Any, body: bytes) -> Answer:
        """Answer one request as the service would."""
        with self.lock:
            self.requests.append(path)
            if path == f"/bot{TOKEN}/sendMessage":
                answer = _next(self.telegram)
                if answer.status == 200:
                    self.messages.append(json.loads(body))
                return answer
            if path == f"/2010-04-01/Accounts/{SID}/Messages.json":
                if (
                    headers["Authorization"]
                    != f"Basic {base64.b64encode(f'{SID}:{SECRET}'.encode()).decode()}"
                ):
                    return TWILIO_UNAUTHORIZED
                answer = _next(self.twilio)
                if answer.status == 201:
                    self.sms.append({name: values[0] for name, values in parse_qs(body.decode()).items()})
                return answer
            return Answer(404, {"ok": False, "error_code": 404, "description": "Not Found"})


def _next(answers: list[Answer]) -> Answer:
    return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def running_services() -> Iterator[Services]:
    """Serve both on a port of loopback, in threads."""
    services = Services()
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            answer = services.answer(self.path, self.headers, body)
            over.wait(answer.wait_s)
            said = json.dumps(answer.body).encode()
            try:
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(said)
            except OSError:  # whoever asked has gone
                return

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    services.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield services
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join(2)
