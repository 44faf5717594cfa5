"""A connection that several clients share."""

import subprocess
from contextlib import contextmanager

from .wait import until


class Master:
    """A connection that others share (ControlMaster)."""

    def __init__(self, server, *options: str):
        self.server = server
        self.socket = server.directory / "m"
        command = server.ssh(*options, "-M", "-N", "-S", str(self.socket))
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        until(self.socket.exists, what="the shared connection")

    def start(self, command: str, **options) -> subprocess.Popen:
        """Starts a command on a channel of its own."""
        return subprocess.Popen([*self.line(), command], **{"stdin": subprocess.DEVNULL, **options})

    def run(self, command: str, input: bytes = b"", timeout: float = 30):
        return subprocess.run([*self.line(), command], input=input, capture_output=True, timeout=timeout)

    def line(self) -> list[str]:
        """The command line; a client whose channel is refused would else connect by itself."""
        return self.server.ssh("-S", str(self.socket), "-o", "ProxyCommand=false")

    def end(self) -> None:
        """Ends it. OpenSSH's client misses a signal that comes just before it begins to wait."""

        def ended() -> bool:
            self.process.terminate()
            return self.process.poll() is not None

        until(ended, what="the end of the shared connection")


@contextmanager
def shared(server, *options: str):
    master = Master(server, *options)
    try:
        yield master
    finally:
        master.process.kill()
        master.process.wait()
