"""A server under test: started, stopped, killed, and what it left behind."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import asyncssh

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("AUDITSSH", ROOT / "target" / "debug" / "auditssh"))

CONFIG = """\
audit:
  format: audit
  storage: file
  sync: {sync}
  syncInterval: 1s
  sealInterval: {seal}
  intercept: {{stdin: true, stdout: true, stderr: true, passwords: true}}
  file: {{directory: {audit}}}
ssh:
  listen: 127.0.0.1:{port}
  hostkeys: [{host_key}]
users:
  load:
    authorizedKeys: ["{key}"]
backend: local
local: {{user: self, shell: /bin/sh, allowRoot: true}}
limits:
  unauthenticated: 1000
  unauthenticatedPerSource: 1000
"""


class Server:
    """One directory, one port, any number of lives."""

    def __init__(self, home, audit=None, sync="interval", seal="60s"):
        self.home = Path(home)
        self.audit = Path(audit or self.home / "audit")
        self.audit.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        host_key = self.home / "host_key"
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(host_key))
        host_key.chmod(0o600)
        self.port = free_port()
        self.config = self.home / "config.yaml"
        self.config.write_text(
            CONFIG.format(
                sync=sync,
                seal=seal,
                audit=self.audit,
                port=self.port,
                host_key=host_key,
                key=self.client_key.export_public_key().decode().strip(),
            )
        )
        self.log = open(self.home / "server.log", "ab")
        self.process = None

    def start(self, wait=True, wrapper=()):
        """Starts the server, by way of `wrapper`; returns the seconds until it listens."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [*wrapper, BINARY, "serve", "--config", self.config],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        if wait:
            self.wait(began + 60)
        return time.monotonic() - began

    def wait(self, until):
        """Waits for the port; fails when the server ended instead."""
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"server ended with {self.process.returncode}: {self.tail()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError(f"server does not listen: {self.tail()}")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def tail(self):
        return (self.home / "server.log").read_text(errors="replace")[-3000:]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def auditssh(*arguments, ok=(0,)):
    """Runs a command of the program; returns its standard output."""
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, check=False)
    if done.returncode not in ok:
        raise RuntimeError(f"auditssh {arguments}: {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def messages(log):
    """The messages of a log, of an open one too."""
    out = auditssh("decode", log, ok=(0, 2))
    return [json.loads(line) for line in out.splitlines()]
