"""A proxy between an S3 client and its store that lists what is asked for and does harm as told.

It knows the requests of S3 by name (`Operation.name`), keeps each of them, and asks `Proxy.fault`
what to do to it: nothing, or one of `FAULTS`. A test can hold a request (`Proxy.hold`) before it is
passed on or before it is answered, and take the whole way down (`Proxy.down`).
"""

import asyncio
import hashlib
import random
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import parse_qs, unquote, urlsplit

HEAD_BYTES = 1 << 16
PATIENCE = 120  # how long the store may take to answer, in seconds

# What may be done to a request, and to which ones it makes sense.
EVERY = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
EVERY += ("AbortMultipartUpload", "ListMultipartUploads", "HeadObject")
FAULTS = {
    "500": EVERY,
    "503": EVERY,
    "429": EVERY,
    "500 after": EVERY,  # the store has done it all the same
    "error in 200": ("CompleteMultipartUpload",),
    "reset before": EVERY,
    "reset after": EVERY,
    "cut answer": ("CreateMultipartUpload", "CompleteMultipartUpload", "ListMultipartUploads"),
    "cut body": ("PutObject", "UploadPart"),
    "flipped bit": ("PutObject", "UploadPart"),
    "hole before": EVERY,
    "hole after": EVERY,
    "slow": EVERY,
    "wrong etag": ("UploadPart",),
    "lost part": ("UploadPart",),
    "expired": EVERY,
    "denied": EVERY,
}
ERRORS = {
    "500": (500, "InternalError"),
    "500 after": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "429": (429, "TooManyRequests"),
    "error in 200": (200, "InternalError"),
    "expired": (400, "ExpiredToken"),
    "denied": (403, "AccessDenied"),
    "skewed": (403, "RequestTimeTooSkewed"),
}


@dataclass
class Operation:
    """One request, and what became of it."""

    name: str
    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    size: int
    digest: str
    fault: str | None = None
    passed: bool = False  # whether the store has got it
    status: int | None = None  # what the store answered
    answered: int | None = None  # what the client was told
    began: float = field(default_factory=time.monotonic)

    @property
    def part(self) -> int | None:
        return int(self.query["partNumber"]) if "partNumber" in self.query else None


def name_of(method: str, key: str, query: dict, headers: dict) -> str:
    """What AWS calls a request."""
    match method:
        case "PUT" if "uploadId" in query:
            return "UploadPart"
        case "POST" if "uploads" in query:
            return "CreateMultipartUpload"
        case "POST" if "uploadId" in query:
            return "CompleteMultipartUpload"
        case "DELETE" if "uploadId" in query:
            return "AbortMultipartUpload"
        case "GET" if "uploads" in query and not key:
            return "ListMultipartUploads"
        case "GET" if "uploadId" in query:
            return "ListParts"
        case "GET" if not key and not set(query) & {"location", "versioning", "acl", "policy"}:
            return "ListObjects"
        case "PUT" if key and not set(query) - {"x-id"} and "x-amz-copy-source" not in headers:
            return "PutObject"
        case "GET" if key and not set(query) - {"x-id"}:
            return "GetObject"
        case "HEAD":
            return "HeadObject" if key else "HeadBucket"
    return f"{method} {'object' if key else 'bucket'} {','.join(sorted(query))}".strip()


class Hold:
    """A request that waits until the test has done what it wants."""

    def __init__(self, loop, name: str, moment: str, nth: int):
        self.loop, self.name, self.moment, self.left = loop, name, moment, nth
        self.reached = threading.Event()
        self.released = asyncio.Event()
        self.passing = True
        self.operation: Operation | None = None

    def wait(self, timeout: float = 60) -> Operation:
        """Waits until a request is held."""
        assert self.reached.wait(timeout), f"no {self.name} came within {timeout} s"
        return self.operation

    def release(self) -> None:
        """Lets it go its way."""
        self.loop.call_soon_threadsafe(self.released.set)

    def drop(self) -> None:
        """Lets it go nowhere."""
        self.passing = False
        self.release()


class Gone(Exception):
    """The connection is over, by intent or by fault."""


class Proxy:
    """Listens on a port of its own; all of it runs in a thread."""

    def __init__(
        self,
        upstream: tuple[str, int],
        tls: ssl.SSLContext | None = None,
        hole_time: float = 600,
        host: str = "127.0.0.1",
    ):
        self.upstream, self.tls, self.hole_time, self.host = upstream, tls, hole_time, host
        self.operations: list[Operation] = []
        self.fault = lambda operation: None
        self.down: str | None = None  # "reset" or "hole"
        self.clock = 0.0  # seconds by which the store's clock is ahead of ours
        self.retry_after: int | None = None
        self.holds: list[Hold] = []
        self.writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task] = set()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(30), "the proxy listens"

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def hold(self, name: str, moment: str = "before", nth: int = 1) -> Hold:
        """Holds the nth request of a name from now on, "before" it is passed on or "after" that."""
        hold = Hold(self.loop, name, moment, nth)
        self.holds.append(hold)
        return hold

    def asked(self) -> Counter:
        """How often each operation was asked for."""
        return Counter(operation.name for operation in list(self.operations))

    def of(self, *names: str) -> list[Operation]:
        """The requests of some names."""
        return [operation for operation in list(self.operations) if operation.name in names]

    def cut(self) -> None:
        """Resets every connection there is."""
        self._call(self._cut)

    def close(self) -> None:
        """Ends it; waits for its thread."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.over.set)
            self.thread.join(30)

    def _call(self, function) -> None:
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (function(), done.set()))
        done.wait(30)

    def _cut(self) -> None:
        for writer in list(self.writers):
            abort(writer)

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self.loop = asyncio.get_running_loop()
        self.over = asyncio.Event()
        server = await asyncio.start_server(
            self._connection, self.host, 0, ssl=self.tls, limit=HEAD_BYTES, backlog=512
        )
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self.over.wait()
        server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self._cut()

    async def _connection(self, reader, writer) -> None:
        self.writers.add(writer)
        self.tasks.add(asyncio.current_task())
        store = Store(self.upstream)
        try:
            if self.down == "reset":
                raise Gone
            while await self._exchange(reader, writer, store):
                pass
        except Gone:
            abort(writer)
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            abort(writer)
        finally:
            self.writers.discard(writer)
            self.tasks.discard(asyncio.current_task())
            store.close()
            writer.close()

    async def _exchange(self, reader, writer, store) -> bool:
        """One request and its answer; whether more may follow."""
        first, headers, raw = await head(reader)
        if not first:
            return False
        method, target, _ = first.split(" ", 2)
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await content(reader, headers, False)
        operation = described(method, target, headers, body)
        self.operations.append(operation)
        operation.fault = self.down or self.fault(operation) or self._skewed(operation)
        await self._held(operation, "before")
        answer = await self._pass(operation, raw, body, store)
        await self._held(operation, "after")
        await self._answer(operation, answer, writer)
        return True

    async def _pass(self, operation, raw: bytes, body: bytes, store) -> tuple[str, dict, bytes]:
        """What the client is to be told, after what is done to the request on its way."""
        match operation.fault:
            case "reset" | "reset before":
                raise Gone
            case "hole" | "hole before":
                await asyncio.sleep(self.hole_time)
                raise Gone
            case "500" | "503" | "429" | "expired" | "denied" | "skewed":
                return self._error(operation)
            case "error in 200":
                return self._error(operation)
            case "lost part":
                return self._acknowledged(operation, body)
            case "cut body":
                await store.cut(raw, body)
                raise Gone
            case "flipped bit":
                body = flipped(body)
            case "slow":
                await asyncio.sleep(0.5)
        operation.passed = True
        answer = await store.ask(operation.method, raw, body)
        operation.status = status_of(answer)
        match operation.fault:
            case "reset after":
                raise Gone
            case "hole after":
                await asyncio.sleep(self.hole_time)
                raise Gone
            case "500 after":
                return self._error(operation)
            case "wrong etag" if operation.status == 200:
                first, headers, text = answer
                return first, {**headers, "etag": f'"{hashlib.md5(body + b"x").hexdigest()}"'}, text
        return answer

    async def _answer(self, operation, answer, writer) -> None:
        first, headers, body = answer
        if self.clock:
            headers = {**headers, "date": formatdate(time.time() + self.clock, usegmt=True)}
        lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        data = "\r\n".join(lines).encode() + body
        operation.answered = status_of(answer)
        if operation.fault == "cut answer" and body:
            writer.write(data[:-(len(body) + 1) // 2])
            await writer.drain()
            raise Gone
        writer.write(data)
        await writer.drain()

    async def _held(self, operation, moment: str) -> None:
        for hold in self.holds:
            if (hold.name, hold.moment) == (operation.name, moment) and hold.left > 0:
                hold.left -= 1
                if hold.left == 0:
                    hold.operation = operation
                    hold.reached.set()
                    await hold.released.wait()
                    if not hold.passing:
                        raise Gone

    def _skewed(self, operation) -> str | None:
        """A store whose clock is apart from the client's by more than a quarter of an hour."""
        stamp = operation.headers.get("x-amz-date")
        if not self.clock or stamp is None:
            return None
        said = time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.timezone
        return "skewed" if abs(said - time.time() - self.clock) > 900 else None

    def _error(self, operation) -> tuple[str, dict, bytes]:
        status, code = ERRORS[operation.fault]
        text = f"<Error><Code>{code}</Code><Message>made by the test</Message></Error>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
        headers = {"content-type": "application/xml", "content-length": str(len(body))}
        headers["date"] = formatdate(usegmt=True)
        if self.retry_after is not None and status in (429, 503):
            headers["retry-after"] = str(self.retry_after)
        if operation.method == "HEAD":
            body = b""
        return f"HTTP/1.1 {status} {code}", headers, body

    def _acknowledged(self, operation, body: bytes) -> tuple[str, dict, bytes]:
        """What a store says of a part that it has taken."""
        headers = {"etag": f'"{hashlib.md5(body).hexdigest()}"', "content-length": "0"}
        headers["date"] = formatdate(usegmt=True)
        for name, value in operation.headers.items():
            if re.fullmatch("x-amz-checksum-(sha256|crc64nvme|crc32c?|sha1)", name):
                headers[name] = value
        return "HTTP/1.1 200 OK", headers, b""


class Dice:
    """Faults at random, the same ones for the same seed and order of requests."""

    def __init__(self, seed: int, share: float = 0.3, kinds=None, names=EVERY, slow_kinds: float = 0.05):
        self.random, self.share, self.names = random.Random(seed), share, names
        self.kinds = list(kinds or FAULTS)
        self.weight = {kind: slow_kinds if kind.startswith("hole") else 1.0 for kind in self.kinds}
        self.lock = threading.Lock()
        self.thrown: Counter = Counter()

    def __call__(self, operation: Operation) -> str | None:
        with self.lock:
            if operation.name not in self.names or self.random.random() >= self.share:
                return None
            kinds = [kind for kind in self.kinds if operation.name in FAULTS[kind]]
            if not kinds:
                return None
            (kind,) = self.random.choices(kinds, [self.weight[kind] for kind in kinds])
            self.thrown[kind] += 1
            return kind


class Store:
    """A connection to the store behind the proxy."""

    def __init__(self, address: tuple[str, int]):
        self.address, self.reader, self.writer = address, None, None

    async def ask(self, method: str, raw: bytes, body: bytes) -> tuple[str, dict, bytes]:
        """Passes a request on; a connection that the store has closed meanwhile is made anew."""
        fresh = self.writer is None
        try:
            return await asyncio.wait_for(self._ask(method, raw, body), PATIENCE)
        except (OSError, EOFError):
            self.close()
            if fresh:
                raise
            return await asyncio.wait_for(self._ask(method, raw, body), PATIENCE)

    async def _ask(self, method, raw, body):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(*self.address, limit=HEAD_BYTES)
        self.writer.write(raw)
        self.writer.write(body)
        await self.writer.drain()
        while True:
            first, headers, _ = await head(self.reader)
            if not first:
                raise EOFError
            if " 100 " not in first:
                break
        none = method == "HEAD" or " 204 " in first or " 304 " in first
        answer = b"" if none else await content(self.reader, headers, True)
        if headers.get("connection", "").lower() == "close":
            self.close()
        kept = {k: v for k, v in headers.items() if k not in ("transfer-encoding", "connection")}
        if not none:
            kept["content-length"] = str(len(answer))
        return first, kept, answer

    async def cut(self, raw: bytes, body: bytes) -> None:
        """Passes half a body on and hangs up."""
        _, writer = await asyncio.open_connection(*self.address)
        writer.write(raw + body[: len(body) // 2])
        await writer.drain()
        abort(writer)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def head(reader) -> tuple[str, dict[str, str], bytes]:
    """The lines above a body, the names in lower case; all empty at the end of the connection."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return "", {}, b""
    first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    kept = [line for line in lines if not line.lower().startswith("expect:")]
    return first, headers, "\r\n".join([first, *kept, "", ""]).encode("latin-1")


async def content(reader, headers: dict[str, str], is_answer: bool) -> bytes:
    """A body; of an answer the plain one, of a request as it came, chunks and all."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        raw, plain = b"", b""
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            data = await reader.readexactly(size + 2) if size else await reader.readuntil(b"\r\n")
            raw, plain = raw + line + data, plain + data[:size]
            if size == 0:
                return plain if is_answer else raw
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    return await reader.read() if is_answer else b""


def described(method: str, target: str, headers: dict, body: bytes) -> Operation:
    parts = urlsplit(target)
    query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    name = name_of(method, key, query, headers)
    return Operation(name, method, bucket, key, query, headers, len(body), hashlib.sha256(body).hexdigest())


def status_of(answer) -> int:
    return int(answer[0].split(" ")[1])


def flipped(body: bytes) -> bytes:
    """One bit in the middle differs."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def abort(writer) -> None:
    """Hangs up with a reset."""
    try:
        sock = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    writer.transport.abort()
