"""A double of the Kubernetes API: pods that are made, watched and deleted, and `exec` in them, which
really runs programs, as processes of this machine. The variable HOSTNAME tells whose they are."""

import asyncio
import fcntl
import json
import os
import pty
import shutil
import signal
import ssl
import struct
import tempfile
import termios
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import WSMsgType, web

from .certificates import Authority
from .wait import until

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
TOKEN = "canary-service-account-token"
NAMESPACE = "guests"
STDIN, STDOUT, STDERR, STATUS, RESIZE, ENDED = 0, 1, 2, 3, 4, 255
PIECE = 32 * 1024
RUNNING = {
    "phase": "Running",
    "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
}


def failure(code: int, reason: str, message: str, **details) -> dict:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return status | {"code": code, "reason": reason, "message": message} | details


def ended(code: int) -> dict:
    """How the end of a program is told."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    causes = [{"reason": "ExitCode", "message": str(code)}]
    message = f"command terminated with non-zero exit code: {code}"
    return failure(500, "NonZeroExitCode", message, details={"causes": causes})


@dataclass
class Pod:
    """A pod: what the API says of it, and the process that keeps it."""

    object: dict
    idle: asyncio.subprocess.Process | None = None
    # The command lines of what was run in it.
    ran: list[list[str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.object["metadata"]["name"]

    @property
    def labels(self) -> dict:
        return self.object["metadata"].get("labels") or {}

    @property
    def console(self) -> dict:
        """The last container."""
        return self.object["spec"]["containers"][-1]

    def processes(self) -> list[int]:
        """All that runs in it."""
        mark = f"HOSTNAME={self.name}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def kill(self) -> None:
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Cluster:
    """An API server with one node; starts with the object."""

    def __init__(self, *, protocols=(V5, V4), tls: bool = True, client_certificates: bool = False):
        self.directory = Path(tempfile.mkdtemp(prefix="cluster-"))
        self.home = self.directory / "home"
        self.home.mkdir()
        self.protocols = protocols
        self.token = TOKEN
        self.token_file = self.directory / "token"
        self.token_file.write_text(TOKEN)
        self.authority = Authority(self.directory, "cluster")
        self.client_certificates = client_certificates
        self.context = self.tls_context() if tls else None
        self.pods: dict[str, Pod] = {}
        # All that were ever there.
        self.history: list[Pod] = []
        # What was asked: method, the path behind the pods, and the whole query.
        self.asked: list[tuple[str, str, str]] = []
        # What is refused: a method or `exec`, and the answer; each once, or for ever.
        self.refusals: list[tuple[str, dict]] = []
        self.always: dict[str, dict] = {}
        # What a new pod says of itself; by default that it is ready.
        self.new_status: dict | None = None
        # Whether requests get no answer.
        self.deaf = False
        # Whether there is no API server; connections that were being made are cut.
        self.absent = False
        self.protocols_used: list[str] = []
        self.version = 1
        self.watchers: list[asyncio.Queue] = []
        self.sockets: set[web.WebSocketResponse] = set()
        self.loop = asyncio.new_event_loop()
        self.port = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        until(lambda: self.port, what="the cluster listens")

    def tls_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("apiserver"))
        if self.client_certificates:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority.file)
        return context

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.listen())
        self.loop.run_forever()

    async def listen(self) -> None:
        application = web.Application(client_max_size=8 * 1024 * 1024)
        base = "/api/v1/namespaces/{namespace}/pods"
        application.add_routes(
            [
                web.post(base, self.answer(self.create)),
                web.get(base, self.answer(self.list)),
                web.get(base + "/{name}", self.answer(self.get)),
                web.delete(base + "/{name}", self.answer(self.delete)),
                web.get(base + "/{name}/exec", self.answer(self.exec)),
            ]
        )
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0)
        await runner.setup()
        self.runner = runner
        await self.bind(0)

    async def bind(self, port: int) -> None:
        site = web.TCPSite(self.runner, "127.0.0.1", port, ssl_context=self.context)
        await site.start()
        self.site = site
        self.port = site._server.sockets[0].getsockname()[1]

    # What tests do to it, from their own thread.

    def call(self, coroutine, timeout: float = 30):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def remove(self) -> None:
        self.call(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        shutil.rmtree(self.directory, ignore_errors=True)

    async def end(self) -> None:
        self.deaf = False
        self.cut_all()
        for pod in self.history:
            pod.kill()
        self.site._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def away(self) -> None:
        """The API server ends; pods and what runs in them stay."""
        port = self.port
        self.absent = True

        async def leave():
            await self.site.stop()
            self.cut_all()

        self.call(leave())
        assert self.port == port

    def back(self) -> None:
        self.absent = False
        self.call(self.bind(self.port))

    def cut_all(self) -> None:
        for connection in list(self.runner.server.connections):
            if connection.transport:
                connection.transport.abort()

    async def close_sockets(self) -> None:
        for socket in list(self.sockets):
            if socket._req and socket._req.transport:
                socket._req.transport.abort()

    def drop(self) -> None:
        """All connections of programs are cut; the API server goes on."""
        self.call(self.close_sockets())

    def remove_pod(self, name: str) -> None:
        """Somebody deletes a pod."""
        self.call(self.take(self.pods[name]))

    def set_status(self, name: str, status: dict) -> None:
        async def change():
            pod = self.pods[name]
            pod.object["status"] = status
            self.tell("MODIFIED", pod)

        self.call(change())

    def refuse(self, what: str, status: dict, times: int = 1) -> None:
        self.refusals += [(what, status)] * times

    def add_pod(self, name: str, labels: dict | None = None, ready: bool = True) -> Pod:
        """A pod that somebody else made."""
        metadata = {"name": name, "namespace": NAMESPACE, "labels": labels or {}}
        spec = {"containers": [{"name": "shell", "image": "img", "command": ["/bin/sh", "-c", "sleep 1000"]}]}
        return self.call(self.make({"metadata": metadata, "spec": spec}, None if ready else {}))

    @property
    def only(self) -> Pod:
        """The one pod that is there."""
        (pod,) = self.pods.values()
        return pod

    def settings(self, pod: dict | None = None, connection: dict | None = None, **changes) -> dict:
        """The settings of the backend `kubernetes` that lead here."""
        scheme = "https" if self.context else "http"
        way = {"host": f"{scheme}://127.0.0.1:{self.port}", "bearerTokenFile": str(self.token_file)}
        if self.context:
            way["cacertFile"] = str(self.authority.file)
        spec = {"containers": [{"name": "shell", "image": "img"}]}
        block = {
            "connection": way | {"qps": 1000, "burst": 1000} | (connection or {}),
            "pod": {
                "metadata": {"namespace": NAMESPACE},
                "spec": spec,
                "shellCommand": ["/bin/sh"],
            }
            | (pod or {}),
        }
        return block | changes

    # What the API server does.

    def answer(self, handler):
        async def wrapped(request: web.Request) -> web.StreamResponse:
            path = request.path.rpartition("/pods")[2].lstrip("/")
            kind = "exec" if path.endswith("/exec") else request.method
            if request.query.get("watch"):
                kind = "watch"
            self.asked.append((kind, path, request.query_string))
            if self.absent:
                request.transport.abort()
                return web.Response(status=503)
            while self.deaf:
                await asyncio.sleep(0.05)
            if not self.is_known(request):
                return self.refusal(failure(401, "Unauthorized", "Unauthorized"))
            if kind in self.always:
                return self.refusal(self.always[kind])
            for index, (what, status) in enumerate(self.refusals):
                if what == kind:
                    del self.refusals[index]
                    return self.refusal(status)
            return await handler(request)

        return wrapped

    def is_known(self, request: web.Request) -> bool:
        if self.client_certificates:
            return bool(request.transport.get_extra_info("peercert"))
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    def refusal(self, status: dict) -> web.Response:
        return web.json_response(status, status=status["code"])

    def missing(self, name: str) -> web.Response:
        return self.refusal(failure(404, "NotFound", f'pods "{name}" not found'))

    def tell(self, kind: str, pod: Pod) -> None:
        self.version += 1
        pod.object["metadata"]["resourceVersion"] = str(self.version)
        for watcher in self.watchers:
            watcher.put_nowait((pod.name, json.dumps({"type": kind, "object": pod.object}).encode()))

    async def create(self, request: web.Request) -> web.Response:
        made = await request.json()
        name = made["metadata"]["name"]
        if name in self.pods:
            return self.refusal(failure(409, "AlreadyExists", f'pods "{name}" already exists'))
        pod = await self.make(made, self.new_status)
        return web.json_response(pod.object, status=201)

    async def make(self, made: dict, status: dict | None) -> Pod:
        made["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": "2026-01-01T00:00:00Z"}
        made["status"] = {"phase": "Pending"}
        pod = Pod({"kind": "Pod", "apiVersion": "v1"} | made)
        self.pods[pod.name] = pod
        self.history.append(pod)
        self.tell("ADDED", pod)
        if status is None:
            asyncio.get_running_loop().create_task(self.become_ready(pod))
        else:
            pod.object["status"] = status
        return pod

    async def become_ready(self, pod: Pod) -> None:
        command = pod.console.get("command") or ["/bin/sh", "-c", "sleep 1000"]
        pod.idle = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, env=self.environment(pod), start_new_session=True
        )
        if pod.name not in self.pods:
            pod.kill()
            return
        container = {"name": pod.console["name"], "image": "img", "imageID": "", "ready": True, "restartCount": 0}
        container["state"] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        pod.object["status"] = RUNNING | {"containerStatuses": [container]}
        self.tell("MODIFIED", pod)
        code = await pod.idle.wait()
        if pod.name in self.pods:
            pod.kill()
            container["state"] = {"terminated": {"exitCode": code, "reason": "Error"}}
            pod.object["status"] = {"phase": "Failed", "containerStatuses": [container]}
            self.tell("MODIFIED", pod)

    async def list(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            return await self.watch(request)
        wanted = dict(part.split("=") for part in request.query.get("labelSelector", "").split(",") if part)
        items = [pod.object for pod in self.pods.values() if wanted.items() <= pod.labels.items()]
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def watch(self, request: web.Request) -> web.StreamResponse:
        name = request.query["fieldSelector"].partition("=")[2]
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        queue: asyncio.Queue = asyncio.Queue()
        self.watchers.append(queue)
        await response.prepare(request)
        try:
            pod = self.pods.get(name)
            since = int(request.query["resourceVersion"])
            if pod and int(pod.object["metadata"]["resourceVersion"]) > since:
                queue.put_nowait((name, json.dumps({"type": "MODIFIED", "object": pod.object}).encode()))
            while True:
                whose, event = await queue.get()
                if whose == name:
                    await response.write(event + b"\n")
        except ConnectionError:
            return response
        finally:
            self.watchers.remove(queue)

    async def get(self, request: web.Request) -> web.Response:
        pod = self.pods.get(request.match_info["name"])
        return web.json_response(pod.object) if pod else self.missing(request.match_info["name"])

    async def delete(self, request: web.Request) -> web.Response:
        pod = self.pods.get(request.match_info["name"])
        if not pod:
            return self.missing(request.match_info["name"])
        options = await request.json() if request.can_read_body else {}
        uid = (options.get("preconditions") or {}).get("uid")
        if uid and uid != pod.object["metadata"]["uid"]:
            return self.refusal(failure(409, "Conflict", "the UID in the precondition does not match"))
        await self.take(pod)
        return web.json_response(pod.object)

    async def take(self, pod: Pod) -> None:
        pod.object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self.tell("MODIFIED", pod)
        del self.pods[pod.name]
        pod.kill()
        self.tell("DELETED", pod)

    def environment(self, pod: Pod) -> dict[str, str]:
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home), "HOSTNAME": pod.name}
        variables = pod.console.get("env") or []
        return own | {one["name"]: one["value"].replace("$$", "$") for one in variables}

    async def exec(self, request: web.Request) -> web.StreamResponse:
        pod = self.pods.get(request.match_info["name"])
        if not pod:
            return self.missing(request.match_info["name"])
        if request.query.get("container") != pod.console["name"]:
            return self.refusal(failure(400, "BadRequest", "container not found in pod"))
        socket = web.WebSocketResponse(protocols=self.protocols, max_msg_size=1024 * 1024, autoping=True)
        await socket.prepare(request)
        self.protocols_used.append(socket.ws_protocol)
        self.sockets.add(socket)
        command = request.query.getall("command")
        pod.ran.append(command)
        try:
            run = Run(socket, command, request.query.get("tty") == "true", self.environment(pod), self.home)
            await run.carry()
        except (ConnectionError, RuntimeError):
            pass
        finally:
            self.sockets.discard(socket)
        return socket


class Run:
    """A program and its socket."""

    def __init__(self, socket, command, terminal: bool, environment: dict, home: Path):
        self.socket, self.command, self.terminal = socket, command, terminal
        self.environment, self.home = environment, home
        self.master = -1
        self.stdin: asyncio.StreamWriter | None = None

    async def carry(self) -> None:
        try:
            process, outputs = await (self.on_terminal() if self.terminal else self.on_pipes())
        except OSError as error:
            why = f'exec failed: unable to start container process: exec: "{self.command[0]}": {error.strerror}'
            await self.status(failure(500, "InternalError", why))
            return
        feeding = asyncio.create_task(self.feed())
        copying = [asyncio.create_task(self.copy(*one)) for one in outputs]
        code = await process.wait()
        if self.terminal:
            # What else has it open is not waited for.
            await asyncio.wait(copying, timeout=0.5)
        else:
            await asyncio.gather(*copying)
        await self.status(ended(code if code >= 0 else 128 - code))
        feeding.cancel()
        for task in copying:
            task.cancel()
        if self.master >= 0:
            os.close(self.master)

    async def status(self, status: dict) -> None:
        await self.socket.send_bytes(bytes([STATUS]) + json.dumps(status).encode())
        await self.socket.close()

    async def start(self, **streams) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self.command, env=self.environment, cwd=self.home, **streams
        )

    async def on_pipes(self):
        pipe = asyncio.subprocess.PIPE
        process = await self.start(stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        self.stdin = process.stdin
        return process, [(STDOUT, process.stdout), (STDERR, process.stderr)]

    async def on_terminal(self):
        self.master, slave = pty.openpty()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        try:
            process = await self.start(stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal)
        finally:
            os.close(slave)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        end = os.fdopen(os.dup(self.master), "rb", buffering=0)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), end)
        end = os.fdopen(os.dup(self.master), "wb", buffering=0)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, end)
        self.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
        return process, [(STDOUT, reader)]

    async def copy(self, channel: int, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(PIECE):
                await self.socket.send_bytes(bytes([channel]) + data)
        except OSError:
            # The end of a terminal, or nobody hears it any more: what is written is lost.
            if not self.terminal:
                while await reader.read(PIECE):
                    pass

    async def feed(self) -> None:
        try:
            async for message in self.socket:
                if message.type == WSMsgType.BINARY and message.data:
                    await self.take(message.data[0], message.data[1:])
        except (OSError, RuntimeError):
            pass
        finally:
            # What runs is not ended by that, but its input is.
            if self.stdin and not self.terminal:
                self.stdin.close()

    async def take(self, channel: int, data: bytes) -> None:
        if channel == STDIN and data:
            try:
                self.stdin.write(data)
                await self.stdin.drain()
            except OSError:
                pass
        elif channel == RESIZE and self.master >= 0:
            size = json.loads(data)
            packed = struct.pack("HHHH", size["Height"], size["Width"], 0, 0)
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, packed)
        elif channel == ENDED and data == bytes([STDIN]) and not self.terminal:
            assert self.socket.ws_protocol == V5
            self.stdin.close()
