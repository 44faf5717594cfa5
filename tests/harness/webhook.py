"""A double of ContainerSSH's authentication and configuration server: it takes the requests of its documentation and
no others, and gives the answers that a test wants."""

import base64
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# What every request has, and what only those of one path have; then what they may have.
COMMON = {"username", "remoteAddress", "connectionId", "clientVersion"}
OWN = {"/password": {"passwordBase64"}, "/pubkey": {"publicKey"}, "/authz": set(), "/config": set()}
OPTIONAL = {"metadata", "environment", "files"}


@dataclass
class Request:
    """One request that was made."""

    path: str
    body: dict

    def __getitem__(self, key: str):
        return self.body[key]

    @property
    def password(self) -> bytes:
        """The password that it asks about."""
        return base64.b64decode(self.body["passwordBase64"], validate=True)


@dataclass
class Reply:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    # Hang up without a word.
    hang_up: bool = False
    # Answer only when this is set, or the client is gone.
    after: threading.Event | None = None


def says(success: bool, **more) -> Reply:
    """An answer of the documentation."""
    return Reply(body=json.dumps({"success": success, **more}).encode())


YES, NO = says(True), says(False)


class Webhook:
    """Serves until it is closed. `answer` is called for each request and gives the reply."""

    def __init__(
        self, certificate: tuple[Path, Path] | None = None, clients: Path | None = None, *, old: bool = False
    ):
        """With a certificate it speaks TLS, 1.2 only if it is old, and asks for one of `clients`."""
        self.requests: list[Request] = []
        self.faults: list[str] = []
        self.gone = threading.Event()
        # Whether it may be told what is sensitive.
        self.trusted = False
        self.answer = lambda request: NO
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 120

            def do_POST(self):
                double._serve(self)

            def do_GET(self):
                double.faults.append(f"GET {self.path}")
                self.send_error(405)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # of TLS that fails, which some tests want

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            if old:
                context.maximum_version = ssl.TLSVersion.TLSv1_2
            if clients:
                context.load_verify_locations(clients)
                context.verify_mode = ssl.CERT_REQUIRED
            # The handshake is the handler's: one that hangs holds up nobody else.
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.scheme = "https"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        """Ends it, and fails if a request was not one of the documentation."""
        self.server.shutdown()
        self.server.server_close()
        assert not self.faults, self.faults

    def of(self, path: str) -> list[Request]:
        """The requests of one path."""
        return [request for request in self.requests if request.path == path]

    def replies(self, *replies: Reply) -> None:
        """Answers these in turn, and the last of them for ever."""
        left = list(replies)
        lock = threading.Lock()

        def answer(_):
            with lock:
                return left.pop(0) if len(left) > 1 else left[0]

        self.answer = answer

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers["Content-Length"]))
        try:
            request = Request(handler.path, json.loads(raw))
            check(request, handler.headers, self.trusted)
        except (ValueError, AssertionError) as fault:
            self.faults.append(f"{handler.path}: {fault!r}")
            handler.send_error(400)
            return
        self.requests.append(request)
        reply = self.answer(request)
        handler.close_connection = True
        if reply.after and not self._wait(handler, reply.after):
            self.gone.set()
            return
        if reply.hang_up:
            return
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        try:
            handler.wfile.write(reply.body)
        except OSError:
            pass  # whoever asked has heard enough

    def _wait(self, handler: BaseHTTPRequestHandler, event: threading.Event) -> bool:
        """Whether the event came before the client went."""
        handler.connection.settimeout(0.05)
        while not event.is_set():
            try:
                if handler.connection.recv(1) == b"":
                    return False
            except TimeoutError:
                pass
            except OSError:
                return False
        handler.connection.settimeout(handler.timeout)
        return True


def check(request: Request, headers, trusted: bool) -> None:
    """Whether a request is one of the documentation."""
    assert headers["Content-Type"] == "application/json", headers["Content-Type"]
    assert headers["Accept"] == "application/json", headers["Accept"]
    path = "/" + request.path.rsplit("/", 1)[-1]
    assert path in OWN, path
    wanted = COMMON | OWN[path]
    allowed = wanted | ({"authenticatedUsername"} | OPTIONAL if path in ("/authz", "/config") else set())
    keys = set(request.body)
    assert wanted <= keys <= allowed, keys
    for key in COMMON | OWN[path]:
        assert isinstance(request.body[key], str), key
    address, _, port = request["remoteAddress"].rpartition(":")
    assert address and 0 < int(port) < 65536, request["remoteAddress"]
    for key in OPTIONAL & keys:
        assert request.body[key], f"{key} is empty"
        for value in request.body[key].values():
            assert set(value) == {"value", "sensitive"}, value
            assert isinstance(value["value"], str) and value["sensitive"] in {False, trusted}, value
