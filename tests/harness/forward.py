"""Both ends of forwarded connections: services that tests reach, and tunnels of OpenSSH's client."""

import os
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

from .wait import until


class Service:
    """Takes connections in threads and gives each to `serve`; a port, or a Unix socket."""

    def __init__(self, serve, path: Path | None = None, port: int = 0):
        self.serve = serve
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.socket.bind(str(path) if path else ("127.0.0.1", port))
        self.socket.listen(64)
        self.port = None if path else self.socket.getsockname()[1]
        self.taken: list = []
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.taken.append(connection)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection) -> None:
        try:
            self.serve(connection)
        except OSError:
            pass

    def close(self) -> None:
        # Else the thread goes on waiting, and may take connections of whatever gets this number next.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.accepting.join(30)
        self.socket.close()
        for connection in self.taken:
            connection.close()


@contextmanager
def service(serve, path: Path | None = None):
    """A service for a while."""
    running = Service(serve, path)
    try:
        yield running
    finally:
        running.close()


def everything(connection) -> bytes:
    """What comes until the end of file."""
    received = bytearray()
    while piece := connection.recv(65536):
        received += piece
    return bytes(received)


def upper(connection) -> None:
    """Says "ready", then, after the end of what comes, all of it in capitals."""
    connection.sendall(b"ready\n")
    connection.sendall(everything(connection).upper())
    connection.close()


def exchange(connection, data: bytes) -> bytes:
    """Sends all, ends that direction, and returns all that comes."""
    sending = threading.Thread(target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
    sending.start()
    received = everything(connection)
    sending.join(30)
    connection.close()
    return received


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 30)
    connection.settimeout(60)
    return connection


def connect_path(path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(str(path))
    return connection


def listens(port: int) -> bool:
    """Whether somebody listens to a port of the loopback interface, asked of the kernel."""
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    local = [line.split() for line in table]
    return any(f[3] == "0A" and f[1] in (f"0100007F:{port:04X}", f"00000000:{port:04X}") for f in local)


@contextmanager
def tunnel(server, *options: str, ready, environment=None):
    """OpenSSH's client that runs nothing but forwardings, once `ready` says they are there."""
    command = server.ssh("-N", "-o", "ExitOnForwardFailure=yes", *options)
    command.insert(1, "-o")
    command.insert(2, "LogLevel=INFO")
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment or dict(os.environ)
    )

    def there():
        assert process.poll() is None, process.stderr.read().decode()
        return ready()

    try:
        until(there, what="the tunnel")
        yield process
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()
