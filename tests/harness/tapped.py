"""A tap between a program and the ssh that it runs."""

import json
import subprocess
import sys
from pathlib import Path

from .log import STDIN, STDOUT
from .server import environment


TAP = Path(__file__).parent / "tap.py"


class Tapped:
    """Runs a program that runs ssh, with a tap between the two."""

    def __init__(self, server, folder: Path):
        self.server, self.folder = server, folder
        folder.mkdir()
        self.ssh = folder / "ssh"
        self.ssh.write_text(f'#!/bin/sh\nexec {sys.executable} {TAP} "$@"\n')
        self.ssh.chmod(0o755)
        options = [*server.ssh_options(), "-p", str(server.port)]
        self.environment = environment(
            AUDITSSH_TAP=str(folder),
            AUDITSSH_TAP_SSH=json.dumps(["ssh", *options]),
            GIT_SSH=str(self.ssh),
            GIT_SSH_VARIANT="ssh",
            GIT_CONFIG_GLOBAL="/dev/null",
        )

    def run(self, *command, input: bytes = b"", cwd: Path | None = None) -> bytes:
        """Runs it; its output."""
        done = subprocess.run(
            [*map(str, command)], input=input, capture_output=True, env=self.environment, cwd=cwd, timeout=100
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def agrees(self, calls: int = 1) -> list:
        """Compares each connection's log with the bytes that passed the tap."""
        logs = self.server.logs(calls)
        for call, log in enumerate(logs):
            assert log.io(STDIN) == (self.folder / f"{call}.in").read_bytes()
            assert log.io(STDOUT) == (self.folder / f"{call}.out").read_bytes()
        return logs


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
