"""HAProxy in front of servers under test."""

import shutil
import socket
import subprocess
from pathlib import Path

from .server import Server, free_port
from .wait import until

FORM = """\
global
    log stderr format raw local0 warning
    stats socket {socket} mode 600 level user
defaults
    mode tcp
    timeout connect 5s
    timeout client 100s
    timeout server 100s
    retries 2
    option redispatch
listen ssh
    bind 127.0.0.1:{port}
    balance roundrobin
{check}
{servers}
"""


class Balancer:
    """One HAProxy, which tells servers where clients are by a version of the PROXY protocol."""

    def __init__(self, directory: Path, servers: list[Server], send: str = "send-proxy-v2"):
        self.port = free_port()
        self.socket = directory / "haproxy.socket"
        names = [f"gw{number}" for number in range(len(servers))]
        health = [server.config.get("health", {}).get("listen") for server in servers]
        lines = []
        for name, server, listen in zip(names, servers, health, strict=True):
            line = f"    server {name} 127.0.0.1:{server.port} {send}"
            if listen:
                line += f" check inter 200ms fall 1 rise 1 port {listen.rpartition(':')[2]}"
            lines.append(line)
        check = "    option httpchk GET /ready" if all(health) else ""
        config = directory / "haproxy.cfg"
        filled = FORM.format(port=self.port, socket=self.socket, check=check, servers="\n".join(lines))
        config.write_text(filled)
        program = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
        self.process = subprocess.Popen([program, "-db", "-f", config])
        until(self.socket.exists, what="HAProxy listens")

    def ssh(self, server: Server, *options: str) -> list[str]:
        """The command line of OpenSSH's client to whichever server it chooses; they share a key."""
        alias = f"HostKeyAlias=[127.0.0.1]:{server.port}"
        command = server.ssh("-o", alias, *options)
        at = len(command) - 1 - command[::-1].index("-p")
        return [*command[: at + 1], str(self.port), *command[at + 2 :]]

    def state(self) -> dict[str, str]:
        """What it thinks of each server."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self.socket))
            asked.sendall(b"show stat\n")
            with asked.makefile() as answer:
                shown = answer.read()
        rows = [line.split(",") for line in shown.splitlines() if line.startswith("ssh,gw")]
        return {row[1]: row[17] for row in rows}

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)
